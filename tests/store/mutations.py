"""Random changes of what a file says, from a seed: any place, any column, any setting, any type for any other.

What is changed is brought back into the one form of its tables in most cases, so that it gets past the first checks.
"""

import contextlib
import copy
import functools
import json

import numpy as np

from sdgraph import SameDiff, errors
from sdgraph.build.op import HELPERS, REGISTRY
from sdgraph.store.plain import dumps
from sdgraph.store.save import to_bytes
from tests.ops.samples import samples_of
from tests.ops.test_every_op import OPS, apply
from tests.store.hostile_files import CONTENT, MEMBERS, NUMBERS, OTHERS, made, parts, places, recorded

_SIZES = [0, 1, 2, 3, 7, 1000, 10**6, 10**9, 2**31, 2**40, 2**53, 2**63, 2**64, 10**30]
_DTYPES = ["bool", "int8", "int64", "uint64", "float16", "float32", "float64", "complex64", "object", "<f4", "bfloat16"]


def with_gradients(sample):
    """A graph that has an op, its gradients, and gradients of those; and what to feed."""
    sd = SameDiff("float64", seed=3)
    outs, feeds = apply(sd, sample)
    wrt = [v for v in sd.placeholders() if v.dtype.kind == "f"]
    ys = [v for v in outs if v.dtype.kind == "f"]
    for _ in range(2):
        try:
            ys = sd.grad(ys, wrt) if ys and wrt else []
        except errors.SDGraphError:
            break
    return sd, feeds


@functools.cache
def base(name: str) -> tuple[dict, dict[str, bytes]]:
    """What the file of a small graph says that has an op, its gradients, and gradients of those."""
    if name == "rich":
        return CONTENT, MEMBERS
    if name == "record":
        return parts(recorded()[0])
    samples = [*samples_of(name)]
    sample = samples[len(samples) // 2]
    return parts(to_bytes(with_gradients(sample)[0]))


def whole(seed: int) -> tuple[str, dict, dict[str, bytes]]:
    """The file that a seed begins with."""
    rng = np.random.default_rng(seed)
    kind = rng.random()
    name = "rich" if kind < 0.16 else "record" if kind < 0.2 else OPS[rng.integers(len(OPS))]
    return name, *base(name)


def mutated(seed: int) -> bytes:
    """A whole file, with all digests right, that is not what it was."""
    _, content, members = whole(seed)
    rng = np.random.default_rng([seed, 1])
    content, members = copy.deepcopy(content), dict(members)
    for _ in range(rng.integers(1, 4)):
        way = _WAYS[rng.integers(len(_WAYS))]
        try:
            way(rng, content, members)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            continue  # An earlier change took the place away.
    if rng.random() < 0.8:
        with contextlib.suppress(KeyError, IndexError, TypeError, ValueError, AttributeError):
            in_order(content["nodes"])
    content = json.loads(json.dumps(content))  # Whose keys are texts, whatever became of them.
    text = None
    if rng.random() < 0.03:
        text = bytearray(dumps(content))
        text[rng.integers(len(text))] = rng.integers(256)
        text = bytes(text)
    return made(content, members, text)


# ---------------------------------------------------------------------- ways to change a file


def _pick(rng, things):
    return things[rng.integers(len(things))]


def _any_value(rng, content):
    choice = rng.random()
    if choice < 0.5:
        return copy.deepcopy(_pick(rng, [*NUMBERS, *OTHERS]))
    if choice < 0.7:
        return _pick(rng, _SIZES) * (1 if rng.random() < 0.8 else -1)
    return copy.deepcopy(_at(content, _pick(rng, places(content)[1:])))  # What stands somewhere else.


def _at(x, path):
    for k in path:
        x = x[k]
    return x


def _any_place(rng, content, _):
    """Whatever stands there becomes something else, goes, or comes twice."""
    *path, last = _pick(rng, places(content)[1:])
    holder = _at(content, path)
    how = rng.integers(5)
    if how == 0:
        del holder[last]
    elif how == 1 and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(holder[last]))
    elif how == 2 and isinstance(holder, list):
        k = rng.integers(len(holder))
        holder[last], holder[k] = holder[k], holder[last]
    elif how == 3 and isinstance(holder, dict):
        holder[str(_any_value(rng, content))[:2000]] = holder.pop(last)
    else:
        holder[last] = _any_value(rng, content)


def _number(rng, content, _):
    """One number of a column."""
    columns = content["nodes"]["columns"]
    column = columns[_pick(rng, [k for k in columns if k != "name" and columns[k]])]
    k = rng.integers(len(column))
    column[k] = _pick(rng, [*column, column[k] + 1, column[k] - 1, -1, -2, 0, 2**31, 2**63])


def _setting(rng, content, _):
    """A setting of an op."""
    row = _pick(rng, [row for row in content["nodes"]["settings"] if row])
    row[_pick(rng, sorted(row))] = _any_setting(rng, row, 0)


def _any_setting(rng, row, depth):
    choice = rng.integers(9)
    if choice < 2:
        return _pick(rng, _SIZES) * _pick(rng, [1, -1])
    if choice == 2:
        return _pick(rng, [None, True, False, "", "same", "sum", "slice", {"ellipsis": 0}])
    if choice == 3:
        return _pick(rng, [0.0, -0.0, 0.5, 1e300, {"float": "inf"}, {"float": "nan"}, {"complex": [0.0, 1.0]}])
    if choice == 4:
        return {"dtype": _pick(rng, _DTYPES)}
    if choice == 5:
        return {"int": str(_pick(rng, [2**53, -(2**53), 10**30, 10**3999]))}
    if choice == 6:
        return {"LossReduce": _pick(rng, ["NONE", "SUM", "MEAN_BY_WEIGHT", "no"])}
    if choice == 7 and depth < 3:
        n = int(_pick(rng, [0, 1, 2, 3, 4, 70] + [3000] * (depth == 0)))
        return (
            [_any_setting(rng, row, depth + 1)] * n if n > 4 else [_any_setting(rng, row, depth + 1) for _ in range(n)]
        )
    return copy.deepcopy(row[_pick(rng, sorted(row))])


def _aval(rng, content, _):
    """A shape or a dtype, or all sizes of all nodes but some, so that rules are asked about huge ones."""
    rows = content["nodes"]["avals"]
    if rng.random() < 0.5:
        row = _pick(rng, rows)
        row = _pick(rng, row["outputs"]) if isinstance(row, dict) else row
        if rng.random() < 0.3:
            row[1] = _pick(rng, _DTYPES)
        else:
            dims = [*_SIZES, None, "n", -1, "", 1.5]
            row[0] = [_pick(rng, [d, _pick(rng, dims)]) for d in row[0]] + [_pick(rng, dims)] * (rng.random() < 0.3)
        return
    sizes = {d: d for d in range(1, 10)}
    sizes[_pick(rng, [1, 2, 3, 4, 5])] = _pick(rng, _SIZES)
    leaves = {k for k, op in zip(*[content["nodes"]["columns"][c] for c in ("aval", "op")], strict=True)
              if content["nodes"]["ops"][op] == [":placeholder"]}  # fmt: skip
    for k, row in enumerate(rows):
        for each in row["outputs"] if isinstance(row, dict) else [row]:
            each[0] = [sizes.get(d, d) if k in leaves else None for d in each[0]]


def _op(rng, content, _):
    """Another op, as it would be described."""
    rows = content["nodes"]["ops"]
    k = int(rng.integers(len(rows)))
    if rows[k][0] == ":gradient" or rng.random() < 0.2:
        column = _pick(rng, [1, 2, 3, 4, 5])
        rows[k] = [*rows[k][:1], *rows[k][1:]]
        rows[k][column] = _pick(
            rng, [0, 1, 2, 7, 10**6, True, False, [True], [False], [False] * 5, [True] * 100_000, k, k - 1]
        )
        return
    table = _pick(rng, [REGISTRY, HELPERS])
    op = table[_pick(rng, [name for name, op in table.items() if op.is_ours or table is HELPERS])]
    name = op.qualname if table is REGISTRY else f":of rules {op.name}"
    rows[k] = [name, list(op.operand_names), list(op.attr_names)]
    if rng.random() < 0.5:
        # With settings that it takes, so that it is asked.
        columns = content["nodes"]["columns"]
        settings = {key: _any_setting(rng, {"x": 1}, 0) for key in op.attr_names}
        for i, row in enumerate(columns["op"]):
            if row == k:
                columns["settings"][i] = len(content["nodes"]["settings"])
        content["nodes"]["settings"].append(settings)


def _chain(rng, content, _):
    """Gradients of gradients."""
    rows = content["nodes"]["ops"]
    gradients = [k for k, row in enumerate(rows) if row[0] == ":gradient"]
    k = _pick(rng, gradients)
    for _ in range(_pick(rng, [1, 5, 40])):
        rows.append([":gradient", len(rows) - 1 if rows[-1][0] == ":gradient" else k, *copy.deepcopy(rows[k][2:])])
    columns = content["nodes"]["columns"]
    columns["op"][columns["op"].index(k)] = len(rows) - 1


def _table(rng, content, _):
    """Ids in the tables besides the nodes."""
    tables = content["tables"]
    name = _pick(rng, sorted(tables))
    n = len(content["nodes"]["columns"]["op"])
    ids = [int(i) for i in rng.integers(-1, n + 1, 4)]
    tables[name] = _pick(
        rng, [ids, sorted(ids), [ids[:2]], [ids[:2], ids[2:]], [[ids[:1], ids[1:2], ids[2:3]]], {"a": ids[0]}, [], {}]
    )


def _member(rng, content, members):
    """The bytes of an array, which go by another digest then."""
    name = _pick(rng, sorted(members))
    data = bytearray(members[name])
    how = rng.integers(4)
    if how == 0:
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif how == 1:
        del data[rng.integers(len(data)) :]
    elif how == 2:
        data += bytes(int(rng.integers(1, 200)))
    else:
        data = members[_pick(rng, sorted(members))]
    members[name] = bytes(data)


_WAYS = [_any_place, _any_place, _number, _number, _setting, _setting, _setting, _aval, _aval, _op, _op, _chain, _table,
         _member]  # fmt: skip


# ---------------------------------------------------------------------- the one form of tables


def in_order(nodes):
    """Bring the tables of nodes into the order in which they are met, without rows that are not used or come twice."""
    columns = nodes["columns"]
    places_of = {}
    for column, table in (("aval", "avals"), ("settings", "settings"), ("origin", "origins")):
        places_of[table] = _ordered(nodes, table, columns, column, lambda row: [])
    ops = nodes["ops"]
    places_of["ops"] = _ordered(
        nodes, "ops", columns, "op", lambda k: [ops[k][1]] if ops[k][0] == ":gradient" and ops[k][1] < k else []
    )
    for row in nodes["ops"]:
        if row[0] == ":gradient":
            row[1] = places_of["ops"].get(row[1], row[1])
    bodies = []
    for op, operands, settings, digest in nodes["bodies"]:
        found = [places_of["ops"].get(op), [-1 if k == -1 else places_of["avals"].get(k) for k in operands],
                 places_of["settings"].get(settings), digest]  # fmt: skip
        if None not in [found[0], found[2], *found[1]] and found not in bodies:
            bodies.append(found)
    nodes["bodies"] = bodies


def _ordered(nodes, table, columns, column, needs):
    rows, used = nodes[table], {}
    for k in columns[column]:
        if k >= 0:
            chain = [k]
            while more := needs(chain[-1]):
                chain += more
            used.update(dict.fromkeys(reversed(chain)))
    place, by_text, kept = {}, {}, []
    for k in used:
        text = dumps(rows[k])
        if text not in by_text:
            by_text[text] = len(kept)
            kept.append(rows[k])
        place[k] = by_text[text]
    nodes[table] = kept
    columns[column] = [place.get(k, k) for k in columns[column]]
    return place
