"""A type checker sees in a user's program what is right and what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

USER_CODE = Path(__file__).with_name("user_code.py")
ROOT = USER_CODE.parents[2]


def reported(path):
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    try:
        found = json.loads(run.stdout)
    except json.JSONDecodeError:
        pytest.skip(f"pyright does not run here: {run.stderr[-200:]}")
    return [f"line {d['range']['start']['line'] + 1}: {d['message']}" for d in found["generalDiagnostics"]]


@pytest.mark.slow
def test_types_of_a_users_program():
    pytest.importorskip("pyright")
    assert reported(USER_CODE) == []


@pytest.mark.slow
def test_a_mark_that_nothing_needs_and_a_wrong_type_are_reported(tmp_path):
    """The test above can fail."""
    pytest.importorskip("pyright")
    text = USER_CODE.read_text("utf-8")
    changed = text.replace('sd.plot(veiw="gradient")', 'sd.plot(view="gradient")')
    changed = changed.replace(
        "assert_type(nd.sum([[1.0, 2.0]], axis=0), Array)", "assert_type(nd.sum([1.0]), SDVariable)"
    )
    other = tmp_path / "user_code.py"
    other.write_text(changed, "utf-8")
    found = reported(other)
    assert len(found) == 2 and "Unnecessary" in " ".join(found) and "assert_type" in " ".join(found)


def test_the_mark_of_a_typed_package_is_there():
    import sdgraph

    assert Path(sdgraph.__file__).with_name("py.typed").exists()
