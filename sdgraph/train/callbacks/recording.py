"""Callbacks that write down what variables do while they are trained: norms, and the way they take.

Must not know pictures: `sdgraph.viz` draws what is written down here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import whole
from sdgraph.differentiate.answers import gradients_of
from sdgraph.differentiate.which_losses import current_losses
from sdgraph.errors import ArgumentError
from sdgraph.train.callbacks.events import Callback
from sdgraph.train.run import Run
from sdgraph.wording import listed, text_table

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph

Array = np.ndarray[Any, Any]

WHAT: Final = ("weight", "gradient", "update")
"""What `Norms` measures of a variable."""


class Norms(Callback):
    """Euclidean norms of variables, of their gradients, and of what is subtracted from them, over the steps.

    An update that is a thousandth of its variable is usual; one as large as the variable, or a millionth of it, says
    that the learning rate does not fit. `sdgraph.viz.plot_norms` draws them.

    Args:
        every: After how many steps they are measured again.
        variables: Of which variables, by name; by default of all that are trained.

    Example:
        >>> from sdgraph import SameDiff
        >>> from sdgraph.train import Sgd
        >>> sd = SameDiff()
        >>> w = sd.var("w", [3.0, 4.0])
        >>> loss = sd.loss.l2_loss(w * sd.placeholder("x", (None, 2)), name="loss")
        >>> norms = Norms()
        >>> history = sd.fit(np.ones((4, 2), "float32"), updater=Sgd(0.1), batch_size=1, callbacks=[norms])
        >>> norms.steps, [round(n, 3) for n in norms["w"]["weight"]], round(norms["w"]["update"][0], 3)
        ([0, 1, 2, 3], [5.0, 4.5, 4.05, 3.645], 0.5)
    """

    sees_updates = False
    """Whether the step is to tell what it subtracts: only where that is measured."""

    def __init__(self, every: int = 1, *, variables: Sequence[str] | None = None) -> None:
        self.every = whole("every", every, least=1)
        self._variables = None if variables is None else list(variables)
        self._gradients: dict[str, str] = {}
        self.memory = {}

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps that were measured."""
        return list(self.memory.get("steps", ()))

    def __getitem__(self, name: str) -> dict[str, list[float]]:
        """Of a variable the norms under ``"weight"``, ``"gradient"`` and ``"update"``, one for each step."""
        return {what: list(numbers) for what, numbers in self.memory["norms"][name].items()}

    def names(self) -> list[str]:
        """The variables that were measured."""
        return list(self.memory.get("norms", {}))

    def requires(self, sd: OpGraph) -> Sequence[SDVariable]:
        losses = current_losses(sd)
        need = sd.reachable([v.id for v in losses])
        reached = [v for v in sd.trainable_variables() if v.id < len(need) and need[v.id] and v.dtype.kind == "f"]
        if self._variables is not None:
            reached = _picked(reached, self._variables)
        gradients = gradients_of(sd, losses, reached)
        self._gradients = {v.name: g.name for v, g in zip(reached, gradients, strict=True)}
        return gradients

    def on_train_begin(self, run: Run) -> None:
        self._trained = {v.name: v for v in run.step.trained if v.name in self._gradients}
        self.memory.setdefault("steps", [])
        norms = self.memory.setdefault("norms", {})
        for name in self._trained:
            norms.setdefault(name, {what: [] for what in WHAT})
        run.step.watchers.append(self)
        self._look(run)

    def computed(self, values: Mapping[str, Array]) -> None:
        """Measure what there is before the variables change."""
        if not self.sees_updates:
            return
        for name, v in self._trained.items():
            found = self.memory["norms"][name]
            found["weight"].append(_norm(v.value))
            found["gradient"].append(_norm(values[self._gradients[name]]))
            # A step that only gathers gradients subtracts nothing.
            found["update"].append(0.0)

    def update(self, name: str, change: Array) -> None:
        """Measure what is subtracted."""
        if self.sees_updates and name in self._trained:
            self.memory["norms"][name]["update"][-1] = _norm(change)

    def on_batch_end(self, run: Run) -> None:
        if self.sees_updates and not run.step.left_out:
            self.memory["steps"].append(run.step.step - 1)
        self._look(run)

    def _look(self, run: Run) -> None:
        self.sees_updates = run.step.step % self.every == 0

    def on_train_end(self, run: Run) -> None:
        if self in run.step.watchers:
            run.step.watchers.remove(self)
        self.sees_updates = False

    def __repr__(self) -> str:
        head = ("variable", *WHAT)
        rows = [(n, *(f"{self[n][w][-1]:.4g}" for w in WHAT)) for n in self.names() if self[n]["weight"]]
        return "\n".join(line.rstrip() for line in text_table(head, rows, frozenset(WHAT)))


def _picked(reached: Sequence[SDVariable], names: Sequence[str]) -> list[SDVariable]:
    known = {v.name: v for v in reached}
    strangers = [name for name in names if name not in known]
    if strangers:
        raise ArgumentError(f"{listed(strangers)} is not trained.", expected=f"some of {listed(known)}")
    return [known[name] for name in names]


def _norm(value: Any) -> float:
    return float(np.linalg.norm(np.asarray(value, "float64").ravel()))


class TrainingPath(Callback):
    """The values of variables over the steps, for `sdgraph.viz.loss_surface` to draw the way that training took.

    Args:
        variables: Which variables, by name; by default all that are trained.
        every: After how many steps their values are kept again; those of the beginning and of the end are, too.

    Example:
        >>> from sdgraph import SameDiff
        >>> from sdgraph.train import Sgd
        >>> sd = SameDiff()
        >>> w = sd.var("w", 4.0)
        >>> loss = sd.loss.l2_loss(w * sd.placeholder("x", (None,)), name="loss")
        >>> path = TrainingPath(every=2)
        >>> history = sd.fit(np.ones(4, "float32"), updater=Sgd(0.5), batch_size=1, callbacks=[path])
        >>> path["w"].tolist()
        [4.0, 1.0, 0.25]
    """

    def __init__(self, variables: Sequence[str] | None = None, *, every: int = 1) -> None:
        self.every = whole("every", every, least=1)
        self._variables = None if variables is None else list(variables)
        self._values: dict[str, list[Array]] = {}
        self._last = -1

    def names(self) -> list[str]:
        """The variables whose values were kept."""
        return list(self._values)

    def __len__(self) -> int:
        """How many times they were kept."""
        return len(next(iter(self._values.values()), ()))

    def __getitem__(self, name: str) -> Array:
        """The values of a variable, along the first axis."""
        return np.stack(self._values[name])

    def on_train_begin(self, run: Run) -> None:
        trained = list(run.step.trained)
        self._trained = trained if self._variables is None else _picked(trained, self._variables)
        if [v.name for v in self._trained] != self.names():
            self._values = {v.name: [] for v in self._trained}
            self._keep(run)

    def on_batch_end(self, run: Run) -> None:
        if run.step.step % self.every == 0:
            self._keep(run)

    def on_train_end(self, run: Run) -> None:
        if self._last != run.step.step:
            self._keep(run)

    def _keep(self, run: Run) -> None:
        self._last = run.step.step
        for v in self._trained:
            self._values[v.name].append(np.array(v.value))
