"""Plans: what to run, in which order, and when to forget it, as steps over slots.

A plan is immutable and holds no value that changes, so any number of threads may run it. Must not know any engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self

from sdgraph.build.annotations import readable
from sdgraph.build.graph import Node
from sdgraph.build.kinds import ABSENT
from sdgraph.build.op import Op
from sdgraph.errors import ArgumentTypeError
from sdgraph.infer.aval import Aval, shape_str
from sdgraph.wording import byte_size

if TYPE_CHECKING:
    import numpy as np

NO_SLOT = ABSENT


class Step(NamedTuple):
    """One primitive: read ``inputs``, write ``out``, then drop ``frees``. ``reuse`` is a dying slot to write into."""

    op: Op
    attrs: Mapping[str, Any]
    inputs: tuple[int, ...]
    out: int
    frees: tuple[int, ...]
    reuse: int
    aval: Any
    source: Node | None


@readable
@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What an engine compiles.

    Slots hold arrays during a run. ``feeds`` and ``variables`` map slots to the ids of the graph's placeholders and
    variables, ``constants`` to arrays. ``outs`` are the slots of the fetches; those in ``copied`` alias something the
    caller or the plan owns and are copied before they are returned.
    """

    steps: tuple[Step, ...]
    n_slots: int
    feeds: tuple[tuple[int, int], ...]
    variables: tuple[tuple[int, int], ...]
    constants: tuple[tuple[int, np.ndarray[Any, Any]], ...]
    step_slot: int
    outs: tuple[int, ...]
    copied: tuple[bool, ...]
    avals: tuple[Any, ...]
    names: tuple[str, ...]
    peak_bytes: int
    """Most bytes of step results alive at once."""
    leaf_names: Mapping[int, str]
    """Names of the placeholders and variables by id, for printing."""
    leaf_avals: Mapping[int, Aval]
    """What the slots of feeds and variables hold."""
    tiny: bool = True
    """Whether numbers below the smallest normal one must be what they are. Without, an engine may take them for 0."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise ArgumentTypeError(
            "A plan cannot be pickled: its ops are functions.",
            given=f"{type(self).__name__} of {', '.join(self.names)}",
            fix="str(plan) is its text. The function that it belongs to can be pickled, and makes its plans anew.",
        )

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __str__(self) -> str:
        """The steps, one per line."""
        labels = self.labels()
        lines = [
            f"plan: {len(self.steps)} steps, {len(self.feeds)} feeds, {len(self.variables)} variables, "
            f"{len(self.constants)} constants, at most {byte_size(self.peak_bytes)} of results alive"
        ]
        width = max((len(labels[s.out]) for s in self.steps), default=0)
        for s in self.steps:
            operands = ", ".join(labels[j] if j >= 0 else "None" for j in s.inputs)
            attrs = "".join(f", {k}={v!r}" for k, v in s.attrs.items())
            line = f"  {labels[s.out]:<{width}} = {s.op.qualname}({operands}{attrs})  {_aval(s.aval)}"
            if s.reuse >= 0:
                line += f"  in place of {labels[s.reuse]}"
            if s.source is not None:
                line += f"  # {s.source.name}"
            lines.append(line)
            for inner in getattr(s.attrs.get("run"), "inner", ()):
                lines += ["    " + text for text in str(inner.plan).split("\n")]
        lines.append("  return " + ", ".join(f"{n}={labels[o]}" for n, o in zip(self.names, self.outs, strict=True)))
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows: the steps, not the fields."""
        printer.text("Plan(...)" if cycle else str(self))

    def labels(self) -> list[str]:
        """What each slot is called in print."""
        labels = [f"t{k}" for k in range(self.n_slots)]
        for slot, value in self.constants:
            labels[slot] = f"{value.item():.6g}" if value.ndim == 0 else f"constant{shape_str(value.shape)}"
        if self.step_slot >= 0:
            labels[self.step_slot] = "step"
        for slot, i in (*self.feeds, *self.variables):
            labels[slot] = self.leaf_names[i]
        return labels


def _aval(aval: Any) -> str:
    return str(aval) if type(aval) is Aval else "(" + ", ".join(map(str, aval)) + ")"
