"""Filters without feedback, ready to run: sums over the taps, or Fourier transforms."""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import FIR_SPAN
from sigrnn._lookup import Kernels, entry_point
from sigrnn.filters import _kept, _recursive, _transforms
from sigrnn.workers import get_workers, share

CHUNK = 960  # samples in the scratch of the sums: first-level cache
AT_REST = np.empty(0)  # the state of a signal that begins at rest
KEPT = 8  # lengths of signals for which a filter keeps its transform
THREADED = 20_000_000  # products from which threads may pay


class FIRFilter:
    """Taps b (M + 1,), float64 and finite, at least two of them, of one channel."""

    kind, least, started = "fir", 0, 0  # `started`: numbers of the state of a signal that begins at rest

    def __init__(self, b: Array) -> None:
        self.b, self.c, self.states = b, b, len(b) - 1
        self.shape = (self.states,)
        self._reversed = np.ascontiguousarray(b[::-1])
        self.bytes = 3 * b.nbytes  # with the key of the cache
        self._transformed: dict[tuple[int, str], _transforms.OverlapSave] = {}
        self._size = self.states + up(max(CHUNK, 2 * self.states)) + FIR_SPAN

    def plain(self, *_: Array) -> None:
        """No length is so short that a plain recurrence would pay: a kernel for each number of taps takes a second to compile."""

    def one(self, x: Array, y: Array, z: Array, method: str = "auto") -> None:
        """Filter one channel x (N,) into y, which may be x; z (M,) goes from the initial to the final state. (0,): from rest."""
        samples, taps = len(x), len(self.b)
        row = x.strides[0] == x.itemsize and y.strides[0] == y.itemsize
        if method != "auto" or not row or samples * taps >= THREADED:
            run(self.b, x[None], y[None], z[None] if z.size else None, method)
        elif not _transforms.pay(taps, samples):
            direct = y.dtype == F8 and not np.may_share_memory(x, y)
            convolve_one(y.dtype.char)(self._reversed, x, y, z, np.empty(self._size), np.empty(self.states), direct)
        elif not z.size:
            self.transformed(samples, y.dtype.char)(x, y)
        else:
            self._from_state(x, y, z)

    def _from_state(self, x: Array, y: Array, z: Array) -> None:
        """The same by transforms, from a state."""
        samples, memory = len(x), self.states
        head, tail = min(samples, memory), np.zeros(2 * memory)
        tail[memory - head : memory] = x[samples - head :]
        self.one(tail, tail, AT_REST)  # its second half: what x adds to the outputs after its end
        final = tail[memory:]
        final[: memory - head] += z[head:]
        self.transformed(samples, y.dtype.char)(x, y)
        y[:head] += z[:head].astype(y.dtype)
        z[...] = final

    def transformed(self, samples: int, dtype: str) -> _transforms.OverlapSave:
        """The filter for signals of this length, by transforms."""
        known = self._transformed.get((samples, dtype))
        if known is None:
            known = _transforms.OverlapSave(self.b, samples, dtype, True, direct)
            if len(self._transformed) >= KEPT or self.bytes + known.bytes > _kept.BYTES:
                self._transformed.clear()
            self._transformed[samples, dtype] = known
            self.bytes = 3 * self.b.nbytes + sum(found.bytes for found in list(self._transformed.values()))
            _kept.forget_oldest()
        return known


@cache
def convolve_one(dtype: str) -> Any:
    """The compiled loop of a single channel."""
    return entry_point(Kernels("filters.fir").convolve_one(dtype))


@cache
def convolve() -> Any:
    """The compiled loop."""
    return Kernels("filters.fir").convolve


def run(b: Array, x: Array, y: Array, z: Array | None, method: str) -> None:
    """Filter x (C, N) into y (may be x); z (C, M), if given, goes from initial to final states.

    b : (M + 1,) for all channels or (C, M + 1), float64 or complex128.
    """
    if b.shape[-1] == 1:
        np.multiply(b, x, out=y, casting="same_kind")
        return
    if method == "sequential":
        state = None if z is None else z[:, None, :]
        _recursive.run(_recursive.RecursiveFilter(b[..., None, :], b[..., None, :], "taps"), x, y, state, method)
        return
    final = None if z is None else final_state(b, x, z, method)
    if y.dtype.kind != "c":
        run_real(b, x, y, method)
    else:
        run_complex(b, x, y, method)
    if z is not None:
        head = min(z.shape[1], y.shape[1])
        y[:, :head] += z[:, :head].astype(y.dtype)
        z[...] = final


def final_state(b: Array, x: Array, z: Array, method: str) -> Array:
    """What the outputs after the last will still receive: the filter goes on for M samples of silence."""
    memory, samples = z.shape[1], x.shape[1]
    tail = np.zeros((len(x), 2 * memory), z.dtype)
    kept = min(memory, samples)
    tail[:, memory - kept : memory] = x[:, samples - kept :]
    after = np.empty_like(tail)
    run(b, tail, after, None, method)
    final = after[:, memory:]
    if samples < memory:
        final[:, : memory - samples] += z[:, samples:]
    return final


def run_complex(b: Array, x: Array, y: Array, method: str) -> None:
    """Each part of b by each part of x: sums of real filters."""
    parts = [np.ascontiguousarray(part, F8) for part in (x.real, x.imag)]
    for channel in range(len(x)) if b.ndim == 2 else [slice(None)]:
        taps = b[channel] if b.ndim == 2 else b
        mine = [np.atleast_2d(part[channel]) for part in parts]
        real, imag = np.empty_like(mine[0]), np.empty_like(mine[0])
        run_real(np.ascontiguousarray(taps.real), mine[0], real, method)
        run_real(np.ascontiguousarray(taps.real), mine[1], imag, method)
        if b.dtype != F8 and taps.imag.any():
            more = np.empty_like(real)
            run_real(np.ascontiguousarray(taps.imag), mine[1], more, method)
            real -= more
            run_real(np.ascontiguousarray(taps.imag), mine[0], more, method)
            imag += more
        y[channel].real, y[channel].imag = real.reshape(y[channel].shape), imag.reshape(y[channel].shape)


def run_real(b: Array, x: Array, y: Array, method: str) -> None:
    channels, samples = x.shape
    apart = x.strides[1] != x.itemsize or y.strides[1] != y.itemsize
    if b.ndim == 2:
        for c in range(channels):
            run_real(b[c], x[c : c + 1], y[c : c + 1], method)
    elif method == "fft" or (method == "auto" and _transforms.pay(len(b), samples, apart)):
        if x.size:
            filter = _transforms.OverlapSave(b, samples, y.dtype.char, method == "auto", direct)
            share([partial(filter, x[c], y[c]) for c in range(channels)], 3.0 * x.size)
    else:
        direct(b, x, y)


def direct(b: Array, x: Array, y: Array) -> None:
    """Sum over the taps. Channels that are adjacent in memory are one long row, its samples a hop apart."""
    hop = 1
    if len(x) > 1 and beside(x) and beside(y):
        x, y, hop = x.T.reshape(1, -1), y.T.reshape(1, -1), len(x)
    elif x.shape[1] > 1 and (x.strides[1] != x.itemsize or y.strides[1] != y.itemsize):
        straight = np.ascontiguousarray(x)
        filtered = np.empty(straight.shape, y.dtype)
        direct(b, straight, filtered)
        y[...] = filtered
        return
    taps, reach = np.ascontiguousarray(b[::-1]), (len(b) - 1) * hop
    kernel, size = convolve()(y.dtype.char), reach + up(max(CHUNK, 2 * reach)) + FIR_SPAN
    apart = y.dtype == F8 and not np.may_share_memory(x, y)
    share(
        [partial(kernel, taps, *part, hop, np.empty(size), apart) for part in divided(x, y, reach, get_workers())],
        0.05 * len(b) * x.size,
    )


def up(samples: int) -> int:
    """The next multiple of what the sums take at a time: where parts begin does not change a bit of the result."""
    return -(-samples // FIR_SPAN) * FIR_SPAN


def divided(x: Array, y: Array, reach: int, workers: int) -> list[tuple[Array, Array, Array]]:
    """Parts of x and y for threads, and copies of what comes before each: rows if there are many, else time."""
    rows, samples = x.shape
    if workers == 1 or rows >= workers or samples < 8 * reach:
        count = min(workers, rows)
        bounds = [rows * i // count for i in range(count + 1)] if count else []
        return [(x[low:high], y[low:high], np.empty((0, reach))) for low, high in pairwise(bounds)]
    bounds = [min(samples, up(samples * i // workers)) for i in range(workers + 1)]
    parts = [slice(low, high) for low, high in pairwise(bounds) if low < high]
    past = [np.array(x[:, p.start - reach : p.start], F8) if p.start else np.zeros((rows, reach)) for p in parts]
    return [(x[:, p], y[:, p], before) for p, before in zip(parts, past, strict=True)]


def beside(x: Array) -> bool:
    """Whether (C, N) lies in memory as N rows of C neighbours, without gaps."""
    return x.strides == (x.itemsize, x.itemsize * len(x))
