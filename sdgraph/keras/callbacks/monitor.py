"""What watches a value of an epoch: which way is better, and whether it is. Must not know what is done then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from sdgraph.checks import finite, one_of
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.keras.callbacks.base import Callback
from sdgraph.wording import did_you_mean, listed

Mode = Literal["auto", "min", "max"]


class MonitorCallback(Callback):
    """Base of callbacks that watch one value of an epoch.

    Args:
        monitor: Its name, as `History` has it.
        mode: Whether ``"min"`` or ``"max"`` is better. ``"auto"`` knows it of losses, of accuracies, and of metrics
            that are named after losses.
        baseline: The value to be better than.
        min_delta: By how much a value must be better to count.

    Raises:
        ArgumentError: For another mode. At the end of the first epoch for a value that there is not, and for one of
            which ``"auto"`` does not know which way is better.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: Mode = "auto", baseline: float | None = None, min_delta: float = 0
    ) -> None:
        if not isinstance(monitor, str):
            raise ArgumentTypeError("monitor is the name of a value.", given=f"monitor={shown(monitor)}")
        self.monitor = monitor
        self.mode = one_of("mode", mode, ("auto", "min", "max"))
        self.best = None if baseline is None else finite("baseline", baseline)
        self.min_delta = abs(finite("min_delta", min_delta))
        self.sign: float | None = None
        """1 where less is better, -1 where more is; None until the first epoch is over."""

    def monitored(self, logs: Mapping[str, float] | None) -> float | None:
        """The value of an epoch; None if it is one of validation, and there was none after this epoch.

        Raises:
            ArgumentError: If there is no such value, or it is not clear which way is better.
        """
        logs = logs or {}
        if self.sign is None:
            self.sign = self._direction(logs)
        if self.monitor in logs:
            return float(logs[self.monitor])
        if self._may_come(logs):
            return None
        raise self._missing(logs)

    def _may_come(self, logs: Mapping[str, float]) -> bool:
        """Whether other epochs may have the value: some are not validated."""
        validated = any(name.startswith("val_") for name in logs)
        return self.monitor.startswith("val_") and not validated and bool((self.params or {}).get("validation"))

    def _missing(self, logs: Mapping[str, float]) -> ArgumentError:
        fix = did_you_mean(self.monitor, logs)
        if self.monitor.startswith("val_") and self.monitor.removeprefix("val_") in logs:
            fix = f"Give fit validation_data or validation_split, or watch {self.monitor.removeprefix('val_')!r}."
        return ArgumentError(
            f"{type(self).__name__} watches {self.monitor!r}, and an epoch has no such value.",
            given=f"monitor={self.monitor!r}",
            expected=f"one of {listed(logs)}" if logs else None,
            fix=fix,
        )

    def _direction(self, logs: Mapping[str, float]) -> float:
        if self.mode != "auto":
            return 1.0 if self.mode == "min" else -1.0
        known = direction_of(self.model, self.monitor.removeprefix("val_"))
        if known is not None:
            return 1.0 if known == "min" else -1.0
        if self.monitor not in logs and not self._may_come(logs):
            raise self._missing(logs)
        raise ArgumentError(
            f"Whether more or less of {self.monitor!r} is better, its name does not say.",
            given=f"{type(self).__name__}(monitor={self.monitor!r}, mode='auto')",
            fix="Give mode='min' or mode='max'.",
        )

    def improves(self, value: float, reference: float | None) -> bool:
        """Whether a value is better than another one, or the first; NaN never is."""
        if math.isnan(value):
            return False
        assert self.sign is not None, "no epoch was looked at"
        return reference is None or self.sign * value + self.min_delta < self.sign * reference


def direction_of(model: Any, name: str) -> str | None:
    """``"min"`` or ``"max"`` for what is better in a column of a model's; None where nobody knows."""
    if name == "loss":
        return "min"
    known = getattr(model, "directions", None)
    return known.get(name) if isinstance(known, Mapping) else None
