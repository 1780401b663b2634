"""Overlap-save: which size a transform takes for a filter and a signal, its tables, and what is summed instead."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array
from sigrnn._kernels.sizes import LANES
from sigrnn._lookup import Kernels, entry_point, register_bytes
from sigrnn.filters._memory import give_back, take

LEAST = 64  # taps from which transforms may be faster than sums
SMALLEST, CANDIDATES = 128, 4  # sizes of a transform: powers of two from what fits on
# Nanoseconds of a transform, its inverse and what goes with them, for each row of sixteen samples, and of a product of the sums, by the bytes
# of a register; transforms take about as long with AVX2 as with AVX-512, on the same processor.
ROWS = {128: 16.4, 256: 19.8, 512: 25.0, 1024: 29.2, 2048: 35.0, 4096: 46.0, 8192: 56.0, 16_384: 67.0, 32_768: 94.0}
LARGE, PRODUCT = 104.0, {64: 0.031, 32: 0.052}
OVERHEAD = 2000.0  # ns of a call
COPIED = 2.5  # ns a sample, of a signal whose samples are apart in memory
QUIET = 100.0  # pieces quieter than others in reach by more than this are summed: a transform would blur them
HIGHEST = 1e300


class Plan(NamedTuple):
    """How a signal is divided."""

    size: int  # M, of a transform
    length: int  # outputs of a block, a multiple of 4
    cost: float  # ns


@lru_cache(maxsize=1024)
def plan(reach: int, samples: int) -> Plan:
    """The cheapest division for filters of this reach, which is the number of taps less one."""
    found, size = [], SMALLEST
    while size < reach + 4:
        size *= 2
    for _ in range(CANDIDATES):
        longest = (size - reach) // 4 * 4
        segments = max(1, -(-samples // (LANES * longest)))
        length = -(-samples // (4 * LANES * segments)) * 4
        found.append(Plan(size, length, OVERHEAD + segments * size * ROWS.get(size, LARGE)))
        size *= 2
    return min(found, key=lambda plan: plan.cost)


def pay(taps: int, samples: int, apart: bool = False) -> bool:
    """Whether transforms are faster than sums, of samples that may be `apart` in memory."""
    taps = min(taps, samples)
    if taps < LEAST:
        return False
    return (
        plan(taps - 1, samples).cost + (COPIED * samples if apart else 0.0) < PRODUCT[register_bytes()] * taps * samples
    )


class OverlapSave:
    """A filter b for channels of a given length and type: it filters x (N,) from rest into y, which may be x.

    `direct` sums blocks with NaN or inf in reach, for which it gets b, x (1, n) and y. If the filter is `careful`, it sums those,
    too, in which a quiet part lies within reach of a loud one: the error of a transform is relative to the loudest sample in it.
    """

    def __init__(self, b: Array, samples: int, dtype: str, careful: bool, direct: Callable[..., None]) -> None:
        self.b, self.direct = b[:samples], direct
        self.reach = len(self.b) - 1
        size, self.length, _ = plan(self.reach, samples)
        segments = -(-samples // (LANES * self.length))
        self.blocks, self.scratch = -(-samples // self.length), size * LANES
        self.good = LANES * segments
        piece = max(64, self.reach // 8)
        self.pieces = max(1, samples // piece)
        self.edge = LANES * self.length + -(-(self.length + self.reach) // 4) * 4
        with np.errstate(over="ignore"):
            limit = HIGHEST / (size * max(1.0, np.abs(b).sum()))
        settings = self.reach, self.length, piece, QUIET if careful else np.inf, limit
        transformed = spectrum(self.b, size)
        self.bytes = transformed.nbytes
        self.run = partial(compiled(dtype), *settings, transformed, twiddles(size))

    def __call__(self, x: Array, y: Array) -> None:
        source = x if x.flags.c_contiguous and not np.may_share_memory(x, y) else x.copy()
        target = y if y.flags.c_contiguous else np.empty(len(y), y.dtype)
        good, scratch = np.empty(self.good), take(self.scratch)
        self.run(source, target, good, np.empty(self.pieces), np.empty(self.edge, y.dtype), scratch)
        give_back(scratch)
        good = good[: self.blocks]
        if not good.all():
            self.sum(good != 0.0, source, target)
        if target is not y:
            y[...] = target

    def sum(self, good: Array, x: Array, y: Array) -> None:
        """The blocks that are not good."""
        bounds = np.flatnonzero(np.diff(np.concatenate([[True], good, [True]])))
        for first, last in bounds.reshape(-1, 2):
            start, stop = first * self.length, min(last * self.length, len(x))
            begin = max(0, start - self.reach)
            summed = np.empty((1, stop - begin), y.dtype)
            self.direct(self.b, x[None, begin:stop], summed)
            y[start:stop] = summed[0, start - begin :]


@cache
def compiled(dtype: str) -> Any:
    """The loop, and what it calls."""
    kernels = Kernels("filters.transforms")
    return partial(entry_point(kernels.overlap_save(dtype)), kernels.functions(dtype))


def spectrum(b: Array, size: int) -> Array:
    """That of a filter over the size, (M, 2): real and imaginary parts in the order that the stages of a transform lead to."""
    found = np.fft.fft(b, size)[frequencies(size)] / size
    return np.stack([found.real, found.imag], axis=1)


@cache
def frequencies(size: int) -> Array:
    """The frequency of each row after the stages: every fourth of them in each quarter, and so on."""
    if size < 4:
        return np.arange(size)
    inner = 4 * frequencies(size // 4)
    return np.concatenate([inner + k for k in range(4)])


@cache
def twiddles(size: int) -> Array:
    """Powers 1, 2 and 3 of exp(-2 pi i j / m), for all stages m > 4, outermost first."""
    found = [np.zeros(0)]
    while size > 4:
        angles = -2.0 * np.pi / size * np.outer(np.arange(size // 4), [1, 2, 3])
        found.append(np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(-1))
        size //= 4
    return np.concatenate(found)
