"""The sums of a pull-back: products of the adjoint signal with the input and the output of the filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types

from sigrnn._kernels.base.calls import address, alone, caller, place
from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import fused, lanes, load, offset, pointer, spread, stack, store
from sigrnn._kernels.filters.loops import (
    block_ends,
    block_sweep,
    call_chain,
    call_ends,
    call_normal_states,
    call_sweep,
    group_constants,
    shared,
)
from sigrnn._kernels.filters.steps import ask, halves
from sigrnn._kernels.filters.transfers import all_finite, keep, move_callers, step_of
from sigrnn._kernels.sizes import FIR_WIDTH as WIDTH
from sigrnn._kernels.sizes import LANES, LANES_ORDER, UNROLLED_ORDER

GROUP = 6  # vectors that share each load and store of a sum; 4 were slower (order 8: 0.54 against 0.91 ns)
SPAN = GROUP * WIDTH
ROW = LANES // WIDTH  # vectors asked for together
AHEAD = 1024  # samples asked for before their turn


@device
def begin(sums, lags):
    """No products summed yet."""
    like = lanes(WIDTH, True)
    for m in range(2 * lags):
        store(sums, m * WIDTH, like)


@routine
def correlate_row(v, x, y, samples, taps, lags, dx, hop, sums, coming):
    """The sums of `_correlate` over a row, from addresses; dx may be y. Asks memory for what is `coming`."""
    alone()
    like = lanes(WIDTH, True)
    inputs, outputs, slopes = stack(GROUP, like), stack(GROUP, like), stack(GROUP, like)
    wide = samples // SPAN * SPAN
    for i in range(0, wide, SPAN):
        for u in range(GROUP):
            inputs[u], outputs[u] = load(x, i + u * WIDTH, like), load(y, i + u * WIDTH, like)
            slopes[u] = like
            if u % ROW == 0:
                ask(coming, i // LANES + u // ROW)
        for m in range(lags):
            tap = spread(taps[m], like)
            of_x, of_y = like, like  # separate from the totals, for a short chain of dependent sums
            for u in range(GROUP):
                late = load(v, i + m * hop + u * WIDTH, like)
                of_x = of_x + inputs[u] * late
                of_y = of_y + outputs[u] * late
                slopes[u] = slopes[u] + tap * late
            store(sums, 2 * m * WIDTH, load(sums, 2 * m * WIDTH, like) + of_x)
            store(sums, (2 * m + 1) * WIDTH, load(sums, (2 * m + 1) * WIDTH, like) + of_y)
        for u in range(GROUP):
            store(dx, i + u * WIDTH, slopes[u])
    for i in range(wide, samples):
        slope = 0.0
        for m in range(lags):
            late = v[i + m * hop]
            slope += taps[m] * late
            sums[2 * m * WIDTH] += x[i] * late
            sums[(2 * m + 1) * WIDTH] += y[i] * late
        store(dx, i, slope)


@device
def end(sums, db, da):
    """Add the sums of the lanes to the totals."""
    for m in range(db.shape[0]):
        for k in range(WIDTH):
            db[m] += sums[2 * m * WIDTH + k]
            da[m] -= sums[(2 * m + 1) * WIDTH + k]


def _correlate(v, x, y, b, dx, db, da, hop, sums):
    """db[m] += sum_n x[n] v[n + m],  da[m] -= sum_n y[n] v[n + m],  dx[n] = sum_m b[m] v[n + m]: one pass over all."""
    # v (R, N + K hop)   x, y, dx (R, N)   rows contiguous, lag m is m hop elements   b, db, da (R or 1, K + 1)
    # sums (K + 1, 2, WIDTH) scratch
    total, lags, far = pointer(sums), b.shape[1], AHEAD * x.itemsize
    for r in range(x.shape[0]):
        c = r if b.shape[0] > 1 else 0
        begin(total, lags)
        x_at, y_at, dx_at = pointer(x[r]), pointer(y[r]), pointer(dx[r])
        row = LANES * x.itemsize
        coming = place(x_at) + far, row, place(y_at) + far, row, place(dx_at) + far, row
        correlate_row(pointer(v[r]), x_at, y_at, x.shape[1], pointer(b[c]), lags, dx_at, hop, total, coming)
        end(total, db[c], da[c])


def _pulled_plain(order: int) -> Any:
    """The pull-back of one section of one channel: v, sample after sample from the end, then the sums over all of it."""
    known, capacity = order, order + 1

    def run(b, a, x, y, dy, dx, tail, db, da, v, sums):
        # b, a, db, da (P + 1,)   x, y, dx (N,), dy (N,) any strides, dx may be dy
        # tail (P,) v after the last sample, left as v from the first one on   scratch: v (N + P,)   sums (P + 1, 2, WIDTH)
        order, samples, total = known if known else b.shape[0] - 1, x.shape[0], pointer(sums)
        if known:
            poles, later = stack(capacity, 0.0), stack(capacity, 0.0)
        else:  # any order: in the memory of the sums, which are not used yet
            poles, later = total, offset(total, order + 1)
        for p in range(order):
            poles[p], later[p], v[samples + p] = 0.0 - a[p + 1], tail[p], tail[p]
        for i in range(samples):
            n = samples - 1 - i
            now = dy[n]
            for p in range(order - 1, -1, -1):  # v[n + 1] at last: a single product and sum waits for it
                now = fused(poles[p], later[p], now)
                later[p] = later[p - 1] if p else now
            v[n] = now
        for p in range(order):
            tail[p] = v[p]
        begin(total, order + 1)
        correlate_row(pointer(v), pointer(x), pointer(y), samples, pointer(b), order + 1, pointer(dx), 1, total, ())
        end(total, db, da)

    return run


# What `pulled` calls
FORWARD, BACKWARD, ENDS, COLUMNS, BACK, CHAIN, NORMAL = range(7)


def _pulled(dtype: str) -> Any:
    """The pull-back of one long channel, segment by segment from the end: y again, v, and the sums, in the cache."""
    call_columns, call_back = move_callers(dtype)

    def run(functions, c, constants, kept, entries, dy, dx, z, tail, sums, scratch):
        # functions as from `functions`   c (2, 1, P + 1): b, a
        # constants (1, ...) of 1/A as of `loops.taped`   kept (M, L LANES) tiles of x
        # entries (M, P, LANES) states before each block   dy, dx (N,), N <= M L LANES
        # z (P,) state of 1/A over reversed time after the last sample, left as that before the first   tail (P,) v likewise
        # sums (2, P + 1): db, da   scratch: y (L LANES,), v ((L + P) LANES,), entry (P, LANES), sums (P + 1, 2, WIDTH)
        like = lanes(LANES, True)
        order, size, left = z.shape[0], kept.shape[1], dy.shape[0]
        length = size // LANES
        b, a, z_at, y = pointer(c[0]), pointer(c[1]), pointer(z), pointer(scratch)
        v = offset(y, size)
        entry = offset(v, size + order * LANES)
        total = offset(entry, order * LANES)
        w = stack(LANES_ORDER, 0.0)
        power, t, _, g = group_constants(pointer(constants), order)
        begin(total, order + 1)
        along_dy, along_dx = step_of(dy), step_of(dx)
        while left > 0:
            first = left - size
            i = first // size
            x = pointer(kept[i])
            keep(pointer(entries[i]), entry, order, like, False)
            keep(x, y, length, like, False)
            near_x, far_x = halves(kept[i], -size, length)
            near_dy, far_dy = halves(dy, first - size, length)
            near_dx, far_dx = halves(dx, first - size, length)
            call_sweep(functions[FORWARD], (b, a, entry, order, y, LANES, length, near_x[0], near_x[1]))
            if not all_finite(entry, order):
                break
            from_dy, to_dx = offset(pointer(dy), first * along_dy), offset(pointer(dx), first * along_dx)
            call_columns(functions[COLUMNS], (from_dy, along_dy * length, along_dy, length, v, far_x[0], far_x[1]))
            last = offset(v, size - LANES)
            call_ends(functions[ENDS], (g, order, last, -LANES, entry, length, near_dy[0], near_dy[1]))
            call_normal_states(functions[NORMAL], (pointer(constants), length, order, 1, z_at, w, order))
            call_chain(functions[CHAIN], (power, t, w, entry, order, -1))
            call_sweep(functions[BACKWARD], (b, a, entry, order, last, -LANES, length, far_dy[0], far_dy[1]))
            if not all_finite(entry, order):
                break
            for p in range(order):
                z[p] = entry[p * LANES]
            for p in range(order):  # what follows each block: the first samples of the next one
                for k in range(LANES - 1):
                    v[(length + p) * LANES + k] = v[p * LANES + k + 1]
                v[(length + p + 1) * LANES - 1] = tail[p]
                tail[p] = v[p * LANES]
            correlate_row(v, x, y, size, b, order + 1, y, LANES, total, near_dx)
            call_back(functions[BACK], (y, to_dx, along_dx * length, along_dx, length, far_dx[0], far_dx[1]))
            left = first
        end(total, sums[0], sums[1])
        return left

    return run


@once
def correlate(dtype: str) -> Any:
    """The sums for real signals of this type; `v` and all sums are float64."""
    rows = strided(dtype, 2, read=True), strided(dtype, 2, read=True)
    sums = packed("d", 2), packed("d", 2), types.intp, packed("d", 3)
    arguments = strided("d", 2, read=True), *rows, packed("d", 2, read=True), strided(dtype, 2), *sums
    return kernel(_correlate, f"correlate_{dtype}", *arguments)


@once
def pulled(dtype: str) -> Any:
    """The pull-back for real signals of this type, in blocks."""
    given = packed("p", 1, read=True), packed("d", 3, read=True), packed("d", 2, read=True)
    kept = packed("d", 2, read=True), packed("d", 3, read=True)
    sums = packed("d", 1), packed("d", 1), packed("d", 2), packed("d", 1)
    arguments = *given, *kept, strided(dtype, 1, read=True), strided(dtype, 1), *sums
    return kernel(_pulled(dtype), f"pulled_{dtype}", *arguments)


@once
def functions(order: int, dtype: str) -> Any:
    """What `pulled` calls for a filter of this order, by address."""
    sweeps = block_sweep("direct", order, 1), block_sweep("poles", order, 1)
    return np.array([*sweeps, block_ends(order), *shared(dtype)], np.intp)


@once
def section(order: int, dtype: str) -> Any:
    """The kernel of `pulled_plain`."""
    known = order if order <= UNROLLED_ORDER else 0
    return kernel(_pulled_plain(known), f"pulled_plain{known or ''}_{dtype}", *section_arguments(dtype))


def section_arguments(dtype: str) -> tuple[Any, ...]:
    """The types of its arguments."""
    signals = *[packed(dtype, 1, read=True)] * 2, strided(dtype, 1, read=True), packed(dtype, 1)
    return *[packed("d", 1, read=True)] * 2, *signals, *[packed("d", 1)] * 4, packed("d", 3)


def pulled_plain(order: int, dtype: str) -> Any:
    """The pull-back, sample after sample, for real signals of this type through a section of this order."""
    return entry_point(section(order, dtype))


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


denormalised = routine(_denormalise)
call_section = caller(*section_arguments("d"))


@once
def pulled_short() -> Any:
    """`pulled_plain` and `denormalise` for float64 from rest, with few arguments: each array argument takes 0.1 us."""

    def run(where, c, first, kept, dy, dx, work, sums):
        # where: the address of `section`   c (2, 1, P + 1): b, a   first: a[0]   kept (2, N): x, y   dy (N,) any strides
        # left as results: dx (N,), sums (2, P + 1) db and da   work (N + 2 P + 2 (P + 1) WIDTH,) scratch
        order, samples, at = c.shape[2] - 1, dx.shape[0], pointer(work)
        for p in range(order):
            at[p] = 0.0
        for m in range(order + 1):
            sums[0, m], sums[1, m] = 0.0, 0.0
        tail, v = carray(at, (order,)), carray(offset(at, order), (samples + order,))
        total = carray(offset(at, samples + 2 * order), (order + 1, 2, WIDTH))
        call_section(where, (c[0, 0], c[1, 0], kept[0], kept[1], dy, dx, tail, sums[0], sums[1], v, total))
        denormalised(c[0, 0], c[1, 0], first, sums[0], sums[1])

    kept, signals = packed("d", 2, read=True), (strided("d", 1, read=True), packed("d", 1))
    arguments = types.intp, packed("d", 3, read=True), types.float64, kept, *signals, packed("d", 1), packed("d", 2)
    return kernel(run, "pulled_short", *arguments)


@once
def section_functions(order: int) -> Any:
    """What it calls for a filter of this order, by address."""
    return np.array([address(section(order, "d"))], np.intp)


@once
def denormalise() -> Any:
    """For real coefficients."""
    arguments = *[packed("d", 1, read=True)] * 2, types.float64, packed("d", 1), packed("d", 1)
    return entry_point(kernel(_denormalise, "denormalise", *arguments))
