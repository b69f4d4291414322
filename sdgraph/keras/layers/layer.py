"""`Layer`: what is called on variables of a graph, or on arrays, and has weights.

Knows how a call becomes nodes of a graph. Must not know models, nor any layer in particular.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.inside import outermost
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag
from sdgraph.errors import ArgumentError, ArgumentTypeError, UnknownAttributeError, shown
from sdgraph.infer.aval import as_dtype, is_floating
from sdgraph.keras import config, initializers, regularizers
from sdgraph.keras.layers import demands, eager, naming, tracing
from sdgraph.keras.layers.configs import config_of
from sdgraph.keras.layers.given import array_of, checked_name, dtype_of, fed, fitting, sizes_of
from sdgraph.keras.layers.hollow import hollow_array, is_hollow
from sdgraph.keras.layers.notes import Call, Move, Term, mask_of, notes_of
from sdgraph.keras.layers.replaying import brought
from sdgraph.keras.layers.settings import refuse_constraints
from sdgraph.keras.layers.tracing import Trace, current
from sdgraph.keras.layers.trees import leaves, mapped
from sdgraph.keras.layers.weights import Weight, moved, weight_of
from sdgraph.samediff import SameDiff

if TYPE_CHECKING:
    from sdgraph.build.kinds import AnyGraph

Array = np.ndarray[Any, Any]


@readable
class Layer:
    """A layer: what it computes is its `call`, and the weights for it are made by its `build`.

    Called on variables of a graph, it adds nodes to that graph, under a scope of its name. Called on arrays, it
    computes at once, as it is when a model is used, unless ``training=True`` says otherwise. Either way `call` gets
    variables.
    A layer may be called several times, also in several graphs: it has one set of weights, which all of them share.

    Args:
        activity_regularizer: What of the outputs is added to what is minimised, divided by the size of the batch.
        trainable: Whether its weights are trained.
        dtype: The dtype of its weights and of what it computes; by default that of the graph of the first call.
        name: What it is called; by default its class and a number.
        **kwargs: ``input_shape``, ``batch_input_shape``, ``batch_shape``, ``input_dim`` or ``batch_size``: for the
            first layer of a `Sequential`, what is fed.

    Example:
        >>> from sdgraph.keras import layers, ops
        >>> class Scaled(layers.Layer):
        ...     def build(self, input_shape):
        ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        ...
        ...     def call(self, inputs):
        ...         return inputs * self.scale
        >>> layer = Scaled(name="scaled")
        >>> layer(ops.ones((2, 3)))
        array([[1., 1., 1.],
               [1., 1., 1.]], dtype=float32)
        >>> [w.name for w in layer.weights]
        ['scaled/scale']
    """

    supports_masking: bool = False
    """Whether a mask of the inputs is one of the outputs."""
    does_less_when_frozen: bool = False
    """Whether it does in training what it does in use, if it is not to be trained."""
    built: bool = False
    """Whether its weights were made."""
    keras_name: ClassVar[tuple[str, str] | None] = None
    """Module and class by which Keras knows a class, where these are not those of the class; for that class alone."""
    read_from: Any = None
    """What the file that it was read from says of it."""
    _given: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep what it is made with, for `get_config`."""
        self = super().__new__(cls)
        self.__dict__["_given"] = (args, kwargs)
        return self

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.fed = fed(type(self).__name__, kwargs)
        """The shape that it says it is fed, with the batch; None if it says nothing."""
        self._name = naming.automatic(type(self)) if name is None else checked_name(name)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._trainable = flag("trainable", trainable)
        self._dtype = dtype_of(self._name, dtype)
        self._weights: list[Weight] = []
        self._paths: list[str] = []
        self._home: AnyGraph | None = None
        self._eager: dict[Any, eager.Function] = {}
        self._last_losses: list[Any] | None = None

    # ------------------------------------------------------------------ for those who write layers

    def build(self, *input_shape: Any, **shapes: Any) -> None:
        """Make the weights, given the shape of what `call` gets: ``build(self, input_shape)``; the batch is None.

        A layer that is called on several things gets their shapes as a list, or each under its own name:
        ``build(self, query_shape, value_shape)`` for ``call(self, query, value)``.
        """

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes, of variables of a graph.

        A parameter ``training`` is True or False where that is known, else None: then the graph is for both. A
        parameter ``mask`` is the mask of the first argument, if it has one.
        """
        raise ArgumentError(
            f"{type(self).__name__} does not say what it computes.", fix="Give it a method call(self, inputs)."
        )

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs, of a layer that supports masks."""
        return previous_mask

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str | None = None,
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> SDVariable:
        """Make a weight.

        Args:
            shape: Its shape; a scalar by default.
            initializer: How it is filled: a name, an object of `sdgraph.keras.initializers`, or a function of a shape
                and a dtype. By default as Keras has it: ``"glorot_uniform"``, or zeros for whole numbers.
            dtype: Its dtype, by default that of the layer.
            trainable: Whether it is trained.
            autocast: Has no effect.
            regularizer: What of it is added to what is minimised.
            constraint: Not applied: anything but None is refused.
            aggregation: Has no effect.
            overwrite_with_gradient: Anything but False is refused.
            name: What it is called within the layer; by default as the attribute that it is kept in.

        Returns:
            The variable that stands for it in the graph that is being built. Keep it as an attribute of the layer:
            wherever the layer is called, the attribute is the variable of that graph.

        Raises:
            ArgumentError: For a constraint, or what no initializer makes an array of.
        """
        refuse_constraints(self, constraint=constraint)
        if name is not None:
            checked_name(name, "weight")
        if overwrite_with_gradient:
            raise ArgumentError("A weight is not overwritten by its gradient.", given="overwrite_with_gradient=True")
        kind = as_dtype(self._settled_dtype() if dtype is None else dtype)
        sizes = sizes_of(() if shape is None else shape, self.name, name)
        if initializer is None:
            initializer = "glorot_uniform" if is_floating(kind) else "zeros"
        if is_hollow():
            value = hollow_array(sizes, kind)
        else:
            value = array_of(initializers.values(initializers.get(initializer), sizes, kind), sizes, kind, initializer)
        weight = Weight(name or UNNAMED, value, flag("trainable", trainable), regularizers.get(regularizer))
        weight.trainable = weight.wanted and self._trainable
        self._weights.append(weight)
        return self._here(weight)

    def add_loss(self, loss: Any) -> None:
        """Add something to what is minimised: a scalar of the call that goes on, or several.

        Raises:
            ArgumentTypeError: If it is no variable of a call that goes on, nor a number.
        """
        trace = current()
        for one in leaves(loss):
            if callable(one) and not isinstance(one, SDVariable):
                raise ArgumentTypeError(
                    "A term is a scalar of the call that goes on.", given=shown(one), fix="Call add_loss in call()."
                )
            if trace is None:
                raise ArgumentError(
                    f"{self.name!r} is not being called.",
                    given=f"add_loss({shown(one)})",
                    fix="Call add_loss in call(); outside of it, add the term to the graph: model.sd.add_loss(term).",
                )
            if trace.sd.table.inner is not None or trace.sd.table.outer is not None:
                raise ArgumentError(
                    f"{self.name!r} is being called in a loop, from which nothing is minimised.",
                    given=f"add_loss({shown(one)})",
                    fix="Let the loop give it, and add it outside.",
                )
            term = trace.sd.as_variable(one)
            if term.ndim:
                term = trace.sd.sum(term)
            term = trace.sd.identity(term)
            notes_of(trace.sd).terms[term.node] = Term(trace.layers(), trace.call)
            trace.sd.add_loss(term)

    def update_weight(self, weight: SDVariable, value: SDVariable, momentum: float = 0.0) -> None:
        """Let a weight that is not trained change after each step of training, as moving means do.

        It becomes ``momentum * weight + (1 - momentum) * value``, once for each call of the layer that a model has.

        Args:
            weight: A weight of the layer.
            value: What it goes towards: a variable of the call that goes on.
            momentum: How much of the weight stays.
        """
        trace = current()
        if trace is None:
            raise ArgumentError(f"{self.name!r} is not being called.", fix="Call update_weight in call().")
        every = notes_of(weight.sd).moves
        # Those of a call that failed are gone, and with it their variables.
        moves = [move for move in every.get(weight.node, ()) if not move.toward.node.is_gone]
        every[weight.node] = [*moves, Move(trace.call, self, value, momentum)]
        moved(weight, every[weight.node])

    # ------------------------------------------------------------------ what it is

    @property
    def name(self) -> str:
        """What it is called."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = checked_name(name)

    @property
    def dtype(self) -> str:
        """The dtype of what it computes."""
        return config.floatx() if self._dtype is None else self._dtype.name

    compute_dtype = dtype

    @property
    def trainable(self) -> bool:
        """Whether its weights are trained; setting it holds for the layers inside of it, too."""
        return self._trainable

    @trainable.setter
    def trainable(self, yes: bool) -> None:
        self._trainable = flag("trainable", yes)
        for w in self._weights:
            w.train(w.wanted and yes)
        for layer in self.sublayers():
            layer.trainable = yes

    @property
    def path(self) -> str:
        """Where its nodes are, the scope in the graph of the first call."""
        return self._paths[0] if self._paths else self.name

    def parts(self) -> dict[str, Layer | list[Layer]]:
        """The layers that it keeps, by the attributes that have them: one, or all of a nesting of lists and dicts."""
        found: dict[str, Layer | list[Layer]] = {}
        for name, value in vars(self).items():
            if name in _OWN or not isinstance(value, Layer | list | tuple | dict):
                continue
            several = [v for v in leaves(value) if isinstance(v, Layer) and v is not self]
            if several:
                found[name] = value if isinstance(value, Layer) else several
        return found

    def sublayers(self) -> list[Layer]:
        """The layers that it keeps as attributes, also in lists and dicts, in the order they were set."""
        return list(dict.fromkeys(layer for part in self.parts().values() for layer in _several(part)))

    def own_weights(self) -> list[Weight]:
        """Its own weights, without those of the layers inside of it, in the order they were made."""
        return list(self._weights)

    def all_weights(self) -> list[Weight]:
        """Its weights and those of the layers inside of it: its own first, and of these the ones that are trained."""
        own = [w for w in self._weights if w.wanted] + [w for w in self._weights if not w.wanted]
        inner = [w for layer in self.sublayers() for w in layer.all_weights()]
        return list(dict.fromkeys([*own, *inner]))

    def home(self) -> AnyGraph:
        """The graph that its weights are shown in: that of the first call, or one of their own."""
        if self._home is None:
            self._home = SameDiff(dtype=self.dtype)
        return self._home

    def live_in(self, sd: AnyGraph) -> None:
        """Have this graph as the one that its weights are shown in."""
        self._home = sd

    def _variables(self, weights: Sequence[Weight]) -> list[SDVariable]:
        home, found = self.home(), []
        for owner in [self, *_inside(self)]:
            for w in owner._weights:
                w.of(home, f"{owner.path}/")
        for w in weights:
            w.settle()
            found.append(w.of(home))
        return found

    @property
    def weights(self) -> list[SDVariable]:
        """Variables for all weights, those of the layers inside of it last."""
        return self._variables(self.all_weights())

    @property
    def trainable_weights(self) -> list[SDVariable]:
        """Those that are trained."""
        return self._variables([w for w in self.all_weights() if w.trainable])

    @property
    def non_trainable_weights(self) -> list[SDVariable]:
        """Those that are not."""
        return self._variables([w for w in self.all_weights() if not w.trainable])

    @property
    def variables(self) -> list[SDVariable]:
        """The same as `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[SDVariable]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[SDVariable]:
        """The same as `non_trainable_weights`."""
        return self.non_trainable_weights

    def count_params(self) -> int:
        """How many numbers its weights have."""
        return sum(int(np.prod(w.shape)) for w in self.all_weights())

    def get_weights(self) -> list[Array]:
        """The values of `weights`, as copies."""
        return [w.settle().copy() for w in self.all_weights()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give `weights` values, all of them or, where one does not fit, none.

        Raises:
            ArgumentTypeError: If it is no list.
            ArgumentError: If there are more or fewer.
            ShapeError: If one has another shape.
        """
        own = self.all_weights()
        for w, array in zip(own, fitting(weights, own, self.name), strict=True):
            w.give(array)

    def _first_call(self) -> Call:
        calls = () if self._home is None else notes_of(self._home).calls.values()
        found = next((call for call in calls if call.layer is self), None)
        if found is None:
            raise ArgumentError(
                f"The layer {self.name!r} has no input and no output: it was not called on variables of a model yet.",
                fix="Call it on a keras.Input, or put it into a model that knows what it is fed.",
            )
        return found

    @property
    def input(self) -> Any:
        """What the layer was first called on: a variable, or a nesting of variables.

        Raises:
            ArgumentError: If it was not called on variables, or only inside of another layer.
        """
        call = self._first_call()
        return call.args[0] if call.args else next(iter(call.kwargs.values()))

    @property
    def output(self) -> Any:
        """What the first call of the layer gave: ``Model(model.input, model.get_layer("a").output)`` ends there.

        Raises:
            ArgumentError: If it was not called on variables, or only inside of another layer.
        """
        return self._first_call().outputs

    @property
    def losses(self) -> list[Any]:
        """What `add_loss` and regularizers added in the last call, as arrays if that was on arrays, else variables."""
        if self._last_losses is not None:
            return list(self._last_losses)
        sd = self._home
        if sd is None or sd.layer_notes is None:
            return []
        own = set(self.all_weights())
        terms = notes_of(sd).terms
        return [v for v in sd.losses if (t := terms.get(v.node)) and (self in t.layers or t.weight in own)]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        return config_of(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A layer of a configuration that `get_config` gave."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: its weights are its own, and it was called in no graph."""
        return {**vars(self), "_home": None, "_eager": {}, "_last_losses": None}

    def __getattr__(self, name: str) -> Any:
        if "_weights" not in self.__dict__ and not name.startswith("__"):
            raise UnknownAttributeError(
                f"{type(self).__name__} was not set up, and has no {name}.",
                name=name,
                fix="Call super().__init__() first in its __init__.",
            )
        kept = self.__dict__.get("_kept", {})
        if name in kept:
            return mapped(lambda v: self._here(v) if isinstance(v, Weight) else v, kept[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # ------------------------------------------------------------------ calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs of `call`, for variables as variables, for arrays as arrays.

        Args:
            *args: What `call` takes.
            **kwargs: What `call` takes; besides, ``training`` says whether the layer does as in training. On arrays
                that is False by default; on variables the graph is for both, and whoever runs it decides.

        Raises:
            ShapeError: If sizes do not fit the layer.
        """
        if "_weights" not in self.__dict__:
            raise ArgumentError(
                f"{type(self).__name__} was not set up.", fix="Call super().__init__() first in its __init__."
            )
        variables = [v for v in leaves((args, kwargs)) if type(v) is SDVariable]
        trace = current()
        if not variables and trace is None:
            return eager.call(self, args, kwargs)
        return self.on_variables(variables[0].sd if variables else trace.sd, args, kwargs)  # type: ignore[union-attr]

    def on_variables(
        self, sd: AnyGraph, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool | None = None
    ) -> Any:
        """Add the nodes of a call to a graph."""
        outer = current()
        args, kwargs = self._adopted(sd, args), self._adopted(sd, kwargs)
        given = kwargs.pop("training", None)
        told = {} if given is None else {"training": flag("training", bool(given))}
        training = told.get("training", training)
        if training is None and outer is not None:
            training = outer.training
        own_call = Call(self, args, kwargs | told) if outer is None or outer.sd is not sd else None
        with sd.transaction(), sd.name_scope(self.name):
            trace = Trace(sd, self, training, own_call or outer.call, outer, sd.names.scope)  # type: ignore[union-attr]
            size = len(sd.nodes)
            with tracing.entered(trace):
                self._build_for(trace, args, kwargs)
                arguments, mask = self._arguments(args, kwargs, training)
                outputs = mapped(lambda v: _output(sd, v, size, self.name), self.call(*args, **arguments))
                self._regularized(outputs)
                self._masked(args, outputs, mask)
                if self.does_less_when_frozen:
                    notes_of(sd).phases.append((trace.call, self, self.trainable))
        self._last_losses = None
        if own_call is not None:
            own_call.outputs = outputs
            notes_of(sd).calls.update({v.node: own_call for v in leaves(outputs) if isinstance(v, SDVariable)})
        return outputs

    def _adopted(self, sd: AnyGraph, tree: Any) -> Any:
        """Arguments as variables of the graph: those of other graphs are brought, arrays are constants."""
        floating = self._dtype

        def one(v: Any) -> Any:
            if type(v) is SDVariable:
                v = v if v.sd is sd else brought(v, sd)
            elif isinstance(v, np.ndarray) and v.ndim:
                v = sd.constant(v)
            else:
                return v
            if floating is not None and v.dtype.kind == "f" and v.dtype != floating:
                v = sd.cast(v, floating)
            return v

        return mapped(one, tree)

    def _build_for(self, trace: Trace, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.built:
            trace.built.append((self, dict(self.__dict__)))
            # Lists are the layer's own, also after a build that fails.
            self._weights = list(self._weights)
            self._paths = [trace.scope.rstrip("/")]
            if self._dtype is None:
                self._dtype = np.dtype(trace.sd.dtype)
            self.build(**self._shapes(args, kwargs))
            self.built = True
        graph = outermost(trace.sd)
        if self._home is None and not eager.is_scratch(graph):
            self._home = graph
        self._keep()
        for w in self._weights:
            w.of(trace.sd, trace.scope)

    def _shapes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of `build`."""
        if type(self).build is Layer.build:
            return {}
        wanted = list(inspect.signature(self.build).parameters)
        bound = demands.bound(self, args, _accepted(self.call, kwargs), all_of_it=False)
        named = {f"{k}_shape": _shape_of(v) for k, v in bound.items() if _has_tensors(v)}
        if len(wanted) == 1:
            first = next((v for v in bound.values() if _has_tensors(v)), None)
            if isinstance(first, tuple) and len(first) == 1 and not hasattr(first, "shape"):
                first = first[0]
            return {wanted[0]: _shape_of(first)}
        return {k: named.get(k) for k in wanted}

    def _arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool | None
    ) -> tuple[dict[str, Any], Any]:
        """The keywords of `call`, with what it asks for besides what was given; and the mask of the first argument."""
        parameters = inspect.signature(self.call).parameters
        found = dict(kwargs)
        if "training" in parameters:
            default = parameters["training"].default
            fallback = default if isinstance(default, bool) else None
            found["training"] = fallback if training is None else training
        bound = demands.bound(self, args, _accepted(self.call, kwargs), all_of_it=False)
        tensors = {k: v for k, v in bound.items() if _has_tensors(v)}
        if len(tensors) == 1 and "mask" in parameters and kwargs.get("mask") is None:
            (only,) = tensors.values()
            found["mask"] = _masks(only)
        for k, v in tensors.items() if len(tensors) > 1 else ():
            if f"{k}_mask" in parameters and kwargs.get(f"{k}_mask") is None:
                found[f"{k}_mask"] = _masks(v)
        first = next(iter(tensors.values()), None)
        demands.bound(self, args, found, all_of_it=True)
        return found, found.get("mask") if found.get("mask") is not None else _masks(first)

    def _regularized(self, outputs: Any) -> None:
        if self.activity_regularizer is None:
            return
        for v in leaves(outputs):
            term = demands.term_of(self.activity_regularizer, v, f"the outputs of {self.name!r}")
            if v.ndim:
                term = v.sd.math.divide_no_nan(term, v.sd.axis_size(v, (0,), term.dtype))
            self.add_loss(term)

    def _masked(self, args: tuple[Any, ...], outputs: Any, previous: Any) -> None:
        if not self.supports_masking:
            return
        masks = notes_of(current().sd).masks  # type: ignore[union-attr]
        found = [v for v in leaves(outputs) if isinstance(v, SDVariable)]
        if all(v.node in masks for v in found):
            return
        computed = self.compute_mask(args[0] if args else None, previous)
        if computed is None:
            return
        for v, m in zip(found, leaves(computed), strict=False):
            if m is not None and v.node not in masks:
                masks[v.node] = m

    # ------------------------------------------------------------------ weights as attributes

    def _here(self, weight: Weight) -> SDVariable:
        """The variable for a weight in the graph that is being built, or else in that of the layer."""
        trace = current()
        if trace is None:
            weight.settle()
            return weight.of(self.home(), f"{self.path}/")
        at: Trace | None = trace
        while at is not None and at.layer is not self:
            at = at.outer
        scope = f"{trace.scope}{self.name}/" if at is None else at.scope
        return weight.of(trace.sd, scope)

    def _keep(self) -> None:
        """Keep weights that were set as attributes as what they are, not as variables of one graph."""
        own = set(self._weights)
        kept = self.__dict__.setdefault("_kept", {})

        def one(v: Any) -> Any:
            w = weight_of(v) if type(v) is SDVariable else None
            return w if w in own else v

        for name, value in list(vars(self).items()):
            if name in _OWN or not isinstance(value, SDVariable | list | tuple | dict):
                continue
            found = mapped(one, value)
            if any(isinstance(v, Weight) for v in leaves(found)):
                kept[name] = found
                del self.__dict__[name]
                if isinstance(found, Weight) and found.name == UNNAMED:
                    found.call_it(name)

    def _settled_dtype(self) -> Any:
        return config.floatx() if self._dtype is None else self._dtype


_OWN = frozenset(
    {"_given", "_weights", "_paths", "_home", "_eager", "_last_losses", "_kept", "_layers", "_order", "_first"}
)
"""Attributes of `Layer` itself, among which are no layers and weights of somebody's."""

UNNAMED = "variable"
"""What a weight without a name is called until it is an attribute of its layer."""


def _several(part: Layer | list[Layer]) -> list[Layer]:
    return part if isinstance(part, list) else [part]


def _inside(layer: Layer) -> Iterator[Layer]:
    for inner in layer.sublayers():
        yield inner
        yield from _inside(inner)


def _has_tensors(tree: Any) -> bool:
    return any(isinstance(v, SDVariable) for v in leaves(tree))


def _shape_of(tree: Any) -> Any:
    """Shapes of variables, in their nesting; what has no size that is known is None."""
    return mapped(
        lambda v: tuple(n if isinstance(n, int) else None for n in v.shape) if _has_tensors(v) else None, tree
    )


def _masks(tree: Any) -> Any:
    found = mapped(mask_of, tree)
    return found if any(m is not None for m in leaves(found)) else None


def _accepted(call: Callable[..., Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that a function takes."""
    parameters = inspect.signature(call).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(kwargs)
    return {k: v for k, v in kwargs.items() if k in parameters}


def _output(sd: AnyGraph, v: Any, size: int, name: str) -> SDVariable | None:
    """An output as a variable that the call made."""
    if v is None:
        return None
    v = sd.as_variable(v)
    return v if v.id >= size else sd.identity(v)
