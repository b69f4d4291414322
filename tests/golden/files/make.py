"""Write the golden files of this version, or print the digests that they would have.

    python -m tests.golden.files.make [--digests VERSION]

The folder of a version holds, for each graph of `graphs`, the file, and beside it what must come back from it. Files
of a version that was released are never written again: every later version must read them as they are. Where a graph
gives other bytes than its newest file, because a body or the format has changed, this command writes it anew into the
folder of the version that the package has now, so raise that first. A file of an unreleased version is replaced.
"""

import argparse
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from sdgraph import __version__
from sdgraph.store.save import write
from tests.golden.files.graphs import GRAPHS, Golden
from tests.store.hostile_files import made, parts

FOLDER = Path(__file__).parent


def written(golden: Golden, version: str = __version__) -> bytes:
    """The file of a graph, as a version would write it that differs in nothing but its number."""
    file = io.BytesIO()
    write(golden.sd, file, user=golden.user, origins=golden.keep_origins)
    content, members = parts(file.getvalue())
    return made({**content, "writer": f"sdgraph {version}"}, members)


def newest(name: str) -> Path | None:
    """The file of a graph in the newest version that has one."""
    found = sorted(FOLDER.glob(f"*/{name}.sdg"), key=lambda p: [int(k) for k in p.parent.name.split(".")])
    return found[-1] if found else None


def _numbers(array: Any) -> dict[str, Any]:
    array = np.asarray(array)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": array.ravel().tolist()}


def _bits(array: Any) -> dict[str, Any]:
    array = np.asarray(array)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "bytes": array.tobytes().hex()}


def facts(golden: Golden, data: bytes) -> dict[str, Any]:
    """What must come back from a file."""
    return {
        "sha256": sha256(data).hexdigest(),
        "feeds": {k: _numbers(v) for k, v in golden.feeds.items()},
        "values": {k: _numbers(v) for k, v in golden.values.items()},
        "exact": {k: _bits(v) for k, v in golden.exact.items()},
        **{
            k: getattr(golden, k)
            for k in ("kinds", "losses", "extra_losses", "trainable", "then", "draws", "user", "origins")
        },
        "ops": [op.__name__ for op in golden.ops],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digests", metavar="VERSION", help="write nothing; print a digest for each graph")
    options = parser.parse_args()
    for name, graph in GRAPHS.items():
        golden = graph()
        if options.digests:
            print(name, sha256(written(golden, options.digests)).hexdigest())
            continue
        kept = newest(name)
        if kept is None or kept.parent.name == __version__ or kept.read_bytes() != written(golden, kept.parent.name):
            path = FOLDER / __version__ / f"{name}.sdg"
            path.parent.mkdir(exist_ok=True)
            data = written(golden)
            path.write_bytes(data)
            path.with_suffix(".json").write_text(json.dumps(facts(golden, data), indent=1, ensure_ascii=False) + "\n")
            print(f"wrote {path.relative_to(FOLDER)}")


if __name__ == "__main__":
    main()
