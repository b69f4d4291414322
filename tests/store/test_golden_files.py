"""Files that were written once are read for ever, and are written the same way by every Python of every process."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import warnings
from hashlib import sha256

import numpy as np
import pytest

from sdgraph import SameDiff, __version__, errors
from sdgraph.build.bodies import WITH_BODIES
from sdgraph.build.bookkeeping import tables_of
from sdgraph.store import plain
from sdgraph.store.save import to_bytes
from tests.golden.files import graphs
from tests.golden.files.make import FOLDER, newest, written
from tests.store.hostile_files import parts

KEPT = sorted(FOLDER.glob("*/*.sdg"))
kept = pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.stem}")


def loaded(path, **settings):
    """The graph of a kept file, and what it must be."""
    facts = json.loads(path.with_suffix(".json").read_text())
    with warnings.catch_warnings():
        if path.parent.name != __version__:
            # A later version may write a composite otherwise; values must be the same within rounding.
            warnings.simplefilter("ignore", errors.ChangedOpWarning)
        sd = SameDiff.load(path, ops=[getattr(graphs, name) for name in facts["ops"]], **settings)
    return sd, facts


def numbers(spec):
    return np.array(spec["data"], spec["dtype"]).reshape(spec["shape"])


def feeds_of(facts):
    return {name: numbers(spec) for name, spec in facts["feeds"].items()}


@kept
@pytest.mark.parametrize("mmap", [False, True])
def test_it_is_what_it_was(path, mmap):
    sd, facts = loaded(path, mmap=mmap)
    assert sha256(path.read_bytes()).hexdigest() == facts["sha256"]
    for name, spec in facts["values"].items():
        value, expected = sd[name].eval(feeds_of(facts)), numbers(spec)
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-15, err_msg=name)
        assert value.dtype == expected.dtype and value.shape == expected.shape, name
    for name, spec in facts["exact"].items():
        value = sd[name].value
        assert (value.dtype.name, list(value.shape)) == (spec["dtype"], spec["shape"]), name
        assert value.tobytes().hex() == spec["bytes"], name
    for kind, names in facts["kinds"].items():
        assert [v.name for v in sd.variables(kind)] == names
    if facts["losses"]:
        assert [v.name for v in sd.loss_variables()] == facts["losses"]
    assert [v.name for v in sd.losses] == facts["extra_losses"]
    if facts["trainable"]:
        assert [v.name for v in sd.trainable_variables()] == facts["trainable"]
    assert sd.user == facts["user"]
    for name, line in facts["origins"].items():
        assert str(sd[name].origin) == line


@kept
def test_it_goes_on(path):
    sd, facts = loaded(path)
    for call, name in facts["then"]:
        assert eval(call, {**vars(graphs), "sd": sd}).name == name
    for name, distribution, seed, stream, shape in facts["draws"]:
        for step in (0, 3):
            # The generator as numpy has it; which numbers it gives for a key is numpy's promise, not the file's.
            key = np.random.SeedSequence(entropy=seed, spawn_key=tuple(stream))
            rng = np.random.Generator(np.random.Philox(key, counter=step << 128))
            np.testing.assert_array_equal(sd[name].eval(step=step), getattr(rng, distribution)(shape), err_msg=name)


@pytest.mark.parametrize("name", graphs.GRAPHS)
def test_a_graph_goes_on_from_its_file_as_without_it(name):
    golden, path = graphs.GRAPHS[name](), newest(name)
    sd, facts = loaded(path)
    for g in (golden.sd, sd):
        for call, _ in facts["then"]:
            eval(call, {**vars(graphs), "sd": g})
    assert written(dataclasses.replace(golden, sd=sd)) == written(golden)


@pytest.mark.parametrize("name", graphs.GRAPHS)
def test_the_same_graph_gives_the_same_bytes(name):
    path = newest(name)
    assert path is not None, "python -m tests.golden.files.make writes it"
    assert written(graphs.GRAPHS[name](), path.parent.name) == path.read_bytes()


@pytest.mark.parametrize("seed", ["1", "4294967295"])
def test_so_does_another_process(seed):
    # Sets and dicts of another order must not show.
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden.files.make", "--digests", __version__],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=FOLDER.parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    digests = {n: sha256(written(graph(), __version__)).hexdigest() for n, graph in graphs.GRAPHS.items()}
    assert dict(line.split() for line in done.stdout.splitlines()) == digests


# ---------------------------------------------------------------------- that they are of all kinds


def contents():
    return [parts(newest(name).read_bytes())[0] for name in graphs.GRAPHS]


def test_every_column_and_every_table_has_something_in_it():
    columns, tables = set(), set()
    for content in contents():
        columns |= {k for k, column in content["nodes"]["columns"].items() if column}
        columns |= {k for k, table in content["nodes"].items() if table}
        tables |= {k for k, table in content["tables"].items() if table}
    assert columns == {*content["nodes"], *content["nodes"]["columns"]}
    sd = SameDiff()
    assert (
        tables
        == {t.name for _, t in tables_of(sd) if t.copied} - {"ids", "values"}
        == {k for content in contents() for k in content["tables"]}
    )


def test_rows_of_all_forms_are_there():
    rows = [row for content in contents() for row in content["nodes"]["ops"]]
    assert {row[0].split()[0] for row in rows if row[0].startswith(":")} == {
        *(":placeholder", ":variable", ":constant", ":item", ":gradient", ":of", ":function"),
        *(f":{name}" for name in WITH_BODIES),
    }
    assert any(row[0] == ":gradient" and rows[row[1]][0] == ":gradient" for row in rows if row[0] == ":gradient")
    settings = [v for content in contents() for row in content["nodes"]["settings"] for v in row.values()]
    kinds = {key for v in settings if type(v) is dict for key in v}
    assert kinds == {*plain._DECODERS}
    assert {type(v) for v in settings} == {type(None), bool, int, float, str, list, dict}
    avals = [row for content in contents() for row in content["nodes"]["avals"]]
    assert {type(d) for row in avals if type(row) is list for d in row[0]} == {int, str, type(None)}
    assert any(type(row) is dict for row in avals)
    assert {row[1] for row in avals if type(row) is list} == plain._DTYPES


def test_names_are_plain_and_not():
    names = parts(newest("names").read_bytes())[1]
    assert {name.startswith("tensors/#") for name in names} == {True, False}


@contextlib.contextmanager
def _other_version(text):
    from sdgraph.store import save

    before, save.__version__ = save.__version__, text
    try:
        yield
    finally:
        save.__version__ = before


def test_a_version_shows_in_one_text_only():
    golden = graphs.GRAPHS["model"]()
    with _other_version("9.9.9"):
        content, members = parts(to_bytes(golden.sd))
    mine, others = parts(to_bytes(golden.sd))
    assert members == others and {**mine, "writer": "sdgraph 9.9.9"} == content
