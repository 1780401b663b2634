"""Filters without feedback, ready to run: sums over the taps, or overlap-save with Fourier transforms."""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import FIR_SPAN
from sigrnn._lookup import Kernels, entry_point
from sigrnn.filters import _recursive
from sigrnn.workers import get_workers, share

CHUNK = 960  # samples in the scratch of the sums: first-level cache
LONG, START = 384, 4_000  # taps from which Fourier transforms are faster; their overhead is that of START samples
THREADED = 20_000_000  # products from which threads may pay
SMALLEST, GROWTH = 11, 8  # segments have 2**11 samples at least, and as many times the reach of the taps
TOGETHER = 8  # segments transformed in one call
QUIET = 100.0  # a segment quieter than its surroundings by more than this is summed: the transform would blur it


class FIRFilter:
    """Taps b (M + 1,), float64 and finite, at least two of them, of one channel."""

    kind, least, started = "fir", 0, 0

    def __init__(self, b: Array) -> None:
        self.b, self.c, self.states = (
            b,
            b,
            len(b) - 1,
        )  # `started`: numbers of the state of a signal that begins at rest
        self.shape = (self.states,)
        self._reversed = np.ascontiguousarray(b[::-1])
        self._size = self.states + up(max(CHUNK, 2 * self.states)) + FIR_SPAN

    def plain(self, *_: Array) -> None:
        """No length is so short that a plain recurrence would pay: a kernel for each number of taps takes a second to compile."""

    def one(self, x: Array, y: Array, z: Array, method: str = "auto") -> None:
        """Filter one channel x (N,) into y, which may be x; z (M,) goes from the initial to the final state. (0,): from rest."""
        samples, taps = len(x), len(self.b)
        row = x.strides[0] == x.itemsize and y.strides[0] == y.itemsize
        if method == "auto" and row and not transforms_pay(taps, samples) and samples * taps < THREADED:
            direct = y.dtype == F8 and not np.may_share_memory(x, y)
            convolve_one(y.dtype.char)(self._reversed, x, y, z, np.empty(self._size), np.empty(self.states), direct)
        else:
            run(self.b, x[None], y[None], z[None] if z.size else None, method)


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
    if b.ndim == 2:
        for c in range(channels):
            run_real(b[c], x[c : c + 1], y[c : c + 1], method)
    elif method == "fft" or (method == "auto" and transforms_pay(len(b), samples)):
        share([partial(overlap_save, b, x[c], y[c], method == "auto") for c in range(channels)], 16.0 * x.size)
    else:
        direct(b, x, y)


def transforms_pay(taps: int, samples: int) -> bool:
    """Whether Fourier transforms are faster than sums: 512 taps, 65,536 samples 12 and 19 ns a sample, 4,096 samples 43 and 21."""
    return taps >= LONG and taps * samples > LONG * (samples + START)


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


def overlap_save(b: Array, x: Array, y: Array, careful: bool) -> None:
    """Filter one channel by Fourier transforms; segments with NaN or inf in reach are summed instead.

    `careful` sums those, too, in which a quiet part lies within reach of a loud one: the error of a transform is
    relative to the loudest sample in it.
    """
    from scipy.fft import irfft, rfft  # several transforms at a time, side by side in vectors: twice as fast as NumPy's

    reach = len(b) - 1
    size = 1 << max(SMALLEST, (GROWTH * reach - 1).bit_length())
    step = size - reach
    spectrum = rfft(b, size)
    padded = np.zeros(TOGETHER * step + reach)
    segments = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]
    history = np.zeros(reach)  # y may be x: keep what will be overwritten
    for start in range(0, len(x), TOGETHER * step):
        count = min(TOGETHER * step, len(x) - start)
        padded[:reach] = history
        padded[reach : reach + count] = x[start : start + count]
        padded[reach + count :] = 0.0
        history = padded[count : count + reach].copy()
        now = segments[: -(-count // step)]
        with np.errstate(all="ignore"):
            product = rfft(now)
            product *= spectrum
            filtered = irfft(product, size, overwrite_x=True)[:, reach:]
            sound = smooth(now, reach, careful) & np.isfinite(filtered).all(axis=1)
        for k, good in enumerate(sound):
            part = slice(start + k * step, min(start + (k + 1) * step, start + count))
            samples = part.stop - part.start
            given = padded[k * step : k * step + reach + samples]
            quiet_ends = samples < step or start + k == 0  # zeros, which are not a quiet part of the signal
            if good or (
                quiet_ends and sound_end(given[0 if start + k else reach :], filtered[k, :samples], reach, careful)
            ):
                y[part] = filtered[k, :samples]
            else:  # sums may stay finite where a transform overflows
                summed = np.empty(len(given))
                direct(b, given[None], summed[None])
                y[part] = summed[reach:]


def sound_end(x: Array, filtered: Array, reach: int, careful: bool) -> bool:
    """The same check for a segment at an end of the signal, without the zeros before or after it."""
    return bool(smooth(x[None], reach, careful)[0] and np.isfinite(filtered).all())


def smooth(x: Array, reach: int, careful: bool) -> Array:
    """Whether a transform of each row of x does no harm: all finite and, if `careful`, no part much quieter than the loudest."""
    size = np.abs(x)
    loudest = size.max(axis=1)
    finite: Array = np.isfinite(loudest)
    if not careful:
        return finite
    piece = max(64, reach // 8)
    whole = x.shape[1] // piece * piece
    parts = size[:, x.shape[1] - whole :].reshape(len(x), -1, piece).max(axis=2)
    return finite & (loudest <= QUIET * parts.min(axis=1))
