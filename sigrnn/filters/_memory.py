"""Scratch memory for vectors."""

from __future__ import annotations

import math

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import LINE_BYTES


def aligned(*shape: int) -> Array:
    """Memory for vectors, with anything in it, from where a cache line begins: a vector across two lines takes two accesses."""
    size = math.prod(shape)
    memory = np.empty(size + LINE_BYTES // F8.itemsize)
    first = -memory.__array_interface__["data"][0] % LINE_BYTES // F8.itemsize
    return memory[first : first + size].reshape(shape)


_free: list[Array] = []  # scratch that no call uses at present; a call takes it out, so that no two share it
MOST = 1 << 20  # numbers of a scratch that is kept


def take(size: int) -> Array:
    """Scratch of at least this many numbers for one call."""
    try:
        scratch = _free.pop()
    except IndexError:
        return aligned(size)
    return scratch if scratch.size >= size else aligned(size)


def give_back(scratch: Array) -> None:
    """The call is over."""
    if len(_free) < 16 and scratch.size <= MOST:
        _free.append(scratch)
