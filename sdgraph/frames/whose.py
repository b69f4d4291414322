"""Whose code a frame runs: this package's, that of a library which passes calls on, or a user's.

A user's is all that is left: scripts, cells, tests, and any package that uses this one. Knows the names of files. Must
not know what is done with the answer.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

# Taken from code objects, since frames are compared with these: both were found on the same path.
_OURS: Final = os.path.dirname(os.path.dirname(sys._getframe().f_code.co_filename)) + os.sep
_LIBRARY: Final = os.path.dirname(contextlib.contextmanager.__code__.co_filename) + os.sep
_INSTALLED: Final = (f"{_LIBRARY}site-packages{os.sep}", f"{_LIBRARY}dist-packages{os.sep}")
"""What users install, below the folder of Python's own modules."""

PASS_CALLS_ON: Final = (
    # What this package needs, and what shows its results.
    *("numpy", "networkx", "graphviz", "pygraphviz", "llvmlite", "matplotlib", "mpl_toolkits"),
    *(
        "IPython",
        "jupyterlab",
        "ipykernel",
        "ipykernel_launcher",
        "nbclient",
        "nbformat",
        "traitlets",
        "tornado",
        "decorator",
    ),
    *("pytest", "_pytest", "pluggy", "xdist", "execnet", "hypothesis", "mpmath", "scipy"),
    # What programs about numbers give their functions to.
    *("pandas", "joblib", "cloudpickle", "tqdm", "sklearn", "attr"),
)
"""Packages that call what they are given: where one of them calls this package, the line is that of who called it."""

_GENERATED: Final = ("<attrs generated ", "<decorator-gen-", "<class 'networkx.")
_WORKERS: Final = (("multiprocessing.spawn", "spawn_main"), ("multiprocessing.forkserver", "main"))
"""What the command that begins a worker process names; it has the file name of a user's ``python -c``."""

USERS: Final[dict[str, bool]] = {}
"""Whether a file is a user's, for those that were looked at: places are taken for every node."""


def is_users(frame: FrameType) -> bool:
    """Whether a frame runs a user's code."""
    known = USERS.get(frame.f_code.co_filename)
    return judged(frame) if known is None else known


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of this package, or code that was written for a class of it."""
    name = frame.f_code.co_filename
    return name.startswith(_OURS) or (name == "<string>" and _module(frame).startswith("sdgraph."))


def judged(frame: FrameType) -> bool:
    """What `is_users` answers, for a file that was not looked at yet."""
    name = frame.f_code.co_filename
    if name.startswith("<"):
        # Many pieces of code may have such a name.
        return not is_ours(frame) and not _is_generated(frame)
    users = not name.startswith(_OURS) and not _is_in_library(name) and not _is_passing_on(name)
    USERS[name] = users
    return users


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_in_library(name: str) -> bool:
    return name.startswith(_LIBRARY) and not name.startswith(_INSTALLED)


def _is_passing_on(name: str) -> bool:
    for package in PASS_CALLS_ON:
        module = sys.modules.get(package)
        folders = getattr(module, "__path__", ())
        if name == getattr(module, "__file__", None) or any(name.startswith(f"{folder}{os.sep}") for folder in folders):
            return True
    return False


def _is_generated(frame: FrameType) -> bool:
    """Whether code without a file is a library's: frozen, written for a class or function, or what begins a worker."""
    code = frame.f_code
    name = code.co_filename
    if name.startswith("<frozen "):
        return name[8:-1].partition(".")[0] in sys.stdlib_module_names
    if name.startswith(_GENERATED):
        return True
    return code.co_qualname.startswith("__create_fn__.") or code.co_names in _WORKERS
