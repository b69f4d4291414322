"""What code is written for CPUs that this one may not be: it names no instruction that they lack, and LLVM takes it."""

import json
import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

import llvmlite.binding as llvm

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.scalars.scalar_ops import RULES
from tests.ops.samples import samples_of
from tests.run.engines.llvm import computers, test_every_op

_TRANSLATE = """
import json, sys
import llvmlite.binding as llvm
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.translate.computer import Computer
*names, features, texts = json.load(sys.stdin)
compiler = machine.host_of(Computer(*names, frozenset(features)))
print(json.dumps([compiler.compile(text)[:20].hex() for text in texts]))
"""
"""Knows the instructions of all architectures, which a process that only runs code has no need of."""
_SETS = {"avx512f": "avx512"}
"""Features that names of instructions call otherwise."""
_MACHINE = {"x86_64": "3e00", "aarch64": "b700"}
"""What an ELF file says of its architecture, 18 bytes from its start."""


def elementwise():
    for name in RULES:
        for dtype in ("float32", "float64", "float16"):
            sd, fetches, _ = test_every_op.with_gradients(name, samples_of(name)[0], dtype, 1)
            sd.compile(list({v.id: v for v in fetches}.values()), engine="llvm")


def graphs():
    for name in computers.GRAPHS:
        for shape in ((37, 5), (19, 10), (4, 150)):
            computers.compiled(SameDiff, name, shape, "float32", "llvm")


@pytest.fixture(params=computers.COMPUTERS)
def computer(request):
    return computers.COMPUTERS[request.param]


@pytest.mark.parametrize("what", [elementwise, graphs])
def test_only_instructions_that_a_cpu_has_are_named(what, computer, monkeypatch):
    texts = computers.texts_for(computer, monkeypatch, what)
    assert len(texts) > 10
    widest = 0
    for text in texts:
        named = set(re.findall(r"@llvm\.(x86|aarch64|arm)\.(\w+)", text))
        if not computer.is_x86_64:
            assert not named and "@_ZGV" not in text
        assert {kind for _, kind in named} <= {_SETS.get(x, x) for x in computer.features}
        with llvm.parse_assembly(text) as module:
            module.verify()
        widest = max(widest, *(int(n) * 32 for n in re.findall(r"<(\d+) x (?:float|i32)> ", text)), 0)
    assert widest == computer.register_bits


def translated(computer, texts):
    """Let LLVM make machine code of texts, which begins as it does for that computer."""
    done = subprocess.run(
        [sys.executable, "-c", _TRANSLATE],
        input=json.dumps([computer.triple, computer.cpu, sorted(computer.features), texts]),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SDGRAPH_CACHE": "0"},
    )
    assert done.returncode == 0, done.stderr
    heads = json.loads(done.stdout)
    assert len(heads) == len(texts)
    architecture = computer.triple.split("-")[0]
    assert {head[36:40] for head in heads} == {_MACHINE[architecture]}


def test_it_becomes_machine_code(computer, monkeypatch):
    translated(computer, computers.texts_for(computer, monkeypatch, lambda: (elementwise(), graphs())))
