"""The command line, ``sdgraph`` and ``python -m sdgraph``.

Knows arguments, exit codes and where text goes. The work is done elsewhere.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sdgraph._version import __version__

_DESCRIPTION = "Graphs of named variables: build them, evaluate them, differentiate them, draw them."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sdgraph", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"sdgraph {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="build, check, train and draw two models on a data set that ships with the package",
        description="Builds a logistic regression and a small network on the Wisconsin breast cancer data, checks "
        "their gradients, trains them, prints a report and draws their graphs.",
    )
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("sdgraph-demo"),
        metavar="DIR",
        help="folder for the pictures, made if it is not there (default: %(default)s)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        The exit code: 0 for success, 1 for a failure, 2 for arguments that make no sense.

    Example:
        >>> main(["--version"])
        Traceback (most recent call last):
        ...
        SystemExit: 0
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        return _demo(arguments.out)
    except BrokenPipeError:
        # The reader of the report has left, as in `sdgraph demo | head`. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _demo(out: Path) -> int:
    from sdgraph.demo import AimMissed, demo

    try:
        for line in demo(out):
            print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as e:
        return _failed(f"cannot write to {out}: {e.strerror or e}")
    except AimMissed as e:
        return _failed(str(e))
    return 0


def _failed(why: str) -> int:
    print(f"sdgraph demo: {why}", file=sys.stderr)
    return 1
