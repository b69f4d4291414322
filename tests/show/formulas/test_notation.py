"""The form of every op: nothing that looks like a variable is the name of an op, and LaTeX can read it."""

import re

import pytest

from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY
from tests.ops.samples import samples_of
from tests.ops.test_every_op import apply

OPS = sorted(name for name in REGISTRY if REGISTRY[name].is_ours)
CALLS = re.compile(r"\\operatorname\{((?:[^{}]|\\.)*)\}")
WORDS = re.compile(r"(?<!= )\\math(?:rm|it)\{((?:[^{}\\]|\\.)*)\}(?! =)")


def formulas(name):
    found = set()
    for sample in samples_of(name)[:5]:
        sd = SameDiff("float64")
        outs, _ = apply(sd, sample)
        found |= {str(v.to_latex()) for v in outs}
    return found


@pytest.mark.parametrize("name", OPS)
def test_no_op_is_written_like_a_variable(name):
    for text in formulas(name):
        left = re.findall(r"^(\S+) &=", text, flags=re.MULTILINE)
        assert all(re.fullmatch(r"h_\{\d+\}|L(_\{\d+\})?", each) for each in left), text
        settings = {"true", "false", "None", "NONE"}
        bare = {word.replace("\\", "") for word in WORDS.findall(text)} - settings
        assert not bare & {op.name for op in REGISTRY.values() if op.name == REGISTRY[name].name}, text


@pytest.mark.parametrize("name", OPS)
def test_latex_can_read_it(name):
    for text in formulas(name):
        check_latex(text)


def check_latex(text):
    """Groups, brackets and environments close, and nothing has two indices or two exponents."""
    plain = re.sub(r"\\[^A-Za-z]", "", text)
    depth = 0
    for c in plain:
        depth += (c == "{") - (c == "}")
        assert depth >= 0, text
    assert not depth, text
    assert len(re.findall(r"\\left\b", plain)) == len(re.findall(r"\\right\b", plain)), text
    assert re.findall(r"\\begin(\{\w+\*?\})", plain).sort() == re.findall(r"\\end(\{\w+\*?\})", plain).sort(), text
    group = r"\{(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*\}"
    assert not re.search(rf"_{group}_|\^{group}\^|_{group}\^{group}_", plain), text
    assert not re.search(r"- -|\+ -|\+ 0\b(?!\.)|(?<![\d.^{{(])\b1 \\cdot", plain), text


@pytest.mark.parametrize(
    "make",
    [
        lambda sd, x, y: sd.nn.layer_norm(x, y[0], y[1]),
        lambda sd, x, y: sd.nn.dot_product_attention(x[None], y[None], x[None]),
        lambda sd, x, y: sd.nn.softmax(x @ y.T) @ y,
        lambda sd, x, y: sd.loss.softmax_cross_entropy(sd.nn.softmax(y), x),
        lambda sd, x, y: sd.loss.log_loss(sd.nn.sigmoid(y), sd.nn.sigmoid(x)) + 0.1 * sd.loss.l2_loss(x),
        lambda sd, x, y: sd.keras.huber(x, y, reduction="sum"),
        lambda sd, x, y: sd.nn.gelu(sd.nn.dropout(x, 0.5)) + sd.nn.elu(y),
    ],
)
@pytest.mark.parametrize("expand", [False, True])
def test_compositions_and_their_gradients(make, expand):
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (3, 3)), sd.placeholder("y", (3, 3))
    out = make(sd, x, y)
    for v in (out, sd.grad(out, x), sd.grad(sd.grad(out, x).sum(), x)):
        text = v.to_latex(expand=expand, max_length=50_000)
        check_latex(text)
        names = {op.name for op in REGISTRY.values()}
        bare = {word.replace("\\", "") for word in WORDS.findall(text)}
        assert not bare & names, text
