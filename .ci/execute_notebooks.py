"""Execute every notebook of a folder in a fresh kernel. Warnings are shown, an exception fails the run.

Usage: python execute_notebooks.py FOLDER
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def written_to_stderr(notebook) -> str:
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return "".join(output.text for output in outputs if output.get("name") == "stderr")


def execute(path: Path) -> bool:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    begin = time.perf_counter()
    try:
        client.execute()
    except CellExecutionError as error:
        print(f"{path}: FAILED\n{error}")
        return False
    print(f"{path}: {len(notebook.cells)} cells in {time.perf_counter() - begin:.1f} s")
    if warnings := written_to_stderr(notebook):
        print(f"{path} wrote to stderr:\n{warnings}")
    return True


def main() -> int:
    folder = Path(sys.argv[1])
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        print(f"no notebooks in {folder}/")
    passed = [execute(path) for path in notebooks]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
