"""The commands for a saved graph: ``summary``, ``check``, ``explore`` and ``export``.

Knows arguments and what is printed. Files are read elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, get_args

from sdgraph.errors import UnknownOpError
from sdgraph.samediff import SameDiff
from sdgraph.show.options import Order
from sdgraph.store.load import outline, read, structure
from sdgraph.wording import byte_size, counted

SUFFIX = ".sdg"
SAMEDIFF = (".fb", ".bin", ".sdnb")
"""The suffixes of the files that SameDiff writes in Java."""
_OF_MODELS: Final = (
    ("opset", int, "version of the operators"),
    ("target", str, "standard, or basic"),
    ("weights", str, "inline, or external"),
)
_MAGIC: Final = b"PK\3\4"
"""How every file of `sd.save` begins, whatever its name."""


def add_commands(commands: Any) -> None:
    """Add the commands to a parser's."""
    summary = commands.add_parser(
        "summary",
        help="print the table of a saved graph",
        description="Prints what `print(sd.summary())` does. The arrays are not read, so a large file takes no longer.",
    )
    summary.add_argument("--depth", type=int, metavar="N", help="how many levels of name scopes to list")
    summary.add_argument(
        "--sort", choices=get_args(Order), default="topological", help="the order of the rows (default: topological)"
    )
    summary.add_argument("--gradients", action="store_true", help="list the variables made for gradients, too")
    check = commands.add_parser(
        "check",
        help="read a saved graph from its first to its last byte",
        description="Reads the whole file and compares every byte: with checksums and digests, and the graph with the "
        "rules of its operations. That a file is from somebody you trust only its digest can tell: compare it.",
    )
    check.add_argument("--sha256", type=_digest, metavar="DIGEST", help="the digest that the file must have")
    explore = commands.add_parser(
        "explore",
        help="write a page to explore a saved graph in",
        description="Writes one HTML file that needs no network, as `sd.to_html` does.",
    )
    explore.add_argument("-o", "--out", type=Path, required=True, metavar="PAGE.html", help="the file to write")
    export = commands.add_parser(
        "export",
        help="write a saved graph as an ONNX model",
        description="Writes what `sd.to_onnx` does; needs the package onnx.",
    )
    for parser in (summary, check, explore, export):
        parser.add_argument(
            "file", type=Path, metavar=f"FILE{SUFFIX}", help=f"a file that `sd.save` wrote, or SameDiff: {SAMEDIFF[0]}"
        )
        add_ops(parser)
    export.add_argument("out", type=Path, metavar="OUT.onnx", help="the file to write")
    export.add_argument(
        "--fetch", action="append", metavar="NAME", help="what to compute (default: the losses); repeatable"
    )
    # What is not given has the default of `SameDiff.to_onnx`.
    for name, kind, meaning in _OF_MODELS:
        export.add_argument(f"--{name}", type=kind, default=argparse.SUPPRESS, metavar=name.upper(), help=meaning)


def add_ops(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where a graph's own operations are."""
    parser.add_argument(
        "--ops",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module, or a file MODULE.py, with operations of yours that the graph has: it is run; repeatable",
    )


def _digest(text: str) -> str:
    digest = text.strip().lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise argparse.ArgumentTypeError(f"{text!r} is no SHA-256: 64 digits from 0 to f")
    return digest


def run(arguments: argparse.Namespace) -> Iterator[str]:
    """What a command prints, line by line."""
    from sdgraph.cli.scripts import ops_of

    file, ops = arguments.file, [op for module in arguments.ops for op in ops_of(module)]
    try:
        if arguments.command == "summary":
            sd = graph(file) if _of_samediff(file) else structure(SameDiff, file, ops)
            yield str(sd.summary(arguments.depth, arguments.sort, gradients=arguments.gradients))
            yield from _training(file)
        elif arguments.command == "check":
            yield from _checked(file, ops, arguments.sha256)
        elif arguments.command == "export":
            yield _exported(arguments, ops)
        else:
            yield str(graph(file, ops).to_html(arguments.out))
    except UnknownOpError as e:
        raise named(e) from None


def _training(file: Path) -> list[str]:
    """What a file tells of training beside its graph."""
    beside = None if _of_samediff(file) else outline(file)
    if beside is None:
        return []
    from sdgraph.train.checkpoints.stored import told

    return told(beside)


def named(error: UnknownOpError) -> UnknownOpError:
    """An error of unknown operations with what to do about it on the command line."""
    if error.fix is not None and "ops=" in error.fix:
        error.fix = "Name the module that defines them: --ops MODULE."
    return error


def is_graph(file: Path) -> bool:
    """Whether a file should hold a graph, by its suffix or its first bytes."""
    if file.suffix.lower() == SUFFIX or _of_samediff(file):
        return True
    if not file.is_file():
        return False
    with open(file, "rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


def graph(file: Path, ops: Iterable[Any] = ()) -> SameDiff:
    """A saved graph to look at."""
    if not _of_samediff(file):
        return SameDiff.load(file, ops=ops, mmap=True)
    from sdgraph.files import samediff

    return samediff.load(file)


def _of_samediff(file: Path) -> bool:
    return file.suffix.lower() in SAMEDIFF


def _exported(given: argparse.Namespace, ops: Iterable[Any]) -> str:
    sd = graph(given.file, ops)
    fetches = sd.loss_variables() if given.fetch is None else given.fetch
    settings = vars(given)
    sd.to_onnx(fetches, given.out, **{name: settings[name] for name, *_ in _OF_MODELS if name in settings})
    return str(given.out)


class OtherDigest(Exception):
    """A file that is whole has another digest than it must have."""


def _checked(file: Path, ops: Iterable[Any], digest: str | None) -> Iterator[str]:
    with open(file, "rb") as opened:
        # Digest and graph are of one file of ours, even if another one is put in its place meanwhile.
        sd = graph(file) if _of_samediff(file) else read(SameDiff, opened, str(file), ops=ops, mmap=True, verify=True)
        opened.seek(0)
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    arrays = sum(array.nbytes for array in sd.values.values())
    said = "all of it can be read; the format has no checksums" if _of_samediff(file) else "every byte is right"
    yield f"{file}: {counted(len(sd), 'variable')}, {byte_size(arrays)} of values, {said}"
    yield f"sha256: {found}"
    if digest not in (None, found):
        raise OtherDigest(f"the digest should be {digest}")
