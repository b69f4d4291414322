"""The command line: help, version, exit codes."""

import subprocess
import sys

import pytest

from sdgraph import __version__
from sdgraph.cli import main


def run(*arguments, code=None):
    command = [sys.executable, *(["-c", code] if code else ["-m", "sdgraph"]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_version(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"sdgraph {__version__}\n"


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert "usage: sdgraph" in text and "demo" in text and "--version" in text


def test_without_a_command_it_prints_the_help(capsys):
    assert main([]) == 0
    assert "usage: sdgraph" in capsys.readouterr().out


def test_help_of_the_demo(capsys):
    with pytest.raises(SystemExit) as left:
        main(["demo", "--help"])
    assert left.value.code == 0
    assert "--out DIR" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["train"], ["--nothing"], ["demo", "--out"], ["demo", "here"]], ids=str)
def test_arguments_that_make_no_sense(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: sdgraph" in capsys.readouterr().err


def test_as_a_module():
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sdgraph {__version__}\n", "")
    assert run("--help").stdout.startswith("usage: sdgraph")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    assert main(["demo", "--out", str(file)]) == 1
    _, err = capsys.readouterr()
    assert err.count("\n") == 1 and err.startswith(f"sdgraph demo: cannot write to {file}: ")


def test_a_missed_aim_is_a_failure(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sdgraph.demo.AIM", 1.01)
    monkeypatch.setattr("sdgraph.demo.draw", lambda *_: [])
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "sdgraph demo: the logistic regression reached" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_traceback(tmp_path):
    code = (
        "import sys, sdgraph.demo, sdgraph.cli\n"
        "sdgraph.demo.demo = lambda out: ('a line of text' for _ in range(100_000))\n"
        "sys.exit(sdgraph.cli.main(['demo']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout.readline() == "a line of text\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 1
