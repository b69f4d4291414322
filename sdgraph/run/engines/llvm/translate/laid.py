"""Calls of small segments whose arrays stay where they are: their addresses are laid out once, not at each call.

A call costs what Python takes for a builtin, however many arrays there are. Beside it, what tells whether arrays are of
certain types and shapes: asked in Python that takes longer than many a segment. Where the parts of an array object are
is found out, not assumed. The code is in ``laid.ll``. Must not know regions.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.llvm.translate.entry import answering, bound, defined

_Array = np.ndarray[Any, Any]
_WORD: Final = ctypes.sizeof(ctypes.c_void_p)

_EXPONENTS: Final = {np.dtype("float32"): 0xFF << 23, np.dtype("float64"): 0x7FF << 52}
"""By dtype the bits that are all 1 in infinities and NaN."""


class _Words(np.ndarray):
    """Words that compiled code reads, and what they have the addresses of."""

    keeps: object


def again(
    program: _Array,
    arrays: Sequence[_Array | None],
    given: Sequence[int],
    copies: Sequence[tuple[_Array, _Array]] = (),
) -> Callable[..., bool | None]:
    """What runs a program on arrays that stay where they are.

    Args:
        program: The program of a small segment.
        arrays: Those that it reads, then those that it writes; None for what is given in each call.
        given: Which these are, in the order in which they are given.
        copies: Pairs of arrays in C order, the second of which is copied to the first before each run.

    Returns:
        ``call(*given)``, which tells if a check failed; also if another number of arrays is given.
    """
    assert sorted(given) == [k for k, a in enumerate(arrays) if a is None]
    words = [_address(program), len(arrays), len(given), len(copies)]
    words += [*(0 if a is None else _address(a) for a in arrays), *given]
    for to, of in copies:
        assert to.dtype == of.dtype and to.shape == of.shape and to.flags.c_contiguous and of.flags.c_contiguous
        words += [_address(to), _address(of), to.nbytes]
    return bound(_functions()["again"], _laid(words, (program, *arrays, copies)))


def both(
    first: Callable[..., bool | None], second: Callable[[], object], finite: _Array
) -> Callable[..., bool | None] | None:
    """The one call and then the other, if all numbers of an array are finite; None if there is no such way.

    Args:
        first: What `again` made.
        second: What it made of a program that is given nothing.
        finite: An array that the first one writes.

    Returns:
        ``call(*given)``, which tells if the second one did not run.
    """
    calls = [words for call in (first, second) if isinstance(words := getattr(call, "__self__", None), _Words)]
    if len(calls) < 2 or finite.dtype not in _EXPONENTS:
        return None
    words = [*map(_address, calls), _address(finite), finite.size, finite.itemsize, _EXPONENTS[finite.dtype]]
    return bound(_functions()["both"], _laid(words, (first, second, finite)))


def fits(expected: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> Callable[..., bool]:
    """``fits(*arrays)``: whether these are arrays of such shapes and dtypes in C order, whatever is given.

    A dtype that is only equal does not count as that one.
    """
    if "fits" not in _functions():
        return functools.partial(_fits, tuple(expected))
    words = [len(expected)]
    for shape, dtype in expected:
        words += [id(dtype), len(shape), *shape]
    return bound(_functions()["fits"], _laid(words, expected))


def _fits(expected: Sequence[tuple[tuple[int, ...], np.dtype[Any]]], *arrays: Any) -> bool:
    return len(arrays) == len(expected) and all(
        type(a) is np.ndarray and a.shape == shape and a.dtype is dtype and a.flags.c_contiguous
        for a, (shape, dtype) in zip(arrays, expected, strict=True)
    )


def _address(a: _Array) -> int:
    return a.ctypes.data


def _laid(words: Sequence[int], keeps: object) -> _Words:
    found = np.array(words, np.int64).view(_Words)
    found.keeps = keeps
    return found


@functools.cache
def _functions() -> dict[str, Any]:
    """The builtins of ``laid.ll``, to be bound; without those that read what is not where it is expected."""
    places = _places()
    there = {"kind": 0, "dtype": 0, "rank": 0, "shape": 0, "flags": 0} if places is None else places
    code = machine.kernel(answering("laid", array=id(np.ndarray), **there))
    names = ("again", "both") if places is None else ("again", "both", "fits")
    return {name: defined(code, name) for name in names}


def _samples() -> list[_Array]:
    flat = np.zeros(3)
    flat.flags.writeable = False
    return [flat, np.zeros((2, 5), np.float32)[1:], np.zeros((), np.int64), np.zeros((4, 2, 7), bool).T]


def _places() -> dict[str, int] | None:
    """Where an array object has its class, its type of numbers, its rank, the address of its sizes, and its flags."""
    samples = _samples()

    def where(size: int, is_there: Callable[[int, _Array], bool], reads: int = 1) -> int | None:
        offsets = range(0, np.ndarray.__basicsize__ - (reads - 1) * size, size)
        return next((k for k in offsets if all(is_there(id(a) + k, a) for a in samples)), None)

    def word(at: int) -> int | None:
        return ctypes.c_void_p.from_address(at).value

    def number(at: int) -> int:
        return ctypes.c_int32.from_address(at).value

    found = {
        "kind": where(_WORD, lambda at, a: word(at) == id(np.ndarray)),
        "dtype": where(_WORD, lambda at, a: word(at) == id(a.dtype)),
        "rank": where(4, lambda at, a: number(at) == a.ndim),
        "shape": where(_WORD, _are_sizes, reads=2),
        "flags": where(4, lambda at, a: number(at) == a.flags.num),
    }
    known = {name: k for name, k in found.items() if k is not None}
    return known if len(known) == len(found) else None


def _are_sizes(at: int, a: _Array) -> bool:
    """Whether sizes and strides are there, one after the other, and their addresses, so that it is no chance."""
    sizes, strides = (ctypes.c_int64 * 2).from_address(at)
    if not a.ndim:
        return True
    if not sizes or strides != sizes + a.ndim * _WORD:
        return False
    return tuple((ctypes.c_int64 * (2 * a.ndim)).from_address(sizes)) == a.shape + a.strides
