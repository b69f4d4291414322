"""Training: updaters and schedules under nd4j's names, callbacks, and what training has come to.

Keras' updaters are in `sdgraph.keras.optimizers`. What trains a graph is `SameDiff.fit`, or `SameDiff.training_step` in
a loop of one's own.
"""

from typing import TYPE_CHECKING, Any

from sdgraph.build.annotations import readable
from sdgraph.build.spelling.lacking import of_module as _of_module
from sdgraph.train.callbacks.checkpoint import Checkpoint
from sdgraph.train.callbacks.events import Callback
from sdgraph.train.callbacks.listener import At, Listener, ListenerResponse, Operation
from sdgraph.train.callbacks.recording import Norms, TrainingPath
from sdgraph.train.callbacks.samediff import CheckpointListener, PerformanceListener, ScoreListener
from sdgraph.train.callbacks.standard import (
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ReduceOnPlateau,
    csv_logger,
    early_stopping,
    learning_rate_scheduler,
    reduce_on_plateau,
)
from sdgraph.train.config import TrainingConfig
from sdgraph.train.data.datasets import DataSet, MultiDataSet
from sdgraph.train.results.history import History
from sdgraph.train.results.loss_curve import Loss, LossCurve
from sdgraph.train.results.records import EvaluationRecord
from sdgraph.train.run import Run
from sdgraph.train.updating.averages import Average
from sdgraph.train.updating.schedules import (
    CycleSchedule,
    ExponentialSchedule,
    FixedSchedule,
    InverseSchedule,
    MapSchedule,
    PolySchedule,
    RampSchedule,
    Schedule,
    ScheduleType,
    SigmoidSchedule,
    StepSchedule,
)
from sdgraph.train.updating.transforms import (
    ClipByGlobalNorm,
    ClipByNorm,
    ClipByValue,
    L1Regularization,
    L2Regularization,
    WeightDecay,
)
from sdgraph.train.updating.updater_state import UpdaterState
from sdgraph.train.updating.updaters import (
    AdaBelief,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AMSGrad,
    Nadam,
    Nesterovs,
    NoOp,
    RmsProp,
    Sgd,
    Updater,
)

__all__ = [
    "AMSGrad",
    "AdaBelief",
    "AdaDelta",
    "AdaGrad",
    "AdaMax",
    "Adam",
    "At",
    "Average",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CheckpointListener",
    "ClipByGlobalNorm",
    "ClipByNorm",
    "ClipByValue",
    "CycleSchedule",
    "DataSet",
    "EarlyStopping",
    "EvaluationRecord",
    "ExponentialSchedule",
    "FixedSchedule",
    "History",
    "InverseSchedule",
    "L1Regularization",
    "L2Regularization",
    "LambdaCallback",
    "LearningRateScheduler",
    "Listener",
    "ListenerResponse",
    "Loss",
    "LossCurve",
    "MapSchedule",
    "MultiDataSet",
    "Nadam",
    "Nesterovs",
    "NoOp",
    "Norms",
    "Operation",
    "PerformanceListener",
    "PolySchedule",
    "RampSchedule",
    "ReduceOnPlateau",
    "RmsProp",
    "Run",
    "Schedule",
    "ScheduleType",
    "ScoreListener",
    "Sgd",
    "SigmoidSchedule",
    "StepSchedule",
    "TrainingConfig",
    "TrainingPath",
    "Updater",
    "UpdaterState",
    "WeightDecay",
    "csv_logger",
    "early_stopping",
    "learning_rate_scheduler",
    "reduce_on_plateau",
]


if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        raise _of_module("sdgraph.train", name, __all__, elsewhere=_elsewhere)


def _elsewhere() -> dict[str, str]:
    """What draws training stands where all pictures do."""
    return {name: f"sdgraph.viz.{name}" for name in ("LivePlot", "plot_history", "plot_norms")}


def __dir__() -> list[str]:
    return __all__


for _name in __all__:
    readable(globals()[_name])
