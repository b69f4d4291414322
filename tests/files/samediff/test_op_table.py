"""The table of operations: what its rows say of both sides can be."""

import json

import pytest

from sdgraph.build.op import REGISTRY
from sdgraph.files.samediff.op_table import forms_for, forms_of, rows
from tests.golden import cases

ROWS = rows()
NUMBERS = json.loads((cases.FOLDER / "samediff_nodes.json").read_text())["numbers"]
# Operations that no recorded file has: their numbers are hashes of their names.
NOT_RECORDED = {
    "boolean_and", "boolean_not", "boolean_or", "boolean_xor", "ctc_loss", "divide_no_nan", "rint", "scatter_nd_add",
    "scatter_nd_sub", "scatter_nd_update", "stop_gradient", "toggle_bits",
}  # fmt: skip
LOSSES = {row.name for row in ROWS if row.op.startswith("loss.")}


def slots(row):
    return [*row.t, *row.i, *row.b, *row.d, *row.dimensions]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.op}")
def test_a_row_speaks_of_what_there_is(row):
    op = REGISTRY[row.op]
    named = [slot.name for slot in slots(row) if slot.form not in ("literal", "ignored", "rest", "given")]
    named += [x.name for x in row.inputs if x.is_setting] + [name for name, _ in row.properties + row.fixed]
    operands = [x.name for x in row.inputs if not x.is_setting]
    numbers = {row.scalar} - {""}
    assert set(named) - numbers <= set(op.attr_names)
    assert set(operands) <= set(op.operand_names)
    assert numbers <= {*op.attr_names, *op.operand_names}
    assert {slot.name for slot in slots(row) if slot.form == "given"} <= set(operands)
    # Whatever a row does not name must have a default, or be the file's dtype.
    given = {*named, *numbers, "dtype", "num"}
    assert set(op.attr_names) - given <= op.attr_defaults.keys()
    if not op.variadic:
        left = set(op.operand_names) - set(operands) - numbers
        assert all(op.signature.is_optional(op.operand_names.index(name)) for name in left)


def test_numbers_are_those_of_the_files():
    for row in ROWS:
        if row.name not in NOT_RECORDED | LOSSES:
            assert [row.type, row.number] == NUMBERS[row.name], row.name


def test_one_name_has_one_number():
    found = {}
    for row in ROWS:
        assert found.setdefault(row.name, (row.type, row.number)) == (row.type, row.number)


def test_both_ways():
    assert [row.op for row in forms_of("huber_loss")] == ["loss.huber_loss"]
    assert [row.name for row in forms_for("math.add")] == ["add", "add_scalar"]
    assert forms_of("conv2d") == () == forms_for("keras.mean_squared_error")
