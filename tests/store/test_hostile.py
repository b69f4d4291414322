"""Files made on purpose: only FormatError comes out, soon, without much memory, and no code runs."""

import copy
import io
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgraph import SameDiff, errors
from sdgraph.store.load import from_bytes
from sdgraph.store.save import DIGEST, GRAPH, to_bytes
from tests.groups import first_and_slow
from tests.store.hostile_files import CONTENT, MEMBERS, NUMBERS, OTHERS, PLACES, changed, made, parts
from tests.store.judging import judge
from tests.store.mutations import OPS, base, in_order, mutated

WAYS = ["replace", "drop", "twice", "swap", "add", "rename"]


def test_what_was_not_changed_is_a_graph():
    assert judge(made(CONTENT, MEMBERS)) is not None


@pytest.mark.parametrize("part", first_and_slow(range(16), 6))
def test_every_place_changed_in_every_way(part):
    rng = np.random.default_rng(part)
    for path in PLACES[part::16]:
        for how in WAYS:
            other = [*NUMBERS, *OTHERS][rng.integers(len(NUMBERS) + len(OTHERS))]
            content = changed(CONTENT, path, how, other)
            if content is not None:
                judge(made(content, MEMBERS))


@given(
    st.lists(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(WAYS), st.sampled_from([*NUMBERS, *OTHERS])),
        min_size=1,
        max_size=3,
    )
)
def test_several_changes_at_once(changes):
    content = CONTENT
    for change in changes:
        try:
            content = changed(content, *change) or content
        except (KeyError, IndexError, TypeError):
            continue  # An earlier change took the place away.
    judge(made(content, MEMBERS))


@pytest.mark.parametrize("first", first_and_slow(range(0, 1600, 100), 4))
def test_files_of_all_ops_changed_at_random(first):
    """More of them: ``python -m tests.fuzz_files``."""
    read = 0
    for seed in range(first, first + 100):
        try:
            read += judge(mutated(seed)) is not None
        except BaseException as e:
            e.add_note(f"seed {seed}")
            raise
    assert read > 5


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000,
        b"9" * 5000,
        b'{"format":1,"format":2}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a": 1}',
        b"\xff\xfe",
        b'{"b":1,"a":2}',
        b"[" + b"[]," * 11_000_000 + b"[]]",
        b'"\\ud800"',
    ],
    ids=range(14),
)
def test_texts_that_are_no_graph(text):
    with pytest.raises(errors.FormatError):
        from_bytes(SameDiff, made(None, MEMBERS, text))


def test_a_newer_version_is_told_apart_from_damage():
    newer = {**CONTENT, "format": 7, "min_reader": 7, "something new": 1}
    with pytest.raises(errors.FormatError, match=r"(?s)newer version.*format 7.*pip install --upgrade"):
        from_bytes(SameDiff, made(newer, MEMBERS))
    # What an older reader need not know may be there.
    assert judge(made({**CONTENT, "format": 7}, MEMBERS)) is not None


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "tensors/../x.npy", "graph.json\x00"])
def test_a_member_of_any_name_is_never_a_path(name):
    with pytest.raises(errors.FormatError):
        from_bytes(SameDiff, made(CONTENT, {**MEMBERS, name: b"x"}))


def test_arrays_of_objects_are_never_read():
    file = io.BytesIO()
    np.save(file, np.array([print], dtype=object), allow_pickle=True)
    for name in MEMBERS:
        with pytest.raises(errors.FormatError):
            from_bytes(SameDiff, made(CONTENT, {**MEMBERS, name: file.getvalue()}))


BOMB = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from sdgraph import SameDiff, errors
from sdgraph.store.load import load
try:
    load(SameDiff, sys.argv[1], ops=(), mmap=False, verify=True)
except errors.FormatError as e:
    print("refused")
"""


def bombs():
    huge = [2**20, 2**20, 2**20]
    avals = [[huge, "float64"], *CONTENT["nodes"]["avals"]]
    columns = {**CONTENT["nodes"]["columns"], "aval": [k + 1 for k in CONTENT["nodes"]["columns"]["aval"]]}
    leaf = columns["name"].index("k")
    columns["aval"][leaf] = 0
    yield made({**CONTENT, "nodes": {**CONTENT["nodes"], "avals": avals, "columns": columns}}, MEMBERS)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as z:
        with z.open(GRAPH, "w") as member:
            for _ in range(256):
                member.write(bytes(1 << 20))
        z.writestr(DIGEST, "0" * 64)
    yield file.getvalue()


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="no limit of memory")
@pytest.mark.parametrize("number", range(2))
def test_small_files_that_claim_much(tmp_path, number):
    path = tmp_path / "bomb.sdg"
    path.write_bytes([*bombs()][number])
    assert path.stat().st_size < 1 << 20
    done = subprocess.run([sys.executable, "-c", BOMB, path], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "refused\n", done.stderr


AUDIT = """
import sys, warnings
from sdgraph import Namespace, Operand, SameDiff, composite
from sdgraph.store.load import from_bytes, load
class Mine(Namespace, prefix="audited"):
    @composite
    def twice(self, x: Operand, *, name=None):
        return x + x
@composite
def audited(sd, x: Operand, *, name=None):
    return x * 3
sd = SameDiff()
sd.grad(audited(sd, Mine(sd).twice(sd.var("w", [1.0, 2.0]))).sum(), "w")
sd.save(sys.argv[1] + "/user.sdg")
files = [*sys.argv[2:], sys.argv[1] + "/user.sdg"]
def read(path):
    for mmap in (False, True):
        assert len(SameDiff.load(path, ops=[audited], mmap=mmap))
for path in files:
    read(path)  # What is imported on first use is there now.
seen, now = [], ""
def hook(event, args):
    if event == "open" and str(args[0]) == now and args[1] in ("r", "rb"):
        return
    if event.split(".")[0] in {"import", "exec", "compile", "open", "socket", "subprocess", "os", "pickle", "marshal",
                               "ctypes", "code", "shutil", "glob", "tempfile", "urllib", "http"}:
        seen.append((now, event, str(args)[:80]))
sys.addaudithook(hook)
for now in files:
    read(now)
print(seen)
"""


def test_nothing_runs_or_is_opened_while_a_file_is_read(tmp_path):
    """A file with something of everything, one of every operation with its gradients, and one of a user's."""
    paths = []
    for k, (content, members) in enumerate([(CONTENT, MEMBERS), *map(base, OPS)]):
        paths.append(tmp_path / f"{k}.sdg")
        paths[-1].write_bytes(made(content, members))
    done = subprocess.run([sys.executable, "-c", AUDIT, tmp_path, *paths], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stdout[:2000] + done.stderr


# ---------------------------------------------------------------------- one rule each


def _columns(content):
    return content["nodes"]["columns"]


def _node(content, name):
    return _columns(content)["name"].index(name)


def _put(content, column, name, value):
    _columns(content)[column][_node(content, name)] = value


def _aval_of(content, name, aval):
    avals = content["nodes"]["avals"]
    _put(content, "aval", name, len(avals))
    avals.append(aval)
    in_order(content["nodes"])


RULES = {
    "two names": (lambda c: _put(c, "name", "loss", "k"), "two variables have the name 'k'"),
    "no name": (lambda c: _put(c, "name", "loss", ""), "names"),
    "a name of no text": (lambda c: _put(c, "name", "loss", 3), "names"),
    "a line break": (lambda c: _put(c, "name", "loss", "a\nb"), "names"),
    "itself": (lambda c: _columns(c)["inputs"].__setitem__(-1, len(_columns(c)["op"]) - 1), "comes after it"),
    "nowhere": (lambda c: _columns(c)["inputs"].__setitem__(0, 10**6), "'inputs'"),
    "lacking": (lambda c: _columns(c)["inputs"].__setitem__(0, -1), "lacks an operand"),
    "too many": (
        lambda c: (_columns(c)["n_inputs"].__setitem__(_node(c, "x"), 1), _columns(c)["inputs"].append(0)),
        "comes after it|operands",
    ),
    "shape": (lambda c: _aval_of(c, "loss", [[7], "float32"]), "is float32 \\(7,\\) in the file, and float32 \\(\\)"),
    "dtype": (lambda c: _aval_of(c, "loss", [[], "int32"]), "is int32"),
    "no dtype": (lambda c: _aval_of(c, "loss", [[], "object"]), "dtype"),
    "rank": (lambda c: _aval_of(c, "x", [[2] * 65, "float32"]), "at most 64"),
    "size": (lambda c: _aval_of(c, "x", [[2**65], "float32"]), "dimension"),
    "negative": (lambda c: _aval_of(c, "x", [[-5], "float32"]), "dimension"),
    "a loss that is none": (lambda c: c["tables"]["explicit_losses"].append(_node(c, "k")), "marked as a loss"),
    "a loss that is nowhere": (lambda c: c["tables"]["explicit_losses"].append(10**6), "not there"),
    "an extra loss": (lambda c: c["tables"]["extra_losses"].append(_node(c, "x")), "marked as a loss"),
    "frozen": (lambda c: c["tables"]["frozen"].append(_node(c, "layer/w")), "marked as a constant"),
    "a gradient of nothing": (lambda c: c["tables"]["gradients"].append([[0], [0], [10**6]]), "not there"),
    "a gradient without an answer": (lambda c: c["tables"]["gradients"].append([[0], [0], []]), "no answer"),
    "spans": (lambda c: c["tables"]["gradient_spans"].append([0, 1]), "overlap"),
    "a table": (lambda c: c["tables"].pop("losses"), "other ones"),
    "a value": (lambda c: c["values"].pop(), "values"),
    "a digest": (lambda c: c["sha256"].pop("tensors/k.npy"), "members"),
    "an op": (lambda c: c["nodes"]["ops"].append(["math.tanh", ["x"], []]), "table of ops is not in order"),
    "twice": (lambda c: c["nodes"]["settings"].append({}), "not in order"),
    "dtype of the graph": (lambda c: c.update(dtype="int32"), "floating"),
    "a seed": (lambda c: c.update(seed="-1"), "seed"),
    "more": (lambda c: c.update(evil="os.system"), "other parts"),
    "a user": (lambda c: c.update(user={"a": 1}), "texts"),
}


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_each_rule_of_a_graph(rule):
    change, told = RULES[rule]
    content = copy.deepcopy(CONTENT)
    change(content)
    with pytest.raises(errors.FormatError, match=told):
        from_bytes(SameDiff, made(content, MEMBERS))


def test_lists_in_lists_beyond_measure():
    for depth in (9, 100, 480, 700, 950):
        deep, outputs = [], {"outputs": []}
        for _ in range(depth):
            deep, outputs = [deep], {"outputs": [outputs]}
        for table, row in (("settings", {"a": deep}), ("avals", outputs), ("ops", deep), ("origins", deep)):
            content = copy.deepcopy(CONTENT)
            content["nodes"][table][0] = row
            try:
                data = made(content, MEMBERS)
            except RecursionError:
                continue
            with pytest.raises(errors.FormatError):
                from_bytes(SameDiff, data)


def test_bools_that_are_neither():
    """Numpy takes any byte for a bool, and computes nonsense with it."""
    sd = SameDiff()
    sd.constant("mask", np.array([True, False]))
    content, members = parts(to_bytes(sd))
    members["tensors/mask.npy"] = members["tensors/mask.npy"][:-2] + b"\x02\xff"
    with pytest.raises(errors.FormatError, match="neither"):
        from_bytes(SameDiff, made(content, members))


def test_the_code_that_reads_files_names_nothing_that_runs_code():
    import sdgraph.store

    # What is pickled runs code by its nature; nothing that reads a file knows that module.
    files = [p for p in Path(sdgraph.store.__path__[0]).glob("*.py") if p.name != "pickles.py"]
    source = "\n".join(p.read_text() for p in files)
    for word in ("pickle", "marshal", "eval(", "exec(", "__import__", "importlib", "allow_pickle", "getattr(sys"):
        assert word not in source
