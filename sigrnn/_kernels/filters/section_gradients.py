"""The pull-back of second-order sections of one long channel: forward and back through all of them while they are near.

As in `loops.blocked`, a segment of the signal is cut into blocks that run side by side in the lanes. The forward pass left
it transposed; what goes into each section stays in tiles, where the sums for the coefficients find it beside v.
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.base.jit import device, kernel, once, packed, strided
from sigrnn._kernels.base.vec import lanes, load, pointer, spread, stack, store
from sigrnn._kernels.filters.block_transition import chain, to_normal
from sigrnn._kernels.filters.loops import (
    all_finite,
    back,
    columns,
    following,
    following_segment,
    gather,
    scatter,
)
from sigrnn._kernels.filters.steps import Later, ask, copy, final_states, halves
from sigrnn._kernels.sizes import AREA, LANES, SECTION_ORDER, TILE

SUMS = 5 * LANES


@device
def through(b, a, entry, source, target, length, like, coming):
    """One section forward, block k from state entry[:, k], which becomes its final state."""
    b0, b1, b2, a1, a2 = (
        spread(b[0], like),
        spread(b[1], like),
        spread(b[2], like),
        spread(a[1], like),
        spread(a[2], like),
    )
    z0, z1 = load(pointer(entry[0]), 0, like), load(pointer(entry[1]), 0, like)
    for n in range(length):
        x = load(source, n * LANES, like)
        ask(coming, n)
        y = b0 * x + z0
        z0, z1 = (b1 * x + z1) - a1 * y, b2 * x - a2 * y  # one product and sum of z0 waits for y
        store(target, n * LANES, y)
    store(pointer(entry[0]), 0, z0)
    store(pointer(entry[1]), 0, z1)


@device
def returned(b, a, h, x, y, slope, ends, onward, sums, length, linked, like, coming):
    """One section back, block k from v[L + m] in `ends[m, k]`, the first v of what follows it:

    v = slope / A,  slope[n] <- sum_m b[m] v[n + m],  sums = sum_n x[n] v[n + m], sum_n y[n] v[n + m]

    and the first of v in `ends`; if `linked` (a literal), `onward` is what the section before it would have there if nothing
    followed. The direct form: one product and sum of v waits for the v before it, in the transposed one it is two.
    """
    b0, b1, b2 = spread(b[0], like), spread(b[1], like), spread(b[2], like)
    a1, a2 = spread(a[1], like), spread(a[2], like)
    x0, x1, x2, y1, y2, first, second = like, like, like, like, like, like, like
    v1, v2 = load(pointer(ends[0]), 0, like), load(pointer(ends[1]), 0, like)
    h_at = pointer(h)
    for i in range(length):
        n = length - 1 - i
        ask(coming, i)
        v0 = (load(slope, n * LANES, like) - a2 * v2) - a1 * v1
        out = b0 * v0 + (b1 * v1 + b2 * v2)
        store(slope, n * LANES, out)
        if linked:
            first, second = first + spread(h_at[2 * n], like) * out, second + spread(h_at[2 * n + 1], like) * out
        xn, yn = load(x, n * LANES, like), load(y, n * LANES, like)
        x0, x1, x2 = x0 + xn * v0, x1 + xn * v1, x2 + xn * v2
        y1, y2 = y1 + yn * v1, y2 + yn * v2
        v1, v2 = v0, v1
    store(pointer(ends[0]), 0, v1)
    store(pointer(ends[1]), 0, v2)
    if linked:
        store(pointer(onward[0]), 0, first)
        store(pointer(onward[1]), 0, second)
    store(sums, 0, x0)
    store(sums, LANES, x1)
    store(sums, 2 * LANES, x2)
    store(sums, 3 * LANES, y1)
    store(sums, 4 * LANES, y2)


@device
def add_up(sums, db, da):
    """What the lanes have summed."""
    for k in range(LANES):
        for m in range(3):
            db[m] += sums[m * LANES + k]
        for m in range(2):
            da[m + 1] -= sums[(3 + m) * LANES + k]


def _section_gradients(b, a, h, power, basis, kept, entries, dy, dx, tail, db, da, tiles, entry, before):
    """Segment after segment from the end, all sections: dx, and the sums db, da. Returns how many samples are left."""
    # b, a, db, da (S, 3)   h (S, L, 2), power (S, 2, 2), basis (S, 2, 2, 2, W) as in `ReversedBlocks`   dy, dx (N,), N <= M L LANES
    # kept (M, L LANES) tiles of x   entries (M, S, 2, LANES) states before each block
    # tail (S, 2) v after the last sample, left as v of the first
    # scratch: tiles (S + 1, L LANES)   entry (2, 2, LANES)   before (4, S, 3)
    like = lanes(LANES, True)
    # tiles[0] holds the slope: the input of the first section is in `kept`
    sections, length, left, slope_at = b.shape[0], h.shape[1], dy.shape[0], pointer(tiles[0])
    size, sums = length * LANES, stack(SUMS, 0.0)
    for s in range(sections):
        to_normal(basis[s, 1], tail[s], before[3, s])
    while left > 0:
        first = left - size
        i, finite = first // size, True
        near_x, far_x = halves(pointer(kept[i]), -size, 1, length)
        near_dy, far_dy = following_segment(dy, first, length, -1)
        near_dx, far_dx = following_segment(dx, first, length, -1)
        for s in range(sections):
            copy(entries[i, s], entry[0])
            source = pointer(tiles[s]) if s else pointer(kept[i])
            through(b[s], a[s], entry[0], source, pointer(tiles[s + 1]), length, like, near_x)
            finite = finite and all_finite(entry[0], like)
        if not finite:
            break
        copy(tail, before[0])
        copy(db, before[1])
        copy(da, before[2])
        columns(dy, first, length, slope_at, far_x)
        final_states(SECTION_ORDER, SECTION_ORDER, h[sections - 1], slope_at, entry[0], length, like, near_dy)
        for r in range(sections):
            s = sections - 1 - r
            x_at, y_at = pointer(tiles[s]) if s else pointer(kept[i]), pointer(tiles[s + 1])
            ends, onward = entry[r % 2], entry[(r + 1) % 2]
            coming = far_dy[0], near_dx[0]
            chain(power[s], basis[s, 0], before[3, s], ends, -1)
            returned(b[s], a[s], h[max(s - 1, 0)], x_at, y_at, slope_at, ends, onward, sums, length, 1, like, coming)
            finite = finite and all_finite(ends, like)
            tail[s, 0], tail[s, 1] = ends[0, 0], ends[1, 0]
            add_up(sums, db[s], da[s])
        if not finite:
            copy(before[0, :, :2], tail)
            copy(before[1], db)
            copy(before[2], da)
            break
        back(slope_at, dx, first, length, far_dx)
        left = first
    return left


def _channel_gradients(b, a, kept, entries, dy, dx, tail, db, da, low, high, tiles, entry):
    """The same for channels in the lanes, tile after tile from the end: no links between lanes, and nothing to go wrong."""
    # b, a (S, 3)   db, da (G, S, 3)   kept (G, tiles, AREA), entries (G, tiles, S, 2, LANES) as from `loops.channels`
    # dy, dx (C, N) any strides   tail (G, S, 2, LANES) v after the last sample, left as v of the first
    # groups low ... high - 1   scratch: tiles (S + 1, AREA)   entry (2, LANES)
    like = lanes(LANES, True)
    # tiles[0] holds the slope: the input of the first section is in `kept`
    sections, slope_at, sums = b.shape[0], pointer(tiles[0]), stack(SUMS, 0.0)
    by_row, count = abs(dy.strides[1]) <= abs(dy.strides[0]), kept.shape[1]
    for i in range((high - low) * count):
        g, t = (i // count, count - 1 - i % count) if by_row else (i % (high - low), count - 1 - i // (high - low))
        g, start = low + g, t * TILE
        length, width = min(TILE, dy.shape[1] - start), min(LANES, dy.shape[0] - g * LANES)
        before = (Later(pointer(kept[g, t]), -AREA if by_row else count * AREA, LANES),)
        for s in range(sections):
            copy(entries[g, t, s], entry)
            source = pointer(tiles[s]) if s else pointer(kept[g, t])
            through(b[s], a[s], entry, source, pointer(tiles[s + 1]), length, like, before)
        back_to = 0 if g + 1 < high else (high - low) * LANES
        coming = following(dy, g, start, by_row, back_to, -1), following(dx, g, start, by_row, back_to, -1)
        gather(dy, g * LANES, width, start, length, slope_at, like, -1)
        for r in range(sections):
            s = sections - 1 - r
            x_at = pointer(tiles[s]) if s else pointer(kept[g, t])
            ends, y_at = tail[g, s], pointer(tiles[s + 1])
            returned(b[s], a[s], entry, x_at, y_at, slope_at, ends, ends, sums, length, 0, like, coming)
            add_up(sums, db[g, s], da[g, s])
        scatter(slope_at, dx, g * LANES, width, start, length, like, -1)


@once
def channel_gradients(dtype: str) -> Any:
    """That for real samples of this type."""
    coefs, kept = [packed("d", 2, read=True)] * 2, (packed("d", 3, read=True), packed("d", 5, read=True))
    sums = packed("d", 4), packed("d", 3), packed("d", 3), types.intp, types.intp
    arguments = *coefs, *kept, strided(dtype, 2, read=True), strided(dtype, 2), *sums, packed("d", 2), packed("d", 2)
    return kernel(_channel_gradients, f"channel_gradients_{dtype}", *arguments)


@once
def section_gradients(dtype: str) -> Any:
    """The pull-back for real samples of this type."""
    coefs, entered = [packed("d", 2, read=True)] * 2, [*[packed("d", 3, read=True)] * 2, packed("d", 5, read=True)]
    kept, samples = (
        (packed("d", 2, read=True), packed("d", 4, read=True)),
        (strided(dtype, 1, read=True), strided(dtype, 1)),
    )
    scratch = packed("d", 2), packed("d", 3), packed("d", 3)
    arguments = *coefs, *entered, *kept, *samples, *[packed("d", 2)] * 3, *scratch
    return kernel(_section_gradients, f"section_gradients_{dtype}", *arguments)
