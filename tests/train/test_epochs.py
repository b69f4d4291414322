"""Whole calls of SameDiff's fit: weights, losses and counters over epochs, what listeners are told, evaluations."""

import json

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError
from sdgraph.train import DataSet, Listener, ListenerResponse, Operation, Sgd, TrainingConfig
from sdgraph.train.evaluation import RegressionEvaluation
from tests.golden.cases import DTYPES, FOLDER, numbers
from tests.train import golden, models
from tests.train.stepping import off
from tests.train.test_trajectories import regularization

FILE = json.loads((FOLDER / "samediff_training" / "epochs.json").read_text())
CASES = {case["name"]: case for case in FILE["cases"]}
THROWS = "validation_frequency_0"
RISES = "epoch_schedule_Poly2"  # A PolySchedule's rates rise there.
PREDICTION = {"mlp_tanh_mse": "add_1"}


class Record(Listener):
    """Notes everything; stops at the end of an epoch if it is to."""

    def __init__(self, stop=None):
        self.stop, self.hooks, self.iterations, self.ends, self.validations = stop, [], [], [], []

    def iteration_done(self, sd, at, data, loss):
        if at.operation is Operation.TRAINING:
            weights = {v.name: v.value for v in sd.trainable_variables()}
            self.iterations.append((at.epoch, at.iteration, dict(loss), weights))

    def epoch_end(self, sd, at, loss_curve, epoch_time_millis):
        self.ends.append({"epoch": at.epoch, "iteration": at.iteration, "curve_rows": len(loss_curve)})
        return ListenerResponse.STOP if at.epoch == self.stop else ListenerResponse.CONTINUE

    def validation_done(self, sd, at, validation_time_millis):
        self.validations.append({"epoch": at.epoch, "iteration": at.iteration})


def graph(case):
    """The graph of a case with its configuration, and its batches for training and validation."""
    dtype = DTYPES[case["dtype"]]
    sd = models.build(case["model"], dtype, case["initial"])
    config = TrainingConfig.builder().updater(golden.updater(case["updater"]))
    config.data_set_feature_mapping("x").data_set_label_mapping("y")
    config.regularization(*[regularization(r) for r in case.get("regularization") or []])
    if "training_mse" in case["fits"][0]:
        config.train_evaluation(PREDICTION[case["model"]], 0, RegressionEvaluation())
        config.validation_evaluation(PREDICTION[case["model"]], 0, RegressionEvaluation())
    sd.set_training_config(config.build())
    several = [
        [DataSet(np.array(b["x"], dtype), np.array(b["y"], dtype)) for b in case.get(name, ())]
        for name in ("batches", "validation_batches")
    ]
    return sd, *several


def fits(case, engine):
    """Each call of a case with what it did."""
    sd, batches, validation = graph(case)
    for made in case["fits"]:
        call, record = made["call"], Record(case.get("stop_in_epochEnd_of_epoch"))
        if call.startswith("fit(DataSet) with batch "):
            history = sd.fit(batches[int(call.rpartition(" ")[2])], listeners=[record], engine=engine)
        else:
            epochs, _, more = call.removeprefix("fit(DataSetIterator, ").rstrip(")").partition(", ")
            held = {"validation": validation, "validation_frequency": int(more.rpartition(" ")[2])} if more else {}
            history = sd.fit(batches, epochs=int(epochs), listeners=[record], engine=engine, **held)
        yield sd, made, record, history


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
@pytest.mark.parametrize("name", [name for name in CASES if name not in (THROWS, RISES)])
def test_fit_does_what_samediff_does(name, engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    case = CASES[name]
    within = 1e-12 if case["dtype"] == "DOUBLE" else 2e-6
    for sd, made, record, history in fits(case, engine):
        assert len(record.iterations) == len(made["iterations"])
        for (epoch, iteration, loss, weights), wanted in zip(record.iterations, made["iterations"], strict=True):
            assert (epoch, iteration) == (wanted["epoch"], wanted["iteration"])
            assert list(loss) == wanted["loss_names"]
            for key, value in wanted["loss_before_step"].items():
                assert loss[key] == pytest.approx(value, rel=within)
            for key, w in wanted["weights"].items():
                assert off(weights[key], numbers(w)) <= within, (iteration, key)
        assert record.ends == (made["epochEnd"] or []) and record.validations == made["validationDone"]
        state, counts = sd.updater_state, made["counters_after"]
        assert (state.iteration, state.epoch) == (counts["iterationCount"], counts["epochCount"])
        if made["history"]["lossCurve"] is not None:
            assert (history.training_epochs, history.validation_epochs) == (
                made["history"]["trainingEpochs"],
                made["history"]["validationEpochs"],
            )
        for key in ("training_mse", "validation_mse"):
            if key in made:
                evaluations = getattr(history, key.replace("mse", "eval"))("average_mean_squared_error")
                np.testing.assert_allclose(evaluations, numbers(made[key]), rtol=1e-6)


@pytest.mark.parametrize("name", ["l1", "l2", "weight_decay", "l2_twice", "float"])
def test_regularization_is_in_the_loss_curve(name):
    """SameDiff has it right in files of one kind of regularization, where it does not mix up columns."""
    case = CASES[name]
    for _, made, _, history in fits(case, "numpy"):
        wanted = made["history"]["lossCurve"]
        assert history.loss_curve.loss_names == tuple(wanted["names"])
        np.testing.assert_allclose(history.loss_curve.loss_values[:, 1], np.array(wanted["rows"])[:, 1], rtol=1e-6)


def test_each_kind_of_regularization_has_its_own_column():
    for _, made, record, history in fits(CASES["l1_l2"], "numpy"):
        first, second = ([s[2][k] for s in record.iterations] for k in ("L1Regularization", "L2Regularization"))
        weights = [{k: np.array(a) for k, a in CASES["l1_l2"]["initial"].items()}, *(s[3] for s in record.iterations)]
        np.testing.assert_allclose(first, [0.01 * sum(np.abs(a).sum() for a in w.values()) for w in weights[:-1]])
        np.testing.assert_allclose(second, [0.05 * sum((a * a).sum() for a in w.values()) for w in weights[:-1]])
        np.testing.assert_allclose(history["L1Regularization"], np.mean(np.reshape(first, (4, 3)), axis=1))
        # The last column is the only one that SameDiff fills.
        np.testing.assert_allclose(history["L2Regularization"], np.array(made["history"]["lossCurve"]["rows"])[:, 2])


def test_validation_with_a_frequency_of_0_is_refused():
    with pytest.raises(ArgumentError, match="validation_frequency"):
        list(fits(CASES[THROWS], "numpy"))


# ---------------------------------------------------------------------- the order of the hooks


class Hooks(Listener):
    """The names of the hooks, as the golden file writes them."""

    def __init__(self, out, name=""):
        self.out, self.prefix = out, f"{name} " if name else ""

    def note(self, text, at=None, loss=""):
        where = f" epoch={at.epoch} iteration={at.iteration}" if at else ""
        other = f" {at.operation.name}" if at and at.operation is not Operation.TRAINING else ""
        self.out.append(f"{self.prefix}{text}{where}{other}{loss}")

    def operation_start(self, sd, operation):
        self.note(f"operationStart {operation.name}")

    def operation_end(self, sd, operation):
        self.note(f"operationEnd {operation.name}")

    def epoch_start(self, sd, at):
        self.note("epochStart", at)

    def epoch_end(self, sd, at, loss_curve, epoch_time_millis):
        self.note("epochEnd", at)

    def validation_done(self, sd, at, validation_time_millis):
        self.note("validationDone", at)

    def iteration_start(self, sd, at, data, etl_time_millis):
        assert {*data} == {"x", "y"} and etl_time_millis >= 0
        self.note("iterationStart", at)

    def iteration_done(self, sd, at, data, loss):
        assert len(data["x"]) == 4 and loss.total_loss() >= 0
        names = f"[{', '.join(loss.loss_names)}]" if at.operation is Operation.TRAINING else "null"
        self.note("iterationDone", at, f" loss={names}")

    def pre_update(self, sd, at, variable, update):
        assert update.shape == variable.shape
        self.note(f"preUpdate {variable.name}")


def linear():
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (None, 2)), sd.placeholder("y", (None, 1))
    xw = sd.mmul(x, sd.var("w", [[0.5], [-0.5]]), name="xw")
    out = xw.add(sd.var("s", 0.1), name="out")
    sd.loss.mean_squared_error(y, out, name="loss")
    sd.set_training_config(TrainingConfig(updater=Sgd(0.1), data_set_feature_mapping="x", data_set_label_mapping="y"))
    rng = np.random.default_rng(0)
    return sd, [DataSet(rng.normal(size=(4, 2)), rng.normal(size=(4, 1))) for _ in range(2)]


@pytest.mark.parametrize("case", FILE["listener_order"], ids=lambda c: c["call"])
def test_hooks_come_in_the_order_of_samediff(case):
    call, out = case["call"], []
    sd, (one, two) = linear()
    listeners = [Hooks(out)]
    if call == "fit(DataSetIterator of 2 batches, 2 epochs, listener)":
        sd.fit([one, two], epochs=2, listeners=listeners)
    elif call == "fit(DataSetIterator of 2 batches, 2 epochs, validation of 2 batches, frequency 1, listener)":
        sd.fit([one, two], epochs=2, validation=[two, one], listeners=listeners)
    elif call == "fit(DataSet, listener)":
        sd.fit(one, listeners=listeners)
    elif call.startswith("two listeners A, B"):
        sd.fit([one], listeners=[Hooks(out, "A"), Hooks(out, "B")])
        # Within an iteration B comes first there; here the order is always that of the list.
        pairs = zip(case["hooks"][::2], case["hooks"][1::2], strict=True)
        case = {"hooks": [hook for pair in pairs for hook in sorted(pair)]}
        # The same where one stays on the graph.
        sd, (one, two) = linear()
        first, out = out, []
        sd.set_listeners(Hooks(out, "A"))
        sd.fit([one], listeners=[Hooks(out, "B")])
        assert out == first
    elif call.startswith("setListeners(listener); fit(DataSetIterator of 2 batches"):
        sd.set_listeners(listeners)
        sd.fit([one, two], validation=[two])
        # There the graph's hear of validation twice.
        twice = case["hooks"][11:-2]
        assert twice[::2] == twice[1::2]
        case = {"hooks": [*case["hooks"][:11], *twice[::2], *case["hooks"][-2:]]}
    elif call == 'setListeners(listener); output(DataSetIterator of 2 batches, "out")':
        sd.set_listeners(*listeners)
        sd.predict([{"x": one.features, "y": one.labels}, {"x": two.features, "y": two.labels}], "out")
    elif call == 'setListeners(listener); evaluate(DataSetIterator of 2 batches, "out", RegressionEvaluation)':
        sd.add_listeners(*listeners)
        sd.evaluate([one, two], "out", RegressionEvaluation())
    else:
        pytest.skip("Hooks of single ops, which sdgraph does not have.")
    assert out == case["hooks"]


def test_listeners_stay_on_a_graph_and_not_on_its_copy():
    out, (sd, (one, _)) = [], linear()
    with pytest.raises(ArgumentTypeError, match="no callback"):
        sd.set_listeners(3)
    sd.set_listeners(Hooks(out), lambda event, run: out.append(event) if event == "train_begin" else None)
    assert len(sd.get_listeners()) == 2 and sd.copy().get_listeners() == []
    sd.output({"x": one.features}, "out")
    assert out == ["operationStart INFERENCE", "operationEnd INFERENCE"]
    with pytest.raises(FeedError):
        sd.output({}, "out")
    assert out[2:] == ["operationStart INFERENCE", "operationEnd INFERENCE"]
    sd.fit(one)
    assert out[4:6] == ["operationStart TRAINING", "train_begin"]
    sd.set_listeners()
    n = len(out)
    sd.evaluate([one])
    assert len(out) == n


# ---------------------------------------------------------------------- what listeners may do


class Edits(Listener):
    """Halves each update of w, and sees what was required."""

    def __init__(self):
        self.seen = []

    def required_variables(self, sd):
        return ["out", sd["xw"]]

    def activation_available(self, sd, at, data, variable, activation):
        self.seen.append((at.operation, at.iteration, variable, activation.copy(), sd["w"].value))

    def pre_update(self, sd, at, variable, update):
        if variable.name == "w":
            update *= 0.5


def test_updates_can_be_changed_and_activations_seen():
    sd, (one, two) = linear()
    w, s = sd["w"].value, sd["s"].value
    gradients = sd.calculate_gradients({"x": one.features, "y": one.labels}, ["w", "s"])
    edits = Edits()
    sd.fit([one], validation=[two], listeners=[edits])
    np.testing.assert_allclose(sd["w"].value, w - 0.05 * gradients["w"], rtol=1e-14)
    np.testing.assert_allclose(sd["s"].value, s - 0.1 * gradients["s"], rtol=1e-14)
    assert [entry[:3] for entry in edits.seen] == [
        (operation, 0, name)
        for operation in (Operation.TRAINING, Operation.TRAINING_VALIDATION)
        for name in ("out", "xw")
    ]
    np.testing.assert_allclose(edits.seen[0][3], one.features @ w + s)
    np.testing.assert_array_equal(edits.seen[0][4], w)
    np.testing.assert_allclose(edits.seen[3][3], two.features @ sd["w"].value)


class TrainingOnly(Hooks):
    def is_active(self, operation):
        return operation is Operation.TRAINING


def test_a_listener_that_is_not_active_hears_nothing():
    sd, (one, two) = linear()
    out = []
    sd.fit([one], validation=[two], listeners=[TrainingOnly(out)])
    assert not any("TRAINING_VALIDATION" in hook for hook in out) and "operationEnd TRAINING" in out


class Breaks(Hooks):
    def iteration_done(self, sd, at, data, loss):
        raise RuntimeError("enough")


def test_the_end_is_told_after_an_error_and_the_step_is_left_clean():
    sd, (one, two) = linear()
    out = []
    with pytest.raises(RuntimeError, match="enough"):
        sd.fit([one, two], listeners=[Breaks(out)])
    assert out[-1] == "operationEnd TRAINING"
    sd.fit([one, two])
    assert sd.training_kept.step.watchers == []


class AfterValidation(Listener):
    def validation_done(self, sd, at, validation_time_millis):
        return ListenerResponse.STOP


def test_training_ends_after_a_validation():
    sd, (one, two) = linear()
    history = sd.fit([one, two], epochs=5, validation=[two], validation_frequency=2, listeners=[AfterValidation()])
    assert len(history) == 1 and history.stopped == "AfterValidation said so"


class Losses(Listener):
    def __init__(self):
        self.seen = []

    def iteration_done(self, sd, at, data, loss):
        self.seen.append((at.operation, dict(loss)))


def test_losses_of_validation_have_no_weights():
    sd, _ = linear()
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    losses = Losses()
    weights = np.arange(6.0)
    sd.fit((x, y), sample_weight=weights, validation=(x, y), batch_size=6, shuffle=False, listeners=[losses])
    (training, weighted), (validation, plain) = losses.seen
    assert (training, validation) == (Operation.TRAINING, Operation.TRAINING_VALIDATION)
    assert plain["loss"] == pytest.approx(sd["loss"].eval({"x": x, "y": y}))
    start = x @ [[0.5], [-0.5]] + 0.1
    assert weighted["loss"] == pytest.approx((weights * ((y - start) ** 2)[:, 0]).sum() / np.count_nonzero(weights))


def test_other_listeners_and_metrics_do_not_begin_anew():
    """SameDiff goes on from call to call until it is given another configuration."""
    ours, (one, two) = linear()
    other, _ = linear()
    for sd in (ours, other):
        sd.set_training_config(
            TrainingConfig(updater=golden.updater({"updater": "Adam"}), data_set_feature_mapping="x",
                           data_set_label_mapping="y")
        )  # fmt: skip
    ours.fit([one, two], epochs=3)
    other.fit(one)
    other.fit(two, listeners=[Losses()])
    other.fit([one, two], metrics="out", listeners=[Record()])
    step = other.training_step(fetches=["out"])
    for batch in (one, two):
        step({"x": batch.features, "y": batch.labels})
    for name in ("w", "s"):
        np.testing.assert_array_equal(ours[name].value, other[name].value)
    other.fit([one, two])
    ours.fit([one, two])
    assert other.updater_state.iteration == ours.updater_state.iteration == 8
    for name in ("w", "s"):
        np.testing.assert_array_equal(ours[name].value, other[name].value)


def test_penalties_are_of_values_that_somebody_set():
    sd, (one, _) = linear()
    config = TrainingConfig(updater=Sgd(0.1), data_set_feature_mapping="x", data_set_label_mapping="y", l1=0.5)
    sd.set_training_config(config)
    for w, s in (([[0.5], [-0.5]], 0.1), ([[2.0], [-3.0]], 1.0)):
        sd["w"].value, sd["s"].value = w, s
        losses = Losses()
        sd.fit(one, listeners=[losses])
        assert losses.seen[0][1]["L1Regularization"] == pytest.approx(0.5 * (np.abs(w).sum() + s))


def test_one_batch_several_times_makes_epochs():
    sd, (one, _) = linear()
    sd.fit(one, epochs=3)
    assert (sd.updater_state.iteration, sd.updater_state.epoch) == (3, 3)
