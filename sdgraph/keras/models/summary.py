"""`Model.summary`: the layers of a model as a table, as Keras prints it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdgraph.build.variable import SDVariable
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.notes import Call, notes_of
from sdgraph.keras.layers.trees import leaves
from sdgraph.wording import binary_size


def summary(
    model: Any,
    line_length: int | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
) -> None:
    """Print the table; see `Model.summary`."""
    connected = any(len(parents) > 1 for parents in _parents(model).values())
    headings = ["Layer (type)", "Output Shape", "Param #"]
    headings += ["Connected to"] if connected else []
    headings += ["Trainable"] if show_trainable else []
    rows = [
        (*cells, *((where,) if connected else ()), *((("Y" if layer.trainable else "N"),) if show_trainable else ()))
        for layer, cells, where in _rows(model, expand_nested)
    ]
    lines = [f'Model: "{model.name}"', *_table(headings, rows, line_length), *_totals(model)]
    for line in lines:
        (print if print_fn is None else print_fn)(line)


def _rows(model: Any, nested: bool, depth: int = 0) -> list[tuple[Layer, tuple[str, ...], str]]:
    parents, shapes = _parents(model), _shapes(model)
    found: list[tuple[Layer, tuple[str, ...], str]] = []
    for layer in model.layers:
        mark = "    " * depth + ("└ " if depth else "")
        cells = (
            f"{mark}{layer.name} ({_class_name(layer)})",
            shapes.get(layer, "?"),
            f"{layer.count_params():,}" if layer.built else "0 (unbuilt)",
        )
        found.append((layer, cells, ", ".join(parents.get(layer, [])) or "-"))
        if nested and hasattr(layer, "layers"):
            inner: Any = layer
            found += _rows(inner, nested, depth + 1)
    return found


def _class_name(layer: Layer) -> str:
    return "Functional" if type(layer).__name__ == "Model" else type(layer).__name__


def _calls(model: Any) -> dict[Layer, list[Call]]:
    found: dict[Layer, list[Call]] = {}
    for step in model.path_of_calls():
        if isinstance(step, Call):
            found.setdefault(step.layer, []).append(step)
    return found


def _shapes(model: Any) -> dict[Layer, str]:
    """The shape of what each layer gives in its first call."""
    found = {layer: _shape(calls[0].outputs) for layer, calls in _calls(model).items()}
    for layer in model.layers:
        if layer not in found and layer.fed is not None:
            found[layer] = _shown(layer.fed)
    return found


def _shape(outputs: Any) -> str:
    every = [_shown(v.shape) for v in leaves(outputs) if isinstance(v, SDVariable)]
    return every[0] if len(every) == 1 else f"[{', '.join(every)}]"


def _shown(shape: Any) -> str:
    sizes = [str(n) if isinstance(n, int) else "None" for n in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _parents(model: Any) -> dict[Layer, list[str]]:
    """Where what a layer is called on comes from."""
    if not model.connected or not model.is_made_of_calls:
        return {}
    calls, by_layer = notes_of(model.sd).calls, _calls(model)
    found: dict[Layer, list[str]] = {}
    for layer, several in by_layer.items():
        for call in several:
            for v in leaves((call.args, call.kwargs)):
                if isinstance(v, SDVariable):
                    source = calls.get(v.node)
                    name = v.name if source is None else source.layer.name
                    outputs = [] if source is None else [*leaves(source.outputs)]
                    k = next((i for i, one in enumerate(outputs) if one == v), 0)
                    which = 0 if source is None else by_layer.get(source.layer, [source]).index(source)
                    found.setdefault(layer, []).append(f"{name}[{which}][{k}]")
    return found


# ---------------------------------------------------------------------- drawing


def _table(headings: list[str], rows: list[tuple[str, ...]], line_length: int | None) -> list[str]:
    widths = [max(len(h), *(len(row[k]) for row in rows), 0) if rows else len(h) for k, h in enumerate(headings)]
    frame = 3 * len(widths) + 1
    least = [31, 22, 13, 17, 9]
    widths = [max(w, least[k]) for k, w in enumerate(widths)]
    if line_length is not None and sum(widths) + frame != line_length:
        widths[0] = max(len(headings[0]), widths[0] + line_length - sum(widths) - frame)

    def line(cells: tuple[str, ...] | list[str], bar: str) -> str:
        fitted = [c if len(c) <= w else c[: w - 1] + "…" for c, w in zip(cells, widths, strict=True)]
        aligned = [c.rjust(w) if k == 2 else c.ljust(w) for k, (c, w) in enumerate(zip(fitted, widths, strict=True))]
        return f"{bar} {f' {bar} '.join(aligned)} {bar}"

    def rule(left: str, fill: str, middle: str, right: str) -> str:
        return left + middle.join(fill * (w + 2) for w in widths) + right

    between = rule("├", "─", "┼", "┤")
    body = [part for row in rows for part in (line(row, "│"), between)][:-1]
    return [rule("┏", "━", "┳", "┓"), line(headings, "┃"), rule("┡", "━", "╇", "┩"), *body, rule("└", "─", "┴", "┘")]


def _totals(model: Any) -> list[str]:
    trained = {v.name for v in model.trainable_weights}
    arrays = [(v.name in trained, v.value.size, v.dtype.itemsize) for v in model.weights]

    def told(what: str, wanted: Callable[[bool], bool]) -> str:
        chosen = [(n, size) for yes, n, size in arrays if wanted(yes)]
        return f" {what} params: {sum(n for n, _ in chosen):,} ({binary_size(sum(n * size for n, size in chosen))})"

    return [
        told("Total", lambda yes: True),
        told("Trainable", lambda yes: yes),
        told("Non-trainable", lambda yes: not yes),
    ]
