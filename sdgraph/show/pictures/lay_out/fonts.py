"""Fonts for the layout engines on machines that have none: matplotlib's, if it is installed.

Without any font Graphviz draws a box for each letter, and cards get the width of the boxes. Must not know engines.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

PROBE: Final = 'digraph { node [shape="plain"] i [label="iiii"] w [label="WWWW"] }'
"""Source whose nodes have one width when letters are boxes."""

_FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
_SUFFIXES: Final = (".ttf", ".otf", ".ttc", ".pfb", ".pcf.gz")


def surely_there() -> bool:
    """Whether the machine has fonts where fontconfig looks; other systems than Linux have their own."""
    if not sys.platform.startswith("linux"):
        return True
    return not os.environ.get("FONTCONFIG_FILE") and _installed()


@lru_cache(maxsize=1)
def _installed() -> bool:
    files = (name for folder in _FOLDERS for _, _, names in os.walk(Path(folder).expanduser()) for name in names)
    return any(name.lower().endswith(_SUFFIXES) for name in files)


def are_boxes(plain: str) -> bool:
    """Whether `PROBE`, laid out in the format ``plain``, shows that letters are boxes."""
    widths = {words[1]: words[4] for words in map(str.split, plain.splitlines()) if words[:1] == ["node"]}
    return len(widths) == 2 and len(set(widths.values())) == 1


def substitute() -> str | None:
    """A fontconfig file that names matplotlib's fonts; None, with a warning, without matplotlib."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        warnings.warn(
            "No font was found: text in PNG and PDF pictures becomes boxes. To have it drawn: pip install matplotlib, "
            "which brings fonts along, or install a font, as with apt install fonts-dejavu-core.",
            UserWarning,
            stacklevel=2,
        )
        return None
    return _configuration(str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"))


@lru_cache(maxsize=4)
def _configuration(folder: str) -> str:
    """Write a configuration for as long as this process runs."""
    place = tempfile.mkdtemp(prefix="sdgraph-fonts-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    file = Path(place) / "fonts.conf"
    file.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n'
        f"<fontconfig><dir>{escape(folder)}</dir><cachedir>{escape(place)}</cachedir></fontconfig>\n",
        encoding="utf-8",
    )
    return str(file)
