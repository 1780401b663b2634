"""The pull-back of second-order sections of one long channel: forward and backward through all sections, in the cache.

As in `loops.blocked`, a segment of the signal is divided into blocks, one in each lane. The forward pass stored it
transposed. The inputs of the sections are kept in tiles, for the sums of their products with v.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from sigrnn._kernels.base.calls import alone, place
from sigrnn._kernels.base.jit import device, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import lanes, load, offset, pointer, spread, stack, store
from sigrnn._kernels.filters.loops import call_chain, call_normal_states, group_constants, shared
from sigrnn._kernels.filters.steps import LINE, ask, final_states, halves
from sigrnn._kernels.filters.transfers import (
    all_finite,
    channel_callers,
    channel_moves,
    copy_numbers,
    following,
    keep,
    move_callers,
    step_of,
)
from sigrnn._kernels.sizes import AREA, LANES, SECTION_ORDER, TILE

SUMS = 5 * LANES


@routine
def through(b, a, entry, source, target, length, coming, step):
    """One section forward, block k from state entry[:, k], which becomes its final state."""
    alone()
    like = lanes(LANES, True)
    b0, b1, b2 = spread(b[0], like), spread(b[1], like), spread(b[2], like)
    a1, a2 = spread(a[1], like), spread(a[2], like)
    z0, z1 = load(entry, 0, like), load(entry, LANES, like)
    for n in range(length):
        x = load(source, n * LANES, like)
        ask((coming, step), n)
        y = b0 * x + z0
        z0, z1 = (b1 * x + z1) - a1 * y, b2 * x - a2 * y  # one product and sum of z0 waits for y
        store(target, n * LANES, y)
    store(entry, 0, z0)
    store(entry, LANES, z1)


@device
def returned(linked, b, a, h, x, y, slope, ends, onward, sums, length, coming):
    """One section back, block k from v[L + m] in `ends[m, k]`, the first v of what follows it:

    v = slope / A,  slope[n] <- sum_m b[m] v[n + m],  sums = sum_n x[n] v[n + m], sum_n y[n] v[n + m]

    and the first of v in `ends`; if `linked` (a literal), `onward` is what the section before it would have there if
    nothing followed. The direct form: one product and sum of v waits for the v before it, in the transposed one it is
    two.
    """
    like = lanes(LANES, True)
    b0, b1, b2 = spread(b[0], like), spread(b[1], like), spread(b[2], like)
    a1, a2 = spread(a[1], like), spread(a[2], like)
    x0, x1, x2, y1, y2, first, second = like, like, like, like, like, like, like
    v1, v2 = load(ends, 0, like), load(ends, LANES, like)
    for i in range(length):
        n = length - 1 - i
        ask(coming, i)
        v0 = (load(slope, n * LANES, like) - a2 * v2) - a1 * v1
        out = b0 * v0 + (b1 * v1 + b2 * v2)
        store(slope, n * LANES, out)
        if linked:
            first, second = first + spread(h[2 * i], like) * out, second + spread(h[2 * i + 1], like) * out
        xn, yn = load(x, n * LANES, like), load(y, n * LANES, like)
        x0, x1, x2 = x0 + xn * v0, x1 + xn * v1, x2 + xn * v2
        y1, y2 = y1 + yn * v1, y2 + yn * v2
        v1, v2 = v0, v1
    store(ends, 0, v1)
    store(ends, LANES, v2)
    if linked:
        store(onward, 0, first)
        store(onward, LANES, second)
    store(sums, 0, x0)
    store(sums, LANES, x1)
    store(sums, 2 * LANES, x2)
    store(sums, 3 * LANES, y1)
    store(sums, 4 * LANES, y2)


@device
def add_up(sums, db, da):
    """Add the sums of the lanes to the totals."""
    for k in range(LANES):
        for m in range(3):
            db[m] += sums[m * LANES + k]
        for m in range(2):
            da[m + 1] -= sums[(3 + m) * LANES + k]


COLUMNS, BACK, CHAIN, NORMAL = range(4)


def _section_gradients(dtype: str) -> Any:
    """Segment after segment from the end, all sections: dx, and the sums. Returns how many samples are left."""
    call_columns, call_back = move_callers(dtype)

    def run(functions, c, constants, kept, entries, dy, dx, tail, sums, scratch):
        # functions as from `shared`   c (2, S, 3): b, a   constants (S, ...) of 1/A as of `loops.taped`, for v[L] and v[L + 1] as states   dy, dx (N,), N <= M L LANES
        # kept (M, L LANES) tiles of x   entries (M, 2 S, LANES) states before each block
        # tail (S, 2) v after the last sample, left as v of the first   sums (2, S, 3): db, da
        # scratch: tiles (S + 1, L LANES), entry (2, 2, LANES), what was before: tail (S, 2), sums (2, S, 3), w (S, 2)
        like, products = lanes(LANES, True), stack(SUMS, 0.0)
        sections, size, left = c.shape[1], kept.shape[1], dy.shape[0]
        length, states = size // LANES, SECTION_ORDER * sections
        tiles, tails, totals = pointer(scratch), pointer(tail), pointer(sums)
        entry = offset(tiles, (sections + 1) * size)
        tails_before = offset(entry, 2 * SECTION_ORDER * LANES)
        totals_before = offset(tails_before, states)
        w = offset(totals_before, sums.size)
        call_normal_states(functions[NORMAL], (pointer(constants), length, SECTION_ORDER, 1, tails, w, states))
        along_dy, along_dx = step_of(dy), step_of(dx)
        while left > 0:
            first = left - size
            i, finite = first // size, True
            x = pointer(kept[i])
            near_x, far_x = halves(kept[i], -size, length)
            near_dy, far_dy = halves(dy, first - size, length)
            near_dx, far_dx = halves(dx, first - size, length)
            for s in range(sections):  # the first tile will hold the slope: the input of the first section is in `kept`
                keep(pointer(entries[i, SECTION_ORDER * s :]), entry, SECTION_ORDER, like, False)
                source, target = offset(tiles, s * size) if s else x, offset(tiles, (s + 1) * size)
                through(pointer(c[0, s]), pointer(c[1, s]), entry, source, target, length, near_x[0], near_x[1])
                finite = finite and all_finite(entry, SECTION_ORDER)
            if not finite:
                break
            copy_numbers(tails, tails_before, states)
            copy_numbers(totals, totals_before, sums.size)
            from_dy, to_dx = offset(pointer(dy), first * along_dy), offset(pointer(dx), first * along_dx)
            call_columns(functions[COLUMNS], (from_dy, along_dy * length, along_dy, length, tiles, far_x[0], far_x[1]))
            h = group_constants(pointer(constants[sections - 1]), SECTION_ORDER)[3]
            last = offset(tiles, size - LANES)
            final_states(SECTION_ORDER, SECTION_ORDER, h, last, -LANES, entry, length, like, near_dy)
            for r in range(sections):
                s = sections - 1 - r
                source, target = offset(tiles, s * size) if s else x, offset(tiles, (s + 1) * size)
                ends, onward = offset(entry, r % 2 * 2 * LANES), offset(entry, (r + 1) % 2 * 2 * LANES)
                power, t, _, _ = group_constants(pointer(constants[s]), SECTION_ORDER)
                h = group_constants(pointer(constants[max(s - 1, 0)]), SECTION_ORDER)[3]
                call_chain(functions[CHAIN], (power, t, offset(w, SECTION_ORDER * s), ends, SECTION_ORDER, -1))
                b, a, coming = pointer(c[0, s]), pointer(c[1, s]), (far_dy[0], far_dy[1], near_dx[0], near_dx[1])
                returned(1, b, a, h, source, target, tiles, ends, onward, products, length, coming)
                finite = finite and all_finite(ends, SECTION_ORDER)
                tail[s, 0], tail[s, 1] = ends[0], ends[LANES]
                add_up(products, sums[0, s], sums[1, s])
            if not finite:
                copy_numbers(tails_before, tails, states)
                copy_numbers(totals_before, totals, sums.size)
                break
            call_back(functions[BACK], (tiles, to_dx, along_dx * length, along_dx, length, far_dx[0], far_dx[1]))
            left = first
        return left

    return run


def _channel_gradients(dtype: str) -> Any:
    """The same for channels in the lanes, tile after tile from the end: no links between lanes, and nothing to go wrong."""
    call_gather, call_scatter = channel_callers(dtype)

    def run(functions, c, kept, entries, dy, dx, tail, sums, low, high, scratch):
        # functions as from `channel_functions`   c (2, S, 3): b, a   kept (G, tiles, AREA), entries (G, tiles, S, 2, LANES) as from `loops.channels`
        # dy, dx (C, N) any strides   tail (G, S, 2, LANES) v after the last sample, left as v of the first
        # sums (2, G, S, 3): db, da   groups low ... high - 1   scratch: tiles (S + 1, AREA), entry (2, LANES)
        like, products = lanes(LANES, True), stack(SUMS, 0.0)
        sections, slope = c.shape[1], pointer(scratch)
        entry = offset(slope, (sections + 1) * AREA)
        by_row, count = abs(dy.strides[1]) <= abs(dy.strides[0]), kept.shape[1]
        for i in range((high - low) * count):
            g, t = (i // count, count - 1 - i % count) if by_row else (i % (high - low), count - 1 - i // (high - low))
            g, start = low + g, t * TILE
            length, width = min(TILE, dy.shape[1] - start), min(LANES, dy.shape[0] - g * LANES)
            x = pointer(kept[g, t])
            before = place(x) + 8 * (-AREA if by_row else count * AREA)
            for s in range(sections):  # the first tile will hold the slope: the input of the first section is in `kept`
                keep(pointer(entries[g, t, s]), entry, SECTION_ORDER, like, False)
                source, target = offset(slope, s * AREA) if s else x, offset(slope, (s + 1) * AREA)
                through(pointer(c[0, s]), pointer(c[1, s]), entry, source, target, length, before, 8 * LANES)
            back_to = 0 if g + 1 < high else (high - low) * LANES
            at_dy, step_dy = following(dy, g, start, by_row, back_to, -1)
            at_dx, step_dx = following(dx, g, start, by_row, back_to, -1)
            call_gather(functions[0], (dy, g * LANES, width, start, length, slope, -1))
            for r in range(sections):
                s = sections - 1 - r
                source, target = offset(slope, s * AREA) if s else x, offset(slope, (s + 1) * AREA)
                b, a, ends = pointer(c[0, s]), pointer(c[1, s]), pointer(tail[g, s])
                coming = (at_dy, step_dy, at_dx, step_dx, LINE * dy.itemsize)
                returned(0, b, a, b, source, target, slope, ends, ends, products, length, coming)
                add_up(products, sums[0, g, s], sums[1, g, s])
            call_scatter(functions[1], (slope, dx, g * LANES, width, start, length, -1))

    return run


@once
def channel_gradients(dtype: str) -> Any:
    """That for real samples of this type."""
    given = packed("d", 3, read=True), packed("d", 3, read=True), packed("d", 5, read=True)
    sums = packed("d", 4), packed("d", 4), types.intp, types.intp, packed("d", 1)
    return kernel(
        _channel_gradients(dtype),
        f"channel_gradients_{dtype}",
        packed("p", 1, read=True),
        *given,
        strided(dtype, 2, read=True),
        strided(dtype, 2),
        *sums,
    )


@once
def section_gradients(dtype: str) -> Any:
    """The pull-back for real samples of this type."""
    given = packed("d", 3, read=True), packed("d", 2, read=True), packed("d", 2, read=True), packed("d", 3, read=True)
    signals, sums = (strided(dtype, 1, read=True), strided(dtype, 1)), (packed("d", 2), packed("d", 3), packed("d", 1))
    arguments = packed("p", 1, read=True), *given, *signals, *sums
    return kernel(_section_gradients(dtype), f"section_gradients_{dtype}", *arguments)


@once
def functions(dtype: str) -> Any:
    """What it calls, by address."""
    return np.array(shared(dtype), np.intp)


@once
def channel_functions(dtype: str) -> Any:
    """The same for `channel_gradients`."""
    return np.array(channel_moves(dtype), np.intp)
