"""What `Model.compile` leaves: what is asked of each output, how it is trained, and what was built of it so far.

Which formulas metrics and losses are, the shapes of labels say, so nodes are made when those are known. Must not know
data or loops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sdgraph.build.variable import SDVariable
from sdgraph.keras.optimizers.applying import batches_of_an_update, counting_batches
from sdgraph.keras.training.objective import Objective, Signature, extra_terms, kind_of
from sdgraph.keras.training.optimizer import OptimizerInUse
from sdgraph.keras.training.reading import Given, placed
from sdgraph.keras.training.recipe import Recipe
from sdgraph.train.inference import inferring
from sdgraph.train.step import OnNaN, TrainingStep

if TYPE_CHECKING:
    from sdgraph.build.kinds import EngineName

Function = Callable[[Mapping[str, Any]], dict[str, Any]]
Fetched = tuple[Objective, tuple[SDVariable, ...]]


def _fetched(objective: Objective, also: Sequence[SDVariable]) -> list[SDVariable]:
    """What is computed: the losses first."""
    return list(dict.fromkeys([*objective.measures.fetches, *also]))


class _Step(TrainingStep):
    """A step whose batches count alike where several make one change, as Keras has it."""

    def __call__(self, feeds: Any = None, *, examples: float = 1) -> dict[str, Any]:
        return super().__call__(feeds)


class Trainee(Protocol):
    """What a model tells of itself when it is trained."""

    def _trained_outputs(self) -> Sequence[SDVariable]:
        """The outputs as they are in training."""
        ...

    def _take_moves(self, outputs: Sequence[SDVariable]) -> None:
        """Let weights move after each step as the calls say that lead to outputs."""


class Compiled:
    """A recipe, and the objectives, steps and functions that were made by it."""

    def __init__(
        self,
        inputs: Sequence[SDVariable],
        outputs: Sequence[SDVariable],
        recipe: Recipe,
        optimizer: OptimizerInUse,
        on_nan: OnNaN,
        engine: EngineName | str,
        model: Trainee,
    ) -> None:
        self.inputs, self.outputs, self.recipe = tuple(inputs), tuple(outputs), recipe
        self.optimizer, self._model = optimizer, model
        self.on_nan: OnNaN = on_nan
        self.engine = engine
        self.directions = {
            name: r.metric.direction for name, _, r, _ in recipe.columns() if r.metric.direction is not None
        }
        """What is better in the columns of which that is known."""
        self.directions |= {f"{name}_loss": "min" for name in recipe.outputs}
        self._objectives: dict[tuple[Signature, tuple[int, ...]], Objective] = {}
        """By what is fed and the terms that the graph adds, which may change."""
        self._step: tuple[tuple[Fetched, tuple[int, ...]], TrainingStep] | None = None
        """The last step, by what it computes and what may be trained."""
        self._functions: dict[Fetched, Function] = {}
        self._trained: tuple[SDVariable, ...] | None = None
        self._of_training: dict[Objective, Objective] = {}

    def objective(self, given: Given) -> Objective:
        """The losses and metrics for such labels and weights."""
        labels = [None if y is None else kind_of(y, p) for y, p in zip(given.y, self.outputs, strict=True)]
        weights = [None if w is None else kind_of(w, p) for w, p in zip(given.weights, self.outputs, strict=True)]
        floats = [
            None if k is None else k._replace(dtype=p.sd.dtype) for k, p in zip(weights, self.outputs, strict=True)
        ]
        signature = Signature(tuple(labels), tuple(floats))
        key = signature, tuple(v.id for v in extra_terms(self.outputs))
        found = self._objectives.get(key)
        if found is None:
            found = self._objectives[key] = Objective(self.outputs, self.recipe, signature)
        return found

    def in_training(self, objective: Objective) -> Objective:
        """The same of the outputs as they are in training, where they are not the same for training and use."""
        if self._trained is None:
            self._trained = tuple(self._model._trained_outputs())
        if self._trained == self.outputs:
            return objective
        if objective not in self._of_training:
            self._of_training[objective] = Objective(self._trained, self.recipe, objective)
        return self._of_training[objective]

    def step(self, objective: Objective, also: Sequence[SDVariable] = ()) -> TrainingStep:
        """What trains with an objective; it goes on where the last one ended, also where that had another.

        Args:
            objective: The losses and metrics.
            also: What it is to return besides.
        """
        sd = self.outputs[0].sd
        key = (objective, tuple(also)), tuple(v.id for v in sd.trainable_variables())
        if self._step is not None and self._step[0] == key:
            return self._step[1]
        self._model._take_moves(objective.outputs)
        several = batches_of_an_update(self.optimizer.settings)
        step = _Step(
            sd,
            counting_batches(self.optimizer.settings, several),
            losses=objective.losses,
            fetches=_fetched(objective, also)[len(objective.losses) :],
            accumulate=several,
            carry=True,
            on_nan=self.on_nan,
            engine=self.engine,
        )
        if self._step is not None:
            before, state = self._step[1].state(), step.state()
            step.load_state(state | {k: a for k, a in before.items() if k in state})
        self._step = key, step
        self.optimizer.works_in(step)
        return step

    @property
    def epoch(self) -> int:
        """How many epochs there were."""
        return 0 if self._step is None else self._step[1].epoch

    def function(self, objective: Objective, also: Sequence[SDVariable] = ()) -> Function:
        """What computes the losses and metrics of an objective of feeds, of the model as it predicts."""
        key = objective, tuple(also)
        if key not in self._functions:
            self._functions[key] = inferring(self.outputs[0].sd, _fetched(objective, also), self.engine)
        return self._functions[key]

    def feeds(self, objective: Objective, given: Given) -> dict[str, Any]:
        """Arrays by the names of placeholders."""
        labels = [None if v is None else v.name for v in objective.labels]
        weights = [None if v is None else v.name for v in objective.weights]
        return {
            **placed([v.name for v in self.inputs], given.x),
            **placed(labels, given.y),
            **placed(weights, given.weights),
        }
