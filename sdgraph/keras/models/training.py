"""What is done with a model besides calling it: compiling, training, measuring, predicting, its files.

A front: what it is asked for is done by `sdgraph.keras.training` and the loop of `sdgraph.train`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, one_of
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras import optimizers
from sdgraph.keras.callbacks.history import History
from sdgraph.keras.layers.layer import Layer
from sdgraph.keras.layers.weights import settle
from sdgraph.keras.models import stored
from sdgraph.keras.models.compile_config import compile_config
from sdgraph.keras.models.exporting import model_config
from sdgraph.keras.models.gradients import Gradients
from sdgraph.keras.training import fitting, measuring
from sdgraph.keras.training.batches import How, batches_of, one_batch
from sdgraph.keras.training.compiled import Compiled, Function
from sdgraph.keras.training.optimizer import OptimizerInUse
from sdgraph.keras.training.reading import ClassWeight, Reading
from sdgraph.keras.training.recipe import Recipe
from sdgraph.keras.training.telling import Group, sorted_out
from sdgraph.train.fitting import training
from sdgraph.train.inference import inferring
from sdgraph.train.step import OnNaN
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.build.kinds import AnyGraph, EngineName

Array = np.ndarray[Any, Any]
Verbose = int | str

_STEPS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "make_train_function")
"""Methods of Keras' models that a subclass may write anew there."""


class Asked(NamedTuple):
    """What `compile` was asked for."""

    optimizer: OptimizerInUse
    wishes: tuple[Any, Any, Any, Any]
    """The losses, their weights, metrics and weighted metrics, as they were given."""
    on_nan: OnNaN
    engine: EngineName | str


class Trained(Layer):
    """What models do besides being called: they are compiled, trained, measured and used."""

    history: History | None = None
    """What the last `fit` returned, also while it goes on."""
    stop_training: bool = False
    """Set it to True in a callback, and training ends after the batch or epoch."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._inputs: dict[str, SDVariable] = {}
        self._outputs: dict[str, SDVariable] = {}
        self._form_of_inputs: type = SDVariable
        self._form: type = SDVariable

    def __getstate__(self) -> dict[str, Any]:
        """Refuse: inputs and outputs are variables of a graph, which others may use."""
        raise ArgumentTypeError(
            f"The model {self.name!r} cannot be copied or pickled: it is a part of a graph.",
            fix="Make it again, and give it the weights: other.set_weights(model.get_weights()). Files are written by "
            "model.save and model.save_weights.",
        )

    # ------------------------------------------------------------------ inputs and outputs

    @property
    def sd(self) -> AnyGraph:
        """The graph."""
        return self.home()

    @property
    def connected(self) -> bool:
        """Whether its inputs and outputs are known."""
        return bool(self._outputs)

    def _need(self) -> None:
        if not self._outputs:
            raise ArgumentError(
                f"The model {self.name!r} has no inputs and outputs yet.",
                fix="Call it on data, fit it, or say what it is fed: model.build((None, 10)).",
            )

    @property
    def inputs(self) -> list[SDVariable]:
        """The inputs."""
        self._need()
        return list(self._inputs.values())

    @property
    def outputs(self) -> list[SDVariable]:
        """The outputs."""
        self._need()
        return list(self._outputs.values())

    @property
    def input_names(self) -> list[str]:
        """What inputs are called."""
        return list(self._inputs)

    @property
    def output_names(self) -> list[str]:
        """What outputs are called, in losses, metrics and histories."""
        return list(self._outputs)

    def _formed(self, found: list[Any]) -> Any:
        if self._form is dict:
            return dict(zip(self._outputs, found, strict=True))
        return found[0] if self._form is SDVariable else found

    def _connected_to(self, x: Any) -> Any:
        """Data, to which a model without inputs has got some; iterators have all their batches still."""
        return x

    def _take_moves(self, outputs: Sequence[SDVariable]) -> None:
        """Let weights move after each step as the calls say that lead to outputs."""

    def _trained_outputs(self) -> list[SDVariable]:
        """The outputs as they are in training."""
        return self.outputs

    # ------------------------------------------------------------------ what is asked for

    _asked: Asked | None = None
    _compiled: Compiled | None = None
    _says: Function | None = None
    _gradients: Sequence[Gradients] = ()

    def _begin(self) -> None:
        """Have other inputs or outputs."""
        self._says = self._compiled = None
        self._gradients = ()
        if self._asked is not None:
            self._compiled = self._made(self._asked)

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
        self._check_steps()
        in_use = OptimizerInUse(optimizers.get(optimizer))
        asked = Asked(in_use, (loss, loss_weights, metrics, weighted_metrics), on_nan, engine)
        compiled = self._made(asked) if self._outputs else None
        self._says, self._asked, self._compiled, self._gradients = None, asked, compiled, ()

    def _check_steps(self) -> None:
        """Raise for a subclass that says in its own words what a step is: nobody would call that."""
        own = [name for name in _STEPS if hasattr(self, name)]
        if own:
            raise ArgumentError(
                f"Steps of training are not {listed(own, 'and')} of a model here.",
                given=type(self).__name__,
                fix="Leave it out, and give compile a loss and layers their add_loss; or write the loop yourself: "
                "model.value_and_gradients(x, y, loss), optimizer.apply_gradients(...).",
            )

    def _made(self, asked: Asked) -> Compiled:
        recipe = Recipe.of(self.output_names, *asked.wishes)
        return Compiled(self.inputs, self.outputs, recipe, asked.optimizer, asked.on_nan, asked.engine, self)

    def _ready(self) -> Compiled:
        if self._asked is None:
            raise ArgumentError(
                "The model is not compiled.", fix='Say how it is trained: model.compile("adam", loss="mse").'
            )
        if self._compiled is None:
            _ = self.outputs  # It says what is lacking.
            self._compiled = self._made(self._asked)
        return self._compiled

    def _ready_for(self, x: Any) -> Compiled:
        """What was compiled, for data that are at hand."""
        self._connected_to(x)
        settle(self.all_weights())
        return self._ready()

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._asked is not None

    @property
    def optimizer(self) -> OptimizerInUse:
        """The optimizer, whose ``learning_rate`` may be set."""
        if self._asked is None:
            return self._ready().optimizer
        return self._asked.optimizer

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
        x = self._connected_to(x)
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
        settle(self.all_weights())
        try:
            return fitting.fit(self, self._ready(), self._inputs, given)
        finally:
            settle(self.all_weights())

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
        compiled = self._ready_for(x)
        with training(self.sd):
            reading = Reading(self._inputs, compiled.recipe, class_weight)
            objective, feeds, examples = one_batch(compiled, reading.all(x, y, sample_weight))
            objective = compiled.in_training(objective)
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
        fitting.check_verbose(verbose)
        x = self._connected_to(x)
        compiled = self._ready_for(x)
        how = How(batch_size=batch_size, steps=steps)
        measured = batches_of(compiled, Reading(self._inputs, compiled.recipe), x, y, sample_weight, how)
        group = self._group(callbacks, verbose, measured[1].count())
        values = measuring.evaluated(compiled, measured, group)
        return measuring.told(values, compiled, flag("return_dict", return_dict))

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics on one batch; see `evaluate`."""
        compiled = self._ready_for(x)
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
        x = self._connected_to(x)
        settle(self.all_weights())
        reading = Reading(self._inputs, None)
        batches = measuring.input_batches(reading, self.inputs, x, batch_size, steps)
        group = self._group(callbacks, verbose, batches.count())
        return self._formed(measuring.predicted(self._predictions(), self.outputs, batches, group))

    def predict_on_batch(self, x: Any) -> Any:
        """What the model says of one batch; see `predict`."""
        self._connected_to(x)
        settle(self.all_weights())
        arrays = Reading(self._inputs, None).inputs(x)
        values = self._predictions()({v.name: a for v, a in zip(self.inputs, arrays, strict=True)})
        return self._formed([values[v.name] for v in self.outputs])

    def _predictions(self) -> Function:
        if self._says is None:
            engine = "auto" if self._compiled is None else self._compiled.engine
            self._says = inferring(self.sd, self.outputs, engine)
        return self._says

    def _group(self, callbacks: Any, verbose: Verbose, steps: int | None) -> Group:
        keras, own = sorted_out(callbacks)
        if own:
            raise ArgumentTypeError("Callbacks of sdgraph.train hear of training only.", given=shown(own[0]))
        return Group(self, keras, {"verbose": verbose, "epochs": 1, "steps": steps})

    def value_and_gradients(
        self, x: Any, y: Any = None, loss: Any = None, sample_weight: Any = None, *, training: bool = False
    ) -> tuple[Array, list[Array | None]]:
        """The loss on one batch, with all that `add_loss` and regularizers add, and its gradients.

        In place of a tape: ``optimizer.apply_gradients(zip(gradients, model.trainable_weights))`` goes on from here.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            loss: As for `compile`, a function that takes labels and predictions too; what the model was compiled with
                by default. What is one loss for each example is averaged.
            sample_weight: As for `fit`.
            training: Whether layers do as in training: drop, and normalise by the batch.

        Returns:
            The loss, a scalar, and for each of `trainable_weights` its gradient; None for one that the loss does not
            depend on.

        Raises:
            ArgumentError: If there is no loss.
            ShapeError: If labels or weights do not fit the outputs.

        Example:
            >>> from sdgraph import keras
            >>> model = keras.Sequential([keras.Input(shape=(2,)), keras.layers.Dense(1, kernel_initializer="ones")])
            >>> model.value_and_gradients([[1.0, 2.0]], [[1.0]], keras.losses.MeanSquaredError())
            (array(4., dtype=float32), [array([[4.], [8.]], dtype=float32), array([4.], dtype=float32)])
        """
        self._connected_to(x)
        for known in self._gradients:
            if known.loss is loss and known.training is training:
                return known(x, y, sample_weight)
        recipe = self._ready().recipe if loss is None else Recipe.of(self.output_names, loss, None, None, None)
        made = Gradients(self, recipe, loss, flag("training", training))
        self._gradients = [made, *self._gradients[:3]]
        return made(x, y, sample_weight)

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str], overwrite: bool = True) -> Path:
        """Write the model into a file of ``.keras``, for Keras 3 and `load_model`; or its graph, for `SameDiff.load`.

        Into ``.keras`` go the layers, which calls which, their weights, and what the model was compiled with; the
        optimizer begins anew. Layers, losses and metrics of your own are found again by ``custom_objects``. The file
        replaces an old one as a whole.

        Args:
            path: The file. If its name ends in ``.keras``, it is that; else it has the graph with its values, as
                ``.sdg``.
            overwrite: Whether a file of that name may be replaced.

        Raises:
            ArgumentError: If the file is there and may not be replaced; for ``.h5``; and for what ``.keras`` cannot
                hold: ops between layers, variables of no layer, functions in settings, a model whose call is code.
            ArgumentTypeError: If it was compiled with a lambda, or an optimizer that is none of Keras'.
            MissingDependencyError: If h5py is not installed, for ``.keras``.
        """
        if not flag("overwrite", overwrite) and Path(path).exists():
            raise ArgumentError("There is such a file.", given=str(path), fix="overwrite=True replaces it.")
        if str(path).endswith((".h5", ".hdf5")):
            raise ArgumentError(
                "Whole models are not written as HDF5.",
                given=str(path),
                fix="model.save('m.keras') writes a model, model.save_weights('m.weights.h5') its weights.",
            )
        if not str(path).endswith(".keras"):
            return self.sd.save(path)
        config = model_config(self)
        if self._asked is not None:
            config["compile_config"] = compile_config(self._asked.optimizer, self._asked.wishes)
        settle(self.all_weights())
        return stored.write_whole(self, config, path)

    def save_weights(self, path: str | os.PathLike[str], overwrite: bool = True) -> Path:
        """Write the values of `weights` into a file.

        Args:
            path: The file. ``.weights.h5`` is loaded by the same model in Keras 3; others are ``.npz`` and
                ``.safetensors``.
            overwrite: Whether a file of that name may be replaced.

        Raises:
            ArgumentError: If the name ends in something else, or the file is there and may not be replaced.
            MissingDependencyError: If the package for such files is not installed.
        """
        if not flag("overwrite", overwrite) and Path(path).exists():
            raise ArgumentError("There is such a file.", given=str(path), fix="overwrite=True replaces it.")
        settle(self.all_weights())
        if str(path).endswith(".h5"):
            return stored.write(self, path)
        return self.sd.export_weights(path, self.weights)

    def load_weights(self, path: str | os.PathLike[str], skip_mismatch: bool = False, *, by_name: bool = False) -> None:
        """Read what `save_weights` wrote, or the weights in any of Keras' files.

        Args:
            path: The file.
            skip_mismatch: Anything but False is refused: all weights are read, or none.
            by_name: Whether layers in an ``.h5`` file of Keras 1 or 2 are found by their names, so that others keep
                their weights.

        Raises:
            ArgumentError: If the file does not have exactly these variables.
            FormatError: If a file of Keras' is damaged, or has weights of other shapes.
            ShapeError: If one has another shape.
        """
        if skip_mismatch:
            raise ArgumentError("Weights are read all, or none.", given="skip_mismatch=True", fix="by_name=True.")
        if stored.is_of_keras(path):
            stored.read(self, path, by_name=flag("by_name", by_name))
        else:
            self.sd.import_weights(path, variables=self.weights)
