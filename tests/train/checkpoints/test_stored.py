"""What is in a checkpoint, who is refused, and what is taken by force."""

import numpy as np
import pytest

from sdgraph import SameDiff, composite
from sdgraph.build.variable import Operand
from sdgraph.cli import main
from sdgraph.errors import ArgumentError, FormatError, ResumeError, ResumeWarning
from sdgraph.keras import optimizers
from sdgraph.store.load import outline, with_record
from sdgraph.store.record import Record
from sdgraph.store.save import save
from sdgraph.train import Adam, EarlyStopping, L2Regularization, Nesterovs, Sgd
from sdgraph.train.checkpoints import likeness
from tests.store import hostile_files
from tests.store.hostile_files import NUMBERS, changed, made, parts, places
from tests.train.interrupted import bits

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(48, 3)), RNG.normal(size=(48, 1))


def network(*, dtype="float64", width=4, name="w2", activation="tanh", scale=1.0, seed=2, dropout=0.2):
    sd = SameDiff(dtype, seed=seed)
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 1))
    hidden = getattr(sd.math, activation)(scale * (x @ sd.var("w1", shape=(3, width), init="glorot")))
    p = sd.nn.dropout(hidden, dropout) @ sd.var(name, shape=(width, 1), init="glorot")
    sd.loss.mean_squared_error(y, p, name="loss")
    return sd


def fit(sd, folder, epochs=2, rows=48, **settings):
    data = {"x": X[:rows], "y": Y[:rows]}
    settings = {"updater": Adam(0.05), "batch_size": 16, "resume": True, **settings}
    return sd.fit(data, epochs=epochs, checkpoint=folder, **settings)


@pytest.fixture
def folder(tmp_path):
    """With the checkpoints of two epochs."""
    fit(network(), tmp_path)
    return tmp_path


@pytest.fixture
def file(folder):
    return folder / "step-000000006.sdg"


OTHERS = {
    "a node": ({"activation": "sin"}, {}, ["the graph"], ["math.sin", "math.tanh"]),
    "a constant": ({"scale": 2.0}, {}, ["the graph"], []),
    "a setting": ({"dropout": 0.5}, {}, ["the graph"], ["nn.dropout"]),
    "the seed": ({"seed": 3}, {"seed": 2}, ["the graph"], ["seed 3", "seed 2"]),
    "a width": ({"width": 5}, {}, ["variables"], ["w1: float64 (3, 5)", "w1: float64 (3, 4)"]),
    "a dtype": ({"dtype": "float32"}, {}, ["variables"], ["w1: float32 (3, 4)", "w1: float64 (3, 4)"]),
    "a name": ({"name": "v"}, {}, ["variables"], ["v: float64 (4, 1)", "no v"]),
    "the updater": ({}, {"updater": Nesterovs(0.05)}, ["updaters"], ["Nesterovs(", "Adam("]),
    "a rate": ({}, {"updater": Adam(0.01)}, ["updaters"], ["learning_rate=0.01", "learning_rate=0.05"]),
    "what is frozen": ({}, {"updater": {"w1": None, "*": Adam(0.05)}}, ["updaters"], ["no w1"]),
    "a penalty": ({}, {"transforms": [L2Regularization(0.1)]}, ["training"], ["L2Regularization"]),
    "the direction": ({}, {"minimize": False}, ["training"], ["minimize: False"]),
    "accumulation": ({}, {"accumulate": 2}, ["training"], ["accumulate: 2"]),
    "weights of losses": ({}, {"loss_weights": {"loss": 2.0}}, ["the graph"], []),
    "weights of classes": ({}, {"class_weight": {0: 1.0, 1: 3.0}}, ["the graph"], []),
    "weights of examples": ({}, {"sample_weight": np.linspace(1, 2, 48)}, ["the graph"], []),
    "the batch size": ({}, {"batch_size": 12}, ["data"], ["batch_size: 12", "batch_size: 16"]),
    "the length": ({}, {"rows": 40}, ["data"], ["examples: 40", "examples: 48"]),
    "the order": ({}, {"shuffle": False}, ["data"], ["shuffle: False", "shuffle: True"]),
    "the seed of the order": ({}, {"seed": 9}, ["data"], ["seed: 9", "seed: 2"]),
    "several": ({"width": 5}, {"batch_size": 12}, ["variables", "data"], ["w1: ", "batch_size: 12"]),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_training_is_refused_and_nothing_has_changed(folder, other):
    model, settings, kinds, words = OTHERS[other]
    sd = network(**model)
    before = {v.name: v.value.copy() for v in sd.variables("variable")}
    with pytest.raises(ResumeError) as refused:
        fit(sd, folder, 4, **settings)
    e = refused.value
    assert all(kind in e.message for kind in kinds) and str(folder) in e.message
    assert all(word in f"{e.given}\n{e.expected}" for word in words)
    assert e.given != e.expected and "force=True" in e.fix
    assert all(np.array_equal(before[v.name], v.value) for v in sd.variables("variable"))


@pytest.mark.parametrize("other", OTHERS)
def test_by_force_what_fits_is_taken(folder, other):
    model, settings, _, _ = OTHERS[other]
    sd, old, began = network(**model), SameDiff.load(folder / "step-000000006.sdg"), []
    callbacks = [
        EarlyStopping("loss", 99, restore_best=False),
        lambda event, run: began.append((event, sd["w1"].value)),
    ]
    history = fit(sd, folder, 4, force=True, callbacks=callbacks, **settings)
    assert len(history) == 4 and np.isfinite(history["loss"]).all()
    first = began[0][1]
    if first.shape == old["w1"].shape:
        np.testing.assert_array_equal(first, old["w1"].value.astype(first.dtype))
    assert sd.training_kept.step.epoch == 4


def test_by_force_another_updater_begins_with_nothing_kept(folder):
    """Momentum of one is no mean of squares of another."""
    sd, seen = network(), []
    watch = [lambda event, run: seen.append(run.step.state())]
    fit(sd, folder, 3, updater=Nesterovs(0.01), force=True, callbacks=watch)
    assert seen[0]["count:update"] == 0 and not seen[0]["slot:V/w1"].any()
    assert seen[0]["setting:learning_rate"] == 0.01 and seen[0]["count:step"] == 6


def test_by_force_the_same_updater_with_another_rate_goes_on(folder):
    sd, seen = network(), []
    watch = [lambda event, run: seen.append(run.step.state())]
    fit(sd, folder, 3, updater=Adam(0.01), force=True, callbacks=watch)
    _, record = with_record(SameDiff, folder / "step-000000006.sdg")
    for key in ("slot:M/w1", "slot:V/w2", "count:update"):
        np.testing.assert_array_equal(seen[0][key], record.arrays[key])
    assert seen[0]["setting:learning_rate"] == 0.01


def test_by_force_the_best_values_are_there_to_be_restored(tmp_path):
    best = [EarlyStopping("loss", 99)]
    fit(network(), tmp_path, callbacks=best)
    fit(network(width=5), tmp_path, 3, force=True, callbacks=best)


def test_what_is_not_computed_does_not_count(folder):
    sd, again = network(), network()
    expected = bits(sd, fit(sd, folder.parent / "other", 4))
    again.math.sin(again.var("spare", [1.0]), name="more")
    again["loss"].rename("cost")
    history = fit(again, folder, 4, metrics={"loss_again": "cost"})
    state = {key: part for key, part in bits(again, history)[0].items() if "spare" not in key}
    assert state == expected[0]


def test_variables_that_nobody_trains_come_back(tmp_path):
    def set_it(event, run):
        if event == "epoch_end":
            sd["scale"].value = sd["scale"].value + 1

    def model():
        made = network()
        made.var("scale", 1.0)
        return made

    sd = model()
    fit(sd, tmp_path, callbacks=[set_it])
    sd = model()
    fit(sd, tmp_path, 3, callbacks=[set_it])
    assert sd["scale"].value == 4


def test_another_number_of_threads_is_told(folder, monkeypatch):
    real = likeness.environment
    monkeypatch.setattr(
        "sdgraph.train.checkpoints.setup.environment", lambda engine: {**real(engine), "threads of BLAS": 99}
    )
    with pytest.warns(ResumeWarning, match="threads of BLAS 99, not"):
        fit(network(), folder, 3)


def test_another_engine_is_told(folder):
    with pytest.warns(ResumeWarning, match="engine numpy, not llvm"):
        fit(network(), folder, 3, engine="numpy")


# ---------------------------------------------------------------------- the file


def rewritten(file, change):
    """The file with other facts."""
    sd, record = with_record(SameDiff, file)
    facts = change(dict(record.facts))
    save(sd, file, user={}, origins=True, keep=False, fsync=False, record=Record(record.kind, facts, record.arrays))


def test_all_that_is_in_it(file):
    _, record = with_record(SameDiff, file)
    assert record.kind == "checkpoint"
    assert set(record.facts) == {
        *("first", "epoch", "batch", "sums", "history", "left_out", "memory", "stop", "source", "setup")
    }
    assert set(record.facts["setup"]) == {
        *("computed", "graph", "variables", "updaters", "rule", "data", "environment")
    }
    assert record.facts["setup"]["data"] == {
        "kind": "ArrayBatches",
        "examples": 48,
        "batch_size": 16,
        "shuffle": True,
        "seed": 2,
        "batches": 3,
    }
    assert record.facts["setup"]["environment"].keys() >= {"sdgraph", "numpy", "python", "engine", "threads of BLAS"}
    assert set(record.arrays) == {
        *(f"slot:{slot}/{name}" for slot in "MV" for name in ("w1", "w2")),
        *(f"count:{name}" for name in ("step", "epoch", "update", "skipped", "accumulated", "examples")),
        "setting:learning_rate",
    }


def test_an_epoch_before_the_first(file):
    rewritten(file, lambda facts: {**facts, "first": 10**9})
    with pytest.raises(FormatError, match="before the first"):
        fit(network(), None, 3, resume=file)


FACTS = ("first", "epoch", "batch", "sums", "history", "left_out", "memory", "stop", "source", "setup")
SETUP = ("computed", "graph", "variables", "updaters", "rule", "data", "environment")


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("other", ["gone", -1, 1.5, [3], {"a": "b"}, [[1]]], ids=str)
def test_each_fact_is_looked_at(file, name, other):
    def change(facts):
        del facts[name]
        return facts if other == "gone" else {**facts, name: other}

    rewritten(file, change)
    if (name, other) in (("sums", {"a": "b"}), ("source", {"a": "b"})):
        return  # They may have anything in them.
    with pytest.raises(FormatError, match=f"{name!r}|damaged"):
        fit(network(), None, 3, resume=file)


@pytest.mark.parametrize("name", SETUP)
def test_each_fact_of_the_setup_is_looked_at(file, name):
    rewritten(file, lambda facts: {**facts, "setup": {k: v for k, v in facts["setup"].items() if k != name}})
    with pytest.raises(FormatError, match="'setup'"):
        fit(network(), None, 3, resume=file)


@pytest.mark.parametrize("part", range(4))
def test_whatever_stands_there_is_refused_or_makes_sense(file, part, capsys):
    """Files that somebody made on purpose: no other error comes out, neither of a run nor of a summary."""
    content, members = parts(file.read_bytes())
    rng = np.random.default_rng(part)
    where = [path for path in places(content) if path[:2] in (("record", "facts"), ("record", "arrays"))][part::4]
    refused = 0
    for path in where:
        how, others = rng.choice(["replace", "drop", "twice", "add", "rename"]), [*NUMBERS, *hostile_files.OTHERS]
        now = changed(content, path, how, others[rng.integers(len(others))])
        if now is None or now == content:
            continue
        file.write_bytes(made(now, members))
        try:
            fit(network(), None, 3, resume=file)
        except (FormatError, ResumeError):
            refused += 1
        except (ResumeWarning, ArgumentError):
            pass  # Another computer, or a callback's memory.
        assert main(["summary", str(file)]) in (0, 1)
    capsys.readouterr()
    assert refused > len(where) // 4


def test_an_array_that_is_missing(file):
    sd, record = with_record(SameDiff, file)
    for name in record.arrays:
        arrays = {k: a for k, a in record.arrays.items() if k != name}
        other = file.with_name("other.sdg")
        save(
            sd, other, user={}, origins=True, keep=False, fsync=False, record=Record(record.kind, record.facts, arrays)
        )
        with pytest.raises(FormatError, match=name):
            fit(network(), None, 3, resume=other)


def test_its_graph_is_loaded_as_any(folder, file):
    sd = network()
    fit(sd, folder)
    loaded = SameDiff.load(file)
    feeds = {"x": X, "y": Y}
    np.testing.assert_array_equal(loaded["loss"].eval(feeds), sd["loss"].eval(feeds))


def test_the_same_training_gives_the_same_bytes(file, tmp_path):
    fit(network(), tmp_path / "again")
    assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_a_summary_tells_of_training(file, capsys):
    assert main(["summary", str(file)]) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines() if ":" in line)
    assert lines["checkpoint"].strip() == "epoch 2, batch 0, both from 0"
    assert lines["updaters"].strip() == "Adam(learning_rate=0.05, beta1=0.9, beta2=0.999, epsilon=1e-08)"
    assert lines["data"].strip() == "examples 48, batch_size 16, shuffle True, seed 2, batches 3"
    last = outline(file).facts["history"][-1]["loss"]
    assert lines["last epoch"].strip() == f"loss {last:.6g}"
    assert main(["check", str(file)]) == 0


def test_a_summary_of_something_else_beside_a_graph(tmp_path, capsys):
    path = tmp_path / "x.sdg"
    save(network(), path, user={}, origins=True, keep=False, fsync=False, record=Record("other", {}, {}))
    assert main(["summary", str(path)]) == 0
    assert "checkpoint" not in capsys.readouterr().out


@composite
def squashed(sd, x: Operand, *, width: float = 1.0, name: str | None = None):
    return sd.math.tanh(x / width) * width


def own(op):
    sd = SameDiff("float64", seed=2)
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 1))
    p = op(sd, x @ sd.var("w", shape=(3, 1), init="glorot"), width=2.0)
    sd.loss.mean_squared_error(y, p, name="loss")
    return sd


def test_operations_of_ones_own(tmp_path):
    fit(own(squashed), tmp_path)
    sd, other = own(squashed), own(squashed)
    assert bits(sd, fit(sd, tmp_path, 3)) == bits(other, fit(other, tmp_path / "other", 3))
    with pytest.raises(ResumeError, match="another graph"):
        fit(network(), tmp_path, 4)


def test_an_operation_that_is_written_otherwise_now(tmp_path):
    def squashed_again():
        @composite
        def squashed(sd, x: Operand, *, width: float = 1.0, name: str | None = None):
            return sd.math.sin(x / width) * width

        return squashed

    fit(own(squashed), tmp_path)
    with pytest.warns(match="squashed"), pytest.raises(ResumeError, match="the graph"):
        fit(own(squashed_again()), tmp_path, 3)


def test_keras_updaters_with_a_schedule(tmp_path):
    def updater():
        return optimizers.AdamW(lambda step, epoch: 0.1 / (1 + step))

    fit(network(), tmp_path, updater=updater())
    sd, other = network(), network()
    assert bits(sd, fit(sd, tmp_path, 3, updater=updater())) == bits(
        other, fit(other, tmp_path / "other", 3, updater=updater())
    )


def test_what_was_left_out_is_remembered(tmp_path):
    bad = X.copy()
    bad[5] = np.nan

    def train(sd, folder, epochs):
        return sd.fit({"x": bad, "y": Y}, epochs=epochs, updater=Sgd(0.1), batch_size=16, on_nan="skip",
                      checkpoint=folder, resume=True)  # fmt: skip

    train(network(), tmp_path, 2)
    sd, other = network(), network()
    resumed, whole = train(sd, tmp_path, 4), train(other, tmp_path / "other", 4)
    assert resumed.left_out == whole.left_out and len(whole.left_out) == 4
    assert bits(sd, resumed) == bits(other, whole)
