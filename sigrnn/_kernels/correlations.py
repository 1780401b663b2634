"""The sums of a pull-back: a signal that ran over reversed time against the input and the output of the filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from sigrnn._kernels.filters import LANES, Later, recurrence
from sigrnn._kernels.jit import device, kernel, once, packed, strided
from sigrnn._kernels.scans import LARGEST, stretch
from sigrnn._kernels.vec import lanes, load, pointer, prefetch_later, spread, stack, store

WIDTH = 8  # samples in a vector
GROUP = 6  # vectors that share each load and store of a sum; 4 were slower (order 8: 0.54 against 0.91 ns)
SPAN = GROUP * WIDTH
AHEAD = 1024  # samples asked for before their turn


@device
def begin(sums, lags):
    """No products summed yet."""
    like, total = lanes(WIDTH, True), pointer(sums)
    for m in range(2 * lags):
        store(total, m * WIDTH, like)


@device
def correlate_row(v, at, x, y, first, samples, taps, dx, hop, sums, ahead):
    """The same sums over `samples` of a row, lag m is m hop elements; asks memory for what lies `ahead`."""
    like = lanes(WIDTH, True)
    inputs, outputs, slopes = stack(GROUP, like), stack(GROUP, like), stack(GROUP, like)
    lags, wide, total = taps.shape[0], samples // SPAN * SPAN, pointer(sums)
    v_at, x_at, y_at, dx_at = pointer(v[at:]), pointer(x[first:]), pointer(y[first:]), pointer(dx[first:])
    for i in range(0, wide, SPAN):
        coming = i + ahead
        for u in range(GROUP):
            inputs[u], outputs[u] = load(x_at, i + u * WIDTH, like), load(y_at, i + u * WIDTH, like)
            slopes[u] = like
            prefetch_later(x_at, coming + u * WIDTH)
            prefetch_later(y_at, coming + u * WIDTH)
            prefetch_later(dx_at, coming + u * WIDTH)
        for m in range(lags):
            tap = spread(taps[m], like)
            of_x, of_y = like, like  # apart from the totals, which would make one long chain of waits
            for u in range(GROUP):
                late = load(v_at, i + m * hop + u * WIDTH, like)
                of_x = of_x + inputs[u] * late
                of_y = of_y + outputs[u] * late
                slopes[u] = slopes[u] + tap * late
            store(total, 2 * m * WIDTH, load(total, 2 * m * WIDTH, like) + of_x)
            store(total, (2 * m + 1) * WIDTH, load(total, (2 * m + 1) * WIDTH, like) + of_y)
        for u in range(GROUP):
            store(dx_at, i + u * WIDTH, slopes[u])
    for i in range(wide, samples):
        slope = 0.0
        for m in range(lags):
            late = v_at[i + m * hop]
            slope += taps[m] * late
            total[2 * m * WIDTH] += x_at[i] * late
            total[(2 * m + 1) * WIDTH] += y_at[i] * late
        store(dx_at, i, slope)


@device
def end(sums, db, da):
    """What the lanes have summed."""
    total = pointer(sums)
    for m in range(db.shape[0]):
        for k in range(WIDTH):
            db[m] += total[2 * m * WIDTH + k]
            da[m] -= total[(2 * m + 1) * WIDTH + k]


def _correlate(v, x, y, b, dx, db, da, hop, sums):
    """db[m] += sum_n x[n] v[n + m],  da[m] -= sum_n y[n] v[n + m],  dx[n] = sum_m b[m] v[n + m]: one pass over all."""
    # v (R, N + K hop)   x, y, dx (R, N)   rows contiguous, lag m is m hop elements   b, db, da (R or 1, K + 1)
    # sums (K + 1, 2, WIDTH) scratch
    for r in range(x.shape[0]):
        c = r if b.shape[0] > 1 else 0
        begin(sums, b.shape[1])
        correlate_row(v[r], 0, x[r], y[r], 0, x.shape[1], b[c], dx[r], hop, sums, AHEAD)
        end(sums, db[c], da[c])


def _pulled(order: int) -> Any:
    """The pull-back of one long channel, stretch after stretch from the end: v, and its sums while it is near."""
    filtered = stretch(recurrence("poles"), order, 1)

    def run(b, a, g, power, dy, x, y, dx, z, v, late, taps, db, da, nowhere, tile, entry, before, sums):
        # for 1/A over reversed time, as in `scans.stretch`: b, a, g, power, z, tile, entry, before   dy (M L LANES,)
        # x, y, dx (M L LANES,)   v (L LANES + K,), its first K what follows   late (L LANES,) is the same reversed
        # taps, db, da (K + 1,)   sums (K + 1, 2, WIDTH) scratch   returns how many samples are left
        size, left = late.shape[0], dy.shape[0]
        begin(sums, taps.shape[0])
        while left > 0:
            for p in range(taps.shape[0] - 1):
                v[size + p] = v[p]
            first = left - size
            along = dy.strides[0] // dy.itemsize
            early = (Later(pointer(dy), (dy.shape[0] - first) * along, LANES * along),)
            coming = (
                Later(pointer(x), first - size, LANES),
                Later(pointer(y), first - size, LANES),
                Later(pointer(dx), first - size, LANES),
            )
            if not filtered(
                b, a, g, power, dy, dy.shape[0] - left, late, 0, z, nowhere, tile, entry, before, early, coming
            ):
                break
            correlate_row(v, 0, x, y, first, size, taps, dx, 1, sums, -size)
            left = first
        end(sums, db, da)
        return left

    return run


def scratch(lags: int) -> Any:
    """Room for the sums of so many lags."""
    return np.empty((lags, 2, WIDTH))


@once
def correlate(dtype: str) -> Any:
    """The sums for real signals of this type; `v` and all sums are float64."""
    rows = strided(dtype, 2, read=True), strided(dtype, 2, read=True)
    sums = packed("d", 2), packed("d", 2), types.intp, packed("d", 3)
    arguments = strided("d", 2, read=True), *rows, packed("d", 2, read=True), strided(dtype, 2), *sums
    return kernel(_correlate, f"correlate_{dtype}", *arguments)


@once
def pulled(order: int, dtype: str) -> Any:
    """The pull-back for real signals of this type through a filter of this order."""
    known = order if order <= LARGEST else 0
    entered = *[packed("d", 2, read=True)] * 2, *[packed("d", 3, read=True)] * 2
    signals = *[strided(dtype, 1, read=True)] * 3, strided(dtype, 1)
    state, sums = (packed("d", 2), packed("d", 1), strided("d", 1)), (packed("d", 1, read=True), *[packed("d", 1)] * 2)
    scratch = packed("d", 3), packed("d", 1), packed("d", 3), packed("d", 2), packed("d", 3)
    return kernel(_pulled(known), f"pulled{known or ''}_{dtype}", *entered, *signals, *state, *sums, *scratch)
