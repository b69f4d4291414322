"""Updaters and schedules as the golden files of SameDiff write them."""

import re

from sdgraph.train.updating import schedules, updaters
from sdgraph.train.updating.schedules import ScheduleType


def python(name):
    """A setting's name in Python."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda m: f"_{m[1].lower()}", name)


def schedule(record):
    """The schedule that a record tells."""
    record = dict(record)
    make = getattr(schedules, record.pop("schedule") + "Schedule")
    first = [ScheduleType[record.pop("type")]] if "type" in record else []
    return make(*first, **{python(name): value(name, given) for name, given in record.items()})


def value(name, given):
    """A setting: a number, a schedule, or the places of one."""
    if name == "values":
        return {int(place): v for place, v in given.items()}
    return schedule(given) if isinstance(given, dict) else float(given) if isinstance(given, str) else given


def updater(record):
    """The updater that a record tells."""
    record = dict(record)
    make = getattr(updaters, record.pop("updater"))
    return make(**{python(name): value(name, given) for name, given in record.items()})
