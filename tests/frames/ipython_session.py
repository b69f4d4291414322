"""Run cells in a shell or a kernel of IPython's and print what each shows, as JSON.

    python ipython_session.py MODE < cells.json

MODE is one of ``%xmode``, or ``kernel``. In a process of its own, because a shell stays for good.
"""

import contextlib
import io
import json
import re
import sys


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


if __name__ == "__main__":
    mode, cells = sys.argv[1], json.load(sys.stdin)
    shown = in_kernel(cells) if mode == "kernel" else in_shell(mode, cells)
    print("\n" + json.dumps([[re.sub(r"\x1b\[[0-9;]*m", "", text), "\x1b[" in text] for text in shown]))
