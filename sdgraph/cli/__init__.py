"""The command line, ``sdgraph`` and ``python -m sdgraph``.

Knows arguments, exit codes and where text goes. The work is done elsewhere.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sdgraph._version import __version__
from sdgraph.cli import files
from sdgraph.errors import SDGraphError, UnknownOpError
from sdgraph.show.options import CHOICES

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
    _add_render(commands)
    files.add_commands(commands)
    return parser


def _add_render(commands: Any) -> None:
    """The command ``render``; options that are not given are left to the picture's own defaults."""
    render = commands.add_parser(
        "render",
        help="draw a saved graph, or run a script and draw the graph that it makes",
        description="Runs a Python script as `python SCRIPT.py` would, and draws the graph that it leaves in a global "
        "variable: the one called NAME, or the only one. Of a file that `sd.save` wrote, or SameDiff in Java, it draws "
        "the graph. The suffix of OUT chooses the format.",
        argument_default=argparse.SUPPRESS,
    )
    render.add_argument("script", metavar="FILE", help="FILE.sdg, or SCRIPT.py[:NAME] with the name of the graph in it")
    render.add_argument(
        "written",
        type=Path,
        nargs="?",
        default=None,
        metavar="OUT",
        help="the file to write: .svg, .png, .pdf, .dot or .mmd",
    )
    render.add_argument("-o", "--out", type=Path, default=None, metavar="OUT", help="the same")
    render.add_argument("--view", choices=CHOICES["view"], help="what to draw (default: forward)")
    render.add_argument("--target", action="append", metavar="NAME", help="draw only what this needs; repeatable")
    render.add_argument("--wrt", action="append", metavar="NAME", help="differentiate by this; repeatable")
    render.add_argument("--feeds", metavar="NAME", help="values of the placeholders: a mapping the script leaves")
    render.add_argument("--depth", type=int, metavar="N", help="how many levels of name scopes to draw open")
    render.add_argument("--focus", metavar="NAME", help="draw only this variable and its neighbours")
    render.add_argument("--radius", type=int, metavar="N", help="how far the neighbourhood of --focus reaches")
    render.add_argument("--expand", action="append", metavar="NAME", help="draw the inside of this op; repeatable")
    render.add_argument("--max-nodes", type=_limit, metavar="N", help="most cards to draw; none for no limit")
    render.add_argument("--direction", choices=CHOICES["direction"], help="where arrows lead (default: TB)")
    render.add_argument("--theme", choices=CHOICES["theme"], help="colours (default: auto)")
    render.add_argument("--title", metavar="TEXT", help="the heading")
    render.add_argument("--no-legend", dest="legend", action="store_false", help="do not explain the kinds of cards")
    render.add_argument("--engine", choices=CHOICES["engine"], help="who lays it out (default: auto)")
    render.add_argument("--timeout", type=float, metavar="S", help="seconds that the layout may take")
    files.add_ops(render)
    render.add_argument("--dpi", type=float, metavar="N", help="resolution of PNG files")


def _limit(text: str) -> int | None:
    """A number, or None for the word that says so: what a picture takes under the same name."""
    try:
        return None if text.lower() == "none" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor none") from None


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
    if arguments.command == "render" and (arguments.written is None) == (arguments.out is None):
        parser.error("render writes one file: render FILE OUT, or render FILE -o OUT")
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        if arguments.command == "render":
            return _render(vars(arguments))
        if arguments.command == "demo":
            return _demo(arguments.out)
        return _of_file(arguments)
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


def _of_file(arguments: argparse.Namespace) -> int:
    from sdgraph.cli.scripts import ScriptFailed

    try:
        for line in files.run(arguments):
            print(line)
    except SDGraphError as e:
        e.called_at = None
        return _failed(str(e), arguments.command)
    except ScriptFailed as e:
        traceback.print_exception(e.__cause__)
        return _failed(f"{e} did not run to its end", arguments.command)
    except OSError as e:
        return _failed(_words(e), arguments.command)
    except files.OtherDigest as e:
        return _failed(str(e), arguments.command)
    return 0


def _words(error: OSError) -> str:
    """What the system says, and of which file."""
    if error.strerror is None or error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"


def _render(options: dict[str, Any]) -> int:
    from sdgraph.cli.scripts import ScriptFailed, find_graph, find_value, ops_of, run_script, split_name

    options.pop("command")
    written, out = options.pop("written"), options.pop("out")
    out = out or written
    script, name = split_name(options.pop("script"))
    try:
        ops = [op for module in options.pop("ops") for op in ops_of(module)]
        if files.is_graph(script):
            found, graph = {}, files.graph(script, ops)
        else:
            found = run_script(script)
            graph = find_graph(found, name)
        print(graph.render(out, **_picture_options(options, lambda n: find_value(found, n))))
    except ScriptFailed as e:
        traceback.print_exception(e.__cause__)
        return _failed(f"{e} did not run to its end", "render")
    except SDGraphError as e:
        e.called_at = None  # The command line is no line of the user's.
        return _failed(str(files.named(e) if isinstance(e, UnknownOpError) else e), "render")
    except OSError as e:
        return _failed(_words(e), "render")
    return 0


def _picture_options(given: dict[str, Any], value: Callable[[str], Any]) -> dict[str, Any]:
    """Arguments as the options of a picture."""
    options = dict(given)
    if "target" in options:
        options["targets"] = options.pop("target")
    if "feeds" in options:
        options["feeds"] = value(options["feeds"])
    return options


def _failed(why: str, command: str = "demo") -> int:
    print(f"sdgraph {command}: {why}", file=sys.stderr)
    return 1
