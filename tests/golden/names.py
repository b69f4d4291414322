"""Which operation of sdgraph stands for a method of SameDiff: the table that the porting page is made from."""

from functools import cache
from pathlib import Path

TABLE = Path(__file__).parents[2] / "docs" / "_data" / "samediff_operations.tsv"


@cache
def operations():
    """The name in sdgraph's registry, empty where there is none, by namespace and name of SameDiff."""
    lines = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {(namespace, name): rest[1] if rest[1:] else "" for namespace, name, *rest in lines}


def operation(namespace, name):
    """The name in the registry, such as ``math.add``; empty where there is no operation of its own."""
    return operations()[namespace, name]
