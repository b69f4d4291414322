"""``python -m tests.fuzz_files``: many files that are not what they were, with all digests right.

Each is loaded, saved again, shown and evaluated; what goes wrong is printed with its seed, and kept if asked.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.store.judging import judge
from tests.store.mutations import mutated, whole

PATIENCE = 60


class Report(NamedTuple):
    """What one file came to: how it failed, or whether it was read."""

    seed: int
    failure: str
    read: bool
    op: str


def one(seed: int) -> Report:
    """Make the file of a seed and judge it."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {PATIENCE} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        found = judge(mutated(seed))
    except BaseException as e:
        lines = traceback.format_exception(e)
        return Report(seed, f"{type(e).__name__}: {str(e)[:300]}\n{''.join(lines[-4:])}", True, whole(seed)[0])
    finally:
        signal.alarm(0)
    return Report(seed, "", found is not None, whole(seed)[0])


def main(argv: list[str] | None = None) -> int:
    """Run the command line; 1 if a file came to what it must not."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_files", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed; file k has seed + k")
    parser.add_argument("--files", type=int, default=1000, help="how many")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the files that fail to this folder")
    args = parser.parse_args(argv)
    started, failed, read, ops = time.monotonic(), 0, 0, Counter()
    with ProcessPoolExecutor(args.j) as pool:
        for report in pool.map(one, range(args.seed, args.seed + args.files), chunksize=32):
            read += report.read
            ops[report.op] += 1
            if report.failure:
                failed += 1
                print(f"--- seed {report.seed} ({report.op}): {report.failure}", flush=True)
                if args.keep is not None:
                    (args.keep / f"{report.seed}.sdg").write_bytes(mutated(report.seed))
    seconds = time.monotonic() - started
    print(
        f"{args.files:,} files from seed {args.seed:,}: {failed:,} failed, {read:,} were read as graphs, "
        f"of {len(ops)} ops, {seconds:.0f} s"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
