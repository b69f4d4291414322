"""SameDiff, the graph users build: leaves, names, losses, gradients, evaluation.

Everything here is a thin front: the work is done by the modules it names.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, overload

import numpy as np
from numpy.typing import DTypeLike

from sdgraph.build import bookkeeping
from sdgraph.build.bookkeeping import Table
from sdgraph.build.graph import check_name
from sdgraph.build.initializers import as_seed
from sdgraph.build.kinds import GRADIENT_SCOPE, VariableKind
from sdgraph.build.leaves import GraphLeaves, with_article
from sdgraph.build.op import CONSTANT, VARIABLE
from sdgraph.build.tracing import trace
from sdgraph.build.variable import SDVariable, as_mapping
from sdgraph.differentiate import jacobians as derivatives
from sdgraph.differentiate.gradients import gradients
from sdgraph.differentiate.which_losses import check_loss, current_losses
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, shown
from sdgraph.infer.aval import Aval, is_floating
from sdgraph.ops.base import SDBase
from sdgraph.ops.bitwise import SDBitwise
from sdgraph.ops.guards import SDGuards
from sdgraph.ops.linalg import SDLinalg
from sdgraph.ops.losses.keras import SDKeras
from sdgraph.ops.losses.samediff import SDLoss
from sdgraph.ops.math import SDMath
from sdgraph.ops.nn import SDNN
from sdgraph.ops.random import SDRandom
from sdgraph.run import checking, forks
from sdgraph.run.engines import engine_name
from sdgraph.run.executable import Executable
from sdgraph.show.views import GraphViews

if TYPE_CHECKING:
    from sdgraph.build.variable import Feeds

_MAX_EXECUTABLES = 64


class SameDiff(GraphLeaves, SDBase, SDGuards, GraphViews):
    """A graph of named variables that can be evaluated, differentiated and drawn.

    Ops live on the graph itself (``sd.sum``), and in its namespaces ``sd.math``, ``sd.nn``, ``sd.loss``,
    ``sd.keras``, ``sd.linalg``, ``sd.random`` and ``sd.bitwise``.

    Args:
        dtype: Floating dtype of Python numbers and lists; numpy arrays keep theirs.
        seed: Seed of the random ops that have none of their own.

    Raises:
        DTypeError: If ``dtype`` is not a floating dtype.

    Example:
        >>> sd = SameDiff()
        >>> x = sd.placeholder("x", shape=(None, 2))
        >>> w = sd.var("w", [[1.0], [2.0]])
        >>> y = sd.placeholder("y", shape=(None, 1))
        >>> loss = sd.loss.mean_squared_error(y, x @ w, name="loss")
        >>> feeds = {"x": [[1, 2], [3, 4]], "y": [[4], [10]]}
        >>> loss.eval(feeds)
        array(1., dtype=float32)
        >>> sd.calculate_gradients(feeds, ["w"])["w"]
        array([[4.],
               [6.]], dtype=float32)
    """

    tables: ClassVar[tuple[Table, ...]] = (
        *GraphLeaves.tables,
        Table("_explicit_losses", bookkeeping.listed, saved=True),
        Table("_extra_losses", bookkeeping.listed, saved=True),
        Table("_gradients", bookkeeping.answers),
        Table("_executables", bookkeeping.caches, saved=True, copied=False),
        Table("_in_gradient", saved=True, copied=False),
    )

    def __init__(self, dtype: DTypeLike = "float32", *, seed: int = 0) -> None:
        GraphLeaves.__init__(self, dtype)
        self.seed = as_seed(seed)
        self.math = SDMath(self)
        """Elementwise mathematics."""
        self.nn = SDNN(self)
        """Activations and layers."""
        self.loss = SDLoss(self)
        """Loss functions."""
        self.keras = SDKeras(self)
        """Loss functions under Keras' names and meaning."""
        self.linalg = SDLinalg(self)
        """Linear algebra."""
        self.random = SDRandom(self)
        """Random arrays."""
        self.bitwise = SDBitwise(self)
        """Bit operations on integers."""
        self._explicit_losses: list[int] = []
        self._extra_losses: list[int] = []
        self._gradients: dict[Any, tuple[int, ...]] = {}
        self._executables: dict[Any, Executable] = {}
        self._in_gradient = False
        self._appending = threading.RLock()
        """Held while gradients are appended: `calculate_gradients` may be called from several threads."""
        forks.renew(self, "_appending", threading.RLock, waits=True)

    @property
    def sd(self) -> SameDiff:  # type: ignore[override]
        """The graph itself: base ops are methods of it."""
        return self

    def scratch(self) -> SameDiff:
        """An empty graph with the same dtype and seed."""
        return SameDiff(self.dtype, seed=self.seed)

    # ------------------------------------------------------------------ looking things up

    def __getitem__(self, name: str) -> SDVariable:
        if type(name) is SDVariable:
            return self._own(name)
        return SDVariable(self, self.id_of(name))

    def __contains__(self, name: object) -> bool:
        if type(name) is SDVariable:
            return name.sd is self and not name.node.is_gone
        return isinstance(name, str) and name in self.ids

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[SDVariable]:
        return iter(self.variables())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        counts = dict.fromkeys(VariableKind, 0)
        for node in self.nodes:
            counts[node.op.kind] += 1
        inner = ", ".join(f"{n} {kind.value}{'s' if n != 1 else ''}" for kind, n in counts.items() if n)
        return f"<SameDiff {self.dtype.name}: {inner or 'empty'}>"

    def variables(self, kind: VariableKind | str | None = None) -> list[SDVariable]:
        """All variables in creation order, or those of one kind.

        Example:
            >>> sd = SameDiff()
            >>> y = sd.placeholder("x") + 1
            >>> [v.name for v in sd.variables()], [v.name for v in sd.variables("placeholder")]
            (['x', 'constant', 'add'], ['x'])
        """
        try:
            wanted = None if kind is None else VariableKind(kind)
        except Exception:
            raise ArgumentError(
                "There is no such kind of variable.",
                given=shown(kind),
                expected=", ".join(k.value for k in VariableKind),
            ) from None
        return [
            SDVariable(self, i)
            for i, node in enumerate(self.nodes)
            if (wanted is None or node.op.kind is wanted) and type(node.aval) is Aval
        ]

    def placeholders(self) -> list[SDVariable]:
        """The placeholders, in creation order."""
        return self.variables(VariableKind.PLACEHOLDER)

    def trainable_variables(self) -> list[SDVariable]:
        """The variables of kind VARIABLE, in creation order."""
        return self.variables(VariableKind.VARIABLE)

    def constants(self) -> list[SDVariable]:
        """The constants, in creation order."""
        return self.variables(VariableKind.CONSTANT)

    # ------------------------------------------------------------------ changing what exists

    def rename(self, v: SDVariable | str, name: str) -> SDVariable:
        """Give a variable another name (a full one: open scopes are not put before it).

        Raises:
            VariableNameError: If the name is taken or malformed.
        """
        v = self._own(v)
        check_name(name)
        if name != v.name:
            with self._outside_scopes(""):
                self.rename_node(v.id, self.full_name(name))
        return v

    def convert_to_constant(self, v: SDVariable | str) -> SDVariable:
        """Freeze a variable at its value."""
        return self._convert(self._own(v), VariableKind.VARIABLE, VariableKind.CONSTANT)

    def convert_to_variable(self, v: SDVariable | str) -> SDVariable:
        """Make a floating constant trainable."""
        v = self._own(v)
        if not is_floating(v.dtype):
            raise DTypeError(f"{v.name!r} is {v.dtype.name}: only floating variables are trained.", given=repr(v))
        return self._convert(v, VariableKind.CONSTANT, VariableKind.VARIABLE)

    def _convert(self, v: SDVariable, old: VariableKind, new: VariableKind) -> SDVariable:
        if v.kind is new:
            return v
        if v.kind is not old:
            raise ArgumentTypeError(
                f"{v.name!r} is {with_article(v.kind)}: only {with_article(old)} can become {with_article(new)}.",
                given=repr(v),
                node=v.name,
            )
        node, implicit, was_frozen = v.node, self._implicit, v.id in self.frozen

        def undo() -> None:
            self._set_kind(v, old, frozen=was_frozen)
            self._implicit = {**implicit, **self._implicit}

        self.can_undo(node, undo)
        self._set_kind(v, new, frozen=new is VariableKind.CONSTANT)
        self._implicit = {k: i for k, i in implicit.items() if i != v.id}
        self.version += 1
        return v

    def _set_kind(self, v: SDVariable, kind: VariableKind, *, frozen: bool) -> None:
        v.node.op = CONSTANT if kind is VariableKind.CONSTANT else VARIABLE
        (self.frozen.add if frozen else self.frozen.discard)(v.id)

    def copy(self) -> SameDiff:
        """An independent copy: same variables under the same names, values copied on write."""
        other = self.scratch()
        other.nodes = [type(n)(n.op, n.inputs, n.attrs, n.aval, n.name, n.origin, n.id) for n in self.nodes]
        bookkeeping.carry(self, other, bookkeeping.SAME)
        return other

    def __copy__(self) -> SameDiff:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> SameDiff:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise ArgumentTypeError(
            "A graph cannot be pickled: its ops are functions.",
            given=repr(self),
            fix="Build it again where it is needed, and send the values of its variables: "
            "{v.name: v.value for v in sd.trainable_variables()}. sd.copy() makes a second one here.",
        )

    def expand(self, v: SDVariable | str) -> SameDiff:
        """The inside of a composite op as a graph of its own; its placeholders are named after the operands.

        Raises:
            ArgumentTypeError: If the variable is no output of a composite.

        Example:
            >>> sd = SameDiff()
            >>> loss = sd.loss.l2_loss(sd.var("w", [3.0, 4.0]))
            >>> [v.name for v in sd.expand(loss).variables()]
            ['var', 'square', 'sum', 'constant', 'mul']
        """
        v = self._own(v)
        node = self.nodes[v.id]
        if node.op.name == "item" and type(self.nodes[node.inputs[0]].aval) is not Aval:
            node = self.nodes[node.inputs[0]]
        if not node.op.is_composite:
            raise ArgumentTypeError(
                f"{v.name!r} has nothing inside.",
                given=repr(v),
                expected="the output of a composite op, such as a loss",
            )
        avals = tuple(self.nodes[j].aval if j >= 0 else None for j in node.inputs)
        from sdgraph.lower.expansion import opened

        return opened(trace(node.op, self, avals, node.attrs)).graph.copy()

    # ------------------------------------------------------------------ losses

    def set_loss_variables(self, *losses: SDVariable | str | Sequence[SDVariable | str]) -> None:
        """Make these the losses; with none, the graph's own choice counts again."""
        chosen = self._several(losses[0] if len(losses) == 1 else losses)
        for v in chosen:
            check_loss(v)
        self._explicit_losses = list(dict.fromkeys(v.id for v in chosen))

    def add_loss_variable(self, loss: SDVariable | str) -> None:
        """Add one to the explicit losses."""
        v = self._own(loss)
        check_loss(v)
        if v.id not in self._explicit_losses:
            self._explicit_losses.append(v.id)

    def add_loss(self, term: SDVariable | str) -> SDVariable:
        """Add an extra term to the losses, such as a penalty that a layer function makes for itself.

        It counts on top of the graph's losses, whether those are marked or found. Adding a term again changes nothing.

        Args:
            term: A floating variable that an op computes; the sum of its elements is what counts.

        Returns:
            The term.

        Raises:
            GradientError: If the variable cannot be a loss.

        Example:
            >>> sd = SameDiff()
            >>> w = sd.var("w", [1.0, 2.0])
            >>> penalty = sd.add_loss(0.5 * (w * w).sum())
            >>> loss = sd.loss.mean_squared_error([0.0, 0.0], w)
            >>> sd.losses == [penalty], sd.loss_variables() == [loss, penalty]
            (True, True)
            >>> sd.calculate_gradients()["w"]
            array([2., 4.], dtype=float32)
        """
        v = self._own(term)
        check_loss(v)
        if v.id not in self._extra_losses:
            self._extra_losses.append(v.id)
        return v

    @property
    def losses(self) -> list[SDVariable]:
        """The extra terms that `add_loss` was given, in that order."""
        return [SDVariable(self, i) for i in self._extra_losses]

    def loss_variables(self) -> list[SDVariable]:
        """The current losses, extra terms included; the gradient is that of the sum of all their elements.

        Raises:
            GradientError: If nothing was marked and the losses are not clear.
        """
        with self._appending:
            return current_losses(self, self._explicit_losses, self._extra_losses)

    # ------------------------------------------------------------------ gradients

    @overload
    def grad(self, y: Any, wrt: SDVariable | str) -> SDVariable: ...
    @overload
    def grad(self, y: Any, wrt: Sequence[SDVariable | str]) -> list[SDVariable]: ...
    def grad(self, y: Any, wrt: Any) -> Any:
        """Append the gradient of ``y`` to the graph, under the scope ``grad/``; it can be differentiated again.

        Args:
            y: What to differentiate, one variable or several; a non-scalar counts as the sum of its elements.
            wrt: With respect to what: any floating variable of the graph, or several.

        Returns:
            One gradient per variable, of its shape and dtype; a list if ``wrt`` is one. Zeros for a variable that
            does not influence y while others do.

        Raises:
            GradientError: If nothing can be reached, a variable is not floating, or an op on the path has no gradient.

        Example:
            >>> sd = SameDiff()
            >>> x = sd.var("x", [1.0, 2.0])
            >>> g = sd.grad((x**3).sum(), x)
            >>> g, g.eval(), sd.grad(g, x).eval()
            (<SDVariable 'grad/x': array by math.mul, float32 (2,)>, array([ 3., 12.], dtype=float32), \
array([ 6., 12.], dtype=float32))
        """
        single = type(wrt) is SDVariable or isinstance(wrt, str)
        result = self._grad(self._several(y), self._several(wrt))
        return result[0] if single else result

    def _grad(self, ys: list[SDVariable], wrt: list[SDVariable]) -> list[SDVariable]:
        """Gradients, the same variables for the same question."""
        if not wrt:
            return []
        question = _question(ys, wrt)
        with self._appending:
            if question not in self._gradients:
                self._gradients[question] = tuple(g.id for g in gradients(self, ys, wrt))
            return [SDVariable(self, i) for i in self._gradients[question]]

    def loss_gradients(self, wrt: Sequence[SDVariable]) -> list[SDVariable]:
        """Gradients of the current losses."""
        with self._appending:
            return self._grad(self.loss_variables(), list(wrt))

    def jacobian(self, y: SDVariable | str, x: SDVariable | str) -> SDVariable:
        """All partial derivatives, of shape ``y.shape + x.shape``; one backward sweep per element of y.

        Raises:
            ShapeError: If a size of y is unknown.
        """
        with self.transaction():
            return derivatives.jacobian(self, self._own(y), self._own(x))

    def hessian(self, y: SDVariable | str, x: SDVariable | str) -> SDVariable:
        """All second derivatives of a scalar, of shape ``x.shape + x.shape``; one sweep per element of x.

        Raises:
            ShapeError: If y is not a scalar, or a size of x is unknown.
        """
        with self.transaction():
            return derivatives.hessian(self, self._own(y), self._own(x))

    def hvp(self, y: SDVariable | str, x: SDVariable | str, v: Any) -> SDVariable:
        """The Hessian of ``y`` with respect to ``x`` times ``v``, without forming the Hessian; of x's shape.

        Args:
            y: What to differentiate twice.
            x: With respect to what.
            v: The direction, an array or variable of x's shape.

        Raises:
            ShapeError: If v does not have x's shape.
        """
        with self.transaction():
            return derivatives.hvp(self, self._own(y), self._own(x), v)

    @contextmanager
    def gradient_scope(self) -> Iterator[None]:
        """Name what is made in the block under ``grad/``, whatever scopes are open, and count it as gradients."""
        start, outermost = len(self.nodes), not self._in_gradient
        try:
            self._in_gradient = True
            with self._outside_scopes(GRADIENT_SCOPE + "/"):
                yield
        finally:
            self._in_gradient = not outermost
            if outermost and len(self.nodes) > start:
                self.gradient_spans.append((start, len(self.nodes)))

    @contextmanager
    def _outside_scopes(self, scope: str) -> Iterator[None]:
        before = self._scope
        try:
            self._scope = scope
            yield
        finally:
            self._scope = before

    def calculate_gradients(
        self, feeds: Feeds | None = None, wrt: Any = None, *, engine: str = "auto", step: int = 0
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Gradients of the current losses.

        Args:
            feeds: Values of the placeholders.
            wrt: Variables or names; all trainable variables by default.
            engine: Name of the engine, as for `output`.
            step: Counter for random ops.

        Returns:
            Each gradient by its variable's name.

        Raises:
            GradientError: If the losses are not clear, or a gradient does not exist.
            FeedError: For feeds that are missing or do not fit.
        """
        return self.calculate_gradients_and_outputs(feeds, (), wrt, engine=engine, step=step)[1]

    def calculate_gradients_and_outputs(
        self,
        feeds: Feeds | None = None,
        fetches: Any = (),
        wrt: Any = None,
        *,
        engine: str = "auto",
        step: int = 0,
    ) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, np.ndarray[Any, Any]]]:
        """Outputs and gradients of the current losses in one pass.

        Args:
            feeds: Values of the placeholders.
            fetches: Variables or names to return as well.
            wrt: Variables or names to differentiate by; all trainable variables by default.
            engine: Name of the engine, as for `output`.
            step: Counter for random ops.

        Returns:
            ``(outputs, gradients)``, both by name.
        """
        outs = self._several(fetches)
        targets = self._several(wrt) if wrt is not None else self.trainable_variables()
        given = as_mapping(feeds)

        def evaluated(grads: list[SDVariable]) -> tuple[dict[str, Any], dict[str, Any]]:
            values = self._executable([*outs, *grads], engine).run(given, step)
            return (
                {v.name: a for v, a in zip(outs, values, strict=False)},
                {v.name: a for v, a in zip(targets, values[len(outs) :], strict=True)},
            )

        with self._appending:
            losses = self.loss_variables()
            if _question(losses, targets) not in self._gradients:
                # Feeds that do not fit show when it runs, and a rejected call leaves no gradients behind.
                with self.transaction():
                    return evaluated(self._grad(losses, targets))
            grads = self._grad(losses, targets)
        return evaluated(grads)

    # ------------------------------------------------------------------ evaluation

    def output(
        self, feeds: Feeds | None = None, fetches: Any = None, *, engine: str = "auto", step: int = 0
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Compute variables.

        Args:
            feeds: Values of the placeholders that the fetches depend on, by name or variable.
            fetches: Variables or names; the current losses by default.
            engine: Name of the engine; ``"auto"`` for numpy, or the fused engine where it is installed and the work is
                large enough to be worth compiling.
            step: Counter for random ops: another step, other draws.

        Returns:
            Each value by its variable's name.

        Raises:
            FeedError: For feeds that are missing, unknown or do not fit.
            ExecutionError: If a kernel fails.

        Example:
            >>> sd = SameDiff()
            >>> y = sd.placeholder("x").mul(2, name="y")
            >>> sd.output({"x": 3}, ["y"])
            {'y': array(6., dtype=float32)}
        """
        vs = self.loss_variables() if fetches is None else self._several(fetches)
        return self._executable(vs, engine)(as_mapping(feeds), step=step)

    def compile(self, fetches: Any, engine: str = "auto", *, check_numerics: bool = False) -> Executable:
        """A function of the graph as it is now: ``f(feeds)`` or ``f(x=..., y=...)`` gives ``{name: array}``.

        Args:
            fetches: Variables or names to compute.
            engine: Name of the engine; ``"auto"`` for the fused engine where it is installed, else numpy.
            check_numerics: Raise NumericsError at the first node that produces NaN or infinity; such a function runs on
                numpy.

        Raises:
            EngineError: If there is no such engine.
        """
        if not isinstance(check_numerics, bool | np.bool):
            raise ArgumentTypeError("check_numerics is True or False.", given=shown(check_numerics))
        check = bool(check_numerics) or checking.is_checked(self)
        return Executable(self, self._several(fetches), engine_name(engine), check_numerics=check)

    def _executable(self, fetches: list[SDVariable], engine: str = "auto") -> Executable:
        """A compiled function for evaluating once, kept for the next call with the same fetches."""
        name = engine_name(engine, once=True)
        check = checking.is_checked(self)
        key = (tuple(v.id for v in fetches), name, check, self.version)
        found = self._executables.get(key)
        if found is None:
            if len(self._executables) >= _MAX_EXECUTABLES:
                # Other threads may add or drop entries meanwhile.
                self._executables.pop(next(iter(list(self._executables))), None)
            found = self._executables[key] = Executable(self, fetches, name, check_numerics=check)
        return found

    def check_numerics(self) -> AbstractContextManager[None]:
        """In this block, evaluation raises NumericsError at the first node that produces NaN or infinity.

        Like ``numpy.errstate`` it counts for the thread or asyncio task that enters the block and for tasks that are
        started in it, not for other threads.

        Example:
            >>> sd = SameDiff()
            >>> y = sd.math.sqrt(sd.placeholder("x"), name="y")
            >>> with sd.check_numerics():
            ...     y.eval({"x": -1.0})
            Traceback (most recent call last):
            ...
            sdgraph.errors.NumericsError: sd.math.sqrt: This node produced NaN; all its operands were finite.
            ...
        """
        return checking.checked(self)


def _question(ys: Sequence[SDVariable], wrt: Sequence[SDVariable]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is differentiated, by what."""
    return tuple(y.id for y in ys), tuple(w.id for w in wrt)
