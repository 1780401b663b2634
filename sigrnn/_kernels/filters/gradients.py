"""The sums of a pull-back: a signal that ran over reversed time against the input and the output of the filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, strided
from sigrnn._kernels.base.vec import fused, lanes, load, offset, pointer, spread, stack, store
from sigrnn._kernels.filters.block_transition import chain, to_normal
from sigrnn._kernels.filters.loops import all_finite, back, columns, following_segment
from sigrnn._kernels.filters.steps import Later, ask, copy, final_states, halves, recurrence, sweep
from sigrnn._kernels.sizes import LANES, LANES_ORDER, UNROLLED_ORDER

WIDTH = 8  # samples in a vector
GROUP = 6  # vectors that share each load and store of a sum; 4 were slower (order 8: 0.54 against 0.91 ns)
SPAN = GROUP * WIDTH
ROW = LANES // WIDTH  # vectors asked for together
AHEAD = 1024  # samples asked for before their turn


@device
def begin(sums, lags):
    """No products summed yet."""
    like, total = lanes(WIDTH, True), pointer(sums)
    for m in range(2 * lags):
        store(total, m * WIDTH, like)


@device
def correlate_row(v, x, y, samples, taps, dx, hop, sums, coming):
    """The same sums over a row, lag m is m hop elements; dx may be y. Asks memory for what is `coming`."""
    like = lanes(WIDTH, True)
    inputs, outputs, slopes = stack(GROUP, like), stack(GROUP, like), stack(GROUP, like)
    lags, wide, total = taps.shape[0], samples // SPAN * SPAN, pointer(sums)
    v_at, x_at, y_at, dx_at = pointer(v), pointer(x), pointer(y), pointer(dx)
    for i in range(0, wide, SPAN):
        for u in range(GROUP):
            inputs[u], outputs[u] = load(x_at, i + u * WIDTH, like), load(y_at, i + u * WIDTH, like)
            slopes[u] = like
            if u % ROW == 0:
                ask(coming, i // LANES + u // ROW)
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
        coming = (
            Later(pointer(x[r]), AHEAD, LANES),
            Later(pointer(y[r]), AHEAD, LANES),
            Later(pointer(dx[r]), AHEAD, LANES),
        )
        correlate_row(v[r], x[r], y[r], x.shape[1], b[c], dx[r], hop, sums, coming)
        end(sums, db[c], da[c])


def _pulled_plain(order: int) -> Any:
    """The pull-back of one section of one channel: v, sample after sample from the end, then the sums over all of it."""
    known, room = order, order + 1 if order else LANES_ORDER + 1

    def run(b, a, x, y, dy, dx, tail, db, da, v, sums):
        # b, a, db, da (P + 1,)   x, y, dx (N,), dy (N,) any strides, dx may be dy
        # tail (P,) v after the last sample, left as v from the first one on   scratch: v (N + P,)   sums (P + 1, 2, WIDTH)
        order, samples = known if known else b.shape[0] - 1, x.shape[0]
        poles, z = stack(room, 0.0), stack(room, 0.0)
        for p in range(order):
            poles[p], z[p] = 0.0 - a[p + 1], 0.0
            for m in range(p, order):
                z[p] -= a[m + 1] * tail[m - p]
            v[samples + p] = tail[p]
        z[order] = 0.0
        for i in range(samples):
            n = samples - 1 - i
            now = z[0] + dy[n]
            for p in range(order):
                z[p] = fused(poles[p], now, z[p + 1])
            v[n] = now
        for p in range(order):
            tail[p] = v[p]
        begin(sums, order + 1)
        correlate_row(v, x, y, samples, b, dx, 1, sums, ())
        end(sums, db, da)

    return run


def _pulled(order: int) -> Any:
    """The pull-back of one long channel, segment after segment from the end: y again, v, and the sums while they are near."""
    forward, backward = sweep(recurrence("direct").step, order, 1), sweep(recurrence("poles").step, order, 1)
    known, room = order, order if order else LANES_ORDER

    def run(b, a, h, power, basis, kept, entries, dy, dx, z, tail, db, da, y, v, entry, sums):
        # b, a, db, da (1, P + 1)   h (1, L, P), power (1, P, P), basis (1, 2, 2, P, W) of 1/A   kept (M, L LANES) tiles of x
        # entries (M, 1, P, LANES) states before each block   dy, dx (N,), N <= M L LANES
        # z (P,) state of 1/A over reversed time after the last sample, left as that before the first   tail (P,) v likewise
        # scratch: y (L LANES,)   v ((L + P) LANES,)   entry (1, P, LANES)   sums (P + 1, 2, WIDTH)
        like = lanes(LANES, True)
        order = known if known else b.shape[1] - 1
        length, left = h.shape[1], dy.shape[0]
        size, y_at, v_at = length * LANES, pointer(y), pointer(v)
        w = stack(LANES_ORDER, 0.0)
        begin(sums, order + 1)
        while left > 0:
            first = left - size
            i = first // size
            copy(entries[i, 0], entry[0])
            for n in range(length):
                store(y_at, n * LANES, load(pointer(kept[i]), n * LANES, like))
            near_x, far_x = halves(pointer(kept[i]), -size, 1, length)
            near_dy, far_dy = following_segment(dy, first, length, -1)
            near_dx, far_dx = following_segment(dx, first, length, -1)
            forward(b, a, entry, y_at, LANES, length, like, near_x)
            if not all_finite(entry[0], like):
                break
            columns(dy, first, length, v_at, far_x)
            final_states(order, room, h[0], v_at, entry[0], length, like, near_dy)
            to_normal(basis[0, 1], z, w)
            chain(power[0], basis[0, 0], w, entry[0], -1)
            backward(b, a, entry, offset(v_at, size - LANES), -LANES, length, like, far_dy)
            if not all_finite(entry[0], like):
                break
            for p in range(order):
                z[p] = entry[0, p, 0]
            for p in range(order):  # what follows each block: the first samples of the next one
                for k in range(LANES - 1):
                    v[(length + p) * LANES + k] = v[p * LANES + k + 1]
                v[(length + p + 1) * LANES - 1] = tail[p]
                tail[p] = v[p * LANES]
            correlate_row(v, kept[i], y, size, b[0], y, LANES, sums, near_dx)
            back(y_at, dx, first, length, far_dx)
            left = first
        end(sums, db[0], da[0])
        return left

    return run


def scratch(lags: int) -> Any:
    """Room for the sums of this many lags."""
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
    known = order if order <= UNROLLED_ORDER else 0
    entered = *[packed("d", 2, read=True)] * 2, *[packed("d", 3, read=True)] * 2, packed("d", 5, read=True)
    kept = packed("d", 2, read=True), packed("d", 4, read=True)
    sums = packed("d", 1), packed("d", 1), packed("d", 2), packed("d", 2)
    scratch = packed("d", 1), packed("d", 1), packed("d", 3), packed("d", 3)
    arguments = *entered, *kept, strided(dtype, 1, read=True), strided(dtype, 1), *sums, *scratch
    return kernel(_pulled(known), f"pulled{known or ''}_{dtype}", *arguments)


@once
def pulled_plain(order: int, dtype: str) -> Any:
    """The pull-back, sample after sample, for real signals of this type through a section of this order."""
    known = order if order <= UNROLLED_ORDER else 0
    signals = *[packed(dtype, 1, read=True)] * 2, strided(dtype, 1, read=True), packed(dtype, 1)
    arguments = *[packed("d", 1, read=True)] * 2, *signals, *[packed("d", 1)] * 4, packed("d", 3)
    return entry_point(kernel(_pulled_plain(known), f"pulled_plain{known or ''}_{dtype}", *arguments))


def _denormalise(b, a, first, db, da):
    """From gradients of b / a[0] and a / a[0] to those of b and a; b, a divided by `first`, which is a[0]."""
    # b, a, db, da (P + 1,)
    whole = 0.0
    for m in range(b.shape[0]):
        whole += b[m] * db[m]
        if m:
            whole += a[m] * da[m]
        db[m], da[m] = db[m] / first, da[m] / first
    da[0] = 0.0 - whole / first


@once
def denormalise() -> Any:
    """For real coefficients."""
    arguments = *[packed("d", 1, read=True)] * 2, types.float64, packed("d", 1), packed("d", 1)
    return entry_point(kernel(_denormalise, "denormalise", *arguments))
