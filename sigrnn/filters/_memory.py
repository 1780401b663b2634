"""Scratch memory for vectors."""

from __future__ import annotations

from sigrnn._arrays import F8, Array
from sigrnn._utils import memory


def aligned(*shape: int) -> Array:
    """Memory for numbers of float64, with anything in it, from where a cache line begins."""
    return memory.aligned(shape, F8)


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
