"""What the metrics of `Model.compile` are: which metric somebody means, and the name it is reported under.

Must not know models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.losses import registry as losses
from sdgraph.keras.metrics import registry
from sdgraph.keras.metrics.accuracies import accuracy_by_shape
from sdgraph.keras.metrics.means import Mean, MeanMetricWrapper, Sum, as_metric
from sdgraph.keras.metrics.metric import Metric
from sdgraph.ops.losses.keras.loss import Loss


class Reported(NamedTuple):
    """A metric by the name it is reported under."""

    name: str
    metric: Metric


def find(identifier: Any) -> Reported:
    """The metric that somebody means.

    Args:
        identifier: The name of a metric or of a loss, a metric or its class, a loss, a function of labels and
            predictions, or a configuration.

    Raises:
        ArgumentError: For a name that nothing has; lists similar ones. For a metric that is several numbers.
        ArgumentTypeError: For what is no metric.
    """
    if isinstance(identifier, str):
        return Reported(identifier, _one_number(_named(identifier)))
    if isinstance(identifier, Mapping):
        identifier = registry.deserialize(identifier)
    if isinstance(identifier, type):
        if not issubclass(identifier, Metric):
            raise ArgumentTypeError("This is a class, not a metric.", given=identifier.__name__, fix="Make one of it.")
        identifier = registry.get(identifier)
    if not callable(identifier):
        raise ArgumentTypeError(
            "This is no metric.", given=shown(identifier), expected="a name, a metric, or a function"
        )
    found = _one_number(as_metric(identifier))
    return Reported(found.name, found)


def _one_number(metric: Metric) -> Metric:
    if isinstance(metric, Sum) or type(metric) is Mean:
        raise ArgumentTypeError(
            f"{type(metric).__name__} is of values, not of labels and predictions.",
            given=repr(metric),
            fix="Make a MeanMetricWrapper of a function of labels and predictions.",
        )
    if not metric.is_one_number:
        raise ArgumentError(
            f"The metric {metric.name!r} is several numbers, and a model reports one under a name.",
            given=repr(metric),
            fix="Give it one threshold, or a way to average classes, or one metric for each.",
        )
    return metric


def _named(name: str) -> Metric:
    if name.lower() in ("accuracy", "acc"):
        found = MeanMetricWrapper(accuracy_by_shape, name)
        found.direction = "max"
        return found
    cls = registry.class_named(name)
    if cls is not None:
        return registry.get(cls)
    try:
        loss = losses.get(name)
    except ArgumentError as e:
        raise registry.unknown(name) from e
    if isinstance(loss, Loss):
        loss.reduction = None
    return MeanMetricWrapper(loss, name)
