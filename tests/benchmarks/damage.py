"""What each format notices: every bit of a small file flipped, every shorter file read.

    python -m tests.benchmarks.damage [--formats A,B] [--json docs/_data/damage.json]

The file holds three arrays, those of sdgraph and ONNX a graph, too. Whatever exception a library raises counts as
caught. *Harmless* is what reads as the same arrays, *wrong* what reads as others without a word, *lost* what ends the
process, takes seconds or asks for memory that a small file cannot need. Each format is read in a process of its own.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sdgraph import SameDiff
from sdgraph.store.save import to_bytes
from tests.benchmarks.file_formats import FORMATS, SDGRAPH, Arrays, FileFormat, graph_of
from tests.benchmarks.machine import installed, machine_line

ARRAYS: Arrays = {
    "w": np.arange(12, dtype="float64").reshape(3, 4) / 7,
    "b": np.array([1.5, -2.25], "float32"),
    "step": np.array(7),
}
CAUGHT, HARMLESS, WRONG, LOST = "caught", "harmless", "wrong", "lost"
SECONDS = 5.0
MEMORY = 8 << 30


def model(arrays: Arrays) -> SameDiff:
    """A graph that has the arrays and computes something with them."""
    sd = graph_of(arrays)
    sd.loss.l2_loss(sd["w"], name="loss")
    return sd


def load_model(path: Path) -> Arrays:
    """The arrays of a graph that is as it was; of any other graph, nothing."""
    sd = SameDiff.load(path)
    return {v.name: v.value for v in sd.variables("variable")} if to_bytes(sd) == to_bytes(model(ARRAYS)) else {}


KINDS: dict[str, FileFormat] = {
    SDGRAPH: FileFormat((), lambda path, arrays: model(arrays).save(path, fsync=False), load_model),
    **{k: FORMATS[k] for k in FORMATS if k not in (SDGRAPH, "np.save")},
}


def same(found: Arrays) -> bool:
    return found.keys() == ARRAYS.keys() and all(
        np.asarray(found[k]).dtype == a.dtype and np.shape(found[k]) == a.shape and found[k].tobytes() == a.tobytes()
        for k, a in ARRAYS.items()
    )


class _TooLong(BaseException):
    pass


def _stop(*_: object) -> None:
    raise _TooLong


def outcome(kind: FileFormat, path: Path, data: bytes) -> str:
    """What a library makes of a file with these bytes."""
    path.write_bytes(data)
    before = signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        found = kind.load(path)
        return HARMLESS if same(found) else WRONG
    except (_TooLong, MemoryError):
        return LOST
    except BaseException:
        return CAUGHT
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def damaged(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every file with one bit flipped, then every shorter one."""
    for k in range(8 * len(data)):
        other = bytearray(data)
        other[k // 8] ^= 1 << k % 8
        yield "flips", bytes(other)
    for k in range(len(data)):
        yield "truncations", data[:k]


def _read_from(name: str, data: bytes, first: int, folder: Path, notes: Path) -> None:
    """Read the damaged files from the ``first`` on and note the outcome of each, one letter a file."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    with open(notes, "ab", buffering=0) as file:
        for k, (_, other) in enumerate(damaged(data)):
            if k >= first:
                file.write(outcome(KINDS[name], folder / "damaged", other)[0].encode())


def row(name: str) -> dict:
    """How often a format caught, read rightly, read wrongly, or was lost."""
    kind = KINDS[name]
    folder = Path(tempfile.mkdtemp())
    try:
        path, notes = folder / "whole", folder / "notes"
        kind.save(path, ARRAYS)
        data = path.read_bytes()
        assert same(kind.load(path)), name
        what = [w for w, _ in damaged(data)]
        notes.write_bytes(b"")
        while (first := notes.stat().st_size) < len(what):
            child = multiprocessing.get_context("spawn").Process(
                target=_read_from, args=(name, data, first, folder, notes)
            )
            child.start()
            child.join()
            if child.exitcode:
                with open(notes, "ab") as file:
                    file.write(LOST[0].encode())
        counted = Counter(zip(what, notes.read_text(), strict=True))
        outcomes = (CAUGHT, HARMLESS, WRONG, LOST)
        return {
            "format": name,
            "size": len(data),
            **{w: {o: counted[w, o[0]] for o in outcomes} for w in ("flips", "truncations")},
        }
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", default=",".join(KINDS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    rows = []
    for name in options.formats.split(","):
        if not all(map(installed, KINDS[name].packages)):
            print(f"{name}: not installed")
            continue
        rows.append(row(name))
        print(rows[-1], flush=True)
    if options.json:
        packages = ["numpy", *dict.fromkeys(p for name in KINDS for p in KINDS[name].packages)]
        command = shlex.join(["python", "-m", "tests.benchmarks.damage", *sys.argv[1:]])
        figures = {"machine": machine_line(packages), "command": command, "rows": rows}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
