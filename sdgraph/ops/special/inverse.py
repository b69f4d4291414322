"""Kernel of the inverse error function. Knows numerics only; must not know ops or graphs.

Up to 0.7, ``erfinv(y) / y`` is a polynomial in ``y^2``; beyond, ``erfinv(y) / t`` is one in
``t = sqrt(-log(1 - y^2))``, in two pieces. All interpolate 60-digit values at Chebyshev nodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.ops.special.blocks import in_blocks, polynomial

EDGE, CENTRE = 0.7, 0.245
CENTRE_POLYNOMIAL = (
    11.745957210878984,
    9.281997208896763,
    3.119490761807034,
    2.489826327758599,
    2.6596186178962484,
    2.127316920206891,
    1.6467872802150187,
    1.3272654838636428,
    1.0776876904714934,
    0.8763040121183386,
    0.7163058112828898,
    0.5893282983290553,
    0.48844690316040273,
    0.4083832278822312,
    0.345056183976912,
    0.29534299786398743,
    0.2569350762132051,
    0.2282770192405595,
    0.208641360669067,
    0.19850042037879603,
    0.2007646992607866,
    0.22543124210458157,
    0.3151550634460068,
    0.9522911160903513,
)
"""In ``y^2 - CENTRE``."""
_TAIL = (
    -3.419992664133418e-11,
    -3.734849769128645e-10,
    1.2951090731643444e-10,
    2.9043692947279496e-09,
    3.3260862144042844e-10,
    -1.3243345343479496e-08,
    -5.828226449959864e-09,
    4.9623111182580836e-08,
    3.991733614927633e-08,
    -1.726762977052902e-07,
    -2.1540298087074997e-07,
    5.77586663797152e-07,
    1.0481427877723285e-06,
    -1.8562268435636273e-06,
    -4.8485773556083795e-06,
    5.642908173014735e-06,
    2.2034672656047232e-05,
    -1.597815333060658e-05,
    -0.00010054085166896731,
    3.783092682091847e-05,
    0.0004930134422352991,
    -1.6533644202522163e-05,
    -0.0034370351924503466,
    0.002610383014619034,
    0.025952137783052654,
    0.9102558842555569,
)
"""In ``t - 1.6``, up to 2.4."""
_FAR_TAIL = (
    1.2165515388893566e-19,
    2.8869215806033936e-19,
    -6.337408685223893e-18,
    3.0458902901568664e-18,
    9.490302886173411e-17,
    -1.6489245202332481e-16,
    -4.1876449658723957e-16,
    8.568939722859333e-16,
    7.708486563190732e-16,
    6.299717019072113e-15,
    -4.460953488118184e-14,
    7.094091469761324e-14,
    1.8099643040638217e-13,
    -1.461208506656456e-12,
    4.9963535527528125e-12,
    -9.154252663685375e-12,
    -5.219753236598782e-12,
    1.0931278303755176e-10,
    -4.643168768265742e-10,
    1.23681175722333e-09,
    -1.9190043590228715e-09,
    -1.4250806026812218e-09,
    2.538807532224754e-08,
    -1.269706172474229e-07,
    4.7360320038542595e-07,
    -1.4371968258682922e-06,
    3.1408614355084784e-06,
    -1.617136407417594e-07,
    -5.2918454440120575e-05,
    0.00042116220545937373,
    -0.00237630078308647,
    0.01084210851432427,
    0.9634241919521572,
)
"""In ``t - 4.3``, from 2.4 on."""
TAILS = ((0.8, 2.4, _TAIL), (2.4, 6.2, _FAR_TAIL))
"""From where to where each polynomial in the distance from the middle is for."""


def _of_large(a: Any) -> Any:
    # Above 1/2 the difference is exact, so that nothing is lost where it is small.
    t = np.sqrt(-np.log((1.0 - a) * (1.0 + a)))
    ratio = np.full_like(t, np.nan)
    for least, most, coefficients in TAILS:
        here = t > least
        if here.any():
            ratio[here] = polynomial(np.minimum(t[here], most) - (least + most) / 2, coefficients)
    return t * ratio


def _erfinv_block(y: Any) -> Any:
    with np.errstate(all="ignore"):
        x = y * polynomial(y * y - CENTRE, CENTRE_POLYNOMIAL)
        large = ~(np.abs(y) <= EDGE)
        if large.any():
            x[large] = np.copysign(_of_large(np.abs(y[large])), y[large])
    return x


def erfinv(xp: Any, x: Any) -> Any:
    """The number whose error function is x; narrower floats are computed in float64."""
    return in_blocks(_erfinv_block, x)
