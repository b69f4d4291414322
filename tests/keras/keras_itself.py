"""Keras itself, for tests that compare with it; without it the module that imports this one is skipped."""

import os
import warnings
from importlib.util import find_spec

import pytest

if find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "jax")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

__all__ = ["keras"]
