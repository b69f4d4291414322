"""What the docstrings of all Keras losses say alike, said once: weights, mask, reduction, dtype.

A loss's own docstring tells what is its own. The one that `help` shows is made of both, for the op, for the function
and for the class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sdgraph.build import docstrings

_WEIGHTS = {
    "sample_weight": "None, a scalar, one weight per sample, or what broadcasts to the per-sample losses.",
    "mask": "The same, True where a loss counts.",
}
_REDUCTION = (
    '"sum_over_batch_size" or "mean" (over the number of losses), "sum", "mean_with_sample_weight" (over\n'
    'the sum of the weights), "none" or None.'
)
_DTYPE = (
    "To compute in, and of the result. By default that of ``y_pred``; if that holds integers the graph's, or a\n"
    "wider one of ``y_true``. ``y_true`` is cast to it; half precision is computed in single."
)
OF_FUNCTIONS: dict[str, str] = {**_WEIGHTS, "reduction": _REDUCTION, "dtype": _DTYPE, "name": "Of the result."}
"""Arguments that all losses take when they are called as functions."""

OF_CLASSES: dict[str, str] = {"reduction": _REDUCTION, "name": "Of the loss's variables.", "dtype": _DTYPE}
"""Arguments that all classes take."""

_RETURNS = "A reduction makes a scalar of it."
_RAISES = {
    "ShapeError": "If labels, predictions, weights and mask do not go together; names their shapes.",
    "DTypeError": "For complex numbers.",
    "ArgumentError": "If there is no such reduction, or a setting is not in its range.",
}


def sections(doc: str) -> dict[str, str]:
    """The sections of a docstring by their heads, each without its indentation; what comes first is ``""``."""
    found = docstrings.sections(docstrings.cleaned(doc))
    return {head: text.removeprefix("    ").replace("\n    ", "\n") if head else text for head, text in found.items()}


def entries(section: str) -> dict[str, str]:
    """The entries ``name: text`` of a section."""
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if line.startswith("    "):
            found[name] += f"\n{line[4:]}"
        else:
            name, _, text = line.partition(": ")
            found[name] = text
    return found


def _listed(told: Mapping[str, str]) -> str:
    return "\n".join(_hanging(f"{name}: ", text, "    ") for name, text in told.items())


def _hanging(start: str, text: str, indent: str) -> str:
    return start + text.replace("\n", f"\n{indent}")


def _put_together(parts: Iterable[tuple[str, str]]) -> str:
    """A docstring of sections; those without a text are left out."""
    out = []
    for head, text in parts:
        if text:
            out.append(f"{head}:\n" + re.sub(r"^(?=.)", "    ", text, flags=re.MULTILINE) if head else text)
    return "\n\n".join(out)


def of_op(doc: str) -> str:
    """The docstring of an op and of its function."""
    own = sections(doc)
    return _put_together(
        [
            ("", own[""]),
            ("Args", _listed(entries(own.get("Args", "")) | OF_FUNCTIONS)),
            ("Returns", f"{own.get('Returns', '')} {_RETURNS}".strip()),
            ("Raises", _listed(entries(own.get("Raises", "")) | _RAISES)),
            *((head, own.get(head, "")) for head in ("References", "Example")),
        ]
    )


def of_class(doc: str, op_doc: str, options: Iterable[str]) -> str:
    """The docstring of a class: its own first words and example, and of its op what both have in common.

    Args:
        doc: The class's own docstring.
        op_doc: That of its op, as `of_op` makes it.
        options: The settings of the loss.
    """
    own, op = sections(doc), sections(op_doc)
    told = entries(op["Args"])
    operands = {k: told[k] for k in ("y_true", "y_pred", *_WEIGHTS) if k in told}
    call = "\n".join(_hanging(f"- ``{k}``: ", text, "  ") for k, text in operands.items())
    return _put_together(
        [
            ("", own[""]),
            ("", op[""]),
            ("", f"A loss is called as ``loss(y_true, y_pred, sample_weight=None, mask=None)``:\n\n{call}"),
            ("", f"Without a reduction: {op['Returns']}"),
            ("Args", _listed({k: told[k] for k in options if k in told} | OF_CLASSES)),
            *((head, op.get(head, "")) for head in ("Raises", "References")),
            ("Example", own.get("Example", "")),
        ]
    )


__all__ = ["OF_CLASSES", "OF_FUNCTIONS", "entries", "of_class", "of_op", "sections"]
