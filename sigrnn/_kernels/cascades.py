"""The pull-back of second-order sections of one long channel: forward and back through all of them while they are near.

As in `scans.blocked`, a stretch of the signal is cut into blocks that run side by side in the lanes. It is transposed
once for all sections; what goes into each stays in tiles, where the sums for the coefficients find it beside v.
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.filters import LANES, Later, ask, copy, final_states
from sigrnn._kernels.jit import device, kernel, once, packed, strided
from sigrnn._kernels.scans import AREA, TILE, all_finite, back, columns, following, gather, scatter
from sigrnn._kernels.vec import lanes, load, pointer, spread, stack, store

ORDER = 2  # states of a section
SUMS, ENDS = 5 * LANES, 2 * LANES


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
        z0, z1 = b1 * x - a1 * y + z1, b2 * x - a2 * y
        store(target, n * LANES, y)
    store(pointer(entry[0]), 0, z0)
    store(pointer(entry[1]), 0, z1)


@device
def return_chain(a, power, tail, entry):
    """From final states from rest to true ones, from the last lane to the first; v after the last lane is `tail`."""
    z0, z1 = -(a[1] * tail[0] + a[2] * tail[1]), -a[2] * tail[0]
    for i in range(LANES):
        k = LANES - 1 - i
        end0, end1 = entry[0, k], entry[1, k]
        entry[0, k], entry[1, k] = z0, z1
        z0, z1 = end0 + power[0, 0] * z0 + power[0, 1] * z1, end1 + power[1, 0] * z0 + power[1, 1] * z1


@device
def returned(b, a, h, entry, x, y, slope, ends, sums, length, linked, like, coming):
    """One section back, block k from state entry[:, k] of 1/A over reversed time, v after it in `ends`:

    slope[n] <- sum_m b[m] v[n + m],  sums = sum_n x[n] v[n + m], sum_n y[n] v[n + m],  v = slope / A

    and the first of v in `ends`; if `linked` (a literal), what the section before it would end with from rest in `entry`.
    """
    b0, b1, b2 = spread(b[0], like), spread(b[1], like), spread(b[2], like)
    a1, a2 = spread(a[1], like), spread(a[2], like)
    x0, x1, x2, y1, y2 = like, like, like, like, like
    v1, v2, end0, end1 = load(ends, 0, like), load(ends, LANES, like), like, like
    z0, z1 = load(pointer(entry[0]), 0, like), load(pointer(entry[1]), 0, like)
    for i in range(length):
        n = length - 1 - i
        ask(coming, i)
        v0 = load(slope, n * LANES, like) + z0
        xn, yn = load(x, n * LANES, like), load(y, n * LANES, like)
        z0, z1 = z1 - a1 * v0, like - a2 * v0
        out = b0 * v0 + b1 * v1 + b2 * v2
        store(slope, n * LANES, out)
        if linked:
            end0, end1 = end0 + spread(h[n, 0], like) * out, end1 + spread(h[n, 1], like) * out
        x0, x1, x2 = x0 + xn * v0, x1 + xn * v1, x2 + xn * v2
        y1, y2 = y1 + yn * v1, y2 + yn * v2
        v1, v2 = v0, v1
    store(pointer(entry[0]), 0, end0)
    store(pointer(entry[1]), 0, end1)
    store(ends, 0, v1)
    store(ends, LANES, v2)
    store(sums, 0, x0)
    store(sums, LANES, x1)
    store(sums, 2 * LANES, x2)
    store(sums, 3 * LANES, y1)
    store(sums, 4 * LANES, y2)


@device
def across(b, h, tail, entry, x, y, slope, ends, sums, db, da, length):
    """What `returned` left out: v after each block, the beginning of the next one's; after the last block `tail`."""
    for k in range(LANES):
        w0, w1 = (ends[k + 1], ends[LANES + k + 1]) if k < LANES - 1 else (tail[0], tail[1])
        last, before = (length - 1) * LANES + k, (length - 2) * LANES + k
        change0, change1 = b[1] * w0 + b[2] * w1, b[2] * w0
        slope[last] += change0
        slope[before] += change1
        for p in range(2):
            entry[p, k] += h[length - 1, p] * change0 + h[length - 2, p] * change1
        db[0] += sums[k]
        db[1] += sums[LANES + k] + x[last] * w0
        db[2] += sums[2 * LANES + k] + x[last] * w1 + x[before] * w0
        da[1] -= sums[3 * LANES + k] + y[last] * w0
        da[2] -= sums[4 * LANES + k] + y[last] * w1 + y[before] * w0
    tail[0], tail[1] = ends[0], ends[LANES]


def _section_gradients(b, a, h, power, x, dy, dx, entries, tail, db, da, tiles, slope, entry, before):
    """Stretch after stretch from the end, all sections: dx, and the sums db, da. Returns how many samples are left."""
    # b, a, db, da (S, 3)   h (S, L, 2) entries of 1/A, reversed   power (S, 2, 2)   x, dy, dx (M L LANES,)
    # entries (M, S, 2, LANES) states before each block   tail (S, 2) v after the last sample, left as v of the first
    # scratch: tiles (S + 1, L LANES)   slope (L LANES,)   entry (2, LANES)   before (3, S, 3)
    like = lanes(LANES, True)
    sections, length, left = b.shape[0], h.shape[1], x.shape[0]
    size, slope_at = length * LANES, pointer(slope)
    ends, sums = stack(ENDS, 0.0), stack(SUMS, 0.0)
    while left > 0:
        first = left - size
        columns(x, first, length, pointer(tiles[0]))
        finite = True
        early = (Later(pointer(x), first - size, LANES),)
        coming = Later(pointer(dy), first - size, LANES), Later(pointer(dx), first - size, LANES)
        for s in range(sections):
            copy(entries[first // size, s], entry)
            through(b[s], a[s], entry, pointer(tiles[s]), pointer(tiles[s + 1]), length, like, early)
            finite = finite and all_finite(entry, like)
        if not finite:
            break
        copy(tail, before[0])
        copy(db, before[1])
        copy(da, before[2])
        columns(dy, first, length, slope_at)
        final_states(ORDER, ORDER, h[sections - 1], slope_at, entry, length, like, ())
        for r in range(sections):
            s = sections - 1 - r
            x_at, y_at, onward = pointer(tiles[s]), pointer(tiles[s + 1]), h[max(s - 1, 0)]
            return_chain(a[s], power[s], tail[s], entry)
            store(ends, 0, like)
            store(ends, LANES, like)
            returned(b[s], a[s], onward, entry, x_at, y_at, slope_at, ends, sums, length, 1, like, coming)
            across(b[s], onward, tail[s], entry, x_at, y_at, slope_at, ends, sums, db[s], da[s], length)
            finite = finite and all_finite(entry, like)
        if not finite:
            copy(before[0, :, :2], tail)
            copy(before[1], db)
            copy(before[2], da)
            break
        back(slope_at, dx, first, length)
        left = first
    return left


def _channel_gradients(b, a, kept, entries, dy, dx, tail, db, da, low, high, tiles, entry):
    """The same for channels in the lanes, tile after tile from the end: no links between lanes, and nothing to go wrong."""
    # b, a (S, 3)   db, da (G, S, 3)   kept (G, tiles, AREA), entries (G, tiles, S, 2, LANES) as from `scans.channels`
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
            ends, a1, a2 = pointer(tail[g, s]), spread(a[s, 1], like), spread(a[s, 2], like)
            v1, v2 = load(ends, 0, like), load(ends, LANES, like)
            store(pointer(entry[0]), 0, like - a1 * v1 - a2 * v2)
            store(pointer(entry[1]), 0, like - a2 * v1)
            returned(
                b[s], a[s], entry, entry, x_at, pointer(tiles[s + 1]), slope_at, ends, sums, length, 0, like, coming
            )
            for k in range(LANES):
                for m in range(3):
                    db[g, s, m] += sums[m * LANES + k]
                for m in range(2):
                    da[g, s, m + 1] -= sums[(3 + m) * LANES + k]
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
    coefs, entered = [packed("d", 2, read=True)] * 2, [packed("d", 3, read=True)] * 2
    samples = strided(dtype, 1, read=True), strided(dtype, 1, read=True), strided(dtype, 1)
    scratch = packed("d", 2), packed("d", 1), packed("d", 2), packed("d", 3)
    arguments = *coefs, *entered, *samples, packed("d", 4, read=True), *[packed("d", 2)] * 3, *scratch
    return kernel(_section_gradients, f"section_gradients_{dtype}", *arguments)
