"""Keras' callbacks, for `sdgraph.keras.Model.fit`, with Keras' arguments and decisions.

A name that is not there, a direction nobody knows, a learning rate that two want to set: these raise, where Keras warns
or guesses.

Example:
    >>> stop = EarlyStopping("val_loss", patience=2)
    >>> slower = ReduceLROnPlateau("val_loss", factor=0.5, patience=1)
"""

from sdgraph.build.annotations import readable
from sdgraph.keras.callbacks.backup import BackupAndRestore
from sdgraph.keras.callbacks.base import Callback
from sdgraph.keras.callbacks.checkpoint import ModelCheckpoint
from sdgraph.keras.callbacks.csv_logger import CSVLogger
from sdgraph.keras.callbacks.early_stopping import EarlyStopping
from sdgraph.keras.callbacks.history import History
from sdgraph.keras.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from sdgraph.keras.callbacks.small import LambdaCallback, TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]

for _name in __all__:
    readable(globals()[_name])
