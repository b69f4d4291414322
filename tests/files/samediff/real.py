"""The files that SameDiff saved, with what it computed: ``tests/golden/samediff_fb``."""

import json

import numpy as np

from tests.golden import cases

FOLDER = cases.FOLDER / "samediff_fb"
NAMES = sorted(path.stem for path in FOLDER.glob("*.fb"))
# Names of dtypes that numpy has otherwise, or not: bfloat16 is read as float32.
DTYPES = {**cases.DTYPES, "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "BFLOAT16": "float32"}


def path(name):
    return FOLDER / f"{name}.fb"


def known(name):
    """What SameDiff said of a file."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def array(spec):
    """An array that it computed, or was fed."""
    if spec["data"] == []:
        return np.zeros(spec["shape"] or (0,), DTYPES[spec["dtype"]])
    return cases.array(spec, DTYPES[spec["dtype"]])


def feeds(said):
    return {name: array(spec) for name, spec in said["feeds"].items()}
