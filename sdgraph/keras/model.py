"""`sdgraph.keras.Model`: a graph's inputs and outputs, trained and used as Keras' models are.

A front: what it is asked for is done by `sdgraph.keras.training` and the loop of `sdgraph.train`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, one_of
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.aval import is_floating
from sdgraph.keras import optimizers
from sdgraph.keras.callbacks.history import History
from sdgraph.keras.training import fitting, measuring
from sdgraph.keras.training.batches import How, batches_of, one_batch
from sdgraph.keras.training.compiled import Compiled, Function
from sdgraph.keras.training.objective import extra_terms, leaves
from sdgraph.keras.training.optimizer import OptimizerInUse
from sdgraph.keras.training.reading import ClassWeight, Reading
from sdgraph.keras.training.recipe import Recipe
from sdgraph.keras.training.telling import Group, sorted_out
from sdgraph.train.fitting import training
from sdgraph.train.inference import inferring
from sdgraph.train.step import OnNaN
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.build.kinds import EngineName

Array = np.ndarray[Any, Any]
Variables = SDVariable | Sequence[SDVariable] | Mapping[str, SDVariable]
Verbose = int | str


@readable
class Model:
    """Inputs and outputs of a graph, with Keras' ``compile``, ``fit``, ``evaluate`` and ``predict``.

    The variables that the outputs are computed from are trained. They stay the graph's, and have new values there.
    Outputs are called by the names of their variables, or by the keys of a dict, in losses, metrics and histories.

    Args:
        inputs: A placeholder, a list of them, or a dict of them by names of your own.
        outputs: A variable, a list, or a dict.
        name: What the model is called.

    Raises:
        ArgumentTypeError: If an input is no placeholder.
        ArgumentError: If an output needs a placeholder that is not among the inputs, or there are several graphs.

    Example:
        >>> import numpy as np
        >>> from sdgraph import SameDiff, keras
        >>> sd = SameDiff()
        >>> x = sd.placeholder("x", (None, 2))
        >>> model = keras.Model(x, sd.nn.sigmoid(x @ sd.var("w", [[0.0], [0.0]])))
        >>> model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        >>> points = np.random.default_rng(0).normal(size=(64, 2))
        >>> history = model.fit(points, points[:, :1] > 0, epochs=5, verbose=0)
        >>> sorted(history.history), history.epoch
        (['accuracy', 'loss'], [0, 1, 2, 3, 4])
    """

    history: History | None = None
    """What the last `fit` returned, also while it goes on."""
    stop_training: bool = False
    """Set it to True in a callback, and training ends after the batch or epoch."""

    def __init__(self, inputs: Variables, outputs: Variables, name: str | None = None) -> None:
        self._inputs, self._outputs = _named("input", inputs), _named("output", outputs)
        self.name = "model" if name is None else name
        self._form: type = (
            SDVariable if isinstance(outputs, SDVariable) else dict if isinstance(outputs, Mapping) else list
        )
        graphs = {id(v.sd): v.sd for v in (*self._inputs.values(), *self._outputs.values())}
        if len(graphs) != 1:
            raise ArgumentError("A model is of one graph.", given=f"variables of {len(graphs)} graphs")
        (self.sd,) = graphs.values()
        for v in self._inputs.values():
            if v.kind is not VariableKind.PLACEHOLDER:
                raise ArgumentTypeError(f"An input is a placeholder: {v.name!r} is {v.kind.in_words}.", given=repr(v))
        for v in self.outputs:
            if not v.ndim:
                raise ArgumentError(f"An output has an axis of examples: {v.name!r} is one number.", given=repr(v))
        needed = [v for v in leaves(self.outputs) if v.kind is VariableKind.PLACEHOLDER]
        lacking = [v.name for v in needed if v not in self.inputs]
        if lacking:
            raise ArgumentError(
                f"The outputs need {listed(lacking, 'and')}.", given=f"inputs {listed(self.input_names)}"
            )
        self._compiled: Compiled | None = None
        self._says: Function | None = None

    @property
    def inputs(self) -> list[SDVariable]:
        """The inputs."""
        return list(self._inputs.values())

    @property
    def outputs(self) -> list[SDVariable]:
        """The outputs."""
        return list(self._outputs.values())

    @property
    def input_names(self) -> list[str]:
        """What inputs are called."""
        return list(self._inputs)

    @property
    def output_names(self) -> list[str]:
        """What outputs are called, in losses, metrics and histories."""
        return list(self._outputs)

    def __repr__(self) -> str:
        return f"<Model {self.name!r}: {listed(self.input_names, 'and')} to {listed(self.output_names, 'and')}>"

    # ------------------------------------------------------------------ what is asked for

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        *,
        on_nan: OnNaN = "raise",
        engine: EngineName | str = "auto",
    ) -> None:
        """Say how the model is trained and what is reported; training begins anew.

        What is minimised is the sum of the losses by their weights, and of `losses`.

        Args:
            optimizer: One of `sdgraph.keras.optimizers`, its name, or an updater of `sdgraph.train`.
            loss: A loss, its name, or a function of labels and predictions; with several outputs one for all, or a list
                or a dict with one for each, None where there is none.
            loss_weights: What each loss counts; a list or a dict.
            metrics: Names of accuracies and losses, and functions of labels and predictions, that are reported without
                weights of examples; with several outputs a list or a dict with some for each. ``"accuracy"`` is the one
                that the shapes of labels and predictions call for.
            weighted_metrics: The same, with weights of examples.
            run_eagerly: Has no effect, as the next three: they say how Keras computes.
            steps_per_execution: Has no effect.
            jit_compile: Has no effect.
            auto_scale_loss: Has no effect.
            on_nan: What happens where a loss or a gradient is not finite: ``"raise"`` says so and changes nothing,
                ``"skip"`` leaves the batch out, ``"continue"`` trains on as Keras does.
            engine: Name of the engine, as for `SameDiff.output`.

        Raises:
            ArgumentError: For names that nothing has, and for more or fewer losses, weights or metrics than outputs.
            ArgumentTypeError: For what is no optimizer, loss or metric.
        """
        one_of("on_nan", on_nan, ("raise", "skip", "continue"))
        recipe = Recipe.of(self.output_names, loss, loss_weights, metrics, weighted_metrics)
        self._says = None
        self._compiled = Compiled(self.inputs, self.outputs, recipe, optimizers.get(optimizer), on_nan, engine)

    def _ready(self) -> Compiled:
        if self._compiled is None:
            raise ArgumentError(
                "The model is not compiled.", fix='Say how it is trained: model.compile("adam", loss="mse").'
            )
        return self._compiled

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> OptimizerInUse:
        """The optimizer, whose ``learning_rate`` may be set."""
        return self._ready().optimizer

    @property
    def directions(self) -> Mapping[str, str]:
        """By the name of a column ``"min"`` or ``"max"``: what is better, where that is known."""
        return self._ready().directions

    @property
    def metrics_names(self) -> list[str]:
        """What `evaluate` returns, in order."""
        return measuring.order(self._ready())

    # ------------------------------------------------------------------ training

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbose = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: ClassWeight | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Collection[int] = 1,
    ) -> History:
        """Train the model with data, up to some epoch. Another call goes on with what the optimizer keeps.

        Args:
            x: Arrays for the inputs: one, a list or a dict; or what gives batches ``(x, y)`` or ``(x, y, weights)``: a
                list or a loader, something with numbered batches, a function that makes an iterator, an iterator.
            y: Labels for the outputs: one array, a list or a dict. Batches have their own.
            batch_size: Examples of a batch, 32 by default; the last one of an epoch may be smaller.
            epochs: The number of the last epoch, counted from 1.
            verbose: 0 prints nothing, 1 shows a bar, 2 prints a line for each epoch. ``"auto"`` shows a bar where
                somebody looks, in a terminal or a notebook.
            callbacks: What is told of training: objects of `sdgraph.keras.callbacks`, or of `sdgraph.train`.
            validation_split: What share of the arrays is held out: the last examples, before anything is shuffled.
            validation_data: Held-out data ``(x, y)`` or ``(x, y, weights)``, or what gives batches.
            shuffle: Whether arrays are gone through in another order in each epoch: that of the graph's seed and the
                number of the epoch.
            class_weight: A weight by the number of a class, for a model with one output; 1 for the others.
            sample_weight: Weights of examples: an array, or with several outputs a list or a dict.
            initial_epoch: The number of the first epoch, from 0.
            steps_per_epoch: How many batches make an epoch; the next one goes on where it ended.
            validation_steps: How many batches make a validation, the first ones.
            validation_batch_size: Examples of a batch of validation; ``batch_size`` by default.
            validation_freq: After how many epochs to validate, or a list of epochs, counted from 1.

        Returns:
            The history: ``history`` has a list of values by the name of a column.

        Raises:
            ArgumentError: If the model is not compiled, data or settings do not fit together, or the graph is being
                trained by somebody else.
            FeedError: If arrays do not fit the inputs.
            ShapeError: If labels or weights do not fit the outputs.
            NumericsError: If a loss or a gradient is not finite, unless ``on_nan`` of `compile` or the callback
                `TerminateOnNaN` says otherwise; no variable has changed.
        """
        given = fitting.Fit(
            x=x,
            y=y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        )
        return fitting.fit(self, self._ready(), self._inputs, given)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: ClassWeight | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Train with one batch.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            sample_weight: As for `fit`.
            class_weight: As for `fit`.
            return_dict: Whether to return values by name.

        Returns:
            The values of this batch, before the variables changed, in the order of `evaluate`.
        """
        compiled = self._ready()
        with training(self.sd):
            reading = Reading(self._inputs, compiled.recipe, class_weight)
            objective, feeds, examples = one_batch(compiled, reading.all(x, y, sample_weight))
            totals = objective.measures.totals()
            totals.add(compiled.step(objective)(feeds, examples=examples), examples)
        return measuring.told(totals.values(), compiled, flag("return_dict", return_dict))

    # ------------------------------------------------------------------ use

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data, of the model as it predicts.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            batch_size: Examples of a batch, 32 by default.
            verbose: Has no effect.
            sample_weight: As for `fit`.
            steps: How many batches to look at, the first ones.
            callbacks: What is told of it.
            return_dict: Whether to return values by name.

        Returns:
            The loss; with losses of several outputs these, in order; then the metrics. A single value is no list.
        """
        compiled = self._ready()
        fitting.check_verbose(verbose)
        how = How(batch_size=batch_size, steps=steps)
        measured = batches_of(compiled, Reading(self._inputs, compiled.recipe), x, y, sample_weight, how)
        group = self._group(callbacks, verbose, measured[1].count())
        values = measuring.evaluated(compiled, measured, group)
        return measuring.told(values, compiled, flag("return_dict", return_dict))

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics on one batch; see `evaluate`."""
        compiled = self._ready()
        given = Reading(self._inputs, compiled.recipe).all(x, y, sample_weight)
        objective, feeds, examples = one_batch(compiled, given)
        totals = objective.measures.totals()
        totals.add(compiled.function(objective)(feeds), examples)
        return measuring.told(totals.values(), compiled, flag("return_dict", return_dict))

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """What the model says, as it predicts: random layers do nothing.

        Args:
            x: As for `fit`.
            batch_size: Examples of a batch, 32 by default.
            verbose: Has no effect.
            steps: How many batches to look at, the first ones.
            callbacks: What is told of it.

        Returns:
            An array for the output; with several outputs a list, or a dict where the model was made with one.
        """
        fitting.check_verbose(verbose)
        reading = Reading(self._inputs, None)
        batches = measuring.input_batches(reading, self.inputs, x, batch_size, steps)
        group = self._group(callbacks, verbose, batches.count())
        return self._formed(measuring.predicted(self._predictions(), self.outputs, batches, group))

    def predict_on_batch(self, x: Any) -> Any:
        """What the model says of one batch; see `predict`."""
        arrays = Reading(self._inputs, None).inputs(x)
        values = self._predictions()({v.name: a for v, a in zip(self.inputs, arrays, strict=True)})
        return self._formed([values[v.name] for v in self.outputs])

    def _predictions(self) -> Function:
        if self._says is None:
            engine = "auto" if self._compiled is None else self._compiled.engine
            self._says = inferring(self.sd, self.outputs, engine)
        return self._says

    def _formed(self, found: list[Array]) -> Any:
        if self._form is dict:
            return dict(zip(self._outputs, found, strict=True))
        return found[0] if self._form is SDVariable else found

    def _group(self, callbacks: Any, verbose: Verbose, steps: int | None) -> Group:
        keras, own = sorted_out(callbacks)
        if own:
            raise ArgumentTypeError("Callbacks of sdgraph.train hear of training only.", given=shown(own[0]))
        return Group(self, keras, {"verbose": verbose, "epochs": 1, "steps": steps})

    # ------------------------------------------------------------------ variables

    @property
    def weights(self) -> list[SDVariable]:
        """The variables that outputs and `losses` are computed from, in the order they were made."""
        found = leaves([*self.outputs, *self.losses])
        return [v for v in found if v.kind is VariableKind.VARIABLE]

    @property
    def trainable_weights(self) -> list[SDVariable]:
        """Those of them that are trained."""
        return [v for v in self.weights if is_floating(v.dtype) and v.id not in self.sd.marks.updates]

    trainable_variables = trainable_weights

    @property
    def losses(self) -> list[SDVariable]:
        """The terms of `SameDiff.add_loss` that have a placeholder or variable in common with the outputs."""
        return extra_terms(self.outputs)

    def get_weights(self) -> list[Array]:
        """The values of `weights`, as copies."""
        return [v.value.copy() for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give `weights` values, all of them or, where one does not fit, none.

        Raises:
            ArgumentError: If there are more or fewer.
            ShapeError: If one has another shape.
        """
        own = self.weights
        if not isinstance(weights, list | tuple):
            raise ArgumentTypeError("Weights are a list of arrays.", given=shown(weights))
        if len(weights) != len(own):
            raise ArgumentError(
                "There is one array for each variable.",
                given=f"{len(weights)} arrays",
                expected=f"{len(own)}: {listed([v.name for v in own], 'and')}",
            )
        self.sd.set_values(dict(zip(own, weights, strict=True)))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the graph with its values into a file of ``.sdg``, for `SameDiff.load`."""
        return self.sd.save(path)

    def save_weights(self, path: str | os.PathLike[str]) -> Path:
        """Write the values of `weights` into a file of ``.npz`` or ``.safetensors``."""
        return self.sd.export_weights(path, self.weights)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what `save_weights` wrote.

        Raises:
            ArgumentError: If the file does not have exactly these variables.
            ShapeError: If one has another shape.
        """
        self.sd.import_weights(path, variables=self.weights)


def _named(what: str, given: Variables) -> dict[str, SDVariable]:
    """Variables by what they are called."""
    if isinstance(given, Mapping):
        found = dict(given)
    else:
        several: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
        found = {v.name if isinstance(v, SDVariable) else shown(v): v for v in several}
        if len(found) < len(several):
            raise ArgumentError(f"An {what} is given twice.", given=listed([v.name for v in several], "and"))
    if not found:
        raise ArgumentError(f"A model has an {what}.", given="none")
    for name, v in found.items():
        if not isinstance(v, SDVariable):
            raise ArgumentTypeError(f"An {what} is a variable of a graph.", given=f"{name}: {shown(v)}")
    return found
