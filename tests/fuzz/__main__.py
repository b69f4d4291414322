"""``python -m tests.fuzz``: many random programs, on several processes; failures are shrunk and printed as code."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from tests.fuzz.compare import ENGINES, Failure, Judge
from tests.fuzz.generate import generate
from tests.fuzz.growth import Wrong
from tests.fuzz.printing import code
from tests.fuzz.shrink import same_failure, shrunk


class Report(NamedTuple):
    """What one program came to."""

    seed: int
    failure: str
    source: str
    skipped: int
    ops: tuple[str, ...]


def judge(seed: int, engines: tuple[str, ...] = ENGINES, *, shrink: bool = True) -> Report:
    """Make the program of a seed, judge it, and shrink it if it fails."""
    try:
        program = generate(seed)
        failure: Failure | None = None
    except Wrong as e:
        program, failure = e.program, Failure("crash", "build", 0, None, str(e))
    judging = Judge(program, engines)
    failure = failure or judging.failure()
    ops = tuple({c.op for _, c in program.calls()})
    if failure is None:
        return Report(seed, "", "", judging.skipped, ops)
    if shrink:
        program, failure = shrunk(program, failure, same_failure(failure, engines))
    engine = failure.engine if failure.engine in engines else engines[-1]
    return Report(seed, str(failure), code(program, engine), judging.skipped, ops)


def _one(task: tuple[int, tuple[str, ...], bool]) -> Report:
    seed, engines, shrink = task
    try:
        return judge(seed, engines, shrink=shrink)
    except Exception as e:  # A fault of the fuzzer must not look like success.
        return Report(seed, f"the fuzzer failed: {type(e).__name__}: {e}", "", 0, ())


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the number of failures is the exit status, at most 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed; program k has seed + k")
    parser.add_argument("--programs", type=int, default=1000, help="how many")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this one; may be repeated")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--no-shrink", action="store_true", help="print failures as they were found")
    parser.add_argument("--ops", action="store_true", help="print how many programs used each op")
    args = parser.parse_args(argv)
    engines = tuple(args.engine or ENGINES)
    started, failed, skipped, ops = time.monotonic(), 0, 0, Counter()
    tasks = [(args.seed + k, engines, not args.no_shrink) for k in range(args.programs)]
    with ProcessPoolExecutor(args.j) as pool:
        for report in pool.map(_one, tasks, chunksize=4):
            ops.update(report.ops)
            skipped += report.skipped
            if report.failure:
                failed += 1
                print(f"--- seed {report.seed}: {report.failure}\n{report.source}", flush=True)
    if args.ops:
        print("\n".join(f"{n:6} {name}" for name, n in ops.most_common()))
    seconds = time.monotonic() - started
    print(
        f"{args.programs} programs from seed {args.seed} on {', '.join(engines)}: {failed} failed, "
        f"{skipped} runs left out for leaving the range of their dtype, {len(ops)} ops, {seconds:.0f} s"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
