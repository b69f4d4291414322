"""A Keras loss takes one file: written into it, it has all names, documentation and tests that others have."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = "sdgraph/ops/losses/keras/regression.py"
BOUNDARY = "\n\n# ---------------------------------------------------------------------- classes and functions\n"

FORMULA = r'''
    @keras_loss(
        checks={"tau": partial(between, low=0, high=1, ends=False)},
        tries=[{"tau": 0.3}],
        formula=r"$\mathrm{mean}\ \lvert \tau - [y < p] \rvert e^2$",
        picture={"labels": 0.0, "tau": 0.9},
    )
    def expectile(
        self,
        y_true: Operand,
        y_pred: Operand,
        tau: float = 0.5,
        *,
        sample_weight: Operand | None = None,
        mask: Operand | None = None,
        reduction: str | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Expectile loss: the mean of ``|tau - [y_true < y_pred]| (y_true - y_pred)^2`` over the last axis.

        Args:
            y_true: True values ``(..., n)``.
            y_pred: Predicted values, of the same shape.
            tau: Weight of predictions that are too small, between 0 and 1; others have the rest to 1.

        Returns:
            Shape ``(...)``.

        References:
            W. K. Newey and J. L. Powell, "Asymmetric least squares estimation and testing", Econometrica 55, 1987.

        Example:
            >>> from sdgraph.keras import losses
            >>> losses.expectile([[0.0, 0.0]], [[1.0, -1.0]], tau=0.25)
            array([0.5], dtype=float32)
        """
        y, p, w = per_sample(self.sd, y_true, y_pred, sample_weight, mask, dtype)
        sd = self.sd
        return w.reduce(sd.mean(sd.where(y < p, 1 - tau, tau) * sd.math.square(y - p), -1), reduction)
'''

IMPORTS = "from functools import partial\n\nfrom sdgraph.checks import between\n"

CLASS = '''

class Expectile(OpLoss, of=SDKerasRegression.expectile):
    """Squared differences that count more on one side.

    Example:
        >>> from sdgraph.keras import losses
        >>> losses.Expectile(tau=0.25)([[0.0, 0.0]], [[1.0, -1.0]])
        array(0.5, dtype=float32)
    """

    def __init__(
        self,
        tau: float = 0.5,
        reduction: str | None = MEAN,
        name: str | None = "expectile",
        dtype: DTypeLike | None = None,
    ) -> None:
        self.tau = tau
        super().__init__(reduction, name, dtype)


expectile = asymmetric_squares = function(SDKerasRegression.expectile)
'''


def with_the_loss(text, formula=FORMULA):
    """The file of a family with one loss more: the formula, the class and the function."""
    formulas, classes = text.split(BOUNDARY)
    first = "from typing import"
    return f"{formulas.replace(first, IMPORTS + first, 1)}{formula}{BOUNDARY}{classes}{CLASS}"


def test_the_page_shows_this_loss():
    """Line by line, but for what it leaves out with dots."""
    page = (ROOT / "docs" / "howto" / "add_loss.md").read_text(encoding="utf-8")
    shown = [line[1:] for line in page.splitlines() if line.startswith("+") and not line.startswith("+++")]
    written = {*FORMULA.splitlines(), *CLASS.splitlines()}
    assert len(shown) > 25
    assert not [line for line in shown if "..." not in line and line not in written]


SUITE = ["tests/keras/test_every_loss.py", "tests/ops/test_every_op.py", "tests/docs/test_loss_pages.py", FILE]


def run_the_suite(tmp_path, text, files):
    """What the tests of every loss and of every op say of it, in a copy in which one file is another."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("sdgraph", "tests/ops", "tests/keras", "tests/docs", "docs/_extensions"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    for name in ("pyproject.toml", "conftest.py", "tests/graph_state.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "xpectile", *files]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "MPLBACKEND": "agg", "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.any_engine
def test_one_file_is_enough(tmp_path):
    done = run_the_suite(tmp_path, with_the_loss((ROOT / FILE).read_text(encoding="utf-8")), SUITE)
    assert done.returncode == 0, done.stdout
    counts = [int(n) for n in re.findall(r"(\d+) (?:passed|skipped)", done.stdout)]
    assert counts and counts[0] >= 20 and sum(counts) >= 25, done.stdout


@pytest.mark.any_engine
def test_the_suite_looks_at_it(tmp_path):
    """Without a source in its docstring it does not pass."""
    told, _, rest = FORMULA.partition("        References:")
    without = told + rest.partition("1987.\n\n")[2]
    done = run_the_suite(tmp_path, with_the_loss((ROOT / FILE).read_text(encoding="utf-8"), without), SUITE[:1])
    assert "FAILED tests/keras/test_every_loss.py::test_docstring[expectile]" in done.stdout
