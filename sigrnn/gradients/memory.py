"""Reused memory: fresh pages cost more than filtering into them."""

from __future__ import annotations

import threading

from sigrnn._arrays import Array
from sigrnn._utils.memory import MOST, Pool
from sigrnn.filters._memory import aligned

__all__ = ["MOST", "PIECE", "pool", "room"]

PIECE = 65_536  # samples of all channels taken at a time: what is between two passes stays in the second-level cache


class Scratch(threading.local):
    """Memory for a piece of signal, for as long as nobody asks again."""

    def __init__(self) -> None:
        self.kept: dict[int, Array] = {}

    def __call__(self, slot: int, count: int) -> Array:
        """At least `count` float64 numbers; two callers with different slots do not share them."""
        memory = self.kept.get(slot)
        if memory is None or memory.size < count:
            memory = aligned(count)
            if count <= 4 * PIECE:
                self.kept[slot] = memory
        return memory[:count]


room = Scratch()


pool = Pool(aligned)
