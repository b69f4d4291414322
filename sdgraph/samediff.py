"""SameDiff, the graph users build: leaves, names, losses, gradients, evaluation.

Everything here is a thin front: the work is done by the modules it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.builder import GraphBuilder
from sdgraph.build.calls import told_in_calls
from sdgraph.build.inside import innermost
from sdgraph.build.namespace import Namespace
from sdgraph.build.spelling.lacking import of_module
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag
from sdgraph.differentiate import jacobians
from sdgraph.differentiate.answers import gradients_of, loss_gradients
from sdgraph.differentiate.which_losses import check_loss, current_losses
from sdgraph.lower.expansion import inside
from sdgraph.run import checking
from sdgraph.run.engines.choice import engine_name
from sdgraph.run.evaluate import evaluate, outputs_and_gradients
from sdgraph.run.executable import Executable
from sdgraph.trainable import TrainableGraph

if TYPE_CHECKING:
    from sdgraph.build.kinds import EngineName
    from sdgraph.build.variable import Feeds, Variables

_FOR_THE_LIBRARY = {
    "sd",
    "prefix",
    "scratch",
    "twin",
    "set_on_it",
    "display_bundle",
    "executable_bundle",
    "training_kept",
    "layer_notes",
}
"""Methods of the classes below that users need not see; all of the `GraphBuilder` are of that kind."""


class _Face(type):
    """The class of `SameDiff`, whose users know functions of it by other names, as ``SameDiff.create()``."""

    if not TYPE_CHECKING:  # To a type checker every name would be there.

        def __getattr__(cls, name: str) -> Any:
            raise of_module(cls.__name__, name, dir(cls), elsewhere=lambda: {"create": "SameDiff()"}, graph=cls)


@readable
@told_in_calls("sd")
class SameDiff(TrainableGraph, metaclass=_Face):
    """A graph of named variables that can be evaluated, differentiated and drawn.

    Ops live on the graph itself (``sd.sum``), and in its namespaces ``sd.math``, ``sd.nn``, ``sd.cnn``, ``sd.rnn``,
    ``sd.image``, ``sd.loss``, ``sd.keras``, ``sd.linalg``, ``sd.random`` and ``sd.bitwise``.

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

    def __dir__(self) -> list[str]:
        """What a user calls. What the library does with a graph is not shown: completion would drown in it."""
        seen = {name for name, value in vars(self).items() if isinstance(value, Namespace)} | {"dtype", "seed", "user"}
        hidden = {*dir(GraphBuilder), *vars(self), *_FOR_THE_LIBRARY} - seen
        names = {*super().__dir__()} - hidden
        return sorted(name for name in names if not name.startswith("_") or name.startswith("__"))

    def expand(self, v: SDVariable | str, *, branch: int = 0) -> SameDiff:
        """The inside of an op as a graph of its own: of a composite, a loop or a branch.

        Its placeholders are named after the operands; in a body of a loop also after carries and entries.

        Args:
            v: An output of a composite op, of a loop, or of `cond` or `switch`.
            branch: Which branch; of `cond` 1 is that of a condition that holds.

        Raises:
            ArgumentTypeError: If the variable is no output of such an op.
            ArgumentError: If there is no such branch.

        Example:
            >>> sd = SameDiff()
            >>> loss = sd.loss.l2_loss(sd.var("w", [3.0, 4.0]))
            >>> [v.name for v in sd.expand(loss).variables()]
            ['var', 'square', 'sum', 'constant', 'mul']
        """
        return inside(self.own(v), branch).twin()

    def inference_copy(self) -> SameDiff:
        """An independent graph that is this one as it is used, not trained.

        Dropout passes its input on, and every op with a rule for inference is what the rule makes of it, inside of
        composites, too: what `predict`, `evaluate` and ``compile(..., inference=True)`` compute. Names, values and
        losses are those of this graph; gradients, and what variables become after a step, are left out. Save it, or
        export it to where only predictions are wanted.

        Example:
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x", (None,))
            >>> y = sd.nn.dropout(3.0 * x, 0.5, name="y")
            >>> used = sd.inference_copy()
            >>> used["y"].eval({"x": [1.0, 2.0, 3.0]})
            array([3., 6., 9.], dtype=float32)
        """
        # Only who asks for it needs it.
        from sdgraph.lower.inference import at_inference

        return at_inference(self)

    # ------------------------------------------------------------------ losses

    def set_loss_variables(self, *losses: SDVariable | str | Sequence[SDVariable | str]) -> None:
        """Make these the losses; with none, the graph's own choice counts again."""
        chosen = self.several(losses[0] if len(losses) == 1 else losses)
        for v in chosen:
            check_loss(v)
        self.marks.explicit_losses = list(dict.fromkeys(v.id for v in chosen))

    def add_loss_variable(self, loss: SDVariable | str) -> None:
        """Add one to the explicit losses."""
        v = self.own(loss)
        check_loss(v)
        if v.id not in self.marks.explicit_losses:
            self.marks.explicit_losses.append(v.id)

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
        v = self.own(term)
        check_loss(v)
        if v.id not in self.marks.extra_losses:
            self.marks.extra_losses.append(v.id)
        return v

    @property
    def losses(self) -> list[SDVariable]:
        """The extra terms that `add_loss` was given, in that order."""
        return [SDVariable(self, i) for i in self.marks.extra_losses]

    def loss_variables(self) -> list[SDVariable]:
        """The current losses, extra terms included; the gradient is that of the sum of all their elements.

        What was marked, else the outputs of loss ops; where others are computed from these, the one scalar that all of
        them lead to. Without loss ops the only floating variable that feeds nothing. What no gradient flows through, as
        in a metric of `stop_gradient` of a loss, does not count.

        Raises:
            GradientError: If nothing was marked and the losses are not clear; lists the candidates.

        Example:
            >>> sd = SameDiff()
            >>> w = sd.var("w", [1.0, 2.0])
            >>> total = sd.loss.mean_squared_error([0.0, 0.0], w) + 0.1 * sd.loss.l2_loss(w)
            >>> sd.loss_variables() == [total]
            True
            >>> rmse = sd.math.sqrt(sd["mean_squared_error"], name="rmse")
            >>> sd.loss_variables()
            Traceback (most recent call last):
            ...
            sdgraph.errors.GradientError: Several scalars are computed from losses: 'add', 'rmse'.
            ...
        """
        return current_losses(self)

    # ------------------------------------------------------------------ gradients

    @overload
    def grad(self, y: Variables, wrt: SDVariable | str) -> SDVariable: ...
    @overload
    def grad(self, y: Variables, wrt: Sequence[SDVariable | str]) -> list[SDVariable]: ...
    def grad(self, y: Variables, wrt: Variables) -> Any:
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
        sd = innermost(self)
        result = gradients_of(sd, sd.several(y), sd.several(wrt))
        return result[0] if single else result

    def loss_gradients(self, wrt: Sequence[SDVariable]) -> list[SDVariable]:
        """Gradients of the current losses, as variables.

        Raises:
            GradientError: If the losses are not clear, or a gradient does not exist.
        """
        return loss_gradients(self, wrt)

    def jacobian(self, y: SDVariable | str, x: SDVariable | str) -> SDVariable:
        """All partial derivatives, of shape ``y.shape + x.shape``; one backward sweep per element of y.

        Raises:
            ShapeError: If a size of y is unknown.
        """
        sd = innermost(self)
        with sd.transaction():
            return jacobians.jacobian(sd, sd.own(y), sd.own(x))

    def hessian(self, y: SDVariable | str, x: SDVariable | str) -> SDVariable:
        """All second derivatives of a scalar, of shape ``x.shape + x.shape``; one sweep per element of x.

        Raises:
            ShapeError: If y is not a scalar, or a size of x is unknown.
        """
        sd = innermost(self)
        with sd.transaction():
            return jacobians.hessian(sd, sd.own(y), sd.own(x))

    def hvp(self, y: SDVariable | str, x: SDVariable | str, v: Any) -> SDVariable:
        """The Hessian of ``y`` with respect to ``x`` times ``v``, without forming the Hessian; of x's shape.

        Args:
            y: What to differentiate twice.
            x: With respect to what.
            v: The direction, an array or variable of x's shape.

        Raises:
            ShapeError: If v does not have x's shape.
        """
        sd = innermost(self)
        with sd.transaction():
            return jacobians.hvp(sd, sd.own(y), sd.own(x), v)

    def calculate_gradients(
        self,
        feeds: Feeds | None = None,
        wrt: Variables | None = None,
        *,
        engine: EngineName | str = "auto",
        step: int = 0,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Gradients of the current losses.

        Args:
            feeds: Values of the placeholders.
            wrt: Variables or names; all trainable variables by default.
            engine: Name of the engine, as for `output`.
            step: Counter for random ops.

        Returns:
            Each gradient by its variable's name, in the order of ``wrt``.

        Raises:
            GradientError: If the losses are not clear, or a gradient does not exist.
            FeedError: For feeds that are missing or do not fit.
        """
        return self.calculate_gradients_and_outputs(feeds, (), wrt, engine=engine, step=step)[1]

    def calculate_gradients_and_outputs(
        self,
        feeds: Feeds | None = None,
        fetches: Variables = (),
        wrt: Variables | None = None,
        *,
        engine: EngineName | str = "auto",
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
            ``(outputs, gradients)``, both by name, in the order of ``fetches`` and ``wrt``.
        """
        targets = self.several(wrt) if wrt is not None else self.trainable_variables()
        return outputs_and_gradients(self, self.several(fetches), targets, feeds, engine, step)

    # ------------------------------------------------------------------ evaluation

    def output(
        self,
        feeds: Feeds | None = None,
        fetches: Variables | None = None,
        *,
        engine: EngineName | str = "auto",
        step: int = 0,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Compute variables.

        Args:
            feeds: Values of the placeholders that the fetches depend on, by name or variable.
            fetches: Variables or names; the current losses by default.
            engine: Name of the engine; ``"auto"`` for numpy, or the fused engine where it is installed and the work is
                large enough to be worth compiling.
            step: Counter for random ops: another step, other draws.

        Returns:
            Each value by its variable's name, in the order of the fetches.

        Raises:
            FeedError: For feeds that are missing, unknown or do not fit.
            ExecutionError: If a kernel fails.

        Example:
            >>> sd = SameDiff()
            >>> y = sd.placeholder("x").mul(2, name="y")
            >>> sd.output({"x": 3}, ["y"])
            {'y': array(6., dtype=float32)}
        """
        vs = self.loss_variables() if fetches is None else self.several(fetches)
        if not self._listeners:
            return evaluate(self, vs, feeds, engine, step)
        # Only who has listeners needs it.
        from sdgraph.train.callbacks.hearing import hearing

        with hearing(self, "INFERENCE"):
            return evaluate(self, vs, feeds, engine, step)

    def compile(
        self,
        fetches: Variables,
        engine: EngineName | str = "auto",
        *,
        check_numerics: bool = False,
        inference: bool = False,
    ) -> Executable:
        """A function of the graph as it is now: ``f(feeds)`` or ``f(x=..., y=...)`` gives ``{name: array}``.

        Args:
            fetches: Variables or names to compute.
            engine: Name of the engine; ``"auto"`` for the fused engine where it is installed, else numpy.
            check_numerics: Raise NumericsError at the first node that produces NaN or infinity; such a function runs on
                numpy.
            inference: Whether the graph is used, not trained: what only hinders learning, such as dropout, passes its
                input on, and whatever has a rule for it follows that.

        Raises:
            EngineError: If there is no such engine.
        """
        check = flag("check_numerics", check_numerics) or checking.is_checked(self)
        chosen, name = self.several(fetches), engine_name(engine)
        return Executable(self, chosen, name, check_numerics=check, inference=flag("inference", inference))

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
