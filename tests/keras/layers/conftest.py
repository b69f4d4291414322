"""Automatic names of layers begin anew with each test, in both libraries: so they are the same."""

import sys

import pytest

from sdgraph.keras.layers import naming


@pytest.fixture(autouse=True)
def names_from_the_start():
    naming.forget()
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)
