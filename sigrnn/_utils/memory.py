"""A pool of large arrays: new pages of memory cost more than most passes over them."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import LINE_BYTES

LEAST, MOST = 1 << 18, 1 << 26  # bytes of an array that is worth it; of all that wait for their next use


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array with anything in it, from where a cache line begins: a vector across two lines takes two accesses."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE_BYTES, np.uint8)
    first = -memory.__array_interface__["data"][0] % LINE_BYTES
    return memory[first : first + size].view(dtype).reshape(shape)


class Loan:
    """The owner of borrowed memory, as NumPy sees it: it goes when the last array in it goes."""

    def __init__(self, memory: Array) -> None:
        self.__array_interface__ = memory.__array_interface__


class Store:
    """Memory that waits for its next use: arrays, or objects that hold arrays, by a key that only interchangeable ones share."""

    def __init__(self) -> None:
        self.free: dict[Any, list[Any]] = {}
        self.waiting = 0  # bytes in all of them
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)  # another thread may have held it

    def _renew(self) -> None:
        self.lock = threading.RLock()  # again in the same thread: a finalizer may run anywhere

    def take(self, key: Any, size: int) -> Any:
        """One of this key and size in bytes; None if there is none."""
        with self.lock:
            free = self.free.get(key)
            if not free:
                return None
            self.waiting -= size
            return free.pop()

    def give(self, key: Any, size: int, used: Any) -> None:
        """Let it wait for its next use. Nobody else may read or write it from now on."""
        with self.lock:
            if self.waiting + size > MOST:
                self.free, self.waiting = {}, 0
            if size <= MOST:
                self.free.setdefault(key, []).append(used)
                self.waiting += size


class Pool(Store):
    """Memory for large arrays: given back when the last view of one goes, and lent to the next of the same size.

    A training loop wants arrays of the same sizes in each turn.
    """

    def __init__(self, make: Callable[[int], Array]) -> None:
        super().__init__()
        self.make = make  # from a number of float64 values

    def borrow(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array with anything in it."""
        size = math.prod(shape) * dtype.itemsize
        if size < LEAST:
            return np.empty(shape, dtype)
        memory = self.take(size, size)
        if memory is None:
            memory = self.make(-(-size // F8.itemsize)).view(np.uint8)[:size]
        loan = Loan(memory)
        weakref.finalize(loan, self.give, size, size, memory).atexit = False
        return np.asarray(loan).view(dtype).reshape(shape)
