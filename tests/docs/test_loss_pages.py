"""The pages that list losses: each loss is on them because it is defined, and can be drawn as they draw it."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sdgraph.keras.losses import registry
from sdgraph.ops.losses.keras.definition import DEFINITIONS
from sdgraph.ops.losses.keras.docstrings import sections
from sdgraph.ops.losses.keras.op_loss import OpLoss

CLASSES = {name: cls for name, cls in registry.CLASSES.items() if issubclass(cls, OpLoss)}


@pytest.fixture(scope="module", autouse=True)
def _extensions():
    pytest.importorskip("docutils")
    folder = str(Path(__file__).parents[2] / "docs" / "_extensions")
    sys.path.insert(0, folder)
    yield
    sys.path.remove(folder)


@pytest.mark.parametrize("name", CLASSES)
def test_the_source_of_a_loss_is_no_list_of_letters(name):
    """What docutils makes of it begins with the author, not with item P."""
    import docstrings
    from docutils.core import publish_doctree

    source = sections(CLASSES[name].__doc__)["References"]
    assert " ".join(publish_doctree(docstrings.to_rst(source)).astext().split()) == " ".join(
        source.replace("*", "").split()
    )


@pytest.mark.parametrize("name", CLASSES)
def test_table_of_losses(name):
    import loss_tables

    (row,) = [line for line in loss_tables.losses_table() if line.startswith(f"| `{name}` |")]
    assert row.count(" | ") == 2
    assert "{math}`" in row
    assert "$" not in row


@pytest.mark.parametrize("name", CLASSES)
def test_table_of_names(name):
    import loss_tables

    own = CLASSES[name].op.name
    known = {own, *(alias for alias, full in registry.ALIASES.items() if full == own)}
    (row,) = [line for line in loss_tables.names_table() if f"`{own}`" in line]
    assert {f"`{k}`" for k in known} <= set(row.split("|")[1].strip().split(", "))


@pytest.mark.parametrize("op", DEFINITIONS, ids=str)
def test_gallery(op):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    import loss_gallery

    from sdgraph.viz import plot_loss

    assert f"### {op.name}\n" in loss_gallery.page()
    figure = pyplot.figure()
    axes = plot_loss(ax=figure.add_subplot(), **{**loss_gallery.arguments(op), "points": 5})
    curves = [line.get_ydata() for line in axes.get_lines() if len(line.get_xdata()) == 5]
    assert len(curves) >= 2
    assert all(np.isfinite(y).sum() >= 3 for y in curves)
    pyplot.close(figure)


def test_directions_and_shares_are_drawn_along_one_number():
    import loss_gallery

    along = {op.name: d.picture["along"] for op, d in DEFINITIONS.items() if "along" in d.picture}
    assert along == {"cosine_similarity": "angle", "circle": "angle", "kl_divergence": "shares"}
    assert set(along.values()) == loss_gallery.ALONG.keys()
