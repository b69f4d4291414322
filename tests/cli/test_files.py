"""The commands that look at a saved graph."""

import hashlib
import os
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.cli import files, main
from sdgraph.show.pictures.lay_out.programs import available
from sdgraph.store import npy, zipped
from sdgraph.store.plain import dumps
from sdgraph.store.save import DIGEST, GRAPH, to_bytes
from tests.store.hostile_files import parts

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


def test_export_takes_a_file_of_samediff(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("flatbuffers")
    from tests.files.samediff import real

    out = tmp_path / "model.onnx"
    assert main(["export", str(real.path("loss_huber")), str(out), "--fetch", "SUM"]) == 0
    assert out.stat().st_size > 0


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
    from tests.files.samediff import flat, real

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
    file = flat.File()
    file.leaf("x", "constant", "DOUBLE", [1.0], [1])
    file.op("no_such_op", ["x"], [("y", "DOUBLE")])
    file.write(path)
    assert main(["check", str(path)]) == 1
    assert "no_such_op" in capsys.readouterr().err


OPS = """
from sdgraph import Namespace, Operand, composite

class Mine(Namespace, prefix="of_the_command_line"):
    @composite
    def twice(self, x: Operand, *, name=None):
        return x + x

@composite
def of_the_command_line(sd, x: Operand, *, name=None):
    return x * 3
"""
MAKE = """
import ops_of_mine as m, numpy as np
from sdgraph import SameDiff
sd = SameDiff()
m.of_the_command_line(sd, m.Mine(sd).twice(sd.var("w", np.ones(2)))).sum(name="loss").mark_as_loss()
sd.save("m.sdg")
"""
COMMANDS = [["summary"], ["check"], ["explore", "-o", "m.html"], ["render", "-o", "m.dot"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_operations_of_the_users(tmp_path, command):
    (tmp_path / "ops_of_mine.py").write_text(OPS)
    sdgraph = [sys.executable, "-m", "sdgraph", *command, "m.sdg"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def run(*line):
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert run(sys.executable, "-c", MAKE).returncode == 0
    without = run(*sdgraph)
    assert without.returncode == 1 and "of_the_command_line.twice, of_the_command_line\n" in without.stderr
    assert "--ops MODULE" in without.stderr and "Traceback" not in without.stderr
    for module in ("ops_of_mine", "ops_of_mine.py"):
        found = run(*sdgraph, "--ops", module)
        assert found.returncode == 0, found.stderr
    for module, told in (("nowhere", "no such module"), ("nowhere.py", "no such script"), ("json", "no operations")):
        found = run(*sdgraph, "--ops", module)
        assert found.returncode == 1 and told in found.stderr and "Traceback" not in found.stderr
    (tmp_path / "broken.py").write_text("1 / 0")
    found = run(*sdgraph, "--ops", "broken")
    assert found.returncode == 1 and "ZeroDivisionError" in found.stderr and "broken did not run" in found.stderr


def sparse(path, elements):
    """A file with one variable of so many doubles, which take no room on the disk."""
    sd = SameDiff()
    sd.var("w", np.zeros(7))
    content, _ = parts(to_bytes(sd))
    content["nodes"]["avals"] = [[[elements], "float64"]]
    content["sha256"] = {"tensors/w.npy": "0" * 64}
    text = dumps(content)
    head = npy.header((elements,), np.dtype("float64"))
    members = [zipped.Member("tensors/w.npy", 0, len(head) + 8 * elements, 0)]
    for name, data in ((GRAPH, text), (DIGEST, hashlib.sha256(text).hexdigest().encode())):
        members.append(zipped.Member(name, members[-1].end, len(data), zlib.crc32(data)))
    with open(path, "wb") as file:
        for member, data in zip(members, [head, text, hashlib.sha256(text).hexdigest().encode()], strict=True):
            file.seek(member.offset)
            file.write(zipped.local_header(member) + data)
        entries = zipped.directory(members)
        file.seek(members[-1].end)
        file.write(entries + zipped.end_record(len(members), members[-1].end, len(entries)))


def read_bytes():
    """What this process has read so far, with or without a disk."""
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="nobody counts here")
def test_summary_reads_as_little_of_a_large_file_as_of_a_small_one(tmp_path, capsys):
    read, paths = [], [tmp_path / "small.sdg", tmp_path / "large.sdg"]
    for path, elements in zip(paths, (7, 10 << 27), strict=True):
        sparse(path, elements)
    assert paths[1].stat().st_size > 10 << 30
    for path in (paths[0], *paths):
        before = read_bytes()
        assert main(["summary", str(path)]) == 0
        read.append(read_bytes() - before)
    assert max(read) < 20_000, read  # Blocks of the file's buffer.
    assert "parameters: 1,342,177,280 (10.7 GB)" in capsys.readouterr().out


@needs_layout
def test_a_saved_graph_under_another_name_is_never_run(saved, tmp_path, capsys):
    """A zip file with a module __main__ is a program to Python."""
    _, path = saved
    other = path.rename(tmp_path / "model.zip")
    assert main(["render", str(other), "-o", str(tmp_path / "m.svg")]) == 0
    with zipfile.ZipFile(tmp_path / "evil.bin2", "w") as archive:
        archive.writestr("__main__.py", "raise SystemExit('it ran')")
    capsys.readouterr()
    assert main(["render", str(tmp_path / "evil.bin2"), "-o", str(tmp_path / "m.svg")]) == 1
    assert "is damaged, or no file of sdgraph" in capsys.readouterr().err


@pytest.mark.parametrize("digest", ["12", "x" * 64, "0" * 63, ""])
def test_a_digest_that_is_none(saved, capsys, digest):
    with pytest.raises(SystemExit) as stopped:
        main(["check", str(saved[1]), "--sha256", digest])
    assert stopped.value.code == 2 and "64 digits" in capsys.readouterr().err


def test_check_looks_at_one_file_only(saved, monkeypatch, capsys, tmp_path):
    """Another file that is put in its place meanwhile is not the one whose digest is told."""
    _, path = saved
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    real = files.read

    def replacing(*args, **options):
        found = real(*args, **options)
        SameDiff().save(path)
        return found

    monkeypatch.setattr(files, "read", replacing)
    assert main(["check", str(path), "--sha256", f"sha256:{digest}"]) == 0
    assert digest in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_folders_and_missing_files_are_one_line(tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.sdg").mkdir()
    for name, told in (("no.sdg", "No such file or directory"), ("folder.sdg", "Is a directory")):
        assert main([*command, name]) == 1
        assert capsys.readouterr().err == f"sdgraph {command[0]}: {name}: {told}\n"
