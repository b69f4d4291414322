"""Keras' optimizers under Keras' names, with its meaning and its defaults.

nd4j has rules of the same names that do something else: those are in `sdgraph.train`. An optimizer here is a frozen
dataclass of settings, of which only the learning rate may be set. In training what is kept of variables belongs to the
step; in loops of one's own, by ``apply_gradients``, to the object.

Example:
    >>> Adam(1e-2).epsilon, AdamW().weight_decay
    (1e-07, 0.004)
"""

from sdgraph.build.annotations import readable
from sdgraph.keras.optimizers import schedules
from sdgraph.keras.optimizers.classes import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Ftrl,
    Lamb,
    Lion,
    Nadam,
    Optimizer,
    RMSprop,
)
from sdgraph.keras.optimizers.identifiers import get, serialize

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "get",
    "schedules",
    "serialize",
]

for _name in __all__:
    readable(globals()[_name])
