"""The methods of a graph that train it.

A front only, and what it calls is imported on first use.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, overload

from sdgraph.build.calls import told_in_calls
from sdgraph.build.variable import SDVariable
from sdgraph.files.methods import GraphFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from sdgraph.build.kinds import EngineName
    from sdgraph.build.variable import Variables
    from sdgraph.train.callbacks.checkpoint import Checkpoint, Resume
    from sdgraph.train.config import TrainingConfig
    from sdgraph.train.data.batches import Data
    from sdgraph.train.evaluation.base import Evaluator
    from sdgraph.train.results.history import History
    from sdgraph.train.results.measures import Metrics
    from sdgraph.train.results.records import EvaluationRecord
    from sdgraph.train.step import OnNaN, TrainingStep
    from sdgraph.train.updating.averages import Average
    from sdgraph.train.updating.choosing import Updaters
    from sdgraph.train.updating.transforms import Transform
    from sdgraph.train.updating.updater_state import UpdaterState


_NOT_COPIED: Final = frozenset({"training_kept", "_listeners", "layer_notes"})
"""What belongs to this graph alone."""


@told_in_calls("sd")
class TrainableGraph(GraphFiles):
    """A graph that can be trained."""

    def training_step(
        self,
        updater: Updaters | None = None,
        *,
        fetches: Variables = (),
        variables: Variables | None = None,
        transforms: Sequence[Transform] | None = None,
        average: Average | None = None,
        minimize: bool | None = None,
        accumulate: int = 1,
        on_nan: OnNaN = "raise",
        engine: EngineName | str = "auto",
    ) -> TrainingStep:
        """A function that trains the graph with one batch: ``losses = step(feeds)``.

        It computes the current losses, their gradients and the values of `update`, and then changes the variables, all
        at one moment. What the updater keeps stands in the step, and so does how many batches there were.

        Args:
            updater: How a gradient changes a variable, such as `sdgraph.train.Adam`; or for patterns of names, as
                ``{"encoder/*": None, "*": Adam(1e-3)}``: the first that fits counts, and None leaves a variable as it
                is. By default that of the graph's training configuration, which goes on where the graph's
                `updater_state` is.
            fetches: Variables or names to return beside the losses, as they are before the variables change.
            variables: What to train; all variables that the losses depend on by default, without those of `update`.
            transforms: What is done to gradients and variables before the updater's rule, in this order, such as
                `sdgraph.train.L2Regularization`; by default the regularization of the configuration, if the
                updater is its own.
            average: A moving average that is kept of each variable that is trained, `sdgraph.train.Average`.
            minimize: Whether the losses are to fall, not to rise; by default as the configuration says, or True.
            accumulate: How many batches make one change of the variables: that of a batch which has all their examples.
            on_nan: What happens where a loss or a gradient is not finite: ``"raise"`` says so and changes nothing,
                ``"skip"`` leaves the batch out and counts it, ``"continue"`` goes on.
            engine: Name of the engine, as for `output`.

        Returns:
            The step.

        Raises:
            ArgumentError: If there is nothing to train, or a pattern or a variable is not among what there is.
            ArgumentTypeError: If the updater is none.
            GradientError: If the losses are not clear, or a gradient does not exist.

        Example:
            >>> from sdgraph import SameDiff
            >>> from sdgraph.train import Sgd
            >>> sd = SameDiff()
            >>> x, y = sd.placeholder("x", (None, 2)), sd.placeholder("y", (None,))
            >>> w = sd.var("w", [0.0, 0.0])
            >>> loss = sd.loss.mean_squared_error(y, x @ w, name="loss")
            >>> step = sd.training_step(Sgd(0.1))
            >>> for _ in range(100):
            ...     losses = step({"x": [[1, 2], [2, 1]], "y": [5, 4]})
            >>> w.value.round(3)
            array([1., 2.], dtype=float32)
        """
        from sdgraph.train.configured import own_step

        return own_step(
            self,
            updater,
            transforms,
            minimize,
            fetches=self.several(fetches),
            variables=None if variables is None else self.several(variables),
            average=average,
            accumulate=accumulate,
            on_nan=on_nan,
            engine=engine,
        )

    def update(self, variable: SDVariable | str, value: SDVariable | str | None) -> None:
        """Let a variable take a value after each step of training, as moving means and averages of weights do.

        The value is computed with the losses, from what the variables are before the step. Such a variable is not
        trained. Nothing else than training changes it.

        Args:
            variable: The variable or its name.
            value: A variable of its shape, which may be computed, or its name; None to leave it as it is again.

        Raises:
            ArgumentTypeError: If something else than a variable is to take the value.
            ShapeError: If the value has another shape.
            DTypeError: If the variable cannot hold the value.

        Example:
            >>> from sdgraph import SameDiff
            >>> from sdgraph.train import Sgd
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x", (None,))
            >>> w, average = sd.var("w", 1.0), sd.var("average", 0.0)
            >>> loss = ((x - w) ** 2).mean(name="loss").mark_as_loss()
            >>> sd.update(average, 0.5 * average + 0.5 * x.mean())
            >>> step = sd.training_step(Sgd(0.0))
            >>> for _ in range(3):
            ...     losses = step({"x": [3.0, 5.0]})
            >>> average.value
            array(3.5, dtype=float32)
        """
        from sdgraph.train.updating.after import set_after

        set_after(self, self.own(variable), None if value is None else self.own(value))

    # ------------------------------------------------------------------ in SameDiff's words

    training_config: TrainingConfig | None = None
    """How `fit` trains the graph where it is not told otherwise; copies of the graph have it, too."""
    _training_begins: UpdaterState | None = None
    """Where the next step begins, if there is none to go on with."""

    def set_training_config(self, config: TrainingConfig | None) -> None:
        """Say how `fit` trains the graph where it is not told otherwise; training begins anew.

        Losses that the configuration names become those of the graph, as with `set_loss_variables`.

        Args:
            config: The configuration; None for none.

        Raises:
            ArgumentTypeError: If it is none.
            UnknownVariableError: If it names a variable that is not there.

        Example:
            >>> import numpy as np
            >>> from sdgraph import SameDiff
            >>> from sdgraph.train import Adam, TrainingConfig
            >>> sd = SameDiff()
            >>> x, y = sd.placeholder("x", (None, 2)), sd.placeholder("y", (None,))
            >>> loss = sd.loss.mean_squared_error(y, x @ sd.var("w", [0.0, 0.0]), name="loss")
            >>> sd.set_training_config(
            ...     TrainingConfig(updater=Adam(0.1), data_set_feature_mapping="x", data_set_label_mapping="y")
            ... )
            >>> history = sd.fit((np.eye(2), np.ones(2)), epochs=20)
            >>> history.loss_curve.last_mean_loss("loss") < 0.1
            True
        """
        from sdgraph.train.configured import set_config

        set_config(self, config)

    _listeners: tuple[Any, ...] = ()
    layer_notes: Any = None
    """What `sdgraph.keras` remembers of the layers that were called in the graph."""

    def set_listeners(self, *listeners: Any) -> None:
        """Let listeners hear of all `fit`, `evaluate`, `predict` and `output` of this graph, in place of those before.

        In `fit` they come before those of the call. Copies and files of the graph do not have them.

        Args:
            *listeners: `sdgraph.train.Listener` objects; or other callbacks, which hear of `fit` only. None at all, and
                nobody listens any more.

        Raises:
            ArgumentTypeError: If one is none.

        Example:
            >>> from sdgraph import SameDiff
            >>> from sdgraph.train import Listener
            >>> class Says(Listener):
            ...     def operation_start(self, sd, operation):
            ...         print(operation.name)
            >>> sd = SameDiff()
            >>> y = sd.placeholder("x").mul(2, name="y")
            >>> sd.set_listeners(Says())
            >>> values = sd.output({"x": 3}, "y")
            INFERENCE
        """
        from sdgraph.train.callbacks.hearing import checked_listeners

        self._listeners = checked_listeners(listeners)

    def add_listeners(self, *listeners: Any) -> None:
        """Let listeners hear of it besides those that do.

        Raises:
            ArgumentTypeError: If one is none.
        """
        from sdgraph.train.callbacks.hearing import checked_listeners

        self._listeners += checked_listeners(listeners)

    def get_listeners(self) -> list[Any]:
        """The listeners of this graph."""
        return list(self._listeners)

    @property
    def updater_state(self) -> UpdaterState | None:
        """How far `fit` is: what the updater keeps of each variable, and how many iterations and epochs there were.

        None before the first. What is set here, the next `fit` goes on from; None begins anew.
        """
        from sdgraph.train.configured import state_of

        return state_of(self)

    @updater_state.setter
    def updater_state(self, state: UpdaterState | None) -> None:
        from sdgraph.train.configured import set_state

        set_state(self, state)

    # ------------------------------------------------------------------ over data

    training_kept: Any = None
    """What `fit` keeps for the next one. Copies begin without it; those with a configuration where it is."""

    def set_on_it(self) -> dict[str, Any]:
        """The attributes that somebody set on the graph, who is not the library."""
        own = {name: value for name, value in super().set_on_it().items() if name not in _NOT_COPIED}
        if self.training_config is not None and self.training_kept is not None:
            own["_training_begins"] = self.updater_state
        return own

    def fit(
        self,
        data: Data,
        *,
        epochs: int = 1,
        updater: Updaters | None = None,
        transforms: Sequence[Transform] | None = None,
        config: TrainingConfig | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        steps_per_epoch: int | None = None,
        validation: Data | None = None,
        validation_data: Data | None = None,
        validation_split: float = 0.0,
        validation_frequency: int = 1,
        metrics: Metrics | None = None,
        variables: Variables | None = None,
        minimize: bool | None = None,
        accumulate: int = 1,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        loss_weights: Mapping[str, float] | Sequence[float] | None = None,
        callbacks: Sequence[Any] = (),
        listeners: Sequence[Any] = (),
        checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
        save_every: int | None = None,
        resume: Resume = False,
        force: bool = False,
        on_nan: OnNaN = "raise",
        progress: bool | None = None,
        engine: EngineName | str = "auto",
    ) -> History:
        """Train the graph with data, some epochs long.

        A second call with the same question, that is the same updater, losses, metrics and variables, goes on where the
        first one ended: with what the updater keeps, the number of the epoch, the order of examples. So three times one
        epoch is three epochs, to the last bit. Another question begins anew.

        Args:
            data: Arrays by name of placeholder, as ``{"x": x, "y": y}``; a tuple of arrays for the placeholders in
                order; something that gives batches, each a mapping, a tuple or a `sdgraph.train.DataSet`, whenever it
                is gone through; or a function that returns such for each epoch. A single ``DataSet`` is one step, and
                with ``epochs=1`` no epoch that counts.
            epochs: How often to go through them.
            updater: How gradients change variables, as for `training_step`; by default that of the configuration.
            transforms: What is done to gradients and variables first, as for `training_step`; by default the
                regularization of the configuration.
            config: How to train where it is not said here; by default what `set_training_config` was given.
            batch_size: Examples of a batch, where arrays are given. The last batch of an epoch may be smaller.
            shuffle: Whether arrays are gone through in another order in each epoch: that of ``(seed, epoch)``.
            seed: What the orders depend on; by default the graph's seed.
            steps_per_epoch: How many batches make an epoch; by default all.
            validation: Data to measure losses and metrics on after epochs, as ``val_loss`` and so on. The graph is not
                trained with them.
            validation_data: The same, as Keras calls it.
            validation_split: What share of arrays is held out for that: the last examples, in their own order.
            validation_frequency: After which epochs that is done: the first, and every so many.
            metrics: Variables of the graph to report, by the names they get there; or variables or their names.
            variables: What to train, as for `training_step`.
            minimize: Whether the losses are to fall, not to rise; by default as the configuration says, or True.
            accumulate: How many batches make one change of the variables; what is left makes one as the epoch ends.
            class_weight: What examples of a class count in the losses of ``sd.loss`` and ``sd.keras``, as
                ``{0: 1.0, 1: 5.0}``; others count 1. Labels are classes, or have a column for each.
            sample_weight: What each example counts in them, where arrays are given. As with a loss's own weights, its
                reduction says whether means are divided by their sum or by the number of examples. Validation
                counts every example once.
            loss_weights: What each of several losses counts in their sum, by its name or in order.
            callbacks: What is told of training: `sdgraph.train.Callback` objects, or functions of ``(event, run)``.
            listeners: More of them, as SameDiff calls them.
            checkpoint: A folder to write checkpoints to after each epoch, or a `sdgraph.train.Checkpoint`, which says
                how often and how many. After Ctrl-C and SIGTERM there is one in any case.
            save_every: After how many batches there is one, too, where a folder is given.
            resume: Whether to go on from the newest checkpoint that can be read, to the bits that training without a
                break gives; without one training begins. Or a folder or a file of checkpoints to go on from. ``epochs``
                are those of the whole run.
            force: Whether to go on from a checkpoint of another graph, updater or data, with what fits.
            on_nan: What happens where a loss or a gradient is not finite, as for `training_step`.
            progress: Whether to show a bar, or a line for each epoch where tqdm is not installed (extra ``train``); by
                default where somebody looks, in a terminal or a notebook.
            engine: Name of the engine, as for `output`.

        Returns:
            One dict of values per epoch: means over examples, sums of losses that are sums. ``loss`` is the sum of all
            losses; each also has its own name.

        Raises:
            ArgumentError: If there is nothing to train, data or settings do not fit together, or the graph is being
                trained by somebody else.
            FeedError: If the data do not fit the placeholders.
            GradientError: If the losses are not clear.
            NumericsError: If a loss or a gradient is not finite, unless ``on_nan`` says otherwise; no variable has
                changed.
            ResumeError: If the checkpoint is of another graph, updater, data length, batch size or dtype.
            FormatError: If there are checkpoints, and none can be read.

        Warns:
            ResumeWarning: If the newest checkpoint cannot be read, or other versions, another engine or another number
                of BLAS threads compute, so that the last bits may differ.

        Example:
            >>> import numpy as np
            >>> from sdgraph import SameDiff
            >>> from sdgraph.train import Sgd
            >>> sd = SameDiff()
            >>> x, y = sd.placeholder("x", (None, 2)), sd.placeholder("y", (None,))
            >>> w = sd.var("w", [0.0, 0.0])
            >>> loss = sd.loss.mean_squared_error(y, x @ w, name="loss")
            >>> examples = np.random.default_rng(0).normal(size=(64, 2))
            >>> history = sd.fit({"x": examples, "y": examples @ [1, 2]}, epochs=30, updater=Sgd(0.1))
            >>> w.value.round(3)
            array([1., 2.], dtype=float32)
        """
        from sdgraph.train.fitting import Fit, fit

        given = Fit(
            epochs=epochs,
            updater=updater,
            transforms=transforms,
            config=config,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            steps_per_epoch=steps_per_epoch,
            validation=validation if validation_data is None else validation_data,
            validation_split=validation_split,
            validation_frequency=validation_frequency,
            metrics=metrics,
            variables=None if variables is None else self.several(variables),
            minimize=minimize,
            accumulate=accumulate,
            class_weight=class_weight,
            sample_weight=sample_weight,
            loss_weights=loss_weights,
            callbacks=[*self._listeners, *_several(callbacks), *_several(listeners)],
            checkpoint=checkpoint,
            save_every=save_every,
            resume=resume,
            force=force,
            on_nan=on_nan,
            progress=progress,
            engine=engine,
        )
        history = fit(self, data, given)
        history.drawn = _curves
        return history

    @overload
    def evaluate(
        self,
        data: Data,
        *,
        metrics: Metrics | None = None,
        batch_size: int = 32,
        steps: int | None = None,
        engine: EngineName | str = "auto",
    ) -> dict[str, float]: ...
    @overload
    def evaluate(
        self,
        data: Data,
        variable: SDVariable | str,
        *evaluations: Evaluator,
        label: SDVariable | str | None = None,
        label_index: int = 0,
        batch_size: int = 32,
        steps: int | None = None,
        engine: EngineName | str = "auto",
    ) -> EvaluationRecord: ...
    def evaluate(
        self,
        data: Data,
        variable: SDVariable | str | None = None,
        *evaluations: Evaluator,
        label: SDVariable | str | None = None,
        label_index: int = 0,
        metrics: Metrics | None = None,
        batch_size: int = 32,
        steps: int | None = None,
        engine: EngineName | str = "auto",
    ) -> Any:
        """Losses and metrics over data, or evaluations of a variable, in the graph's form for inference.

        What only hinders learning, such as dropout, passes its input on; an op may have a rule of its own.

        Args:
            data: As for `fit`.
            variable: What to evaluate; without it, losses and metrics are reported as `fit` does.
            *evaluations: How: `sdgraph.train.evaluation` has them. They count all examples on top of what they have.
            label: The placeholder of the labels; by default as the training configuration maps them.
            label_index: Which of the labels that the configuration maps.
            metrics: Variables to measure, as for `fit`. A graph without a loss can be measured, too.
            batch_size: Examples of a batch, where arrays are given.
            steps: How many batches; by default all.
            engine: Name of the engine, as for `output`.

        Returns:
            Means over examples, sums of losses that are sums, by name; or a record of the evaluations.

        Raises:
            ArgumentError: If it is not clear which placeholder has the labels, or evaluations and metrics are given.
            FeedError: If the data do not fit the placeholders.
            GradientError: If the losses are not clear, and there are no metrics.

        Example:
            >>> from sdgraph import SameDiff
            >>> from sdgraph.train.evaluation import RegressionEvaluation
            >>> sd = SameDiff()
            >>> x, y = sd.placeholder("x", (None,)), sd.placeholder("y", (None,))
            >>> p = sd.math.mul(x, 2, name="p")
            >>> loss = sd.loss.absolute_difference(y, p, name="loss")
            >>> data = {"x": [1, 2, 3], "y": [2, 4, 9]}
            >>> sd.evaluate(data, batch_size=2)
            {'loss': 1.0}
            >>> sd.evaluate(data, "p", RegressionEvaluation(), label="y").value("average_mean_squared_error")
            3.0
        """
        from sdgraph.train.callbacks.hearing import hearing

        settings = {"batch_size": batch_size, "steps": steps, "engine": engine}
        if variable is None and not evaluations:
            from sdgraph.train.inference import evaluated

            with hearing(self, "EVALUATION"):
                return evaluated(self, data, metrics, **settings)
        from sdgraph.train.evaluating import evaluate_variable

        with hearing(self, "EVALUATION"):
            return evaluate_variable(self, data, variable, evaluations, label, label_index, metrics=metrics, **settings)

    @overload
    def predict(
        self,
        data: Data,
        fetches: SDVariable | str,
        *,
        batch_size: int = 32,
        steps: int | None = None,
        engine: EngineName | str = "auto",
    ) -> np.ndarray[Any, Any]: ...
    @overload
    def predict(
        self,
        data: Data,
        fetches: Sequence[SDVariable | str],
        *,
        batch_size: int = 32,
        steps: int | None = None,
        engine: EngineName | str = "auto",
    ) -> dict[str, np.ndarray[Any, Any]]: ...
    def predict(
        self,
        data: Data,
        fetches: Variables,
        *,
        batch_size: int = 32,
        steps: int | None = None,
        engine: EngineName | str = "auto",
    ) -> Any:
        """Variables for all examples of data, in the graph's form for inference.

        What only hinders learning, such as dropout, passes its input on; an op may have a rule of its own.

        Args:
            data: As for `fit`: arrays for the placeholders that the fetches depend on; one array where that is one.
            fetches: What to compute: a variable or its name, or several.
            batch_size: Examples of a batch, where arrays are given.
            steps: How many batches; by default all.
            engine: Name of the engine, as for `output`.

        Returns:
            One array, or several by name, whose first axis counts the examples.

        Raises:
            FeedError: If the data do not fit the placeholders.
            ArgumentError: If a variable does not have one value for each example.

        Example:
            >>> import numpy as np
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> x = sd.placeholder("x", (None, 2))
            >>> p = sd.nn.dropout(x, 0.5).sum(axis=1, name="p")
            >>> sd.predict(np.array([[1, 2], [3, 4], [5, 6]]), p)
            array([ 3.,  7., 11.], dtype=float32)
        """
        from sdgraph.train.inference import predicted

        one = type(fetches) is SDVariable or isinstance(fetches, str)
        found = predicted(self, data, self.several(fetches), batch_size=batch_size, steps=steps, engine=engine)
        return next(iter(found.values())) if one else found


def _curves(history: History) -> str:
    """The curves of a history for a notebook."""
    from sdgraph.viz.training import history_html

    return history_html(history)


def _several(callbacks: Any) -> list[Any]:
    """Callbacks, where one may stand for itself."""
    return list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
