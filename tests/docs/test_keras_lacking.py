"""The table of Keras' layers that are not there: each with its reason, and none that is there."""

import importlib
import re
from pathlib import Path

import pytest

from sdgraph.errors import UnknownAttributeError
from sdgraph.keras import layers
from sdgraph.keras.layers.lacking import LACKING

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_has_every_layer_once(monkeypatch):
    pytest.importorskip("docutils")
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    shown = re.findall(r"`(\w+)`", "\n".join(importlib.import_module("keras_lacking").table()))
    assert sorted(shown) == sorted(LACKING)


@pytest.mark.parametrize("name", sorted(LACKING))
def test_what_is_said_to_be_lacking_is(name):
    assert name not in layers.__all__
    with pytest.raises(UnknownAttributeError, match=name):
        getattr(layers, name)
