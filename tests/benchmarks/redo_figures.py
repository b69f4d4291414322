"""Measure all figures about speed anew that the documentation shows, and draw README's picture.

    python -m tests.benchmarks.redo_figures [NAME ...] [--list]

It takes half an hour and wants a machine that does nothing else: a note says so where it is busy. A name picks one
file; the picture is drawn whenever its figures are measured. JAX, PyTorch and autograd are compared with where they are
installed.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = "docs/_data"
PICTURE = "docs/_static/peers.svg"
BUSY = 0.5
"""Programs that wait for a core, on average, from which figures mean little."""

_PEERS = "python tests/benchmarks/bench_peers.py"
FIGURES = {
    "limits": "python tests/benchmarks/bench_limits.py --rows '^(?!peers|growth)'",
    "peers": _PEERS,
    "first_calls": f"{_PEERS} --compile --rows 'n = 100$|32x10|64x30' "
    "--engines 'sdgraph llvm,sdgraph numpy,JAX jit,torch.compile'",
    "growth": f"{_PEERS} --growth",
}
"""By file what measures it."""
ENVIRONMENT = {"first_calls": {"SDGRAPH_CACHE": "0"}}


def commands(names):
    """What is run, one after another, each with what is special in its environment."""
    found = []
    for name in names:
        file = f"{DATA}/{name}.json"
        found.append(([*shlex.split(FIGURES[name]), "--json", file], ENVIRONMENT.get(name, {})))
        if name == "peers":
            found.append((["python", "tests/benchmarks/draw_peers.py", file, PICTURE], {}))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"files to measure: {', '.join(FIGURES)} (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="print the commands and end")
    options = parser.parse_args()
    unknown = set(options.names) - set(FIGURES)
    if unknown:
        parser.error(f"no such figures: {', '.join(sorted(unknown))}")
    several = commands(options.names or list(FIGURES))
    if options.list:
        print("\n".join(" ".join([*(f"{k}={v}" for k, v in env.items()), shlex.join(c)]) for c, env in several))
        return
    if os.getloadavg()[0] > BUSY:
        print("NOTE: this machine has something else to do; figures that are measured now mean little.", flush=True)
    for command, env in several:
        print(shlex.join(command), flush=True)
        # Bounds that are missed are a finding, and the figures are written all the same.
        done = subprocess.run([sys.executable, *command[1:]], cwd=REPOSITORY, env=os.environ | env, check=False)
        if done.returncode > 1:
            sys.exit(f"ended with {done.returncode}: {shlex.join(command)}")


if __name__ == "__main__":
    main()
