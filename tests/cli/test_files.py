"""The commands that look at a saved graph."""

import hashlib

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.cli import main
from sdgraph.show.pictures.lay_out.programs import available

needs_layout = pytest.mark.skipif(not available(), reason="no Graphviz layout engine")


@pytest.fixture
def saved(tmp_path):
    sd = SameDiff()
    with sd.name_scope("layer"):
        w = sd.var("w", np.ones((3, 2)))
    loss = sd.loss.l2_loss(w, name="loss")
    sd.grad(loss, w)
    return sd, sd.save(tmp_path / "m.sdg")


def test_summary_is_that_of_the_graph(saved, capsys):
    sd, path = saved
    assert main(["summary", str(path)]) == 0
    assert capsys.readouterr().out == f"{sd.summary()}\n"
    assert main(["summary", str(path), "--depth", "1", "--sort", "name", "--gradients"]) == 0
    assert capsys.readouterr().out == f"{sd.summary(1, 'name', gradients=True)}\n"


def test_summary_does_not_read_the_values(saved, capsys):
    _, path = saved
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    assert main(["summary", str(path)]) == 0
    assert main(["check", str(path)]) == 1
    assert "is damaged" in capsys.readouterr().err


def test_check_reads_everything_and_tells_the_digest(saved, capsys):
    _, path = saved
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert main(["check", str(path), "--sha256", digest.upper()]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("every byte is right") and "48 B of values" in first
    assert second == f"sha256: {digest}"
    assert main(["check", str(path), "--sha256", "0" * 64]) == 1
    assert capsys.readouterr().err == f"sdgraph check: the digest should be {'0' * 64}\n"


@needs_layout
@pytest.mark.parametrize("arguments", [["{out}"], ["-o", "{out}"], ["--view", "gradient", "-o", "{out}"]])
def test_render_draws_it(saved, tmp_path, capsys, arguments):
    _, path = saved
    out = tmp_path / "picture.svg"
    assert main(["render", str(path), *(a.format(out=out) for a in arguments)]) == 0
    assert "<svg" in out.read_text() and capsys.readouterr().out == f"{out}\n"


@needs_layout
def test_explore_writes_a_page(saved, tmp_path, capsys):
    _, path = saved
    out = tmp_path / "page.html"
    assert main(["explore", str(path), "-o", str(out)]) == 0
    assert out.read_text().startswith("<!") and capsys.readouterr().out == f"{out}\n"


@pytest.mark.parametrize("command", ["summary", "check", "explore", "render"])
def test_what_is_no_file_of_ours_is_one_message(tmp_path, capsys, command):
    path = tmp_path / "m.sdg"
    more = ["-o", str(tmp_path / "x.html")] if command in ("explore", "render") else []
    assert main([command, str(path), *more]) == 1
    assert "No such file" in capsys.readouterr().err
    path.write_bytes(b"PK")
    assert main([command, str(path), *more]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"sdgraph {command}: ") and "no file of sdgraph" in err and "at:" not in err


@pytest.mark.parametrize("arguments", [[], ["a.svg", "-o", "b.svg"]], ids=str)
def test_render_writes_one_file(arguments, capsys):
    with pytest.raises(SystemExit):
        main(["render", "m.sdg", *arguments])
    assert "render FILE OUT" in capsys.readouterr().err


def test_export_writes_a_model(saved, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    sd, path = saved
    out = tmp_path / "m.onnx"
    assert main(["export", str(path), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert [v.name for v in onnx.load(out).graph.output] == ["loss"]
    options = ["--fetch", "loss", "--fetch", "grad/layer/w", "--opset", "18", "--target", "basic"]
    assert main(["export", str(path), str(out), *options]) == 0
    assert onnx.load(out) == sd.to_onnx(["loss", "grad/layer/w"], opset=18, target="basic")
    assert main(["export", str(path), str(out), "--fetch", "los"]) == 1
    assert "Did you mean 'loss'?" in capsys.readouterr().err


def test_a_file_of_samediff(tmp_path, capsys):
    pytest.importorskip("flatbuffers")
    from tests.files.samediff import real

    path = tmp_path / "m.fb"
    path.write_bytes(real.path("updater_Adam").read_bytes())
    assert main(["summary", str(path)]) == 0
    assert "loss.softmax_cross_entropy" in capsys.readouterr().out
    assert main(["check", str(path)]) == 0
    assert "8 variables" in (out := capsys.readouterr().out) and "no checksums" in out
    assert main(["explore", str(path), "-o", str(tmp_path / "m.html")]) == 0
    assert (tmp_path / "m.html").stat().st_size > 1000
    path.write_bytes(b"nothing")
    capsys.readouterr()
    for command in (["summary"], ["check"], ["render", "-o", str(tmp_path / "m.svg")]):
        assert main([*command, str(path)]) == 1
        assert "no file of SameDiff's" in capsys.readouterr().err
    path.write_bytes(real.path("net_gru").read_bytes())
    assert main(["check", str(path)]) == 1
    assert "gru" in capsys.readouterr().err
