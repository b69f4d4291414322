import pytest

from tests.keras.layers.against_keras import array, check

pytestmark = [pytest.mark.filterwarnings("ignore")]


def test_dense():
    check("Dense", array((2, 3)), {"units": 4, "activation": "tanh"})
    check("Dense", array((2, 5, 3)), {"units": 4})
    check("Dense", array((2, 5, 3)), {"units": 4}, masks=array((2, 5), dtype="bool"))
    check("Activation", array((2, 5, 3)), {"activation": "relu"}, masks=array((2, 5), dtype="bool"))
