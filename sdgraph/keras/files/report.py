"""What came of reading a model's file: the layers, what was ignored, what could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sdgraph.wording import counted, html_table, text_table

_HEADINGS: Final = ("layer", "class", "parameters")
_RIGHT: Final = ("parameters",)
_MOST_ROWS: Final = 60


class ImportedLayer(NamedTuple):
    """A layer that was read."""

    name: str
    class_name: str
    parameters: int


@dataclass(frozen=True, repr=False)
class ImportReport:
    """What was read of a file, and what was not.

    Example:
        >>> ImportReport("m.h5", "2.0.5", [ImportedLayer("h", "Dense", 20)], ["h: seed"], ["loss: unknown"])
        layer  class  parameters
        -----  -----  ----------
        h      Dense          20
        1 layer with 20 parameters, from Keras 2.0.5: m.h5
        cannot be read: loss: unknown
        ignored: h: seed
    """

    path: str
    keras_version: str
    layers: Sequence[ImportedLayer] = ()
    ignored: Sequence[str] = ()
    """Settings and parts of the file that have no effect here."""
    problems: Sequence[str] = ()
    """What could not be read."""

    @property
    def parameters(self) -> int:
        """Elements of all weights of the layers."""
        return sum(layer.parameters for layer in self.layers)

    def _rows(self) -> list[tuple[str, ...]]:
        return [(one.name, one.class_name, f"{one.parameters:,}") for one in self.layers[:_MOST_ROWS]]

    def _below(self) -> list[str]:
        return [
            f"{counted(len(self.layers), 'layer')} with {counted(self.parameters, 'parameter')}, "
            f"from Keras {self.keras_version}: {self.path}",
            *(f"cannot be read: {one}" for one in self.problems),
            *(f"ignored: {one}" for one in self.ignored),
        ]

    def __repr__(self) -> str:
        lines = text_table(_HEADINGS, self._rows(), _RIGHT)
        left = len(self.layers) - _MOST_ROWS
        lines += [f"… {left:,} more layers"] if left > 0 else []
        return "\n".join([*lines, *self._below()])

    def _repr_html_(self) -> str:
        rows = self._rows()
        return html_table(_HEADINGS, rows, _RIGHT, self._below(), len(self.layers) - len(rows))
