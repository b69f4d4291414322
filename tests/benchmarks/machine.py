"""What a figure was measured with, and how it is printed."""

import importlib.metadata
import importlib.util
import platform
from pathlib import Path

from sdgraph.run.engines.threads import usable_cores


def installed(package):
    return package is None or importlib.util.find_spec(package) is not None


def processor():
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions(packages):
    return ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages if installed(p))


def machine_line(packages):
    return f"{processor()}, {usable_cores()} cores, Python {platform.python_version()}, {versions(packages)}"


def duration(seconds):
    if seconds is None:
        return "-"
    size, unit = next((s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")) if seconds >= s or u == "us")
    return f"{seconds / size:.3g} {unit}"
