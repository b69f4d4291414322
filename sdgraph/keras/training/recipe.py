"""What `Model.compile` was asked for, one entry for each output of the model. Must not know shapes or graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sdgraph.checks import finite
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.losses import as_loss
from sdgraph.keras.training import metrics as metrics_
from sdgraph.keras.training.metrics import Reported
from sdgraph.ops.losses.keras.loss import Loss
from sdgraph.wording import did_you_mean, listed

_T = TypeVar("_T")


@dataclass(frozen=True)
class Recipe:
    """Losses, their weights, and metrics, each with one entry for each output."""

    outputs: tuple[str, ...]
    losses: tuple[Loss | None, ...]
    weights: tuple[float | None, ...]
    metrics: tuple[tuple[Reported, ...], ...]
    weighted_metrics: tuple[tuple[Reported, ...], ...]

    @staticmethod
    def of(outputs: Sequence[str], loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any) -> Recipe:
        """The arguments of `compile`, checked.

        Raises:
            ArgumentError: For names that nothing has, and for more or fewer entries than outputs.
            ArgumentTypeError: For what is no loss, weight or metric.
        """
        losses = [None if one is None else as_loss(one) for one in _losses(loss, outputs)]
        return Recipe(
            tuple(outputs),
            tuple(losses),
            tuple(_weights(loss_weights, losses, outputs)),
            tuple(_metrics("metrics", metrics, outputs)),
            tuple(_metrics("weighted_metrics", weighted_metrics, outputs)),
        )

    def needs_labels(self, k: int) -> bool:
        """Whether anything is computed from the labels of an output."""
        return self.losses[k] is not None or bool(self.metrics[k]) or bool(self.weighted_metrics[k])

    def several(self) -> bool:
        """Whether there are losses for more than one output, so that each is reported."""
        return sum(loss is not None for loss in self.losses) > 1

    def columns(self) -> list[tuple[str, int, Reported, bool]]:
        """The metrics under Keras' names: name, output, metric, and whether examples are weighted."""
        found: list[tuple[str, int, Reported, bool]] = []
        seen: dict[str, int] = {}
        for weighted, of_outputs in ((False, self.metrics), (True, self.weighted_metrics)):
            for k, several in enumerate(of_outputs):
                for metric in several:
                    prefix = f"{self.outputs[k]}_" if len(self.outputs) > 1 else ""
                    name = f"{prefix}{metric.name}"
                    if weighted and name in seen:
                        name = f"{prefix}weighted_{metric.name}"
                    n = seen.setdefault(name, 0)
                    seen[name] += 1
                    found.append((f"{name}_{n}" if n else name, k, metric, weighted))
        return found


def spread(what: str, given: Any, outputs: Sequence[str], leaf: Callable[[Any], Any] | None = None) -> list[Any]:
    """One entry for each output, or for each input if they are x: by name, or in order.

    Args:
        what: What an error calls it.
        given: A mapping of names, a list, or one thing.
        outputs: The names of the outputs.
        leaf: What one thing means; without it that is allowed for one output only.

    Raises:
        ArgumentError: For other names, or another number.
    """
    noun = "input" if what == "x" else "output"
    if isinstance(given, Mapping):
        for name in given:
            if name not in outputs:
                raise ArgumentError(
                    f"There is no {noun} {name!r}.",
                    given=f"{what} with the keys {listed(given, 'and')}",
                    expected=listed(outputs, "and"),
                    fix=did_you_mean(name, outputs),
                )
        return [given.get(name) for name in outputs]
    if isinstance(given, list | tuple):
        if len(given) != len(outputs):
            raise ArgumentError(
                f"{what} has one entry for each {noun}.",
                given=f"{len(given)} entries",
                expected=f"{len(outputs)}: {listed(outputs, 'and')}",
            )
        return list(given)
    if leaf is not None:
        return [leaf(given) for _ in outputs]
    if len(outputs) == 1:
        return [given]
    raise ArgumentError(
        f"{what} has one entry for each {noun}.",
        given=shown(given),
        expected=f"a list, or a dict of {listed(outputs, 'and')}",
    )


def _losses(loss: Any, outputs: Sequence[str]) -> list[Any]:
    """A loss for each output; one alone is for all. The description of a loss is a dict, too."""
    if isinstance(loss, Mapping) and "class_name" in loss and "class_name" not in outputs:
        return [loss for _ in outputs]
    return spread("loss", loss, outputs, leaf=lambda one: one)


def _weights(given: Any, losses: Sequence[Loss | None], outputs: Sequence[str]) -> list[float | None]:
    if given is None:
        return [None for _ in outputs]
    found = spread("loss_weights", given, outputs)
    if isinstance(given, Mapping):
        for name, loss in zip(outputs, losses, strict=True):
            if loss is not None and name not in given:
                raise ArgumentError(
                    f"There is no weight for the loss of {name!r}.",
                    given=f"loss_weights={shown(dict(given))}",
                    expected=listed([n for n, one in zip(outputs, losses, strict=True) if one is not None], "and"),
                )
    return [None if w is None else float(finite("A weight in loss_weights", w)) for w in found]


def _metrics(what: str, given: Any, outputs: Sequence[str]) -> list[tuple[Reported, ...]]:
    if given is None:
        return [() for _ in outputs]
    if len(outputs) == 1:
        return [tuple(metrics_.find(one) for one in _flat(given, outputs[0], what))]
    nothing = isinstance(given, list | tuple | Mapping) and not given
    found = [None for _ in outputs] if nothing else spread(what, given, outputs)
    return [tuple(metrics_.find(one) for one in _list(entry)) for entry in found]


def _list(entry: Any) -> list[Any]:
    if entry is None:
        return []
    return list(entry) if isinstance(entry, list | tuple) else [entry]


def _flat(given: Any, output: str, what: str) -> list[Any]:
    """All metrics of the one output, however they are nested."""
    if isinstance(given, Mapping) and not _is_config(given):
        (given,) = spread(what, given, [output])
    found = [one for entry in _list(given) for one in _list(entry)]
    for one in found:
        if isinstance(one, Mapping) and not _is_config(one):
            raise ArgumentTypeError(f"{what} are metrics, names and functions.", given=shown(one))
    return found


def _is_config(given: Mapping[Any, Any]) -> bool:
    """Whether a dict describes one metric."""
    return "class_name" in given
