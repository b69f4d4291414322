"""What evaluations have come to, by variable and epoch, in SameDiff's words. Must not know how anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

import numpy as np

from sdgraph.errors import ArgumentError
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.wording import listed

_E = TypeVar("_E", bound=Evaluator)


class EvaluationRecord:
    """Evaluations by the variable that was evaluated.

    Example:
        >>> from sdgraph.train.evaluation import Evaluation
        >>> record = EvaluationRecord({"out": [Evaluation().add([0, 1], [[0.9, 0.1], [0.2, 0.8]])]})
        >>> record.evaluation(Evaluation).accuracy(), record.value("accuracy")
        (1.0, 1.0)
    """

    def __init__(self, evaluations: Mapping[str, list[Evaluator]]) -> None:
        self.evaluations = {name: list(several) for name, several in evaluations.items()}
        """All of them, by variable."""

    def __bool__(self) -> bool:
        return bool(self.evaluations)

    @property
    def variables(self) -> list[str]:
        """What was evaluated."""
        return list(self.evaluations)

    @overload
    def evaluation(self, which: type[_E]) -> _E: ...
    @overload
    def evaluation(self, which: str) -> Evaluator: ...
    @overload
    def evaluation(self, which: str, kind: type[_E]) -> _E: ...
    def evaluation(self, which: str | type[Any], kind: type[Any] | None = None) -> Any:
        """The only evaluation of a variable, of a class, or of both.

        Raises:
            ArgumentError: If there is none, or more than one.
        """
        name, kind = (which, kind) if isinstance(which, str) else (None, which)
        if name is not None and name not in self.evaluations:
            raise ArgumentError(
                f"{name!r} was not evaluated.", given=repr(name), expected=f"one of {listed(self.variables)}"
            )
        all_of = [e for n, several in self.evaluations.items() if name in (None, n) for e in several]
        found = [e for e in all_of if kind is None or type(e) is kind]
        if len(found) != 1:
            raise ArgumentError(
                "There is not exactly one such evaluation.",
                given=", ".join(str(x) for x in (name, kind and kind.__name__) if x),
                expected=f"one of {listed([type(e).__name__ for e in all_of])}" if all_of else "something evaluated",
            )
        return found[0]

    def value(self, measure: str, variable: str | None = None) -> Any:
        """A measure by its name, of the only evaluation that has it.

        Args:
            measure: A method of an evaluation, as ``"accuracy"``; with ``"average_"`` in front, its mean over columns.
            variable: Of which variable, where several were evaluated.

        Raises:
            ArgumentError: If there is no evaluation with it, or more than one.
        """
        several = [e for n, es in self.evaluations.items() if variable in (None, n) for e in es]
        found = [function for e in several if (function := _function(e, measure)) is not None]
        if len(found) != 1:
            kinds = [type(e).__name__ for e in several]
            raise ArgumentError(
                f"There is not exactly one evaluation that has {measure!r}.",
                given=f"{len(found)} of {listed(kinds, 'and')}" if kinds else "no evaluations",
                fix="Name the variable, or take .evaluation(...) of the class.",
            )
        result = found[0]()
        return result.tolist() if isinstance(result, np.ndarray) else result

    def stats(self) -> str:
        """All of them as text."""
        return "\n\n".join(
            f"{name}, {type(e).__name__}:\n{e.stats()}" for name, several in self.evaluations.items() for e in several
        )

    def __repr__(self) -> str:
        return self.stats()


def _function(e: Any, measure: str) -> Callable[[], Any] | None:
    """What gives a measure of an evaluation."""
    own = None if measure.startswith("_") else getattr(e, measure, None)
    if callable(own):
        return own
    of = measure.removeprefix("average_")
    if of == measure or not hasattr(e, "average") or _function(e, of) is None:
        return None
    return lambda: e.average(of)
