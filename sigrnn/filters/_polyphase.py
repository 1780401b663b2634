"""Filters between two sampling rates: the taps of each phase, and the path from the user's arrays to the kernels and back."""

from __future__ import annotations

import math
from functools import cache, lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array, regular
from sigrnn._kernels.sizes import FIR_WIDTH
from sigrnn._lookup import Kernels, entry_point
from sigrnn.filters._extension import extended
from sigrnn.filters._memory import aligned
from sigrnn.workers import get_workers, share

SCRATCH = 8192  # samples: a first-level cache
THREADED = 500_000  # nanoseconds from which threads pay
SHORT = 4096  # taps, and a factor up to which `one_channel` serves
KEPT = 1 << 17  # entries of a table that is kept


class Rates(NamedTuple):
    """What is computed: y[n] = sum_k h[k] v[start + n down - k], where v[i up] = x[i] and v is 0 between."""

    up: int
    down: int
    start: int
    outputs: int

    @property
    def phases(self) -> int:
        """Period of the taps, in outputs."""
        return self.up // math.gcd(self.up, self.down)

    @property
    def step(self) -> int:
        """The same period, in samples of the input."""
        return self.down // math.gcd(self.up, self.down)

    def newest(self, n: int) -> int:
        """The last sample that output n sees."""
        return (self.start + n * self.down) // self.up


class Bank(NamedTuple):
    """The taps of each phase, in the order in which outputs take them."""

    taps: Array  # (R, W) the newest sample's last, zeros before the first
    counts: Array  # (R,) those that are not such zeros
    first: Array  # (R,) the newest sample that the first output of each sees
    reach: int  # the most taps of a phase


def bank(h: Array, rates: Rates) -> Bank:
    """The taps h (L,), float64, by phase."""
    up, down, start, outputs = rates
    rows = min(rates.phases, outputs)
    if rows * (len(h) // up + FIR_WIDTH) <= KEPT:
        return _kept(h.tobytes(), up, down, start, rows)
    return _bank(h, up, down, start, rows)


@lru_cache(maxsize=32)
def _kept(h: bytes, up: int, down: int, start: int, rows: int) -> Bank:
    return _bank(np.frombuffer(h), up, down, start, rows)


def _bank(h: Array, up: int, down: int, start: int, rows: int) -> Bank:
    first, phase = np.divmod(start + down * np.arange(rows), up)
    reach = -(-len(h) // up)
    width = -(-reach // FIR_WIDTH) * FIR_WIDTH
    places = phase[:, None] + up * np.arange(reach - 1, -1, -1)
    inside = places < len(h)
    taps = aligned(rows, width)
    taps[...] = 0.0
    taps[:, width - reach :][inside] = h[places[inside]]
    return Bank(taps, inside.sum(axis=1), first, reach)


def one_channel(h: Array, x: Array, up: int, down: int) -> Array | None:
    """Filter x (N,), contiguous, with zeros beyond its ends; both in float64. None where it is too long for one thread alone."""
    outputs = ((len(x) - 1) * up + len(h) - 1) // down + 1
    if up > SHORT or len(h) > SHORT or outputs * len(h) > THREADED:
        return None
    taps, counts, first, step, size, kernel = _short(h.tobytes(), up, down)
    if outputs < len(taps):
        return None
    y = np.empty(outputs)
    kernel(taps, counts, first, step, x.reshape(1, -1, 1), y.reshape(1, -1, 1), aligned(size))
    return y


@lru_cache(maxsize=32)
def _short(h: bytes, up: int, down: int) -> tuple[Array, Array, Array, int, int, Any]:
    """All that depends on the taps and rates alone: the bank, samples between its periods, scratch, and the compiled loop."""
    phases = up // math.gcd(up, down)
    taps, counts, first, _ = _bank(np.frombuffer(h), up, down, 0, phases)
    step = down // math.gcd(up, down)
    return taps, counts, first, step, _scratch(taps, first, step), _kernel("along_time", "d")


def resampled(
    h: Array, x: Array, rates: Rates, axis: int, dtype: np.dtype[Any], mode: str = "constant", cval: float = 0.0
) -> Array:
    """Filter x along an axis (not negative): `rates.outputs` outputs of `dtype`, one that kernels serve."""
    y = np.empty((*x.shape[:axis], rates.outputs, *x.shape[axis + 1 :]), dtype)
    if not y.size:
        return y
    if dtype.kind == "c":
        h = h if h.dtype.kind == "c" and h.imag.any() else h.real
        real = np.dtype(dtype.char.lower())
        if x.dtype.kind != "c":
            y.real = resampled(h.real, x, rates, axis, real, mode, cval)
            y.imag = resampled(h.imag, x, rates, axis, real, mode, cval) if h.dtype.kind == "c" else 0.0
        elif h.dtype.kind == "c":
            y[...] = 1j * resampled(h.imag, x, rates, axis, dtype, mode, cval)
            y += resampled(h.real, x, rates, axis, dtype, mode, cval)
        else:  # both parts, as two channels
            parts = np.ascontiguousarray(x, dtype).view(real).reshape(*x.shape, 2)
            _through(h, parts, rates, axis, y.view(real).reshape(*y.shape, 2), mode, (cval, 0.0))
        return y
    if x.dtype != dtype or not x.dtype.isnative or not regular(x):
        x = x.astype(dtype)
    _through(h, x, rates, axis, y, mode, (cval,))
    return y


def _through(h: Array, x: Array, rates: Rates, axis: int, y: Array, mode: str, cval: tuple[float, ...]) -> None:
    """Filter x into y, real, of one dtype, as (A, N, B), with time in the middle."""
    before, samples, after = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    x, y = x.reshape(before, samples, after), y.reshape(before, rates.outputs, after)
    found = bank(np.ascontiguousarray(h, np.float64), rates)
    if mode == "constant" and not any(cval):
        run(found, rates, x, y, 0, 0)
    else:
        run_extended(found, rates, x, y, mode, np.resize(cval, after))


def run_extended(found: Bank, rates: Rates, x: Array, y: Array, mode: str, cval: Array) -> None:
    """The outputs near the ends by a few samples with their extension, those between by the signal where it lies."""
    samples, outputs, reach = x.shape[1], rates.outputs, found.reach - 1
    phases = rates.phases
    head = -(-(reach * rates.up - rates.start) // rates.down)  # outputs that see samples before the first
    head = min(max(0, -(-head // phases) * phases), outputs)
    tail = -(-(samples * rates.up - rates.start) // rates.down)  # from here on they see samples after the last
    tail = min(max(head, tail // phases * phases), outputs)
    for low, high in ((0, head), (tail, outputs)):
        if low < high:
            at = np.arange(rates.newest(low) - reach, rates.newest(high - 1) + 1)
            part = np.empty((len(x), len(at), x.shape[2]), x.dtype)
            inside = (at >= 0) & (at < samples)
            part[:, inside] = x[:, at[inside]]
            part[:, ~inside] = extended(x, mode, cval, at[~inside])
            run(found, rates, part, y[:, low:high], low, -int(at[0]))
    if head < tail:
        run(found, rates, x, y[:, head:tail], head, 0)


def run(found: Bank, rates: Rates, x: Array, y: Array, begin: int, shift: int) -> None:
    """The outputs from `begin` on, a multiple of the phases, where x begins `shift` samples earlier than it should."""
    outputs, phases, work = y.shape[1], rates.phases, 0.25 * found.reach * y.size
    parts = min(get_workers(), outputs // phases)
    if parts < 2 or work < THREADED:
        _one(found, rates, x, y, begin, shift)
        return
    bounds = [k * (outputs // phases) // parts * phases for k in range(parts)] + [outputs]
    share([partial(_one, found, rates, x, y[:, i:j], begin + i, shift) for i, j in pairwise(bounds)], work)


def _one(found: Bank, rates: Rates, x: Array, y: Array, begin: int, shift: int) -> None:
    """The same on one thread."""
    taps, counts, first, _ = found
    if y.shape[1] < len(taps):
        taps, counts, first = (c[: y.shape[1]] for c in found[:3])
    if begin or shift:
        first = first + (rates.step * (begin // rates.phases) + shift)
    dtype, step = y.dtype.char, rates.step
    if x.shape[2] >= FIR_WIDTH and x.strides[2] == x.itemsize:
        _kernel("along_channels", dtype)(taps, counts, first, step, x, y)
    else:
        _kernel("along_time", dtype)(taps, counts, first, step, x, y, aligned(_scratch(taps, first, step)))


def _scratch(taps: Array, first: Array, step: int) -> int:
    """Numbers of scratch that `along_time` takes."""
    reach = taps.shape[1] + int(first[-1] - first[0])
    return max(SCRATCH, 2 * reach, reach + 8 * step)


@cache
def _kernel(name: str, dtype: str) -> Any:
    """A compiled loop."""
    return entry_point(getattr(Kernels("filters.polyphase"), name)(dtype))
