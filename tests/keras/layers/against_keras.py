"""A layer beside Keras' own: the same settings, weights and inputs, and all that comes of them compared.

check("Dense", array((2, 3)), {"units": 4})
check("Add", [array((2, 3)), array((2, 3))])                                    # called on a list
check("MultiHeadAttention", (array((2, 3, 4)), array((2, 5, 4))), {...})        # several arguments
check("GRU", array((2, 5, 3)), {"units": 4}, masks=array((2, 5), dtype="bool"))
"""

from __future__ import annotations

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.build.variable import SDVariable
from sdgraph.keras import layers
from sdgraph.keras.layers.notes import mask_of, notes_of
from sdgraph.keras.layers.trees import leaves
from tests.keras.keras_itself import keras

jax = pytest.importorskip("jax")

RTOL = 2e-5
ENGINES = ("numpy", "llvm")


def array(shape, seed=0, dtype="float32"):
    """Normal numbers; whole ones from 0 to 6 for a dtype of these, and more True than False for bool."""
    rng = np.random.default_rng([seed, *shape])
    if dtype == "bool":
        return rng.random(shape) < 0.6
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 7, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def check(name, inputs, config=None, **given):
    """Compare a layer with Keras' own of the same class and settings; see `compare`."""
    return compare(lambda of: getattr(of, name)(**(config or {})), inputs, **given)


def compare(
    make, inputs, *, training=None, masks=None, call=None, gradients=True, config=True, but=(), batch=None, rtol=RTOL
):
    """Compare layers in weights, outputs, masks, new weights, gradients and configurations.

    Args:
        make: Makes the layer, given the module `layers` of either library.
        inputs: An array, a list of arrays for a layer that takes a list, or a tuple of arguments.
        training: Whether both are called as in training. What is random cannot be compared.
        masks: The masks of the inputs: an array, or a list with an array or None for each input.
        call: More keywords of the call.
        gradients: Whether gradients with respect to inputs and weights are compared.
        config: Whether the configuration is written and read by both.
        but: Settings that are not compared: what Keras changes where a layer is built.
        batch: The size of the batch in the graph; None for an unknown one.
        rtol: How far values may be off, as a part of the largest.

    Returns:
        Both layers.
    """
    ours, theirs = make(layers), make(keras.layers)
    case = Case(inputs, masks, {**(call or {}), **({} if training is None else {"training": training})})
    case.call_theirs(theirs)
    case.call_ours(ours)
    values = moved(ours, theirs)
    expected, mask = case.call_theirs(theirs)
    near_all(case.call_ours(ours), expected, rtol)
    near_all(ours.get_weights(), [np.asarray(w) for w in theirs.weights], rtol)
    give(ours, theirs, values)
    graph = Graph(ours, case, training, batch)
    for engine in ENGINES:
        near_all(graph.outputs(engine), expected, rtol)
    own = graph.mask()
    assert (own is None) == (mask is None), "only one of them has a mask"
    np.testing.assert_array_equal(own, mask)
    if gradients:
        graph = Graph(ours, case, bool(training), batch)
        near_all(graph.gradients(), case.their_gradients(theirs), 5 * rtol, least=0.05)
    if config:
        same_config(ours, theirs, but)
    return ours, theirs


class Case:
    """What both layers are called on."""

    def __init__(self, inputs, masks, call):
        self.inputs, self.call = inputs, call
        self.arrays = list(leaves(inputs))
        self.masks = masks if isinstance(masks, list) else [masks] * len(self.arrays)

    def args(self, arrays):
        """Arguments of the call, of one thing for each array."""
        found = iter(arrays)
        if isinstance(self.inputs, tuple):
            return tuple([next(found) for _ in one] if isinstance(one, list) else next(found) for one in self.inputs)
        return (list(found),) if isinstance(self.inputs, list) else (next(found),)

    def call_theirs(self, layer):
        """Outputs and mask of Keras' layer."""
        outputs = list(leaves(layer(*self.args(self.masked(self.arrays)), **self.call)))
        mask = keras.src.backend.get_keras_mask(outputs[0])
        return [np.asarray(v) for v in outputs], None if mask is None else np.asarray(mask)

    def masked(self, arrays):
        """Keras' tensors, with masks."""
        found = [keras.ops.convert_to_tensor(a) for a in arrays]
        for v, m in zip(found, self.masks, strict=True):
            if m is not None:
                keras.src.backend.set_keras_mask(v, keras.ops.convert_to_tensor(m))
        return found

    def call_ours(self, layer):
        """Outputs of our layer on arrays; where there are masks, of a graph."""
        if all(m is None for m in self.masks):
            return list(leaves(layer(*self.args(self.arrays), **self.call)))
        graph = Graph(layer, self, self.call.get("training"), None)
        outputs = graph.outputs("numpy")
        graph.update()
        return outputs

    def their_gradients(self, layer):
        """Gradients of the weighed sum of outputs, for the weights that are trained, then for the inputs."""
        floats = [k for k, a in enumerate(self.arrays) if a.dtype.kind == "f"]

        def total(trained, given):
            arrays = list(self.arrays)
            for k, a in zip(floats, given, strict=True):
                arrays[k] = a
            with keras.StatelessScope(state_mapping=list(zip(layer.trainable_variables, trained, strict=True))):
                outputs = list(leaves(layer(*self.args(self.masked(arrays)), **self.call)))
            return sum((v * weighing(v.shape)).sum() for v in outputs)

        trained = [v.value for v in layer.trainable_variables]
        found = jax.grad(total, (0, 1))(trained, [self.arrays[k] for k in floats])
        return [np.asarray(g) for part in found for g in part]


class Graph:
    """A graph in which our layer was called on placeholders."""

    def __init__(self, layer, case, training, batch):
        self.layer, self.training, self.sd = layer, training, SameDiff(dtype="float32")
        self.feeds, self.inputs = {}, []
        for k, (a, m) in enumerate(zip(case.arrays, case.masks, strict=True)):
            self.inputs.append(self.sd.placeholder(f"in_{k}", (batch, *a.shape[1:]), a.dtype))
            self.feeds[f"in_{k}"] = a
            if m is not None:
                mask = self.sd.placeholder(f"mask_{k}", (batch, *m.shape[1:]), "bool")
                notes_of(self.sd).masks[self.inputs[-1].node] = mask
                self.feeds[f"mask_{k}"] = m
        call = {k: v for k, v in case.call.items() if k != "training"}
        self.out = list(leaves(layer(*case.args(self.inputs), **call, training=training)))

    def run(self, fetches, engine="numpy"):
        """Values of variables."""
        values = self.sd.compile(fetches, engine, inference=self.training is not True)(self.feeds)
        return [values[v.name] for v in fetches]

    def outputs(self, engine):
        """The outputs."""
        return self.run(self.out, engine)

    def update(self):
        """Give weights that are not trained what a step of training gives them."""
        pairs = [(SDVariable(self.sd, i), SDVariable(self.sd, j)) for i, j in self.sd.marks.updates.items()]
        for (v, _), value in zip(pairs, self.run([w for _, w in pairs]) if pairs else (), strict=True):
            self.sd.set_value(v, value)

    def mask(self):
        """The mask of the first output."""
        found = mask_of(self.out[0])
        return None if found is None else self.run([found])[0]

    def gradients(self):
        """As `Case.their_gradients`."""
        total = self.sd.sum(self.out[0] * weighing(self.out[0].shape))
        for v in self.out[1:]:
            total = total + self.sd.sum(v * weighing(v.shape))
        weights = [w.of(self.sd) for w in self.layer.all_weights() if w.trainable]
        return self.run(self.sd.grad(total, [*weights, *(v for v in self.inputs if v.dtype.kind == "f")]))


def weighing(shape):
    """Different weights for the entries along the last axis."""
    return np.linspace(-1, 2, shape[-1], dtype="float32") if shape else np.float32(1.5)


def moved(ours, theirs):
    """Give both layers the same weights, none of which is as it began, and return them."""
    names = [(w.name.rpartition("/")[2], tuple(w.shape)) for w in theirs.weights]
    assert [(w.name.rpartition("/")[2], w.shape) for w in ours.weights] == names
    assert [w.name.rpartition("/")[2] for w in ours.trainable_weights] == [w.name for w in theirs.trainable_weights]
    assert ours.count_params() == theirs.count_params()
    values = [np.asarray(w) for w in theirs.weights]
    values = [a + 0.2 * abs(array(a.shape, 9 + k)) if a.dtype.kind == "f" else a for k, a in enumerate(values)]
    give(ours, theirs, values)
    return values


def give(ours, theirs, values):
    """Give both layers weights."""
    theirs.set_weights(values)
    if hasattr(theirs, "finalize_state"):
        theirs.finalize_state()
    ours.set_weights(values)


def near(got, expected, rtol, least=1e-3):
    """Same shape and dtype, and values that differ little from the largest one, or from ``least``."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    if expected.dtype.kind == "f":
        size = max(least, float(np.max(abs(expected), initial=0, where=np.isfinite(expected))))
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * size)
    else:
        np.testing.assert_array_equal(got, expected)


def near_all(got, expected, rtol, least=1e-3):
    """`near` for each."""
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        near(a, b, rtol, least)


def same_config(ours, theirs, but=()):
    """Either library reads what the other one writes, and settings that are plain data stay the same."""
    written, read = ours.get_config(), type(ours).from_config(theirs.get_config()).get_config()
    for k, v in theirs.get_config().items():
        if (
            k not in but
            and not k.endswith("activation")
            and (v is None or isinstance(v, bool | int | float | str | list | tuple))
        ):
            expected = list(v) if isinstance(v, tuple) else v
            assert written[k] == expected, f"{k} is written as {written[k]!r}, not {expected!r}"
            assert read[k] == expected, f"{k} is read as {read[k]!r}, not {expected!r}"
    type(theirs).from_config(dict(written))
    assert type(ours).from_config(written).get_config() == written
