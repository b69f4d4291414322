"""Files made on purpose: only FormatError comes out, soon, without much memory, and no code runs."""

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
from sdgraph.store.save import DIGEST, GRAPH
from tests.store.hostile_files import CONTENT, MEMBERS, NUMBERS, OTHERS, PLACES, changed, made
from tests.store.judging import judge
from tests.store.mutations import mutated

WAYS = ["replace", "drop", "twice", "swap", "add", "rename"]


def test_what_was_not_changed_is_a_graph():
    assert judge(made(CONTENT, MEMBERS)) is not None


@pytest.mark.parametrize("part", range(16))
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


@pytest.mark.parametrize("first", range(0, 1600, 100))
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
import sys
from sdgraph import SameDiff
from sdgraph.store.load import from_bytes
data = open(sys.argv[1], "rb").read()
from_bytes(SameDiff, data)  # What is imported on first use is there now.
seen = []
sys.addaudithook(lambda event, args: seen.append((event, str(args)[:80])) if event.split(".")[0] in {
    "import", "exec", "compile", "open", "socket", "subprocess", "os", "pickle", "marshal", "ctypes", "code"} else None)
from_bytes(SameDiff, data)
print(seen)
"""


def test_nothing_runs_or_is_opened_while_a_file_is_read(tmp_path):
    path = tmp_path / "m.sdg"
    path.write_bytes(made(CONTENT, MEMBERS))
    done = subprocess.run([sys.executable, "-c", AUDIT, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_code_that_reads_files_names_nothing_that_runs_code():
    import sdgraph.store

    # What is pickled runs code by its nature; nothing that reads a file knows that module.
    files = [p for p in Path(sdgraph.store.__path__[0]).glob("*.py") if p.name != "pickles.py"]
    source = "\n".join(p.read_text() for p in files)
    for word in ("pickle", "marshal", "eval(", "exec(", "__import__", "importlib", "allow_pickle", "getattr(sys"):
        assert word not in source
