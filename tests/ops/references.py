"""Independent implementations of ops: numpy's, scipy's, or formulas written out in another way."""

import numpy as np

REFERENCES = {}
TOLERANCES = {}
