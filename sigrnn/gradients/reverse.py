"""Signals as rows, and one filter over reversed time through them, with the sums for its coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, time_back, time_last
from sigrnn._kernels.sizes import FIR_WIDTH
from sigrnn._lookup import Kernels
from sigrnn.filters import _recursive
from sigrnn.filters._coefficients import filter_of
from sigrnn.filters._recursive import MANY, RecursiveFilter
from sigrnn.gradients.memory import PIECE, pool, scratch

kernels = Kernels("filters.gradients")

LEAST = 128  # samples of a channel, however many channels there are


class Rows:
    """A signal as (channels, samples), either of them contiguous in memory, and back.

    A signal with time along its first axis keeps its layout if channels may be adjacent; others have time last, copied if
    need be.
    """

    def __init__(self, shape: tuple[int, ...], axis: int, beside: bool) -> None:
        self.shape, self.axis, self.samples = shape, axis, shape[axis]
        self.channels = math.prod(shape[:axis] + shape[axis + 1 :])
        self.beside = beside and math.prod(shape[:axis]) == 1 and self.channels >= MANY

    def of(self, x: Array) -> Array:
        """A signal as rows, a view if possible."""
        if self.beside:
            return np.ascontiguousarray(x).reshape(self.samples, self.channels).T
        return np.ascontiguousarray(time_last(x, self.axis)).reshape(self.channels, self.samples)

    def copies(self, signals: Sequence[Array], dtype: np.dtype[Any]) -> list[Array]:
        """Signals as rows of their own, in one piece of memory."""
        channels = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        kept = pool.borrow((len(signals), *(self.shape if self.beside else (*channels, self.samples))), dtype)
        for copy, x in zip(kept, signals, strict=True):
            full = x if x.shape == self.shape else np.broadcast_to(x, self.shape)
            copy[...] = full if self.beside else time_last(full, self.axis)
        if self.beside:
            return [copy.reshape(self.samples, self.channels).T for copy in kept]
        return [copy.reshape(self.channels, self.samples) for copy in kept]

    def empty(self, samples: int, dtype: np.dtype[Any]) -> Array:
        return (
            pool.borrow((samples, self.channels), dtype).T
            if self.beside
            else pool.borrow((self.channels, samples), dtype)
        )

    def scratch(self, samples: int, dtype: np.dtype[Any]) -> Array:
        """Rows, of float64 or complex128, for a piece of a call."""
        memory = scratch(self.channels * samples * (dtype.itemsize // 8)).view(dtype)
        return memory.reshape(samples, self.channels).T if self.beside else memory.reshape(self.channels, samples)

    def back(self, rows: Array) -> Array:
        """Rows as a signal."""
        if self.beside:
            return rows.T.reshape(self.shape)
        channels = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        return time_back(rows.reshape(*channels, self.samples), self.axis)

    def pieces(self, start: int, stop: int, *filters: RecursiveFilter | None) -> list[slice]:
        """Stretches of time to take one after the other, long enough for blocks if the filters have any."""
        samples, size = stop - start, max(LEAST, PIECE // max(self.channels, 1))
        if not samples:
            return []
        if samples > size and self.channels < MANY:
            blocks = [f.blocks(size, "blocked") for f in filters if f is not None]
            size = max([size, *(4 * each.segment for each in blocks if each is not None)])
        count = -(-samples // size)
        size = -(-samples // count)
        return [slice(i, min(i + size, stop)) for i in range(start, stop, size)]


class Reverse:
    """One filter over reversed time, from piece to piece, and the sums for its coefficients.

    b, a : (K + 1,) or (C, K + 1), normalised. tail : (C, K), what v is after the last sample.
    """

    def __init__(self, b: Array, a: Array, tail: Array, rows: Rows, method: str) -> None:
        self.rows, self.method = rows, "auto" if method == "fft" else method
        self.kind = tail.dtype
        self.b, self.a = np.ascontiguousarray(np.atleast_2d(b.conj())), a.conj()
        self.db, self.da = np.zeros(self.b.shape, self.kind), np.zeros(self.b.shape, self.kind)
        self.poles = poles(self.a)
        self.resume(tail)

    def resume(self, tail: Array) -> None:
        """Go on with this v after the next piece."""
        self.tail = tail
        self.state: Array | None = None  # what it means to the recursion, found when that runs

    def whole(self, x: Array, y: Array, dy: Array, dx: Array) -> None:
        """Fill dx, which may be dy, for the whole signal."""
        for part in reversed(self.rows.pieces(0, self.rows.samples, self.poles)):
            self.run(x[:, part], y[:, part], dy[:, part], dx[:, part])

    def start(self) -> Array:
        """The state (C, 1, K) of 1/A over reversed time after the last sample."""
        return state_after(self.a, self.tail)[:, None]

    def run(self, x: Array, y: Array, dy: Array, dx: Array) -> None:
        """Fill dx, which may be dy, for a piece that ends where the last one began."""
        samples, order = dy.shape[1], self.tail.shape[1]
        v = self.with_tail(samples)
        now, last = v[:, :samples][:, ::-1], dy[:, ::-1]
        if self.poles is None or dy.dtype != v.dtype:
            now[...] = last
            last = now
        if self.poles is not None:
            self.state = self.start() if self.state is None else self.state
            _recursive.run(self.poles, last, now, self.state, self.method)
        self.tail = v[:, :order].copy()
        self.sums(v, x, y, dx)

    def with_tail(self, samples: int) -> Array:
        """Space for v of a piece and the samples after it."""
        v = self.rows.scratch(samples + self.tail.shape[1], self.kind)
        v[:, samples:] = self.tail
        return v

    def sums(self, v: Array, x: Array, y: Array, dx: Array) -> None:
        """Fill dx, and add to db and da, for a piece of v with what follows it."""
        if v.dtype != F8:
            self._complex_sums(v, x, y, dx)
            return
        hop = 1
        if self.rows.beside:  # adjacent channels are one long row, its samples a hop apart
            hop = len(v)
            v, x, y, dx = (c.T.reshape(1, -1) for c in (v, x, y, dx))
        scratch = np.empty((self.b.shape[1], 2, FIR_WIDTH))
        kernels.correlate(dx.dtype.char)(v, x, y, self.b, dx, self.db, self.da, hop, scratch)

    def _complex_sums(self, v: Array, x: Array, y: Array, dx: Array) -> None:
        samples, axis = x.shape[1], None if len(self.b) == 1 else 1
        slope = np.zeros(x.shape, v.dtype)
        for m in range(self.b.shape[1]):
            late = v[:, m : m + samples]
            slope += self.b[:, m : m + 1] * late
            self.db[:, m] += (x.conj() * late).sum(axis=axis)
            self.da[:, m] -= (y.conj() * late).sum(axis=axis)
        dx[...] = slope


def state_after(a: Array, past: Array) -> Array:
    """The states (C, K) in which 1/A, of all channels (K + 1,) or of each (C, K + 1), goes on after outputs (C, K), the last first."""
    order = past.shape[1]
    return np.stack([-(a[..., p + 1 :] * past[:, : order - p]).sum(axis=1) for p in range(order)], axis=1)


def poles(a: Array) -> RecursiveFilter | None:
    """1/A for all channels (K + 1,) or each (C, K + 1), ready to run; None if there is no feedback."""
    if not a[..., 1:].any():
        return None
    one = np.zeros_like(a)
    one[..., 0] = 1.0
    return filter_of(one, np.ascontiguousarray(a))
