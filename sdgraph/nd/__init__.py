"""The ops of a graph on arrays, without a graph in sight: ``nd.loss.huber_loss(label, predictions)``.

Namespaces, names, arguments and documentation are those of `SameDiff`; a call returns a numpy array. Ops of the base
namespace are functions of this module: ``nd.sum(x)``.

Example:
    >>> import sdgraph.nd as nd
    >>> nd.math.log1p([0.0, 1e-20])
    array([0.e+00, 1.e-20])
    >>> nd.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
"""

from typing import TYPE_CHECKING, Any

from sdgraph.build.spelling.lacking import of_namespace as _of_namespace
from sdgraph.build.variable import SDVariable as _SDVariable
from sdgraph.nd.namespaces import base as _base
from sdgraph.nd.namespaces import bitwise, cnn, image, keras, linalg, loss, math, nn, random, rnn

__all__ = ["bitwise", "cnn", "image", "keras", "linalg", "loss", "math", "nn", "random", "rnn"]

# Written out for those who read without running: editors and type checkers.
add_along_axis = _base.add_along_axis
all = _base.all
any = _base.any
argmax = _base.argmax
argmin = _base.argmin
argsort = _base.argsort
assign = _base.assign
axis_size = _base.axis_size
broadcast_like = _base.broadcast_like
broadcast_to = _base.broadcast_to
cast = _base.cast
cast_to = _base.cast_to
checked_ctc_labels = _base.checked_ctc_labels
checked_labels = _base.checked_labels
checked_lengths = _base.checked_lengths
checked_whole = _base.checked_whole
concat = _base.concat
cumprod = _base.cumprod
cumsum = _base.cumsum
dot = _base.dot
dynamic_partition = _base.dynamic_partition
dynamic_stitch = _base.dynamic_stitch
einsum = _base.einsum
eq = _base.eq
expand_dims = _base.expand_dims
fill = _base.fill
flatten = _base.flatten
full_like = _base.full_like
gather = _base.gather
gather_nd = _base.gather_nd
gt = _base.gt
gte = _base.gte
identity = _base.identity
index = _base.index
index_scatter = _base.index_scatter
invert_permutation = _base.invert_permutation
is_numeric_tensor = _base.is_numeric_tensor
largest = _base.largest
last_occurrence = _base.last_occurrence
linear_recurrence = _base.linear_recurrence
linspace = _base.linspace
lt = _base.lt
lte = _base.lte
mask_gradient = _base.mask_gradient
match_condition = _base.match_condition
match_condition_count = _base.match_condition_count
max = _base.max
mean = _base.mean
min = _base.min
mmul = _base.mmul
moved_in_segments = _base.moved_in_segments
neq = _base.neq
norm1 = _base.norm1
norm2 = _base.norm2
normmax = _base.normmax
one_hot = _base.one_hot
ones_like = _base.ones_like
permute = _base.permute
prod = _base.prod
range = _base.range
rank = _base.rank
recurrence_in_segments = _base.recurrence_in_segments
repeat = _base.repeat
replace_where = _base.replace_where
reshape = _base.reshape
reshape_like = _base.reshape_like
reverse = _base.reverse
reverse_sequence = _base.reverse_sequence
rows_by_part = _base.rows_by_part
scatter_add = _base.scatter_add
scatter_div = _base.scatter_div
scatter_max = _base.scatter_max
scatter_min = _base.scatter_min
scatter_mul = _base.scatter_mul
scatter_nd_add = _base.scatter_nd_add
scatter_nd_sub = _base.scatter_nd_sub
scatter_nd_update = _base.scatter_nd_update
scatter_slices = _base.scatter_slices
scatter_sub = _base.scatter_sub
scatter_update = _base.scatter_update
segment_max = _base.segment_max
segment_mean = _base.segment_mean
segment_min = _base.segment_min
segment_prod = _base.segment_prod
segment_sum = _base.segment_sum
sequence_mask = _base.sequence_mask
shape = _base.shape
shifted = _base.shifted
size = _base.size
slice = _base.slice
sort = _base.sort
sparse_to_dense = _base.sparse_to_dense
split = _base.split
split_v = _base.split_v
squared_norm = _base.squared_norm
squeeze = _base.squeeze
stack = _base.stack
standard_deviation = _base.standard_deviation
stop_gradient = _base.stop_gradient
strided_slice = _base.strided_slice
sum = _base.sum
take_along_axis = _base.take_along_axis
tensor_mmul = _base.tensor_mmul
tensordot = _base.tensordot
tile = _base.tile
transpose = _base.transpose
unconcat = _base.unconcat
unrepeat = _base.unrepeat
unsorted_segment_max = _base.unsorted_segment_max
unsorted_segment_mean = _base.unsorted_segment_mean
unsorted_segment_min = _base.unsorted_segment_min
unsorted_segment_prod = _base.unsorted_segment_prod
unsorted_segment_sqrt_n = _base.unsorted_segment_sqrt_n
unsorted_segment_sum = _base.unsorted_segment_sum
unstack = _base.unstack
untile = _base.untile
variance = _base.variance
where = _base.where
zeros_like = _base.zeros_like

_functions = [name for name, value in dict(globals()).items() if hasattr(value, "op")]


def __dir__() -> list[str]:
    return [*__all__, *_functions]


if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        """Tell where an operation is, or how it is spelt, that is not there."""
        raise _of_namespace(_base, _SDVariable, name)
