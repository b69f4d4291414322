"""What pytest must know beyond pyproject.toml: contracts, optional packages and how hypothesis draws."""

import os
from importlib.util import find_spec

import pytest
from hypothesis import settings

# What the parts of the package promise each other is looked at in all tests. Read when the package is imported.
os.environ.setdefault("SDGRAPH_SPEC", "1")
# What fails in a test is often the package itself, so its frames are shown.
os.environ.setdefault("SDGRAPH_TRACEBACK", "full")
# Results come from the code that programs run nearly all the time, not from what stands for it in a first call; whether
# both have the same bits is a test of its own.
os.environ.setdefault("SDGRAPH_QUICK", "0")

# Doctests import every module; those that need an extra that is not installed are left out.
_OPTIONAL = {
    "llvmlite": ["sdgraph/run/engines/llvm*"],
    "matplotlib": ["sdgraph/viz*"],
    "onnx": ["sdgraph/files/onnx*", "tests/files/onnx*"],
    "onnxruntime": ["tests/files/onnx*", "tests/onnx_cases/test_exported*"],
    "flatbuffers": ["sdgraph/files/samediff*", "tests/files/samediff/flat.py"],
    "h5py": ["tests/keras/files*"],
}
collect_ignore_glob = [
    glob
    for package, paths in _OPTIONAL.items()
    if find_spec(package) is None
    for path in paths
    for glob in (path, f"{path}/**")
]
# Methods whose examples need one.
_EXAMPLES = {"onnx": "sdgraph.files.methods.GraphFiles.to_onnx"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip examples of what is not installed."""
    for package, name in _EXAMPLES.items():
        if find_spec(package) is None:
            for item in items:
                if item.name == name:
                    item.add_marker(pytest.mark.skip(reason=f"needs {package}"))


# The measuring scripts are run by themselves and import each other so.
collect_ignore_glob += [f"tests/benchmarks/{which}_*" for which in ("bench", "draw", "limit", "peer")]

# The default draws the same examples every time, so a failure is never news from somewhere else.
# HYPOTHESIS_PROFILE=nightly searches further.
settings.register_profile("default", max_examples=50, derandomize=True, deadline=None)
settings.register_profile("nightly", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
