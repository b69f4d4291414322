"""The properties that SameDiff keeps beside a node's arguments: most repeat one, a few are all that it reads.

Must not know ops of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.files.samediff import arrays
from sdgraph.files.samediff.schema import DTYPE_NAMES, Record

OF_OPS: Final = {
    "ClipByValue": "clipValueMin=t0 clipValueMax=t1",
    "absolute_difference_loss": "lossReduce=i0",
    "argmax": "dtype=d0 dimensions=i0 keepDims=b0",
    "argmin": "dtype=d0 dimensions=i0 keepDims=b0",
    "concat": "concatDimension=int:i0 isDynamicAxis=false",
    "cosine_distance_loss": "lossReduce=i0 dimension=i1",
    "cumprod": "exclusive=i0 reverse=i1",
    "cumsum": "exclusive=i0 reverse=i1",
    "elu": "alpha=t0",
    "expand_dims": "axis=null",
    "gather": "dimensions=i0",
    "hinge_loss": "lossReduce=i0",
    "huber_loss": "lossReduce=i0 delta=t0",
    "leakyrelu": "alpha=t0",
    "log_loss": "lossReduce=i0 epsilon=t0",
    "log_poisson_loss": "reductionMode=int:i0 full=false",
    "log_x": "base=t0",
    "matmul": "transposeB=bool:i1 transposeA=bool:i0 transposeResult=bool:i2",
    "mean_sqerr_loss": "lossReduce=i0",
    "ones_as": "dtype=d0",
    "onehot": "dimensions=i0 depth=i1 on=t0 off=t1",
    "permute": "reverseDims=i0",
    "qr": "fullMatrices=b0",
    "reduce_logsumexp": "dimensions=i0 keepDims=t0",
    "reshape": "shapeArr=i0",
    "reverse": "dimensions=i0",
    "sigm_cross_entropy_loss": "lossReduce=i0 labelsSmoothing=t0",
    "size_at": "dimensions=i0",
    "softmax": "dimension=i0",
    "softmax_cross_entropy_loss": "lossReduce=i0 labelsSmoothing=t0",
    "solve": "useAdjoint=b0",
    "split": "numSplit=int:i0 splitDim=int:i1",
    "squeeze": "_a=i0",
    "stack": "dimensions=i0",
    "step": "cutoff=t0",
    "strided_slice": "begin_mask=i0 ellipsis_mask=i1 end_mask=i2 new_axis_mask=i3 shrink_axis_mask=i4",
    "tile": "dimensions=i0",
    "unstack": "dimensions=i0",
}
"""For each operation the properties in their order, and the argument that each repeats: ``i0`` is the first integer.

What stands before a colon is the Java type, where it is not that of the argument: SameDiff refuses another one."""

_TERM: Final = re.compile(
    r"(?P<name>\w+)=(?:(?P<type>int|bool):)?(?:(?P<slot>[tibd])(?P<k>\d)|(?P<literal>null|false))"
)

CUSTOM: Final = 21
"""The type of operations whose number is a hash of their name; the others have a few types and small numbers."""

_REDUCING: Final = frozenset(range(5, 10)) | {16, 17}
"""Types of legacy operations that reduce along axes; only they have axes."""


def properties_of(
    op_name: str, op_type: int, slots: Mapping[str, Sequence[Any]], more: Mapping[str, Any], *, keep: bool
) -> list[Record]:
    """The properties of a node with these arguments; ``more`` come first."""
    found = [prop(name, value) for name, value in more.items()]
    for term in OF_OPS.get(op_name, "").split():
        match = _TERM.fullmatch(term)
        assert match is not None, f"{term!r} of {op_name} is no property"
        found.append(prop(match["name"], *_repeated(match, slots)))
    if op_type in _REDUCING:
        found += [prop("keepDims", keep), prop("isComplex", False), prop("isEmptyReduce", False)]
        found += [prop("dimensionVariable", None), prop("dimensionVariableName", None)]
        found.append(prop("dimensionz", np.array(slots["dimensions"], np.int32)))
    elif op_type != CUSTOM:
        found.append(prop("dimensionz", None))
    return found


def _repeated(match: re.Match[str], slots: Mapping[str, Sequence[Any]]) -> tuple[Any, str]:
    """The value of a property, and its Java type if that is not plain from the value."""
    if match["literal"]:
        return {"null": None, "false": False}[match["literal"]], ""
    value = slots[match["slot"]][int(match["k"])]
    if match["slot"] == "d":
        return DTYPE_NAMES[value], ""
    return bool(value) if match["type"] == "bool" else value, match["type"] or ""


def prop(name: str, value: Any, java: str = "") -> Record:
    """One property: a bool, an integer (a Java long, or ``int``), a float, a text, an array, or a list of such."""
    record = Record(name=name, i=[], l=[], d=[], a=[], b=[], s=[], shape=[])
    values = value if isinstance(value, list) else [] if value is None else [value]
    if isinstance(value, list):
        record["shape"] = [len(value)]
    for v in values:
        if isinstance(v, np.ndarray):
            record["a"].append(arrays.from_numpy(v))
        else:
            record[_slot(v, java)].append(v)
    return record


def _slot(value: Any, java: str) -> str:
    if isinstance(value, bool):
        return "b"
    if isinstance(value, int):
        return "i" if java == "int" else "l"
    return "d" if isinstance(value, float) else "s"
