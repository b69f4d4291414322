"""How a graph is trained, in SameDiff's words. Must not know steps or loops."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, Final, NamedTuple, Self

from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, whole
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError, shown
from sdgraph.train.data.datasets import is_batch, parts_of
from sdgraph.train.evaluation.base import Evaluator
from sdgraph.train.updating.schedules import Rate
from sdgraph.train.updating.transforms import L1Regularization, L2Regularization, Transform, WeightDecay
from sdgraph.train.updating.updaters import Updater
from sdgraph.wording import listed

Names = str | SDVariable | None | Sequence[str | SDVariable | None]


class Evaluated(NamedTuple):
    """What is evaluated: a variable of the graph, against which label, by what."""

    variable: str
    label_index: int
    evaluations: tuple[Evaluator, ...]


def _names(given: Names) -> tuple[str | None, ...]:
    several = (given,) if given is None or isinstance(given, str | SDVariable) else tuple(given)
    return tuple(x.name if isinstance(x, SDVariable) else x for x in several)


@dataclass(frozen=True)
class TrainingConfig:
    """How a graph is trained, and which arrays of a batch are fed to which placeholders.

    `builder` makes one as in Java. Names may be variables, and one needs no list.

    Args:
        updater: An updater, or several by patterns of names as `SameDiff.fit` has them.
        regularization: `L1Regularization`, `L2Regularization`, `WeightDecay`, or any other transform.
        minimize: Whether the losses become smaller, or larger.
        data_set_feature_mapping: The placeholders of features, in order.
        data_set_label_mapping: The placeholders of labels, in order.
        data_set_feature_mask_mapping: The placeholders of the features' masks; None for one that is not fed.
        data_set_label_mask_mapping: The placeholders of the labels' masks.
        loss_variables: The losses, if they are not those of the graph.
        train_evaluations: What is evaluated on the batches of training.
        validation_evaluations: What is evaluated on the batches of validation.
        others: What a file of SameDiff's says besides, as plain values.
        l1: Adds an `L1Regularization`, unless it is 0.
        l2: Adds an `L2Regularization`, unless it is 0.

    Raises:
        ArgumentTypeError: If the updater is none.

    Example:
        >>> from sdgraph.train import Adam
        >>> config = TrainingConfig(
        ...     updater=Adam(1e-3), data_set_feature_mapping="x", data_set_label_mapping="y", l2=1e-4
        ... )
        >>> config.feeds(([[1.0]], [[2.0]])), config.regularization
        ({'x': [[1.0]], 'y': [[2.0]]}, (L2Regularization(l2=0.0001),))
    """

    updater: Updater | Mapping[str, Updater | None] | None = None
    regularization: tuple[Transform, ...] = ()
    minimize: bool = True
    data_set_feature_mapping: Names = ()
    data_set_label_mapping: Names = ()
    data_set_feature_mask_mapping: Names = ()
    data_set_label_mask_mapping: Names = ()
    loss_variables: Names = ()
    train_evaluations: tuple[Evaluated, ...] = ()
    validation_evaluations: tuple[Evaluated, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict, hash=False)
    l1: InitVar[Rate] = 0.0
    l2: InitVar[Rate] = 0.0

    def __post_init__(self, l1: Rate, l2: Rate) -> None:
        groups = self.updater if isinstance(self.updater, Mapping) else {"*": self.updater}
        for one in groups.values():
            if one is not None and not isinstance(one, Updater):
                raise ArgumentTypeError(
                    "An updater says how gradients change variables.",
                    given=shown(one),
                    fix="Use one of sdgraph.train, such as sdgraph.train.Adam(1e-3).",
                )
        flag("minimize", self.minimize)
        more = (*([L1Regularization(l1)] if l1 else []), *([L2Regularization(l2)] if l2 else []))
        object.__setattr__(self, "regularization", (*self.regularization, *more))
        for name in _MAPPINGS:
            object.__setattr__(self, name, _names(getattr(self, name)))

    @staticmethod
    def builder() -> Builder:
        """What makes one word by word, as in Java.

        Example:
            >>> from sdgraph.train import Adam
            >>> config = (
            ...     TrainingConfig.builder()
            ...     .updater(Adam(1e-3))
            ...     .l2(1e-4)
            ...     .data_set_feature_mapping("x")
            ...     .data_set_label_mapping("y")
            ...     .build()
            ... )
            >>> config.updater, config.data_set_label_mapping
            (Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08), ('y',))
        """
        return Builder()

    # ------------------------------------------------------------------ batches

    @property
    def maps(self) -> bool:
        """Whether it says which placeholders are fed."""
        return any(self._mappings()[:2])

    def feeds(self, item: Any) -> dict[str, Any]:
        """Feeds by placeholder of one batch: a `DataSet`, a `MultiDataSet`, or a tuple of features and labels.

        Feeds by name are left as they are. Labels may be missing, as in a prediction.

        Raises:
            FeedError: If it has another number of arrays than the mappings have placeholders.

        Example:
            >>> config = TrainingConfig(data_set_feature_mapping=("a", "b"), data_set_label_mapping="y")
            >>> config.feeds((([1.0], [2.0]), [3.0]))
            {'a': [1.0], 'b': [2.0], 'y': [3.0]}
        """
        if isinstance(item, Mapping):
            return dict(item)
        if not is_batch(item) and not (isinstance(item, tuple | list) and 1 <= len(item) <= 4):
            raise FeedError(
                "This is no batch.", given=shown(item), expected="a DataSet, a tuple of features and labels, or a dict"
            )
        found: dict[str, Any] = {}
        for (what, mapping), arrays in zip(self._mapped().items(), parts_of(item), strict=True):
            if not arrays and what != "features":
                continue
            if len(arrays) != len(mapping):
                raise FeedError(
                    f"A batch has another number of {what} than the training configuration has placeholders for.",
                    given=f"{len(arrays)}",
                    expected=listed([str(name) for name in mapping], "and") if mapping else f"no {what}",
                )
            found |= {name: a for name, a in zip(mapping, arrays, strict=True) if name is not None and a is not None}
        return found

    @property
    def minimized(self) -> tuple[str, ...]:
        """The names of the losses, if it says which."""
        return tuple(name for name in _names(self.loss_variables) if name is not None)

    @property
    def fed(self) -> dict[str, tuple[str, ...]]:
        """The names of all placeholders that it feeds, by the mapping that has them."""
        several = zip(_MAPPINGS, self._mappings(), strict=False)
        return {mapping: tuple(name for name in names if name is not None) for mapping, names in several}

    def _mapped(self) -> dict[str, tuple[str | None, ...]]:
        return dict(zip(("features", "labels", "feature masks", "label masks"), self._mappings(), strict=True))

    def _mappings(self) -> tuple[tuple[str | None, ...], ...]:
        return tuple(_names(getattr(self, name)) for name in _MAPPINGS[:4])

    def label(self, index: int) -> tuple[str, str | None]:
        """The placeholders of a label and of its mask.

        Raises:
            ArgumentError: If there is no such label.
        """
        _, labels, _, masks = self._mappings()
        if not 0 <= index < len(labels):
            raise ArgumentError(
                "An evaluation is against a label that is not mapped.",
                given=f"label_index={index}",
                expected=f"one of {len(labels)} labels: {listed([str(name) for name in labels], 'and')}",
                fix="Give the configuration its data_set_label_mapping.",
            )
        return str(labels[index]), masks[index] if index < len(masks) else None


_MAPPINGS: Final = (
    "data_set_feature_mapping",
    "data_set_label_mapping",
    "data_set_feature_mask_mapping",
    "data_set_label_mask_mapping",
    "loss_variables",
)


class Builder:
    """Makes a `TrainingConfig` word by word; every method gives the builder back."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._regularization: list[Transform] = []
        self._train: list[Evaluated] = []
        self._validation: list[Evaluated] = []
        self._checked = True

    def updater(self, updater: Updater | Mapping[str, Updater | None]) -> Self:
        """How gradients change variables."""
        return self._with(updater=updater)

    def _with(self, **fields: Any) -> Self:
        self._fields |= fields
        return self

    # ------------------------------------------------------------------ regularization

    def l1(self, l1: Rate) -> Self:
        """An `L1Regularization` in place of one that is there; 0 for none."""
        self._without(L1Regularization)
        return self.add_regularization(L1Regularization(l1)) if l1 else self

    def l2(self, l2: Rate) -> Self:
        """An `L2Regularization` in place of one that is there, and of weight decay; 0 for none."""
        self._without(L2Regularization)
        if l2:
            self._without(WeightDecay, instead="l2")
        return self.add_regularization(L2Regularization(l2)) if l2 else self

    def weight_decay(self, coefficient: Rate, apply_lr: bool = True) -> Self:
        """A `WeightDecay` in place of one that is there, and of `L2Regularization`; 0 for none."""
        self._without(WeightDecay)
        if coefficient:
            self._without(L2Regularization, instead="weight_decay")
        return self.add_regularization(WeightDecay(coefficient, apply_lr)) if coefficient else self

    def regularization(self, *regularization: Transform) -> Self:
        """These, in place of all that are there."""
        self._regularization = []
        return self.add_regularization(*regularization)

    def add_regularization(self, *regularization: Transform) -> Self:
        """These, beside all that are there."""
        self._regularization += regularization
        return self

    def _without(self, kind: type, instead: str = "") -> None:
        left = [x for x in self._regularization if not isinstance(x, kind)]
        if instead and len(left) < len(self._regularization):
            warnings.warn(
                f"{kind.__name__} is taken out, because {instead} stands for the same.", UserWarning, stacklevel=3
            )
        self._regularization = left

    # ------------------------------------------------------------------ what is fed, and what is minimized

    def minimize(self, *minimize: bool | str | SDVariable) -> Self:
        """Whether the losses become smaller; or the names of the losses that shall."""
        if len(minimize) == 1 and isinstance(minimize[0], bool):
            return self._with(minimize=minimize[0])
        return self._with(minimize=True, loss_variables=minimize)

    def data_set_feature_mapping(self, *names: str | SDVariable) -> Self:
        """The placeholders of features, in order."""
        return self._with(data_set_feature_mapping=_flat(names))

    def data_set_label_mapping(self, *names: str | SDVariable) -> Self:
        """The placeholders of labels, in order."""
        return self._with(data_set_label_mapping=_flat(names))

    def mark_labels_unused(self) -> Self:
        """There are no labels."""
        return self._with(data_set_label_mapping=())

    def data_set_feature_mask_mapping(self, *names: str | SDVariable | None) -> Self:
        """The placeholders of the features' masks, in order; None for one that is not fed."""
        return self._with(data_set_feature_mask_mapping=_flat(names))

    def data_set_label_mask_mapping(self, *names: str | SDVariable | None) -> Self:
        """The placeholders of the labels' masks, in order; None for one that is not fed."""
        return self._with(data_set_label_mask_mapping=_flat(names))

    # ------------------------------------------------------------------ evaluations

    def train_evaluation(self, variable: str | SDVariable, label_index: int, *evaluations: Evaluator) -> Self:
        """Evaluate a variable on the batches of training."""
        self._train.append(_evaluated(variable, label_index, evaluations))
        return self

    def validation_evaluation(self, variable: str | SDVariable, label_index: int, *evaluations: Evaluator) -> Self:
        """Evaluate a variable on the batches of validation."""
        self._validation.append(_evaluated(variable, label_index, evaluations))
        return self

    # ------------------------------------------------------------------ the end

    def skip_builder_validation(self, skip: bool) -> Self:
        """Whether to do without the check for an updater."""
        self._checked = not flag("skip", skip)
        return self

    def build(self) -> TrainingConfig:
        """The configuration.

        Raises:
            ArgumentError: If it has no updater.
        """
        if self._checked and self._fields.get("updater") is None:
            raise ArgumentError("A training configuration needs an updater.", fix="Say .updater(Adam(1e-3)).")
        return TrainingConfig(
            **self._fields,
            regularization=tuple(self._regularization),
            train_evaluations=tuple(self._train),
            validation_evaluations=tuple(self._validation),
        )


def _flat(names: Sequence[Any]) -> Any:
    """Names one by one, or one list of them."""
    return names[0] if len(names) == 1 and isinstance(names[0], list | tuple) else names


def _evaluated(variable: str | SDVariable, label_index: int, evaluations: Sequence[Evaluator]) -> Evaluated:
    check_evaluations(evaluations)
    name = variable.name if isinstance(variable, SDVariable) else variable
    return Evaluated(name, whole("label_index", label_index, least=0), tuple(evaluations))


def check_evaluations(evaluations: Sequence[Evaluator]) -> None:
    """Check that there are evaluations.

    Raises:
        ArgumentTypeError: If one is none.
        ArgumentError: If there are none.
    """
    for e in evaluations:
        if not isinstance(e, Evaluator):
            raise ArgumentTypeError(
                "This is no evaluation.", given=shown(e), expected="one of sdgraph.train.evaluation, as Evaluation()"
            )
    if not evaluations:
        raise ArgumentError("There is nothing to evaluate with.", fix="Give evaluations, as Evaluation().")
