"""Memory that is used again: fresh pages cost more than filtering into them."""

from __future__ import annotations

import math
import threading
import weakref
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters._memory import aligned

PIECE = 65_536  # samples of all channels taken at a time: what is between two passes stays in the second-level cache
LEAST, MOST = 1 << 18, 1 << 26  # bytes of an array that is worth it; of all that wait for their next use


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


class Loan:
    """The owner of borrowed memory, as NumPy sees it: it goes when the last array in it goes."""

    def __init__(self, memory: Array) -> None:
        self.__array_interface__ = memory.__array_interface__


class Pool:
    """Memory for large arrays: given back when the last view of one goes, and lent to the next of the same size.

    A training loop wants arrays of the same sizes in each turn.
    """

    def __init__(self) -> None:
        self.free: dict[int, list[Array]] = {}
        self.waiting = 0  # bytes in all of them
        self.lock = threading.RLock()  # again in the same thread: a finalizer may run anywhere

    def borrow(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array with anything in it."""
        size = math.prod(shape) * dtype.itemsize
        if size < LEAST:
            return np.empty(shape, dtype)
        with self.lock:
            free = self.free.get(size)
            memory = free.pop() if free else None
            self.waiting -= 0 if memory is None else size
        if memory is None:
            memory = aligned(-(-size // F8.itemsize)).view(np.uint8)[:size]
        loan = Loan(memory)
        weakref.finalize(loan, self._give_back, memory).atexit = False
        return np.asarray(loan).view(dtype).reshape(shape)

    def _give_back(self, memory: Array) -> None:
        with self.lock:
            if self.waiting + memory.size > MOST:
                self.free, self.waiting = {}, 0
            if memory.size <= MOST:
                self.free.setdefault(memory.size, []).append(memory)
                self.waiting += memory.size


pool = Pool()
