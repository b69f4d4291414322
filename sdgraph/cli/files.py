"""The commands for a saved graph: ``summary``, ``check``, ``explore`` and ``export``.

Knows arguments and what is printed. Files are read elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdgraph.samediff import SameDiff
from sdgraph.store.load import structure
from sdgraph.wording import byte_size, counted

SUFFIX = ".sdg"
SAMEDIFF = (".fb", ".bin", ".sdnb")
"""The suffixes of the files that SameDiff writes in Java."""


def add_commands(commands: Any) -> None:
    """Add the commands to a parser's."""
    summary = commands.add_parser(
        "summary",
        help="print the table of a saved graph",
        description="Prints what `print(sd.summary())` does. The arrays are not read, so a large file takes no longer.",
    )
    summary.add_argument("--depth", type=int, metavar="N", help="how many levels of name scopes to list")
    summary.add_argument("--sort", default="topological", help="topological, name, kind or size")
    summary.add_argument("--gradients", action="store_true", help="list the variables made for gradients, too")
    check = commands.add_parser(
        "check",
        help="read a saved graph from its first to its last byte",
        description="Reads the whole file and compares every byte: with checksums and digests, and the graph with the "
        "rules of its operations. That a file is from somebody you trust only its digest can tell: compare it.",
    )
    check.add_argument("--sha256", metavar="DIGEST", help="the digest that the file must have")
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
    export.add_argument("out", type=Path, metavar="OUT.onnx", help="the file to write")
    export.add_argument(
        "--fetch", action="append", metavar="NAME", help="what to compute (default: the losses); repeatable"
    )
    export.add_argument("--opset", type=int, default=21, metavar="N", help="version of the operators (default: 21)")
    export.add_argument("--target", default="standard", help="standard (default), or basic")
    export.add_argument("--weights", default="inline", help="inline (default), or external")


def run(arguments: argparse.Namespace) -> Iterator[str]:
    """What a command prints, line by line."""
    if arguments.command == "summary":
        sd = graph(arguments.file) if _of_samediff(arguments.file) else structure(SameDiff, arguments.file)
        yield str(sd.summary(arguments.depth, arguments.sort, gradients=arguments.gradients))
    elif arguments.command == "check":
        yield from _checked(arguments.file, arguments.sha256)
    elif arguments.command == "export":
        yield _exported(arguments)
    else:
        yield str(graph(arguments.file).to_html(arguments.out))


def is_graph(file: Path) -> bool:
    """Whether a file should hold a graph, by its suffix."""
    return file.suffix == SUFFIX or _of_samediff(file)


def graph(file: Path) -> SameDiff:
    """A saved graph to look at."""
    if not _of_samediff(file):
        return SameDiff.load(file, mmap=True)
    from sdgraph.files import samediff

    return samediff.load(file)


def _of_samediff(file: Path) -> bool:
    return file.suffix in SAMEDIFF


def _exported(given: argparse.Namespace) -> str:
    sd = SameDiff.load(given.file)
    fetches = sd.loss_variables() if given.fetch is None else given.fetch
    sd.to_onnx(fetches, given.out, given.opset, target=given.target, weights=given.weights)
    return str(given.out)


class OtherDigest(Exception):
    """A file that is whole has another digest than it must have."""


def _checked(file: Path, digest: str | None) -> Iterator[str]:
    sd = graph(file) if _of_samediff(file) else SameDiff.load(file)
    with open(file, "rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    arrays = sum(array.nbytes for array in sd.values.values())
    said = "all of it can be read; the format has no checksums" if _of_samediff(file) else "every byte is right"
    yield f"{file}: {counted(len(sd), 'variable')}, {byte_size(arrays)} of values, {said}"
    yield f"sha256: {found}"
    if digest is not None and digest.lower() != found:
        raise OtherDigest(f"the digest should be {digest.lower()}")
