"""The sums of a pull-back: a signal that ran over reversed time against the input and the output of the filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from sigrnn._kernels.jit import kernel, once, packed, strided
from sigrnn._kernels.vec import lanes, load, pointer, prefetch, spread, stack, store

WIDTH = 8  # samples in a vector
GROUP = 6  # vectors that share each load and store of a sum; 4 were slower (order 8: 0.54 against 0.91 ns)
SPAN = GROUP * WIDTH
AHEAD = 1024  # samples asked for before their turn: four streams at once (a whole pull-back: 2.3 instead of 2.45 ns)


def _correlate(v, x, y, b, dx, db, da, hop, sums):
    """db[m] += sum_n x[n] v[n + m],  da[m] -= sum_n y[n] v[n + m],  dx[n] = sum_m b[m] v[n + m]: one pass over all."""
    # v (R, N + K hop)   x, y, dx (R, N)   rows contiguous, lag m is m hop elements   b, db, da (R or 1, K + 1)
    # sums (K + 1, 2, WIDTH) scratch
    like = lanes(WIDTH, True)
    inputs, outputs, slopes = stack(GROUP, like), stack(GROUP, like), stack(GROUP, like)
    total = pointer(sums)
    lags, samples = b.shape[1], x.shape[1]
    wide = samples // SPAN * SPAN
    for r in range(x.shape[0]):
        c = r if b.shape[0] > 1 else 0
        v_at, x_at, y_at, dx_at, taps = pointer(v[r]), pointer(x[r]), pointer(y[r]), pointer(dx[r]), pointer(b[c])
        for m in range(2 * lags):
            store(total, m * WIDTH, like)
        for i in range(0, wide, SPAN):
            for u in range(GROUP):
                inputs[u], outputs[u] = load(x_at, i + u * WIDTH, like), load(y_at, i + u * WIDTH, like)
                slopes[u] = like
                prefetch(x_at, i + u * WIDTH + AHEAD)
                prefetch(y_at, i + u * WIDTH + AHEAD)
                prefetch(dx_at, i + u * WIDTH + AHEAD)
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
        for m in range(lags):
            for k in range(WIDTH):
                db[c, m] += total[2 * m * WIDTH + k]
                da[c, m] -= total[(2 * m + 1) * WIDTH + k]


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
