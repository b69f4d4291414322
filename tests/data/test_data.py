"""The shipped data set is whole, and its licence travels with it."""

from importlib.resources import files

import numpy as np
import pytest

from sdgraph.data import BreastCancer, load_breast_cancer, load_digits


@pytest.fixture(scope="module")
def data() -> BreastCancer:
    return load_breast_cancer()


def test_shapes_and_dtypes(data):
    assert data.features.shape == (569, 30)
    assert data.labels.shape == (569,)
    assert data.features.dtype == data.labels.dtype == np.float64
    assert len(set(data.feature_names)) == 30


def test_class_counts_are_the_published_ones(data):
    assert data.label_names == ("malignant", "benign")
    assert np.bincount(data.labels.astype(int)).tolist() == [212, 357]


def test_first_row_is_the_published_one(data):
    expected = [
        17.99, 10.38, 122.8, 1001, 0.1184, 0.2776, 0.3001, 0.1471, 0.2419, 0.07871,
        1.095, 0.9053, 8.589, 153.4, 0.006399, 0.04904, 0.05373, 0.01587, 0.03003, 0.006193,
        25.38, 17.33, 184.6, 2019, 0.1622, 0.6656, 0.7119, 0.2654, 0.4601, 0.1189,
    ]  # fmt: skip
    assert data.features[0].tolist() == expected
    assert data.labels[0] == 0


# From the summary table in the data set's published description.
@pytest.mark.parametrize(
    ("name", "smallest", "largest"),
    [
        ("mean radius", 6.981, 28.11),
        ("mean area", 143.5, 2501.0),
        ("standard error of perimeter", 0.757, 21.98),
        ("worst texture", 12.02, 49.54),
        ("worst smoothness", 0.071, 0.223),
    ],
)
def test_columns_have_the_published_range(data, name, smallest, largest):
    column = data.features[:, data.feature_names.index(name)]
    assert column.min() == pytest.approx(smallest, abs=5e-4)
    assert column.max() == pytest.approx(largest, abs=5e-4)


def test_each_call_returns_its_own_arrays(data):
    other = load_breast_cancer()
    other.features[:] = 0
    other.labels[:] = 0
    assert data.features[0, 0] == 17.99
    assert data.labels.sum() == 357


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("breast_cancer", ("Wolberg", "Mangasarian", "CC BY 4.0", "BSD 3-Clause", "scikit-learn developers")),
        ("digits", ("Alpaydin", "Kaynak", "CC BY 4.0", "scikit-learn", "breast_cancer_LICENSE.md")),
    ],
)
def test_attribution_and_licences_stand_beside_the_data(name, words):
    text = files("sdgraph.data").joinpath(f"{name}_LICENSE.md").read_text(encoding="utf-8")
    for word in words:
        assert word in text


# ---------------------------------------------------------------------- digits


def test_digits_are_those_that_were_published():
    data = load_digits()
    assert data.images.shape == (1797, 8, 8) and data.images.dtype == np.float64
    # "Class: No of examples in testing set" of the published description.
    assert np.bincount(data.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.images.min() == 0 and data.images.max() == 16 and (data.images % 1 == 0).all()
    first = [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    assert data.images[0, :2].ravel().tolist() == first and data.labels[0] == 0


def test_each_call_returns_its_own_digits():
    load_digits().images[:] = -1
    assert load_digits().images.min() == 0
