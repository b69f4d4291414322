"""`Model.value_and_gradients`: a loss of a model and its gradients, in a graph of their own.

Must not know optimizers or steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError
from sdgraph.keras.layers.eager import Scratch
from sdgraph.keras.layers.notes import notes_of
from sdgraph.keras.layers.trees import leaves
from sdgraph.keras.layers.weights import Weight, settle, weight_of
from sdgraph.keras.training.objective import Objective, Signature, kind_of
from sdgraph.keras.training.reading import Reading, placed
from sdgraph.run.engines.choice import engine_name
from sdgraph.run.executable import Executable

if TYPE_CHECKING:
    from sdgraph.keras.training.recipe import Recipe

Array = np.ndarray[Any, Any]


class Gradients:
    """A function of batches: the loss, and its gradients.

    Args:
        model: The model.
        recipe: Its losses.
        loss: What the recipe was made of.
        training: Whether layers do as in training.
    """

    def __init__(self, model: Any, recipe: Recipe, loss: Any, training: bool) -> None:
        self.recipe, self.loss, self.training = recipe, loss, training
        self._model, self._calls = model, 0
        self._sd = sd = Scratch(dtype=model.sd.dtype, seed=model.sd.seed)
        self._inputs = {k: sd.placeholder(k, v.shape, v.dtype) for k, v in model._inputs.items()}
        given: Any = dict(self._inputs) if model._form_of_inputs is dict else list(self._inputs.values())
        given = given[0] if model._form_of_inputs is SDVariable else given
        self._names, self._reading = [v.name for v in self._inputs.values()], Reading(self._inputs, recipe)
        self._outputs: list[SDVariable] = list(leaves(model.on_variables(sd, (given,), {}, training)))
        self._updated = [(notes_of(sd).weights[sd.nodes[i]], SDVariable(sd, j)) for i, j in sd.marks.updates.items()]
        self._weights = list(notes_of(sd).weights.values())
        self._objectives: dict[Any, tuple[Objective, Executable, list[bool]]] = {}

    def __call__(self, x: Any, y: Any, sample_weight: Any) -> tuple[Array, list[Array | None]]:
        """The loss on a batch, and the gradient of each weight that is trained."""
        given = self._reading.all(x, y, sample_weight)
        objective, function, known = self._objective(given)
        settle(self._weights)
        feeds = {
            **placed(self._names, given.x),
            **placed([None if v is None else v.name for v in objective.labels], given.y),
            **placed([None if v is None else v.name for v in objective.weights], given.weights),
        }
        found = iter(function.run(feeds, self._calls))
        self._calls += 1
        value = next(found)
        gradients = [next(found) if yes else None for yes in known]
        for (w, _), array in zip(self._updated, found, strict=True):
            w.give(np.array(array))
        return value, gradients

    def _objective(self, given: Any) -> tuple[Objective, Executable, list[bool]]:
        """The losses of such labels, what computes them with their gradients, and which weights have one."""
        labels, weights = (
            tuple(None if a is None else kind_of(a, p) for a, p in zip(several, self._outputs, strict=True))
            for several in (given.y, given.weights)
        )
        key = labels, weights, tuple(w.trainable for w in self._weights)
        found = self._objectives.get(key)
        if found is None:
            objective = Objective(self._outputs, self.recipe, Signature(labels, weights))
            total: Any = sum(objective.losses[1:], start=objective.losses[0])
            gradients = self._gradients(total, [weight_of(v) for v in self._model.trainable_weights])
            fetched = [total, *(g for g in gradients if g is not None), *(v for _, v in self._updated)]
            function = Executable(self._sd, fetched, engine_name("auto"))
            found = self._objectives[key] = objective, function, [g is not None for g in gradients]
        return found

    def _gradients(self, total: SDVariable, trained: list[Weight | None]) -> list[SDVariable | None]:
        """A gradient for each of the model's trainable weights."""
        sd = self._sd
        need = sd.reachable([total.id])
        wrt = [None if w is None else w.of(sd) for w in trained]
        reached = [v for v in wrt if v is not None and v.id < len(need) and need[v.id]]
        if not reached:
            raise ArgumentError("The loss depends on no weight that is trained.", given=self._model.name)
        found = dict(zip(reached, sd.grad(total, reached), strict=True))
        return [None if v is None else found.get(v) for v in wrt]
