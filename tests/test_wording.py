"""Short texts: sizes have one spelling, and the words load nothing that draws."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sdgraph
from sdgraph import SameDiff
from sdgraph.show.pictures.choose.values import Values
from sdgraph.show.pictures.explorer.facts import facts
from sdgraph.show.visible import visible
from sdgraph.wording import byte_size, did_you_mean, nearest, shortened, with_article


@pytest.mark.parametrize("n", [0, 7, 999, 1000, 1023, 1024, 999_499, 999_500, 999_999, 10**9 - 1, 10**12, 10**18])
def test_sizes_have_three_digits_and_the_unit_that_fits(n):
    number, unit = byte_size(n).split(" ")
    assert re.fullmatch(r"\d{1,3}(\.\d{1,2})?", number) and len(number.replace(".", "")) <= 3
    power = {"B": 0, "kB": 3, "MB": 6, "GB": 9, "TB": 12, "PB": 15, "EB": 18}[unit]
    assert float(number) * 10**power == pytest.approx(n, rel=0.005)


def test_units_are_written_in_one_place():
    package = Path(sdgraph.__file__).parent
    by_hand = re.compile(r"""["']([kKMG]i?B)["']""")
    assert by_hand.search('for unit in ("B", "kB"):')
    found = [p.relative_to(package).as_posix() for p in package.rglob("*.py") if by_hand.search(p.read_text("utf-8"))]
    assert found == ["wording.py"]


def test_an_array_has_one_size_wherever_it_is_shown():
    sd = SameDiff()
    w = sd.var("w", np.ones(512, "float32"))
    y = sd.math.exp(w, name="y")
    size = byte_size(2048)
    assert f"parameters: 512 ({size})" in sd.summary()
    assert f"at most {size} of results alive" in str(sd.compile(y).plan)
    known = facts(visible(sd), {}, Values(), len(sd.nodes), [w.id, y.id])
    assert [known[v.id]["memory"] for v in (w, y)] == [size, size]


def test_a_long_name_reads_in_the_table_as_it_does_elsewhere():
    name = "a" * 30 + "b" * 30
    sd = SameDiff()
    sd.var(name, 1.0)
    assert str(sd.summary()).split("\n")[2].split(" ")[0] == shortened(name, 40)


@pytest.mark.parametrize(("noun", "reads"), [("array", "an array"), ("SameDiff", "a SameDiff"), ("", "a ")])
def test_articles(noun, reads):
    assert with_article(noun) == reads


def test_a_hint_for_what_is_no_name_or_like_none():
    assert did_you_mean(3, ["a"]) is None
    assert did_you_mean("q" * 300, ["q" * 299]) is None
    assert did_you_mean("zzz", ["abc"]) is None
    assert did_you_mean("abd", ["abc", "abe", "xyz"]) in (
        "Did you mean 'abe' or 'abc'?",
        "Did you mean 'abc' or 'abe'?",
    )


def test_writing_a_formula_or_a_table_loads_no_picture():
    code = (
        "import sys; from sdgraph import SameDiff; sd = SameDiff(); v = sd.math.exp(sd.var('w', 1.0), name='y')"
        "; assert v.to_latex() and sd.summary(); sd.calculate_gradients({}, 'y')"
        "; print(*[name for name in sys.modules if name.startswith('sdgraph.show.pictures')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("X", ["x", "y"], ["x"]),
        ("Loss", ["loss", "LOSS", "less"], ["loss", "LOSS"]),
        ("truncatedNormal", ["normal", "truncated_normal"], ["truncated_normal"]),
        ("grad", ["forward", "gradient"], ["gradient"]),
        ("ab", ["abacus"], []),
        ("", ["x"], []),
        ("a" * 201, ["a" * 200], []),
        (3, ["3"], []),
    ],
)
def test_names_are_near_in_spelling_whatever_their_case_and_underscores(name, known, near):
    assert nearest(name, known) == near
