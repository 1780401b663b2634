"""Loops of FIR filters, and of the filter whose coefficients change at every sample."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload

from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import lanes, load, pointer, spread, stack, store
from sigrnn._kernels.filters.steps import direct_form
from sigrnn._kernels.sizes import FIR_SPAN as SPAN
from sigrnn._kernels.sizes import FIR_SUMS as SUMS
from sigrnn._kernels.sizes import FIR_WIDTH as WIDTH

__all__ = ["convolve", "convolve_one", "entry_point", "varying"]

TAPS = 4  # taps, WIDTH apart, that share each load: 9 loads for 24 products
BLOCK = TAPS * WIDTH


def doubles(x: Any, scratch: Any) -> Any:
    """The samples as float64: x itself if it has that dtype, else the scratch array."""


@overload(doubles, inline="always")
def _doubles(x, scratch):
    return (lambda x, scratch: pointer(x)) if x.dtype == types.float64 else (lambda x, scratch: pointer(scratch))


@routine
def convolve_rows(b, x, y, past, hop, scratch, direct):
    """y[r, i] = sum_m b[m] x[r, i - m hop], with `past` before the row, or zeros if there is none."""
    # b (M + 1,) newest tap last   x, y (R, N), rows contiguous, y may be x   past (R or 0, M hop)
    # scratch (M hop + chunk + SPAN,): the samples still needed, in float64
    # direct: x is float64 and does not overlap y, so it is read in place (8 taps: 0.55 instead of 0.7 ms a million)
    like = lanes(WIDTH, True)
    sums, taps = stack(SUMS, like), stack(TAPS, like)
    reach = (b.shape[0] - 1) * hop
    chunk = scratch.shape[0] - reach - SPAN
    for r in range(x.shape[0]):
        for i in range(reach):
            scratch[i] = past[r, i] if past.shape[0] else 0.0
        for start in range(0, x.shape[1], chunk):
            count = min(chunk, x.shape[1] - start)
            if direct and start >= reach:
                at = doubles(x[r, start - reach :], scratch)
            else:
                at = pointer(scratch)
                move(pointer(x[r, start:]), 0, at, reach, count)
            out = pointer(y[r, start:])
            wide = count // SPAN * SPAN
            for i in range(0, wide, SPAN):
                for u in range(SUMS):
                    sums[u] = like
                shared = b.shape[0] // BLOCK * BLOCK if hop == 1 else 0
                for first in range(0, shared, BLOCK):
                    for m in range(first, first + WIDTH):
                        add_taps(b, m, at, i + m, sums, taps)
                for m in range(shared, b.shape[0]):
                    tap = spread(b[m], like)
                    for u in range(SUMS):
                        sums[u] = sums[u] + tap * load(at, i + m * hop + u * WIDTH, like)
                for u in range(SUMS):
                    store(out, i + u * WIDTH, sums[u])
            for i in range(wide, count):
                total = 0.0
                for m in range(b.shape[0]):
                    total += b[m] * at[i + m * hop]
                store(out, i, total)
            for i in range(reach):
                scratch[i] = at[count + i]


@device
def move(source, i, target, j, count):
    """Copy `count` samples, WIDTH at a time."""
    like = lanes(WIDTH, True)
    wide = count // WIDTH * WIDTH
    for n in range(0, wide, WIDTH):
        store(target, j + n, load(source, i + n, like))
    for n in range(wide, count):
        target[j + n] = source[i + n]


@device
def add_taps(b, m, at, i, sums, taps):
    """Add b[m + q WIDTH] x[i + (q + u) WIDTH] to sum u for every q < TAPS: each vector of x is loaded once."""
    like = lanes(WIDTH, True)
    for q in range(TAPS):
        taps[q] = spread(b[m + q * WIDTH], like)
    for j in range(SUMS + TAPS - 1):
        x = load(at, i + j * WIDTH, like)
        for q in range(TAPS):
            if 0 <= j - q < SUMS:
                sums[j - q] = sums[j - q] + taps[q] * x


def _convolve(b, x, y, past, hop, scratch, direct):
    convolve_rows(b, x, y, past, hop, scratch, direct)


def _convolve_one(b, x, y, z, scratch, final, direct):
    """One channel from the state z (what past inputs add to future outputs), which becomes the final state."""
    # b (M + 1,) newest tap last   x, y (N,) contiguous, y may be x   z (M,), or (0,): from rest, without a final state
    # scratch as above, final (M,)
    memory, samples, kept = b.shape[0] - 1, x.shape[0], z.shape[0]
    for p in range(kept):
        final[p] = z[p + samples] if p + samples < kept else 0.0
    if kept:
        for k in range(max(0, samples - memory), samples):
            for p in range(memory - samples + k + 1):  # x[k] is multiplied by tap p + N - k
                final[p] += b[memory - samples + k - p] * x[k]
    convolve_rows(b, x.reshape(1, samples), y.reshape(1, samples), final[:0].reshape(0, memory), 1, scratch, direct)
    for p in range(min(kept, samples)):
        y[p] += z[p]
    for p in range(kept):
        z[p] = final[p]


def _varying(b, a, x, y, z):
    """The transposed direct form II with other coefficients at every sample."""
    # b, a (N, P + 1), a[:, 0] is 1   x, y (N,) any strides   z (P + 1,), the last is always 0
    order = b.shape[1] - 1
    for n in range(x.shape[0]):
        y[n] = direct_form(order, pointer(b[n]), pointer(a[n]), pointer(z), 0, 0, x[n]) if order else b[n, 0] * x[n]


@once
def convolve(dtype: str) -> Any:
    """The compiled convolution of real samples of this type."""
    rows = strided(dtype, 2, read=True), strided(dtype, 2)
    arguments = packed("d", 1, read=True), *rows, packed("d", 2), types.intp, packed("d", 1), types.boolean
    return kernel(_convolve, f"convolve_{dtype}", *arguments)


@once
def convolve_one(dtype: str) -> Any:
    """The same for a single channel with a state."""
    signals = packed(dtype, 1, read=True), packed(dtype, 1)
    arguments = packed("d", 1, read=True), *signals, packed("d", 1), packed("d", 1), packed("d", 1), types.boolean
    return kernel(_convolve_one, f"convolve_one_{dtype}", *arguments)


@once
def varying(dtype: str) -> Any:
    """The compiled time-varying filter for samples of this type."""
    number = "D" if dtype in "FD" else "d"
    samples = strided(dtype, 1, read=True), strided(dtype, 1)
    return kernel(_varying, f"varying_{dtype}", *[packed(number, 2, read=True)] * 2, *samples, packed(number, 1))
