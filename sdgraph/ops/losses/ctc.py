"""Connectionist temporal classification: the forward recursion in log space, written with ops.

Knows the recursion and its checks. The gradient, of any order, follows from the ops.
"""

from __future__ import annotations

import math

import numpy as np

from sdgraph.build.namespace import GraphLike
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole
from sdgraph.errors import ArgumentError, DTypeError, ShapeError, shown
from sdgraph.infer.aval import Aval, shape_str
from sdgraph.infer.shapes import integer_index
from sdgraph.ops.losses.class_numbers import SWAPPED

CTC_LITERALS = {"target_labels": "int64", "target_label_lengths": "int64", "logit_input_lengths": "int64"}
"""Lists of labels and lengths are integers."""


def infer_ctc(labels: Aval, logits: Aval, label_lengths: Aval, logit_lengths: Aval, *, blank_index: int) -> Aval:
    """One loss per example, after checking everything known when the graph is built."""
    if len(labels.shape) == 3 and len(logits.shape) == 2:
        order = "ctc_loss(target_labels, logit_input, target_label_lengths, logit_input_lengths)"
        raise ShapeError(f"{SWAPPED}: labels come first, then logits.", fix=f"Exchange them: {order}.")
    for aval, what in ((labels, "target_labels"), (label_lengths, "label lengths"), (logit_lengths, "logit lengths")):
        integer_index(aval, what)
    ranks = tuple(len(a.shape) for a in (labels, logits, label_lengths, logit_lengths))
    if ranks != (2, 3, 1, 1):
        raise ShapeError(
            "The operands of ctc_loss have wrong ranks.",
            given=", ".join(shape_str(a.shape) for a in (labels, logits, label_lengths, logit_lengths)),
            expected="labels (batch, labels), logits (batch, frames, classes), lengths (batch,) and (batch,)",
        )
    if logits.dtype.kind != "f":
        raise DTypeError("Logits are floating.", given=logits.dtype.name)
    batches = {a.shape[0] for a in (labels, logits, label_lengths, logit_lengths) if isinstance(a.shape[0], int)}
    if len(batches) > 1:
        raise ShapeError("The operands of ctc_loss have different batch sizes.", given=", ".join(map(str, batches)))
    classes = logits.shape[2]
    known = type(classes) is int
    if not is_whole(blank_index, 0, classes - 1 if known else math.inf):
        expected = f"0 to {classes - 1}, the logits' classes" if known else "a whole number, 0 or more"
        raise ArgumentError("blank_index is not a class.", given=shown(blank_index), expected=expected)
    return Aval((logits.shape[0],), logits.dtype)


def ctc_negative_log_likelihood(
    sd: GraphLike,
    labels: SDVariable,
    logits: SDVariable,
    label_lengths: SDVariable,
    logit_lengths: SDVariable,
    *,
    blank: int,
    blank_is_label: bool = False,
) -> SDVariable:
    """``-log P(labels | logits)`` for operands of known shapes.

    State s of the recursion stands for the s-th entry of the labels with a blank before, between and after them. With
    ``blank_is_label`` the blank may stand among the labels, and is then one of them.
    """
    batch, frames, classes = (int(d) for d in logits.shape)  # type: ignore[arg-type]
    n_labels = int(labels.shape[1])  # type: ignore[arg-type]
    n_states = 2 * n_labels + 1
    labels = sd.cast(labels, "int64")
    label_lengths = sd.checked_lengths(sd.cast(label_lengths, "int64"), limit=n_labels)
    logit_lengths = sd.checked_lengths(sd.cast(logit_lengths, "int64"), limit=frames)
    if blank_is_label:
        used = sd.expand_dims(label_lengths, 1) > np.arange(n_labels)[None, :]
        labels = sd.checked_labels(sd.where(used, labels, np.int64(blank)), logits)
    else:
        labels = sd.checked_ctc_labels(labels, label_lengths, classes=classes, blank=blank)
    states = _extended(sd, labels, batch, n_labels, blank)
    nothing = sd.constant(np.full((), -np.inf, logits.dtype))
    label_lengths, last = sd.expand_dims(label_lengths, 1), sd.expand_dims(logit_lengths, 1)
    if frames == 0:
        # No frames: only the empty labelling is possible, with probability 1.
        empty = sd.squeeze(label_lengths, 1).eq(0)
        return sd.where(empty, sd.zeros_like(sd.cast(empty, logits.dtype)), -nothing)
    # log_p[b, t, s]: log probability of state s's class in frame t.
    log_p = sd.take_along_axis(
        sd.nn.log_softmax(logits), sd.broadcast_to(sd.expand_dims(states, 1), (batch, frames, n_states)), axis=2
    )
    index = np.arange(n_states)
    alpha = sd.where((index < 2)[None, :], log_p[:, 0], nothing)
    start = sd.where((index == 0)[None, :], sd.zeros_like(alpha), nothing)
    alpha = sd.where(last > 0, alpha, start)
    may_skip = _may_skip(sd, states, batch, n_labels)
    for t in range(1, frames):
        stepped = _advance(sd, alpha, may_skip, nothing, batch, n_states) + log_p[:, t]
        alpha = sd.where(last > t, stepped, alpha)
    final = 2 * label_lengths
    ends = final.eq(index[None, :]) | final.eq(index[None, :] + 1)
    return -sd.math.log_sum_exp(sd.where(ends, alpha, nothing), axis=1)


def _extended(sd: GraphLike, labels: SDVariable, batch: int, n_labels: int, blank: int) -> SDVariable:
    """Classes of the states: blank, label, blank, label ... blank; ``[batch, states]``."""
    blanks = np.full((batch, n_labels + 1), blank, np.int64)
    if n_labels == 0:
        return sd.constant(blanks)
    pairs = sd.stack(sd.constant(blanks[:, 1:]), labels, axis=2)
    return sd.concat(sd.reshape(pairs, (batch, 2 * n_labels)), sd.constant(blanks[:, :1]), axis=1)


def _may_skip(sd: GraphLike, states: SDVariable, batch: int, n_labels: int) -> SDVariable | None:
    """Where a state can be reached from two states before: at a label that differs from the label before.

    Blanks stand two states apart and never differ, so this needs no test of what is a label.
    """
    if n_labels < 2:
        return None
    differs = states[:, 2:].neq(states[:, :-2])
    return sd.concat(sd.constant(np.zeros((batch, 2), bool)), differs, axis=1)


def _advance(
    sd: GraphLike, alpha: SDVariable, may_skip: SDVariable | None, nothing: SDVariable, batch: int, n_states: int
) -> SDVariable:
    """Log sum over the ways into each state: stay, come from the state before, or skip a blank."""
    ways = [alpha]
    if n_states > 1:
        pad = sd.broadcast_to(nothing, (batch, 1))
        ways.append(sd.concat(pad, alpha[:, :-1], axis=1))
    if may_skip is not None:
        pad = sd.broadcast_to(nothing, (batch, 2))
        ways.append(sd.where(may_skip, sd.concat(pad, alpha[:, :-2], axis=1), nothing))
    return sd.math.log_sum_exp(sd.stack(*ways, axis=0), axis=0) if len(ways) > 1 else alpha
