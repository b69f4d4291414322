"""What a file holds beside its graph: facts and arrays by name, for whoever reads files of that kind.

Must not know what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.infer.aval import Aval
from sdgraph.store.nodes import read_aval
from sdgraph.store.plain import NotPlain, checked_text, decode, dtype_name, encode

FOLDER: Final = "record"
"""Where the members of its arrays are."""
_KEYS: Final = {"kind", "facts", "arrays"}
_DEEPEST: Final = 32
"""How deep lists and dicts may stand in each other."""


class Record(NamedTuple):
    """Facts are a dict of numbers, texts, bools, None, and lists and dicts of these; its order is kept."""

    kind: str
    facts: dict[str, Any]
    arrays: Mapping[str, np.ndarray[Any, Any]]


class Outline(NamedTuple):
    """A record without its arrays: what they are, and by which members' names they go."""

    kind: str
    facts: dict[str, Any]
    avals: dict[str, Aval]
    members: dict[str, str]


def write_record(record: Record, members: Mapping[str, str]) -> dict[str, Any]:
    """A record as JSON has it; ``members`` are the members of its arrays by name.

    Raises:
        NotPlain: If it has what no file can hold.
    """
    arrays = [[checked_text(k), members[k], list(a.shape), dtype_name(a.dtype)] for k, a in record.arrays.items()]
    return {"kind": record.kind, "facts": encode_fact(record.facts), "arrays": arrays}


def read_record(given: Any) -> Outline:
    """A record from what `write_record` made of it.

    Raises:
        NotPlain: For anything else.
    """
    if type(given) is not dict or given.keys() != _KEYS or type(given["kind"]) is not str:
        raise NotPlain("what it holds beside its graph is no record")
    facts = decode_fact(given["facts"])
    if type(facts) is not dict or type(given["arrays"]) is not list:
        raise NotPlain("a record has facts or arrays that are none")
    avals: dict[str, Aval] = {}
    members: dict[str, str] = {}
    for row in given["arrays"]:
        if type(row) is not list or len(row) != 4 or not type(row[0]) is type(row[1]) is str or row[0] in avals:
            raise NotPlain("an array of a record is not described")
        aval = read_aval(row[2:])
        if type(aval) is not Aval or not aval.is_static:
            raise NotPlain("an array of a record has no shape")
        avals[row[0]], members[row[0]] = aval, row[1]
    return Outline(given["kind"], facts, avals, members)


def encode_fact(value: Any, depth: int = 0) -> Any:
    """A fact as JSON has it: a setting, or lists and dicts of such.

    Raises:
        NotPlain: For what a file cannot hold.

    Example:
        >>> encode_fact({"loss": [0.5, float("nan")], "epoch": 3})
        {'map': [['loss', [0.5, {'float': 'nan'}]], ['epoch', 3]]}
    """
    if depth > _DEEPEST:
        raise NotPlain("lists stand in lists in lists beyond measure")
    if isinstance(value, Mapping):
        if any(type(k) is not str for k in value):
            raise NotPlain("a dict has keys that are no texts")
        return {"map": [[checked_text(k), encode_fact(v, depth + 1)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [encode_fact(v, depth + 1) for v in value]
    return encode(value.item() if isinstance(value, np.generic) else value)


def decode_fact(value: Any, depth: int = 0) -> Any:
    """A fact from what `encode_fact` made of it.

    Raises:
        NotPlain: For anything else.
    """
    if depth > _DEEPEST:
        raise NotPlain("lists stand in lists in lists beyond measure")
    if type(value) is list:
        return [decode_fact(v, depth + 1) for v in value]
    if type(value) is dict and value.keys() == {"map"}:
        pairs = value["map"]
        if type(pairs) is not list or not all(type(p) is list and len(p) == 2 and type(p[0]) is str for p in pairs):
            raise NotPlain("a dict among the facts is none")
        found = {k: decode_fact(v, depth + 1) for k, v in pairs}
        if len(found) != len(pairs):
            raise NotPlain("a dict among the facts has a key twice")
        return found
    fact = decode(value)
    if encode(fact) != value:
        raise NotPlain("a fact in another spelling")
    return fact
