"""Running cells in a shell or a kernel of IPython's, in a process of its own, because a shell stays for good.

    python ipython_session.py MODE < cells.json

MODE is one of ``%xmode``, or ``kernel``. It prints what each cell shows, as JSON.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path


def in_shell(mode: str, cells: list[str]) -> list[str]:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("xmode", mode)
    texts = []
    for cell in cells:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            shell.run_cell(cell, store_history=True)
        texts.append(out.getvalue())
    return texts


def in_kernel(cells: list[str]) -> list[str]:
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, kernel_name="python3", allow_errors=True).execute()
    return ["".join(map(_text, cell.outputs)) for cell in book.cells]


def _text(output: dict) -> str:
    return "\n".join(output["traceback"]) if output["output_type"] == "error" else output.get("text", "")


def in_ipython(cells: list[str], mode: str = "Context", full: bool = False) -> list[tuple[str, bool]]:
    """What each cell shows, without its colours, and whether it had some."""
    import pytest

    import sdgraph

    pytest.importorskip("nbclient" if mode == "kernel" else "IPython")
    environment = {name: value for name, value in os.environ.items() if name != "SDGRAPH_TRACEBACK"}
    environment["PYTHONPATH"] = str(Path(sdgraph.__file__).parent.parent)
    if full:
        environment["SDGRAPH_TRACEBACK"] = "full"
    command = [sys.executable, "-W", "ignore", __file__, mode]
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=json.dumps(cells), env=environment)
    assert "Unexpected exception" not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    mode, cells = sys.argv[1], json.load(sys.stdin)
    shown = in_kernel(cells) if mode == "kernel" else in_shell(mode, cells)
    print("\n" + json.dumps([[re.sub(r"\x1b\[[0-9;]*m", "", text), "\x1b[" in text] for text in shown]))
