"""What composites were written as when a file was made, as digests: a later version may write them otherwise.

A digest covers what a body computes: its ops with their settings, shapes and dtypes, its numbers, and the bodies of the
composites in it. It does not cover names, nor how the kernel of a primitive computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from sdgraph.build.attributes import attr_key
from sdgraph.build.function import Function
from sdgraph.build.op import STREAM, Op
from sdgraph.build.tracing import Body, trace
from sdgraph.errors import SDGraphError
from sdgraph.infer.aval import Aval
from sdgraph.ops.graph import OpGraph
from sdgraph.store.plain import NotPlain, dumps, encode

_DIGITS: Final = 32


class Bodies:
    """Digests of the composites of one graph."""

    def __init__(self, sd: OpGraph) -> None:
        self._sd = sd
        self._known: dict[Any, str | None] = {}

    def digest(self, op: Op, avals: tuple[Any, ...], attrs: Mapping[str, Any]) -> str | None:
        """The digest of a composite's body for a call.

        None where the body depends on sizes that are not known, and where it would be as large as a size or a setting
        of a small file says.
        """
        if not op.is_composite or op.gradient_of is not None or op.grows:
            return None
        if op.infer is not None and not all(a is None or a.is_static for a in avals):
            return None
        attrs = {k: v for k, v in attrs.items() if k != STREAM}
        key = (op, avals, attr_key(attrs))
        if key not in self._known:
            self._known[key] = None  # A body that contains itself would have no end; it fails when it is traced.
            self._known[key] = self._of(op, avals, attrs)
        return self._known[key]

    def _of(self, op: Op, avals: tuple[Any, ...], attrs: Mapping[str, Any]) -> str | None:
        try:
            body = trace(op, self._sd, avals, attrs)
            rows = [self._row(body, i) for i, needed in enumerate(body.need) if needed]
        except (SDGraphError, NotPlain):
            return None
        return sha256(dumps([rows, list(body.params), list(body.outs)])).hexdigest()[:_DIGITS]

    def setting(self, value: Any) -> Any:
        """A setting as a file has it, but a function as what it computes."""
        if type(value) is Function:
            rows = [self._row(value, i) for i in range(len(value.graph.nodes))]
            return {"function": [rows, list(value.params), list(value.outs)]}
        return [self.setting(v) for v in value] if type(value) is tuple else encode(value)

    def _row(self, body: Body | Function, i: int) -> list[Any]:
        node = body.graph.nodes[i]
        avals = tuple(None if j < 0 else body.graph.nodes[j].aval for j in node.inputs)
        value = body.graph.values.get(i)
        return [
            node.op.qualname,
            list(node.inputs),
            {k: self.setting(v) for k, v in node.attrs.items() if k != STREAM},
            _aval(node.aval),
            None if value is None else sha256(value.tobytes()).hexdigest(),
            self.digest(node.op, avals, node.attrs),
        ]


def _aval(aval: Any) -> Any:
    if aval is None:
        return None
    return [*map(str, aval.shape), aval.dtype.name] if type(aval) is Aval else [_aval(a) for a in aval]
