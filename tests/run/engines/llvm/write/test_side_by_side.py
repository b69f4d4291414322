"""A turn as a loop, and written out."""

import re

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.write import side_by_side


def text_of(body, count=3):
    b = Builder(4)
    side_by_side.turn(b, count, lambda u: body(b, u))
    return "\n".join(b.scopes[0].lines)


def chain(b, u):
    x = b.binary("add", u, const(7, "i64"))
    y = b.binary("sub", x, u)
    b.line(f"store i64 {y.text}, ptr %p")


def test_as_a_loop_the_body_stands_there_once():
    text = text_of(chain)
    assert [text.count(f" {op} ") for op in ("phi", "sub", "store", "icmp")] == [1, 1, 1, 1]


def test_written_out_the_copies_stand_side_by_side():
    lines = side_by_side.written_out(text_of(chain)).splitlines()
    ops = [re.split(r" = | ", line.strip())[1 if " = " in line else 0] for line in lines]
    assert ops[:9] == ["add"] * 3 + ["sub"] * 3 + ["store"] * 3
    adds, products, stores = lines[:3], lines[3:6], lines[6:9]
    for u in range(3):
        name = adds[u].split(" = ")[0].strip()
        assert adds[u].endswith(f"add i64 {u}, 7")
        assert products[u].endswith(f"sub i64 {name}, {u}")
        assert f"store i64 {products[u].split(' = ')[0].strip()}, ptr %p" in stores[u]
    assert len({line.split(" = ")[0] for line in adds + products}) == 6


def test_the_block_after_a_turn_keeps_its_name():
    b = Builder(4)
    side_by_side.turn(b, 2, lambda u: chain(b, u))
    assert b.label.endswith(".done")
    for text in ("\n".join(b.scopes[0].lines), side_by_side.written_out("\n".join(b.scopes[0].lines))):
        assert f"\n{b.label}:" in text and f"label %{b.label}" in text


def test_a_name_that_begins_like_another_is_another():
    def body(b, u):
        for k in range(12):
            b.binary("add", u, const(k, "i64"))
        b.line("store i64 %v1, ptr %v100")

    b = Builder(4)
    outer = Val("%v100", "ptr", False, 0)
    side_by_side.turn(b, 2, lambda u: body(b, u))
    text = side_by_side.written_out("\n".join(b.scopes[0].lines))
    assert outer.text + "\n" in text and "%v100." not in text


def test_turns_that_branch_stay_loops():
    def body(b, u):
        b.line("br label %x")
        b.lines("x:")

    text = text_of(body)
    assert side_by_side.written_out(text) == text
