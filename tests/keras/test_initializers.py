"""`sdgraph.keras.initializers`: bounds, moments and names of what Keras draws, and configurations of its versions."""

import math
import random

import numpy as np
import pytest

from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, NotDefinedError, ShapeError
from sdgraph.keras import config, initializers, utils

CUT = 0.87962566103423978
"""The standard deviation of a normal distribution that is cut at two."""

SCALED = {
    "glorot_uniform": ("uniform", lambda i, o: 2 / (i + o)),
    "glorot_normal": ("cut", lambda i, o: 2 / (i + o)),
    "he_uniform": ("uniform", lambda i, o: 2 / i),
    "he_normal": ("cut", lambda i, o: 2 / i),
    "lecun_uniform": ("uniform", lambda i, o: 1 / i),
    "lecun_normal": ("cut", lambda i, o: 1 / i),
    "variance_scaling": ("cut", lambda i, o: 1 / i),
}
SHAPES = {(300, 200): (300, 200), (3, 4, 50, 60): (600, 720), (7, 90, 80): (630, 560), (40000,): (40000, 40000)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SCALED)
def test_variances_and_bounds_of_fans(name, shape):
    kind, variance = SCALED[name]
    expected = variance(*SHAPES[shape])
    drawn = initializers.get(name)(shape, "float64", np.random.default_rng(3))
    assert drawn.shape == shape
    assert drawn.var() == pytest.approx(expected, rel=0.03)
    assert abs(drawn.mean()) < 5 * math.sqrt(expected / drawn.size)
    bound = math.sqrt(3 * expected) if kind == "uniform" else 2 * math.sqrt(expected) / CUT
    assert 0.99 * bound < abs(drawn).max() <= bound


def test_plain_draws():
    rng = np.random.default_rng(1)
    normal = initializers.RandomNormal(1.0, 0.5)((100, 400), "float64", rng)
    assert normal.mean() == pytest.approx(1.0, abs=0.01)
    assert normal.std() == pytest.approx(0.5, rel=0.02)
    assert abs(normal - 1).max() > 1.1
    cut = initializers.TruncatedNormal(1.0, 0.5)((100, 400), "float64", rng)
    assert cut.std() == pytest.approx(0.5 * CUT, rel=0.02)
    assert abs(cut - 1).max() <= 1.0
    uniform = initializers.RandomUniform(-1.0, 3.0)((100, 400), "float32", rng)
    assert uniform.dtype == np.float32
    assert uniform.mean() == pytest.approx(1.0, abs=0.05)
    assert -1 <= uniform.min() < -0.99
    assert 2.99 < uniform.max() <= 3
    uncut = initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")((100, 400), "float64", rng)
    assert uncut.var() == pytest.approx(2 / 400, rel=0.02)
    assert abs(uncut).max() > 2.5 * math.sqrt(2 / 400)


def test_fans_by_axes():
    init = initializers.GlorotUniform(seed=1, input_axes=[0], output_axes=[1, 2])
    bound = math.sqrt(6 / (40 + 50 * 60))
    assert 0.99 * bound < abs(init((40, 50, 60))).max() <= bound
    one = initializers.GlorotUniform(seed=1, input_axes=[0])
    assert abs(one((40, 50, 60))).max() <= math.sqrt(6 / (40 * 50 + 40 * 60))
    with pytest.raises(ShapeError, match="lacks an axis"):
        init((3,))


def test_values_without_draws():
    np.testing.assert_array_equal(initializers.Zeros()((2, 1)), np.zeros((2, 1), "float32"))
    np.testing.assert_array_equal(initializers.Ones()((), "int8"), np.ones((), "int8"))
    np.testing.assert_array_equal(initializers.Constant([1.0, 2.0])((3, 2)), [[1, 2]] * 3)
    np.testing.assert_array_equal(initializers.Identity(2.0)((2, 3)), 2 * np.eye(2, 3))
    with pytest.raises(ShapeError):
        initializers.Identity()((2, 2, 2))
    with pytest.raises(ShapeError):
        initializers.Constant([1.0, 2.0])((3,))
    with pytest.raises(DTypeError):
        initializers.Constant(0.5)((3,), "int32")


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 4), (3, 0), (1, 1)])
def test_orthogonal(shape):
    q = initializers.Orthogonal(2.0, seed=0)(shape, "float64").reshape(math.prod(shape[:-1]), shape[-1]) / 2
    q = q if q.shape[0] >= q.shape[1] else q.T
    np.testing.assert_allclose(q.T @ q, np.eye(q.shape[1]), atol=1e-14)


def test_orthogonal_matrices_are_all_equally_likely():
    first = [initializers.Orthogonal()((1, 1), rng=np.random.default_rng(k)).item() for k in range(60)]
    assert 15 < first.count(1.0) < 45
    with pytest.raises(ShapeError):
        initializers.Orthogonal()((4,))


# ---------------------------------------------------------------------- seeds and dtypes


def test_a_seed_of_its_own_wins():
    rng = np.random.default_rng
    own, free = initializers.HeNormal(seed=7), initializers.HeNormal()
    np.testing.assert_array_equal(own((3, 4), rng=rng(1)), own((3, 4), rng=rng(2)))
    np.testing.assert_array_equal(free((3, 4), rng=rng(1)), free((3, 4), rng=rng(1)))
    assert (free((3, 4), rng=rng(1)) != free((3, 4), rng=rng(2))).all()
    assert (free((3, 4)) != free((3, 4))).all()


def test_set_random_seed():
    drawn = []
    for _ in range(2):
        utils.set_random_seed(3)
        drawn.append((initializers.HeNormal()((2, 2)).tolist(), random.random(), np.random.random()))  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_a_generator_of_seeds_gives_others_at_each_call():
    class Seeds:
        def __init__(self):
            self.n = 0

        def next(self):
            self.n += 1
            return np.array([4, self.n], "uint32")

        def get_config(self):
            return {"seed": 4}

    init = initializers.RandomNormal(seed=Seeds())
    assert (init((3,)) != init((3,))).all()
    again = initializers.deserialize(initializers.serialize(init))
    assert again.seed == 4


def test_floatx():
    assert initializers.Ones()((1,)).dtype == np.float32
    config.set_floatx("float64")
    try:
        assert initializers.Ones()((1,)).dtype == np.float64
        assert initializers.HeNormal()((1, 2)).dtype == np.float64
    finally:
        config.set_floatx("float32")
    with pytest.raises(ArgumentError, match="float33"):
        config.set_floatx("float33")


# ---------------------------------------------------------------------- names and configurations


def test_names():
    for cls in {
        c for c in vars(initializers).values() if isinstance(c, type) and c.__module__ == initializers.__name__
    }:
        if not cls.__name__.startswith("_") and cls is not initializers.Initializer:
            assert initializers.get(cls.__name__) == cls() == initializers.get(cls)
            assert initializers.deserialize(initializers.serialize(cls())) == cls() == cls().clone()
    assert initializers.get("uniform") == initializers.RandomUniform()
    assert initializers.get("normal") == initializers.RandomNormal()
    assert initializers.get("zero") == initializers.get("zeros") == initializers.zeros()
    assert initializers.get("OrthogonalInitializer") == initializers.orthogonal()
    assert initializers.get(None) is None
    with pytest.raises(ArgumentError, match="glorot_uniform"):
        initializers.get("glorot_unifrom")
    with pytest.raises(ArgumentError, match="does not name an initializer"):
        initializers.get(3)


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ({"class_name": "GlorotUniform", "config": {"seed": None}}, initializers.GlorotUniform()),
        (
            {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform"}},
            initializers.VarianceScaling(1.0, "fan_avg", "uniform"),
        ),
        ({"class_name": "Zeros", "config": {"dtype": "float32"}}, initializers.Zeros()),
        ({"class_name": "Zeros"}, initializers.Zeros()),
        ("he_normal", initializers.HeNormal()),
        ({"class_name": "normal", "config": {"stddev": 0.1}}, initializers.RandomNormal(stddev=0.1)),
    ],
)
def test_configurations_of_all_versions(written, made):
    assert initializers.get(written) == made


@pytest.mark.parametrize(
    "written",
    [
        {"class_name": "Zeros", "config": {"scale": 1}},
        {"class_name": "Nothing", "config": {}},
        {"class_name": 3, "config": {}},
        {"class_name": "__lambda__", "config": {}},
        {"class_name": "RandomNormal", "config": {"stddev": "a"}},
        {},
    ],
)
def test_what_describes_none(written):
    with pytest.raises(ArgumentError):
        initializers.deserialize(written)


def test_settings_are_looked_at():
    for make in (
        lambda: initializers.RandomNormal(0.0, -1.0),
        lambda: initializers.RandomUniform(1.0, 0.0),
        lambda: initializers.VarianceScaling(0.0),
        lambda: initializers.VarianceScaling(mode="fan"),
        lambda: initializers.VarianceScaling(distribution="cauchy"),
        lambda: initializers.GlorotUniform(seed=1.5),
        lambda: initializers.Orthogonal(gain="a"),
    ):
        with pytest.raises(ArgumentError):
            make()
    with pytest.raises(ShapeError):
        initializers.Zeros()((None, 2))
    with pytest.raises(ArgumentTypeError):
        initializers.HeNormal()((2, 2), rng=3)
    with pytest.raises(ArgumentError, match="no room"):
        initializers.Zeros()((2**40, 2**22))


# ---------------------------------------------------------------------- one's own


class Ramp(initializers.Initializer):
    def __init__(self, top):
        self.top = top

    def __call__(self, shape, dtype=None):
        return np.linspace(0, self.top, shape[0], dtype=dtype)


def test_ones_own():
    np.testing.assert_array_equal(initializers.values(Ramp(2.0), (3,)), [0, 1, 2])
    assert Ramp(2.0) == Ramp(2.0) != Ramp(3.0)
    assert repr(Ramp(2.0)) == "Ramp(top=2.0)"
    written = initializers.serialize(Ramp(2.0))
    assert initializers.deserialize(written, {"Ramp": Ramp}) == Ramp(2.0)
    with pytest.raises(ArgumentError, match="custom_objects"):
        initializers.deserialize(written)
    np.testing.assert_array_equal(initializers.values(lambda shape: np.ones(shape), (2,), "float64"), [1, 1])
    drawn = initializers.values(lambda shape, dtype, rng: rng.normal(size=shape), (2,), rng=np.random.default_rng(1))
    np.testing.assert_array_equal(drawn, np.random.default_rng(1).normal(size=2).astype("float32"))
    np.testing.assert_array_equal(initializers.values(np.array([1, 2]), (2,)), [1, 2])


def test_ones_own_that_fails():
    with pytest.raises(ShapeError, match="another shape"):
        initializers.values(lambda shape: np.ones(3), (2,))
    with pytest.raises(ShapeError):
        initializers.values(np.array([1, 2]), (3,))
    with pytest.raises(ArgumentError, match="raised ZeroDivisionError"):
        initializers.values(lambda shape, dtype=None: 1 / 0, (2,))
    with pytest.raises(NotDefinedError):
        initializers.Initializer()((2,))
    with pytest.raises(ArgumentError, match="no initializer"):
        initializers.values(None, (2,))
    with pytest.raises(ArgumentTypeError):
        initializers.serialize(lambda shape: 0)
    with pytest.raises(ArgumentTypeError):
        initializers.serialize(initializers.get(np.ones(2)))
