"""Versions of the package side by side: checkouts of it, and a long-lived process for each that is told what to do."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
BEFORE = "8a00a23"
"""The commit that figures are compared with."""


class NoHistory(Exception):
    """The old version cannot be had from here."""


def git(*words: str, folder: Path = REPOSITORY) -> str:
    try:
        done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True)
    except FileNotFoundError as e:
        raise NoHistory("git is not installed") from e
    except subprocess.CalledProcessError as e:
        raise NoHistory(e.stderr.strip()) from e
    return done.stdout.strip()


@contextlib.contextmanager
def checkout(given: Path | None, commit: str = BEFORE, repository: Path = REPOSITORY) -> Iterator[Path]:
    """A folder with the old version: the one that is given, or one that is gone afterwards."""
    if given is not None:
        if not (given / "sdgraph" / "__init__.py").is_file():
            raise NoHistory(f"there is no package sdgraph in {given}")
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="sdgraph-old-") as made:
        folder = Path(made) / "tree"
        try:
            git("worktree", "add", "--detach", str(folder), commit, folder=repository)
        except NoHistory as e:
            raise NoHistory(
                f"commit {commit} cannot be checked out here ({e}). A shallow clone has no history: fetch it with "
                f"`git fetch --unshallow`; where there is no repository, name a checkout with --old PATH."
            ) from e
        try:
            yield folder
        finally:
            git("worktree", "remove", "--force", str(folder), folder=repository)


class Version:
    """A process that has one version of the package, and does what ``worker`` understands."""

    def __init__(self, tree: Path, worker: str = "limit_worker.py") -> None:
        self.tree = tree
        path = os.pathsep.join([str(tree), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            cwd=tree,
        )

    def ask(self, do: str, **what):
        """Have a command done, and its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **what}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"the process of {self.tree} ended with {self._process.wait()} at: {do} {what}")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def started(tree: Path, threads: int) -> Version:
    """A version whose compiler runs, and that is surely the one of that folder."""
    version = Version(tree)
    try:
        file = Path(version.ask("started", threads=threads)["file"]).resolve()
        if not file.is_relative_to(tree.resolve()):
            raise RuntimeError(f"the package of {tree} was wanted, but {file} was found")
    except BaseException:
        version.__exit__()
        raise
    return version
