"""The cases that sdgraph does not run, each with its reason. What is missing here is run.

`tests/onnx_cases/test_official_cases.py` holds that nothing stands here without need, and how many cases are left.
"""

from tests.onnx_cases.collection import Case

_OPERATORS = {
    "Deformed convolution and sampling of pictures have no operations.": "DeformConv Col2Im AffineGrid GridSample"
    " NonMaxSuppression Resize RoiAlign Upsample",
    "A graph that the operator calls has no counterpart.": "FlexAttention",
    "The body that ONNX gives for it is run instead.": "LinearAttention",
    "Pieces put at places that are values have no operation.": "TensorScatter",
    "The shape of the result depends on values; sdgraph knows shapes before.": "NonZero Unique",
    "Each library draws random numbers of its own.": "Bernoulli RandomUniformLike",
    "Fourier transforms have no operations.": "DFT MelWeightMatrix STFT",
    "Bits that are read as another type have no operation.": "BitCast",
    "Texts, pictures in files, sequences and optionals are no arrays of numbers.": "ImageDecoder OptionalGetElement"
    " OptionalHasElement TfIdfVectorizer ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase"
    " SequenceInsert SequenceLength SplitToSequence",
    "The updates of a training are none of a graph's operations.": "Adagrad Adam Momentum",
    "Classical machine learning has no operations.": "ArrayFeatureExtractor Binarizer TreeEnsemble",
}
NO_OPERATION = {op: reason for reason, ops in _OPERATORS.items() for op in ops.split()}
"""Operators without a counterpart."""

_CASES = {
    "Each library draws random numbers of its own.": "test_training_dropout test_training_dropout_mask"
    " test_training_dropout_default test_training_dropout_default_mask",
    "Sums are scattered, and values put; there is no such operation for products, largest and smallest values.": (
        "test_scatter_elements_with_reduction_mul test_scatter_elements_with_reduction_max"
        " test_scatter_elements_with_reduction_min test_scatternd_multiply test_scatternd_max test_scatternd_min"
        " test_scatternd_max_with_element_indices test_scatternd_min_with_element_indices"
    ),
    "The first form of this operator, with batches.": "test_scan_sum",
}
CASES = {name: reason for reason, names in _CASES.items() for name in names.split()}
"""Single cases of operators that have a rule."""


def why(case: Case) -> str | None:
    """Why a case is not run, or None."""
    return case.unfit or next((NO_OPERATION[op] for op in sorted(case.ops) if op in NO_OPERATION), CASES.get(case.name))
