"""The data sets that ship with the package, read into numpy arrays.

Knows the files beside it and their layout. Knows nothing of graphs.
"""

import gzip
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdgraph.build.annotations import readable

__all__ = ["BreastCancer", "Digits", "load_breast_cancer", "load_digits"]


def __dir__() -> list[str]:
    return __all__


_MEASUREMENTS = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)


@readable
class BreastCancer(NamedTuple):
    """The Wisconsin breast cancer data: 569 biopsies, 30 measurements each, and a diagnosis.

    Attributes:
        features: Shape (569, 30), float64, one row per biopsy.
        labels: Shape (569,), float64; 0 or 1, an index into ``label_names``.
        feature_names: The name of each column of ``features``.
        label_names: What 0 and what 1 mean.
    """

    features: NDArray[np.float64]
    labels: NDArray[np.float64]
    feature_names: tuple[str, ...]
    label_names: tuple[str, str]


@readable
def load_breast_cancer() -> BreastCancer:
    """Read the Wisconsin breast cancer data set (diagnostic).

    Each biopsy has ten measurements of its cell nuclei, given as their mean over the nuclei, the standard error of that
    mean, and the mean of the three largest values ("worst").

    Returns:
        Fresh arrays, so the caller may change them.

    Source:
        UCI Machine Learning Repository, as distributed in scikit-learn; attribution and licences are in
        ``breast_cancer_LICENSE.md`` beside the data.

    Example:
        >>> from sdgraph.data import load_breast_cancer
        >>> data = load_breast_cancer()
        >>> data.features.shape
        (569, 30)
        >>> data.feature_names[0], float(data.features[0, 0])
        ('mean radius', 17.99)
        >>> [(name, int((data.labels == i).sum())) for i, name in enumerate(data.label_names)]
        [('malignant', 212), ('benign', 357)]
    """
    lines = files(__name__).joinpath("breast_cancer.csv").read_text(encoding="ascii").splitlines()
    _, _, zero, one = lines[0].split(",")
    table = np.loadtxt(lines[1:], delimiter=",", dtype=np.float64)
    names = tuple(f"{part} {what}" for part in ("mean", "standard error of", "worst") for what in _MEASUREMENTS)
    return BreastCancer(table[:, :-1].copy(), table[:, -1].copy(), names, (zero, one))


@readable
class Digits(NamedTuple):
    """1797 handwritten digits as images of 8 by 8 pixels.

    Attributes:
        images: Shape (1797, 8, 8), float64; a pixel counts the dark ones of 4 by 4 in the original, 0 to 16.
        labels: Shape (1797,), int64; the digit.
    """

    images: NDArray[np.float64]
    labels: NDArray[np.int64]


@readable
def load_digits() -> Digits:
    """Read the test set of "Optical Recognition of Handwritten Digits", written by 13 people.

    Returns:
        Fresh arrays, so the caller may change them.

    Source:
        UCI Machine Learning Repository, as distributed in scikit-learn; attribution and licences are in
        ``digits_LICENSE.md`` beside the data.

    Example:
        >>> from sdgraph.data import load_digits
        >>> data = load_digits()
        >>> data.images.shape, data.labels[:12].tolist()
        ((1797, 8, 8), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
        >>> for row in data.images[0]:
        ...     print("".join(".-+#"[int(pixel) // 5] for pixel in row))
        ..-+-...
        ..+#+#-.
        ..#..+-.
        ..+..--.
        .--..--.
        ..+..+-.
        ..+-++..
        ..-++...
    """
    text = gzip.decompress(files(__name__).joinpath("digits.csv.gz").read_bytes()).decode("ascii")
    table = np.loadtxt(text.splitlines(), delimiter=",", dtype=np.int64)
    return Digits(table[:, :-1].reshape(-1, 8, 8).astype(np.float64), table[:, -1].copy())
