"""Execute every notebook of a folder in a fresh kernel. Warnings are shown, an exception fails the run.

Usage: python execute_notebooks.py [--write] FOLDER_OR_NOTEBOOK...

With --write the outputs are kept in the files, without what differs from run to run or from machine to machine.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


def written_to_stderr(notebook) -> str:
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return "".join(output.text for output in outputs if output.get("name") == "stderr")


def write(notebook, path: Path) -> None:
    """Save the notebook with outputs, but without the time of execution, the kernel's version or random cell ids."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for k, cell in enumerate(notebook.cells):
        cell.id = f"cell-{k:02}"
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, path)


def execute(path: Path, keep: bool) -> bool:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
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
    elif keep:
        write(notebook, path)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Execute notebooks in fresh kernels.")
    parser.add_argument("paths", nargs="+", type=Path, help="notebooks, or folders of notebooks")
    parser.add_argument("--write", action="store_true", help="keep the outputs in the files")
    arguments = parser.parse_args()
    if arguments.write:
        os.environ.pop("MPLBACKEND", None)  # The one of notebooks keeps pictures.
    notebooks: list[Path] = []
    for path in arguments.paths:
        found = sorted(path.glob("*.ipynb")) if path.is_dir() else [path]
        if not found:
            print(f"no notebooks in {path}/")
        notebooks += found
    passed = [execute(path, arguments.write) for path in notebooks]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
