"""The loops that run `steps.returned`, the transposed nonlinear step: one channel, or channels in lanes."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._kernels.base.jit import kernel, once, packed, strided
from sigrnn._kernels.base.vec import lanes, load, offset, pointer, stack, store
from sigrnn._kernels.filters.steps import returned
from sigrnn._kernels.filters.transfers import channel_callers, channel_moves
from sigrnn._kernels.sizes import AREA, LANES, LANES_ORDER, TILE

WITH_PAST = AREA + LANES_ORDER * LANES  # a tile, preceded by the samples that the highest order needs

call_gather, call_scatter = channel_callers("d")


def _one(a, s, dy, v):
    """v[P + n] = s[n] (dy[n] - sum_m a[m] v[P + n - m]); the first P are given."""
    # a (1, P + 1), a[0] is not read   s, dy (N,)   v (P + N,), any strides
    like, order = lanes(1, True), a.shape[1] - 1
    s_at, dy_at, at = pointer(s), pointer(dy), pointer(v[order:])
    s_step, dy_step, step = s.strides[0] // s.itemsize, dy.strides[0] // dy.itemsize, v.strides[0] // v.itemsize
    last = load(at, -step, like)
    for n in range(s.shape[0]):
        slope, slope_of_y = load(s_at, n * s_step, like), load(dy_at, n * dy_step, like)
        last = returned(order, a, 0, at, n * step, step, slope, slope_of_y, last)
        store(at, n * step, last)


def _many(functions, a, s, dy, v):
    """The same for sixteen channels at a time."""
    # functions as from `functions`   a (1 or G, 1, P + 1, LANES)   s, dy (C, N)   v (C, P + N)
    like, order = lanes(LANES, True), a.shape[2] - 1
    slopes, gradients, deltas = stack(AREA, 0.0), stack(AREA, 0.0), stack(WITH_PAST, 0.0)
    now = offset(deltas, order * LANES)
    for g in range((s.shape[0] + LANES - 1) // LANES):
        c, h = g * LANES, g if a.shape[0] > 1 else 0
        width = min(LANES, s.shape[0] - c)
        for start in range(0, s.shape[1], TILE):
            count = min(TILE, s.shape[1] - start)
            call_gather(functions[0], (s, c, width, start, count, slopes, 1))
            call_gather(functions[0], (dy, c, width, start, count, gradients, 1))
            call_gather(functions[0], (v, c, width, start, order, deltas, 1))
            last = load(now, -LANES, like)
            for n in range(count):
                slope, slope_of_y = load(slopes, n * LANES, like), load(gradients, n * LANES, like)
                last = returned(order, a[h], 0, now, n * LANES, LANES, slope, slope_of_y, last)
                store(now, n * LANES, last)
            call_scatter(functions[1], (now, v, c, width, order + start, count, 1))


@once
def one() -> Any:
    """The compiled loop for one channel of any order of at least 1."""
    signals = strided("d", 1, read=True), strided("d", 1, read=True), strided("d", 1)
    return kernel(_one, "returned_one", packed("d", 2, read=True), *signals)


@once
def many() -> Any:
    """The compiled loop for channels in lanes, up to order `LANES_ORDER`."""
    signals = strided("d", 2, read=True), strided("d", 2, read=True), strided("d", 2)
    return kernel(_many, "returned_many", packed("p", 1, read=True), packed("d", 4, read=True), *signals)


@once
def functions() -> Any:
    """What it calls, by address."""
    return np.array(channel_moves("d"), np.intp)
