"""Adaptive filters that update their weights at the end of a block: sums over the taps.

The products of an output are summed in one fixed order (fused for real numbers), whatever part of a block a call
contains. So the bits of the result do not depend on how a signal is split into calls.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types
from numba.extending import overload

from sigrnn._kernels.adaptive.divergence import admitted, judged, observe
from sigrnn._kernels.adaptive.numbers import conjugate, zero
from sigrnn._kernels.adaptive.sizes import AT, CLEAN, KEEP, MU, PEAK, STOP, TAKEN
from sigrnn._kernels.adaptive.sizes import BLOCK_GROUP as GROUP
from sigrnn._kernels.adaptive.sizes import BLOCK_SPAN as SPAN
from sigrnn._kernels.adaptive.sizes import BLOCK_WIDTH as WIDTH
from sigrnn._kernels.base.jit import kernel, once, packed, part, routine, strided
from sigrnn._kernels.base.vec import fused, load, offset, pointer, spread, stack, store, width

# Zero, as the pattern for numbers of an array: vectors or scalars; complex numbers are scalars.
many, one = zero(WIDTH), zero(1)


def added(a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once if the numbers are real."""


@overload(added, inline="always")
def _added(a, b, c):
    if isinstance(c, types.Complex):
        return lambda a, b, c: a * b + c
    return lambda a, b, c: fused(a, b, c)


@part
def sums_of(taps, step, count, x, j, y, like):
    """y[j + i] += sum of tap m times x[j + i - m], oldest first, for GROUP numbers `like`; taps are `step` apart."""
    sums = stack(GROUP, like)
    for u in range(GROUP):
        sums[u] = like
    for m in range(count - 1, -1, -1):
        tap = spread(taps[m * step], like)
        for u in range(GROUP):
            sums[u] = added(tap, load(x, j - m + u * width(like), like), sums[u])
    for u in range(GROUP):
        store(y, j + u * width(like), load(y, j + u * width(like), like) + sums[u])


@part
def sum_of(taps, step, count, x, j, y, like):
    """The same for one number like `like`, with the same bits."""
    total = like
    for m in range(count - 1, -1, -1):
        total = added(spread(taps[m * step], like), load(x, j - m, like), total)
    store(y, j, load(y, j, like) + total)


@part
def outputs(taps, step, count, causal, x, first, start, stop, y):
    """y[j] += sum_m taps[m] x[first + j - m] for start <= j < stop and m < count; up to SPAN more elements of y change.

    `step` -1: the newest tap is the last of `taps`. `causal`: x is 0 before x[first], so m <= j suffices; leading
    zeros of a sum do not change its bits.
    """
    like = many(y)
    newest = offset(pointer(taps), count - 1 if step < 0 else 0)
    now, to, size = offset(pointer(x), first), pointer(y), width(like)
    j = start
    while j < stop:
        reach = GROUP * size if stop - j > size else size
        used = min(count, j + reach) if causal else count
        if reach > size:
            sums_of(newest, step, used, now, j, to, like)
        else:
            sum_of(newest, step, used, now, j, to, like)
        j += reach


@part
def stepped(w, i, keep, mu, sum_, like):
    """w[i] <- keep w[i] + mu times the sum."""
    store(w, i, load(w, i, like) * spread(keep, like) + spread(mu, like) * sum_)


@part
def gradient_of(w, i, x, e, size, mu, keep, like):
    """As `descend`, for one number like `like` of weights, from i; x begins at the oldest tap of the first sample."""
    total = like
    for n in range(size):
        total = added(spread(e[n], like), conjugate(load(x, n + i, like)), total)
    stepped(w, i, keep, mu, total, like)


@part
def gradients_of(w, i, x, e, size, mu, keep, like):
    """The same for GROUP of them."""
    sums = stack(GROUP, like)
    for u in range(GROUP):
        sums[u] = like
    for n in range(size):
        error = spread(e[n], like)
        for u in range(GROUP):
            sums[u] = added(error, conjugate(load(x, n + i + u * width(like), like)), sums[u])
    for u in range(GROUP):
        stepped(w, i + u * width(like), keep, mu, sums[u], like)


@part
def descend(w, x, first, e, size, mu, keep):
    """w <- keep w + mu sum_n e[n] conj(x[first + n - m]) over the `size` samples of a block; the newest tap is last."""
    like = many(w)
    at, past, errors, taps, step = (
        pointer(w),
        offset(pointer(x), first - w.shape[0] + 1),
        pointer(e),
        w.shape[0],
        width(like),
    )
    i = 0
    while i + GROUP * step <= taps:
        gradients_of(at, i, past, errors, size, mu, keep, like)
        i += GROUP * step
    while i + step <= taps:
        gradient_of(at, i, past, errors, size, mu, keep, like)
        i += step
    while i < taps:
        gradient_of(at, i, past, errors, size, mu, keep, one(w))
        i += 1


@routine
def examine(x, d, y, e, out, errors, n, span, window, levels, counts, policy):
    """Errors of `span` samples with outputs in `out`; returns how many are valid, fewer if the filter must stop."""
    taken = counts[TAKEN]
    for i in range(span):
        y[n + i] = out[taken + i]
        e[n + i] = d[n + i] - out[taken + i]
        observe(x, n + i, levels, counts)
        errors[taken + i] = e[n + i]
        if judged(e[n + i], d[n + i], window, window * levels[PEAK], levels, counts, policy):
            errors[taken + i] = 0.0
            if counts[CLEAN] < window:  # outputs computed with 0 instead of NaN are not valid
                y[n + i] = e[n + i] = x[n + i, 0] * math.nan
        if counts[STOP]:
            break
        counts[TAKEN] += 1
    return counts[TAKEN] - taken


@routine
def recorded(history, n, span, w, newest_last):
    """Write the weights of `span` samples to the history, that of the newest sample first."""
    taps = w.shape[1]
    for i in range(n, n + span):
        for k in range(taps):
            for c in range(w.shape[0]):
                history[i, k, c] = w[c, taps - 1 - k if newest_last else k]


def _block_lms(x, d, y, e, history, w, line, out, errors, p, levels, counts, policy):
    """w <- keep w + mu sum e[n] conj(u[n]) after each block; returns the sample at which it stopped, or N."""
    # x (N, C)   d, y, e (N,)   history (N or 0, T, C)   w (C, T), that of the newest sample last
    # line (C, capacity) samples, the block's first at counts[AT]   out (L + SPAN,) outputs   errors (L,)
    taps, size = w.shape[1], errors.shape[0]
    n = 0
    while n < x.shape[0]:
        taken, first = counts[TAKEN], counts[AT]
        span = min(x.shape[0] - n, size - taken)
        if first + size + SPAN > line.shape[1]:
            for c in range(line.shape[0]):
                for i in range(taps - 1 + taken):
                    line[c, i] = line[c, first - taps + 1 + i]
            first = taps - 1
            counts[AT] = first
        for j in range(taken, taken + span):
            out[j] = 0.0
        for c in range(w.shape[0]):
            for i in range(span):
                line[c, first + taken + i] = admitted(x[n + i, c], policy)
            outputs(w[c], -1, taps, False, line[c], first, taken, taken + span, out)
        if history.shape[0]:
            recorded(history, n, span, w, True)
        good = examine(x, d, y, e, out, errors, n, span, taps, levels, counts, policy)
        n += good
        if good < span:
            break
        if counts[TAKEN] == size:
            for c in range(w.shape[0]):
                descend(w[c], line[c], first, errors, size, p[MU], p[KEEP])
            counts[TAKEN] = 0
            counts[AT] = first + size
    return n


@once
def block_lms(dtype: str) -> Any:
    """The compiled block LMS loop for numbers of this type, 'd' or 'D'."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    signals = strided(dtype, 2, read=True), strided(dtype, 1, read=True), number, number, packed(dtype, 3)
    memory = numbers, numbers, number, number, packed("d", 1), packed("d", 1), packed("i8", 1), types.intp
    return kernel(_block_lms, f"block_lms_{dtype}", *signals, *memory)


def _span(x, d, y, e, history, w, now, past, out, errors, levels, counts, first, policy):
    """Samples of a block of a frequency-domain filter: `past` has the outputs due to earlier blocks, the rest are sums.

    Returns the number of samples processed: to the end of the block or of x, or to the sample at which it has to stop.
    """
    # x (N, C)   w (C, T), that of the newest sample first, `first` taps in the first partition   past (L + SPAN,)
    # now (C, SPAN + L + SPAN): zeros, then the samples of the block   out (L + SPAN,)   errors (L,)
    taken = counts[TAKEN]
    span = min(x.shape[0], errors.shape[0] - taken)
    for j in range(taken, taken + span):
        out[j] = past[j]
    for c in range(w.shape[0]):
        for i in range(span):
            now[c, SPAN + taken + i] = admitted(x[i, c], policy)
        outputs(w[c], 1, first, True, now[c], SPAN, taken, taken + span, out)
    if history.shape[0]:
        recorded(history, 0, span, w, False)
    return examine(x, d, y, e, out, errors, 0, span, w.shape[1], levels, counts, policy)


@once
def span(dtype: str) -> Any:
    """The compiled loop over samples of a block, for numbers of this type."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    signals = strided(dtype, 2, read=True), strided(dtype, 1, read=True), number, number, packed(dtype, 3)
    memory = numbers, numbers, number, number, number, packed("d", 1), packed("i8", 1)
    return kernel(_span, f"block_span_{dtype}", *signals, *memory, types.intp, types.intp)
