"""What a user can do about a step that stays outside of regions, by the reason that the division gives.

Every reason has a line here. Must not know LLVM.
"""

from __future__ import annotations

from sdgraph.run.engines.llvm.divide.own_loops import CONVOLUTION, WINDOWS

VIEW = "a view that is needed as an array"

_ADVICE = {
    VIEW: "It costs a call. What needs it as an array is a numpy step that reads it, or a region that copies it, as "
    "loops want 8 neighbours side by side: keep the last axis as it lies.",
    "a product of matrices": "BLAS does it, which is the quickest way; `profile` tells how near it comes.",
    "a batch of products": "BLAS does it. One large product is quicker than a batch of small ones, where the graph can "
    "be written so.",
    CONVOLUTION: "Loops of its own do it; `profile` tells how near they come to what the computer can do.",
    WINDOWS: "Loops of its own do it, in vectors along the last axis: they are quickest where channels are there.",
    "no compiled form": "Its kernel is numpy's. Written with operations that have a compiled form it becomes part of a "
    'region; an operation of your own can bring one, `kernels={"llvm": ...}`.',
    "several results": "Its kernel is numpy's, all results at once.",
    "an operand is no array": "It works on the results of a step with several results, or on nothing.",
    "dtype": "Regions compute with floats up to 64 bits, integers and bools. Cast its operands where that is meant, as "
    "from an integer to the float of the result.",
    "empty": "There is nothing to compute.",
    "more elements than can be counted": "Its shape is a mistake, most likely.",
    "a number beyond all dtypes": "A setting is a whole number of more than 1,023 bits.",
    "broadcast neither rows nor columns": "Regions take operands that lack axes side by side, if the last axes have 8 "
    "elements. Put the axes that are broadcast next to each other, or reshape.",
    "no rows or columns along its axes": "Regions reduce axes side by side, or all but some side by side, if the last "
    "axes have 8 elements. Move the axes that are reduced next to each other, or reduce in two steps.",
    "no rows along its axis": "Regions want at least 8 elements in the axes behind it. Move that axis to the end.",
    "one element at a time": "It gives what it begins with.",
    "a smaller array, repeated": "It runs through an array that is broadcast: name its axes, or make it one first.",
    "one long row": "One element waits for the one before, so threads share rows only. Where there are several, keep "
    "them as axes.",
    "softmax of single elements": "It is 1 everywhere.",
    "a view of a smaller array": "The product reads an array that is broadcast: multiply first, then broadcast.",
    "a part of a larger array": "The step reads an array of its own. Slice what it gives, if you can.",
    "most of its operands are there before": "Nothing is computed that could be written where it belongs: it copies.",
    "its parts are too small": "Loops write parts with 8 elements side by side along the last axes. Join along others.",
    "not one index per row": "Regions add to one entry of each row, along the last axis.",
    "a table of equal elements": "All that it can give is one number.",
    "short pieces of memory": "Numpy copies them in less time than a region takes for as many rows.",
    "places that follow no simple rule": "Regions read by index along an axis with 8 elements or more behind it, or "
    "along the last one.",
}

_OF_OPS = {
    (VIEW, "permute"): "BLAS reads a transposed matrix as it lies in memory: it costs a call and moves nothing.",
    ("no compiled form", "permute"): "It moves nothing itself, but who reads it goes through memory in another order. "
    "Where the graph can be written so, keep axes in the order in which products and regions want them.",
}
"""What helps with some operations, other than with most."""


def advice(reason: str, op: str) -> str:
    """What can be done about a step that stays outside of regions; empty where nobody knows."""
    return _OF_OPS.get((reason, op)) or _ADVICE.get(reason, "")
