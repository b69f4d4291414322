"""Plots are drawn without a screen, and closed after each test."""

import sys
from importlib.util import find_spec

import pytest

if find_spec("matplotlib"):
    import matplotlib as mpl

    mpl.use("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if plots := sys.modules.get("matplotlib.pyplot"):
        plots.close("all")
