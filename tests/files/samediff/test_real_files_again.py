"""Files that SameDiff saved, read and written again: they differ only where a table here says.

Both files are walked by `tests.files.samediff.demands`, not by the code that reads and writes them.
"""

import json

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph import errors
from sdgraph.files import samediff
from tests.files.samediff import demands, real
from tests.files.samediff.test_real_files import READ

# Dtypes that SameDiff itself does not read back.
NOT_HELD = {"dtypes_constants": "uint16", "dtypes_constants_UINT32": "uint32"}

# Layers, conditions and loops, which are not written: the loops, or the initial states, of layers are others.
NOT_WRITTEN = {
    "net_gru": "rnn.gru", "net_lstm_nst": "rnn.lstm_layer", "net_lstm_nts": "rnn.lstm_layer",
    "flow_if_true": "cond", "flow_switch_merge": "cond", "flow_while": "while_loop",
}  # fmt: skip

# Operations of the files that are written as others, and why; what they become is named after their outputs.
OTHERS = {
    "SameDiff's has constants in single precision": "gelu precise_gelu hard_sigmoid rational_tanh log_x mergeavg",
    "SameDiff's has an epsilon of its own": "layer_norm",
    "SameDiff's underflows, and it cannot read the axis back": "log_softmax",
    "sdgraph has it as a number times the documented loss": "mean_pairwssqerr_loss",
    "sdgraph has it as a column of the documented loss": ("softmax_cross_entropy_loss", "NONE"),
    "its gradient is missing": "weighted_cross_entropy_with_logits pad",
    "its gradient has single precision": ("sigm_cross_entropy_loss", "updater_Sgd"),
    "it divides nothing, and sdgraph's does": "dropout",
    "sdgraph has several ops for it": "rectified_tanh round amean countZero set_scalar mergemax car xw_plus_b"
    " relu_layer biasadd batchnorm crelu standardize entropy dot dot_product_attention clipbynorm cosinesimilarity"
    " multi_head_dot_product_attention cosinedistance euclidean manhattan ismax moments zero_fraction",
    "it is 0 at the value itself": "step",
    "of infinities only it makes NaN": "reduce_logsumexp",
    "sdgraph has one op for both": "asum amax mod and or xor",
    "a relu with a cutoff is a maximum": ("relu", "relu_cutoff"),
    "bfloat16 becomes float32 when it is read": ("cast", "bf32"),
    "SameDiff stores its arguments in the wrong order": "top_k",
}
WRITTEN_AS_OTHERS = {
    entry if isinstance(entry, tuple) else (name, "")
    for entry in OTHERS.values()
    for name in (entry.split() if isinstance(entry, str) else entry[:1])
}
"""Operations, with how the name of the file or of an output begins."""

# Other numbers in the same place: axes are counted from the first.
FROM_THE_FIRST = {"softmax": "i", "sum_negative_axis": "dimensions"}
# Variables that are not there again, or have another dtype.
GONE = {"text"}
WIDER = {"c_BFLOAT16", "bf16"}


def becomes_others(file, node):
    where = {file, *node.outputs}
    return any(op == node.op and (not part or any(w.startswith(part) for w in where)) for op, part in WRITTEN_AS_OTHERS)


def values_of_properties(node):
    """The properties by name, each with the slots that are filled."""
    return {name: node.property_form(name) for name in node.properties}


@pytest.fixture(params=[name for name in READ if name not in {*NOT_HELD, *NOT_WRITTEN}])
def both(request, tmp_path):
    name = request.param
    samediff.save(samediff.load(real.path(name)), tmp_path / "again.fb")
    data = (tmp_path / "again.fb").read_bytes()
    return name, demands.File(real.path(name).read_bytes()), demands.check(data), tmp_path / "again.fb"


def test_nodes_are_the_same_but_for_those_of_the_table(both):
    name, before, after, _ = both
    made = {out: node for node in after.nodes for out in node.outputs}
    for node in before.nodes:
        if becomes_others(name, node):
            assert set(node.outputs) <= made.keys()
            continue
        other = made[node.outputs[0]]
        assert (other.op, other.type, other.number) == (node.op, node.type, node.number)
        assert other.outputs == node.outputs and other.output_types == node.output_types
        assert [v.name for v in after.operands(other)] == [v.name for v in before.operands(node)]
        assert values_of_properties(other) == values_of_properties(node), node.op
        for slot in ("t", "i", "b", "d", "dimensions"):
            if FROM_THE_FIRST.get(node.outputs[0]) != slot:
                assert getattr(other, slot) == getattr(node, slot), (node.op, slot)
        if node.scalar is not None:
            assert demands.numbers(other.scalar) == demands.numbers(node.scalar)


def test_variables_and_values_are_the_same(both):
    name, before, after, _ = both
    for v in before.variables:
        if v.name in GONE:
            continue
        other = after.by_name[v.name]
        assert other.kind == v.kind and other.shape == v.shape
        if v.name not in WIDER:
            assert other.dtype == v.dtype
            if v.array is not None:
                np.testing.assert_array_equal(demands.numbers(other.array), demands.numbers(v.array), strict=True)
    # What is no number there and no loss op here has a sum behind it.
    marked = [loss if loss in after.losses else f"{loss}/total" for loss in before.losses]
    assert after.losses == marked
    # That op never reduces.
    reduces = name != "loss_weightedCrossEntropyWithLogits"
    assert all(loss.startswith("NONE") for loss in set(before.losses) - set(after.losses) if reduces)


def test_training_is_the_same(both):
    _, before, after, _ = both
    assert (before.config is None) == (after.config is None)
    if before.config is not None:
        assert json.loads(after.config) == json.loads(before.config)
    assert after.state.keys() == before.state.keys()
    for variable, kept in before.state.items():
        assert after.state[variable].keys() == kept.keys()
        for key, array in kept.items():
            np.testing.assert_array_equal(demands.numbers(after.state[variable][key]), demands.numbers(array))


def test_what_is_written_again_computes_what_was_read(both):
    name, _, _, path = both
    first, again, said = samediff.load(real.path(name)), samediff.load(path), real.known(name)
    feeds = {k: v for k, v in real.feeds(said).items() if k in first}
    fetches = [n for n in said.get("outputs", {}) if n in first and n not in GONE]
    with np.errstate(all="ignore"):
        want, got = first.output(feeds, fetches), again.output(feeds, fetches)
        for fetch, value in want.items():
            close(got[fetch], value, 1e-11)
        wrt = [v.name for v in first.trainable_variables() if v.has_gradient()] if said["loss_variables"] else []
        if wrt:
            want, got = first.calculate_gradients(feeds, wrt), again.calculate_gradients(feeds, wrt)
            for variable, value in want.items():
                close(got[variable], value, 1e-10)


def close(got, want, tolerance):
    tolerance = 1e-5 if want.dtype == np.float32 else tolerance
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "why"), {**NOT_HELD, **NOT_WRITTEN}.items())
def test_what_samediff_cannot_read_back_is_refused(name, why, tmp_path):
    with pytest.raises(errors.ArgumentError, match=why):
        samediff.save(samediff.load(real.path(name)), tmp_path / "again.fb")
    assert not list(tmp_path.iterdir())
