"""Reused memory: new pages cost more than filtering into them."""

from __future__ import annotations

from sigrnn._arrays import F8, Array
from sigrnn._utils.memory import LEAST, MOST, Pool
from sigrnn.filters._memory import aligned

__all__ = ["MOST", "PIECE", "pool", "scratch"]

PIECE = 65_536  # samples of all channels taken at a time: what is between two passes stays in the second-level cache

pool = Pool(aligned)


def scratch(count: int) -> Array:
    """`count` float64 numbers for one piece of one call, which another may interrupt, as from a signal handler."""
    return aligned(count) if count * F8.itemsize < LEAST else pool.borrow((count,), F8)
