"""The place in the user's program that a node remembers."""

import subprocess
import sys
import types

from sdgraph import SameDiff


def test_a_place_is_file_line_and_function():
    def make(sd):
        return sd.placeholder("x")

    line = make.__code__.co_firstlineno + 1
    origin = make(SameDiff()).origin
    assert str(origin) == f"{__file__}:{line}, in {make.__qualname__}"
    assert repr(origin) == f"<Origin: {origin}>"


def test_a_place_in_a_notebook_is_a_cell_and_not_a_temporary_file(monkeypatch):
    names = {"/temporary/123.py": ("Cell", "In[7]")}
    shell = types.SimpleNamespace(compile=types.SimpleNamespace(format_code_name=names.get))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    sd = SameDiff()
    exec(compile("\nx = sd.placeholder('x')", "/temporary/123.py", "exec"), {"sd": sd})
    assert str(sd["x"].origin) == "Cell In[7], line 2"
    assert str(sd.var("w", 1.0).origin).startswith(__file__)


def test_what_a_method_appends_within_a_block_of_its_own_is_made_by_the_users_line():
    sd = SameDiff()
    x = sd.var("x", [1.0, 2.0])
    y = (x**2).sum()
    sd.hessian(y, x)
    sd.hvp(y, x, [1.0, 1.0])
    assert {v.origin.filename for v in sd.variables(gradients=True)} == {__file__}


def test_methods_that_are_written_for_a_class_of_the_package_are_not_the_users():
    """Options are checked in what a dataclass calls; ``python -c`` runs under the same file name."""
    code = (
        "from sdgraph import SameDiff, errors\n"
        "sd = SameDiff()\n"
        "try:\n"
        "    sd.to_dot(theme='blue')\n"
        "except errors.ArgumentError as e:\n"
        "    print(e)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "at:       <string>:4\n" in printed
