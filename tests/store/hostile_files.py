"""Files that somebody made on purpose: contents of any kind in a container that is whole, with all digests right."""

import copy
import io
import json
import zipfile
from hashlib import sha256

import numpy as np

from sdgraph import SameDiff
from sdgraph.store.container import Writer
from sdgraph.store.plain import dumps
from sdgraph.store.record import Record
from sdgraph.store.save import DIGEST, GRAPH, to_bytes, write
from sdgraph.store.sums import Summer

NUMBERS = [-1, 0, 1, 2, 7, 2**31, 2**53 + 1, 2**63, -(2**63), 10**40, 0.5, float("1e300"), True, False, None]
OTHERS = [
    "",
    "x",
    "/",
    "loss.huber_loss",
    "\x00",
    "ü" * 2000,
    [],
    {},
    [[]],
    [1],
    ["x"],
    {"float": "inf"},
    {"dtype": "O"},
]


def parts(data: bytes) -> tuple[dict, dict[str, bytes]]:
    """What the graph of a file is, and the data of its other members."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        members = {name: z.read(name) for name in z.namelist()}
    del members[DIGEST]
    return json.loads(members.pop(GRAPH)), members


def made(content, members: dict[str, bytes], text: bytes | None = None) -> bytes:
    """A whole file of these parts."""
    file = io.BytesIO()
    with Summer() as summer:
        writer = Writer(file, summer)
        for name, data in members.items():
            writer.add(name, [data])
        digests = writer.digests(fsync=False)
        if text is None:
            if (
                type(content) is dict
                and type(content.get("sha256")) is dict
                and content["sha256"].keys() == digests.keys()
            ):
                content = {**content, "sha256": digests}
            text = dumps(content)
        writer.add(GRAPH, [text])
        writer.add(DIGEST, [sha256(text).hexdigest().encode()])
        writer.finish()
    return file.getvalue()


def rich() -> SameDiff:
    """A graph with something of everything that a file holds."""
    sd = SameDiff(seed=9)
    x, y = sd.placeholder("x", ("batch", 4)), sd.placeholder("y", (None, 2))
    with sd.name_scope("layer"):
        w, b = sd.var("w", shape=(4, 2), init="glorot"), sd.var("b", 0.5)
        h = sd.nn.dropout(sd.math.tanh(x @ w + b), 0.25)
    u, _ = sd.math.moments(h, axis=0)
    loss = sd.loss.mean_squared_error(y, h, name="loss")
    sd.add_loss(sd.loss.l2_loss(w) + (u[None, ..., 0] * 2).sum())
    sd.set_loss_variables(loss)
    g = sd.grad(loss, [w, b])
    sd.grad(g[0].sum(), w)
    b.convert_to_constant()
    sd.constant("k", np.arange(6).reshape(2, 3))
    return sd


def recorded() -> tuple[bytes, Record]:
    """The file of a graph with a record beside it, and the record."""
    facts = {"z": [1, -2.5, {"b": None, "a": [True, ""]}], "a": {}, "big": 2**60, "nan": float("nan"), "text": "é\n"}
    arrays = {"slot/M": np.arange(6.0).reshape(2, 3), "no path?": np.array(7), "none": np.zeros((0, 2), "float32"),
              "flags": np.array([True, False])}  # fmt: skip
    file, record = io.BytesIO(), Record("test", facts, arrays)
    sd = SameDiff(seed=1)
    sd.math.tanh(sd.var("w", [1.0, 2.0]) * sd.placeholder("x", (None, 2)))
    write(sd, file, user={}, origins=True, record=record)
    return file.getvalue(), record


CONTENT, MEMBERS = parts(to_bytes(rich()))


def places(x, path=()):
    """Every place in nested lists and dicts."""
    found = [path]
    if isinstance(x, dict):
        for k, v in x.items():
            found += places(v, (*path, k))
    elif isinstance(x, list):
        for k, v in enumerate(x):
            found += places(v, (*path, k))
    return found


PLACES = places(CONTENT)[1:]


def changed(content, path, how, other):
    """The content with one place changed in one way; None where that way does not go there."""
    content = copy.deepcopy(content)
    holder = content
    for k in path[:-1]:
        holder = holder[k]
    last = path[-1]
    if how == "replace":
        holder[last] = other
    elif how == "drop":
        del holder[last]
    elif how == "twice" and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(holder[last]))
    elif how == "swap" and isinstance(holder, list) and last + 1 < len(holder):
        holder[last], holder[last + 1] = holder[last + 1], holder[last]
    elif how == "add" and type(holder[last]) is int:
        holder[last] += other if type(other) is int else 1
    elif how == "rename" and isinstance(holder, dict):
        holder[str(other)] = holder.pop(last)
    else:
        return None
    return content
