"""Adaptive filters whose weights wait for the end of a block: sums over the taps.

Every output is a sum of fused products in one fixed order, whatever part of a block a call brings. So a signal cut
anywhere gives the same bits.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types
from numba.extending import overload

from sigrnn._kernels.adaptive.divergence import admitted, heard, judged
from sigrnn._kernels.base.jit import device, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import fused, lanes_of, load, pointer, spread, stack, store
from sigrnn._kernels.sizes import AT, CLEAN, STOP, TAKEN
from sigrnn._kernels.sizes import BLOCK_LMS_GROUP as GROUP
from sigrnn._kernels.sizes import BLOCK_LMS_SPAN as SPAN
from sigrnn._kernels.sizes import BLOCK_LMS_WIDTH as WIDTH


@device
def many_sums(taps, step, count, x, j, y, like):
    """y[j + i] += sum of tap m times x[j + i - m], oldest first, for GROUP vectors of outputs; taps lie `step` apart."""
    sums = stack(GROUP, like)
    for u in range(GROUP):
        sums[u] = like
    for m in range(count - 1, -1, -1):
        tap = spread(taps[m * step], like)
        for u in range(GROUP):
            sums[u] = fused(tap, load(x, j - m + u * WIDTH, like), sums[u])
    for u in range(GROUP):
        store(y, j + u * WIDTH, load(y, j + u * WIDTH, like) + sums[u])


@device
def few_sums(taps, step, count, x, j, y, like):
    """The same for one vector of outputs, with the same bits."""
    total = like
    for m in range(count - 1, -1, -1):
        total = fused(spread(taps[m * step], like), load(x, j - m, like), total)
    store(y, j, load(y, j, like) + total)


@device
def real_outputs(taps, step, count, causal, x, first, start, stop, y):
    """As `outputs`, for real numbers."""
    like = lanes_of(WIDTH, y)
    at, now, to = pointer(taps), pointer(x[first:]), pointer(y)
    if step < 0:
        at = pointer(taps[count - 1 :])
    j = start
    while j < stop:
        if stop - j > WIDTH:
            many_sums(at, step, min(count, j + SPAN) if causal else count, now, j, to, like)
            j += SPAN
        else:
            few_sums(at, step, min(count, j + WIDTH) if causal else count, now, j, to, like)
            j += WIDTH


@device
def complex_outputs(taps, step, count, causal, x, first, start, stop, y):
    """As `outputs`, for complex numbers."""
    newest = count - 1 if step < 0 else 0
    for j in range(start, stop):
        total = y[j] - y[j]
        for m in range((min(count, j + 1) if causal else count) - 1, -1, -1):
            total += taps[newest + m * step] * x[first + j - m]
        y[j] += total


def outputs(taps: Any, step: Any, count: Any, causal: Any, x: Any, first: Any, start: Any, stop: Any, y: Any) -> None:
    """y[j] += sum_m taps[m] x[first + j - m] for start <= j < stop and m < count; up to SPAN places of y beyond change.

    `step` -1: the newest tap is the last of `taps`. `causal`: zeros stand before x[first], so m <= j will do; zeros at
    the head of a sum change no bit of it.
    """


@overload(outputs, inline="always")
def _outputs(taps, step, count, causal, x, first, start, stop, y):
    if isinstance(y.dtype, types.Complex):
        return lambda taps, step, count, causal, x, first, start, stop, y: complex_outputs(
            taps, step, count, causal, x, first, start, stop, y
        )
    return lambda taps, step, count, causal, x, first, start, stop, y: real_outputs(
        taps, step, count, causal, x, first, start, stop, y
    )


@device
def real_gradient(w, x, first, e, size, mu, keep):
    """As `descend`, for real numbers."""
    like = lanes_of(WIDTH, w)
    sums = stack(GROUP, like)
    taps, at, now, error_at = w.shape[0], pointer(w), pointer(x[first:]), pointer(e)
    wide, past = taps // WIDTH * WIDTH, taps - 1
    slope, kept = spread(mu, like), spread(keep, like)
    i = 0
    while i + SPAN <= wide:
        for u in range(GROUP):
            sums[u] = like
        for n in range(size):
            error = spread(error_at[n], like)
            for u in range(GROUP):
                sums[u] = fused(error, load(now, n - past + i + u * WIDTH, like), sums[u])
        for u in range(GROUP):
            store(at, i + u * WIDTH, load(at, i + u * WIDTH, like) * kept + slope * sums[u])
        i += SPAN
    while i < wide:
        total = like
        for n in range(size):
            total = fused(spread(error_at[n], like), load(now, n - past + i, like), total)
        store(at, i, load(at, i, like) * kept + slope * total)
        i += WIDTH
    for k in range(wide, taps):
        rest = mu - mu
        for n in range(size):
            rest += error_at[n] * now[n - past + k]
        at[k] = at[k] * keep + mu * rest


@device
def complex_gradient(w, x, first, e, size, mu, keep):
    """As `descend`, for complex numbers."""
    for k in range(w.shape[0]):
        total = w[k] - w[k]
        for n in range(size):
            total += e[n] * x[first + n - w.shape[0] + 1 + k].conjugate()
        w[k] = w[k] * keep + mu * total


def descend(w: Any, x: Any, first: Any, e: Any, size: Any, mu: Any, keep: Any) -> None:
    """w <- keep w + mu sum_n e[n] conj(x[first + n - m]) over the `size` samples of a block; newest tap last."""


@overload(descend, inline="always")
def _descend(w, x, first, e, size, mu, keep):
    if isinstance(w.dtype, types.Complex):
        return lambda w, x, first, e, size, mu, keep: complex_gradient(w, x, first, e, size, mu, keep)
    return lambda w, x, first, e, size, mu, keep: real_gradient(w, x, first, e, size, mu, keep)


@routine
def examine(x, d, y, e, out, errors, n, span, window, size, s, counts, policy):
    """Errors of `span` samples whose outputs are in `out`; gives how many are good, fewer if the filter has to stop."""
    taken = counts[TAKEN]
    for i in range(span):
        y[n + i] = out[taken + i]
        e[n + i] = d[n + i] - out[taken + i]
        heard(x, n + i, counts)
        errors[taken + i] = e[n + i]
        if judged(e[n + i], d[n + i], window, size, s, counts, policy):
            errors[taken + i] = 0.0
            if counts[CLEAN] < window:  # what the past holds in place of NaN is no output
                y[n + i] = e[n + i] = x[n + i, 0] * math.nan
        if counts[STOP]:
            break
        counts[TAKEN] += 1
    return counts[TAKEN] - taken


@routine
def recorded(history, n, span, w, newest_last):
    """Keep the weights of `span` samples, newest sample's first."""
    taps = w.shape[1]
    for i in range(n, n + span):
        for k in range(taps):
            for c in range(w.shape[0]):
                history[i, k, c] = w[c, taps - 1 - k if newest_last else k]


def _block_lms(x, d, y, e, history, w, line, out, errors, s, counts, p, policy):
    """w <- keep w + mu sum e[n] conj(u[n]) after each block; gives where it stopped, N at the end."""
    # x (N, C)   d, y, e (N,)   history (N or 0, T, C)   w (C, T) newest sample's last   p: mu first, keep last
    # line (C, room) samples, the block's first at counts[AT]   out (L + SPAN,) outputs   errors (L,)
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
        good = examine(x, d, y, e, out, errors, n, span, taps, w.size, s, counts, policy)
        n += good
        if good < span:
            break
        if counts[TAKEN] == size:
            for c in range(w.shape[0]):
                descend(w[c], line[c], first, errors, size, p[0], p[p.size - 1])
            counts[TAKEN] = 0
            counts[AT] = first + size
    return n


@once
def block_lms(dtype: str) -> Any:
    """The block LMS loop for numbers of this type, 'd' or 'D'."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    signals = strided(dtype, 2, read=True), strided(dtype, 1, read=True), number, number, packed(dtype, 3)
    memory = numbers, numbers, number, number, packed("d", 1), packed("i8", 1), packed("d", 1), types.intp
    return kernel(_block_lms, f"block_lms_{dtype}", *signals, *memory)


def _span(x, d, y, e, history, w, now, past, out, errors, s, counts, first, policy):
    """Samples of a block of the frequency-domain filters: what came before the block is in `past`, the rest are sums.

    Gives how many samples were taken: to the end of the block or of x, or to where it has to stop.
    """
    # x (N, C)   w (C, T) newest sample's first, `first` of them in the first partition   past (L + SPAN,)
    # now (C, SPAN + L + SPAN): zeros, the samples of the block   out (L + SPAN,)   errors (L,)
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
    return examine(x, d, y, e, out, errors, 0, span, w.shape[1], w.size, s, counts, policy)


@once
def span(dtype: str) -> Any:
    """The loop over samples of a block, for numbers of this type."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    signals = strided(dtype, 2, read=True), strided(dtype, 1, read=True), number, number, packed(dtype, 3)
    memory = numbers, numbers, number, number, number, packed("d", 1), packed("i8", 1)
    return kernel(_span, f"block_span_{dtype}", *signals, *memory, types.intp, types.intp)
