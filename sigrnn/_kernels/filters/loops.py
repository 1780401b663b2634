"""The loops that run the recurrences of `steps.py`: sample after sample, channels in lanes, or time blocks in lanes.

Each function here makes the kernel for one recurrence: `step` says which and `order` how many states a section has
(0: any number, known only when called). Doors ask for them through `kernels`; they are compiled at their first call.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types

from sigrnn._kernels.base.activations import label
from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, strided
from sigrnn._kernels.base.vec import ROWS, lanes, load, pointer, prefetch, settle, stack, store, store_past, transpose
from sigrnn._kernels.filters.block_transition import chain, from_normal, to_normal
from sigrnn._kernels.filters.steps import (
    LINE,
    Soon,
    ask,
    copy,
    final_states,
    halves,
    recurrence,
    sweep,
    sweep_any,
)
from sigrnn._kernels.sizes import AREA, LANES, LANES_ORDER, TILE, UNROLLED_ORDER

__all__ = ["entry_point", "kernels"]

FAR = 1 << 16  # numbers that are kept past the caches: more than half of a small second-level one


@once
def kernels(loop: str, kind: Any, order: int, depth: int, dtype: str) -> Any:
    """The compiled form of one of the loops below: a `filters.recurrence`, `depth` sections of this order.

    `dtype` is that of the samples; numbers are float64 or complex128.
    """
    known = order if order <= UNROLLED_ORDER else 0
    make, arguments = LOOPS[loop]
    name, keep = f"{loop}_{label(kind)}{known or ''}_{depth}_{dtype}", isinstance(kind, str)
    number = "D" if dtype in "FD" else "d"
    return kernel(make(recurrence(kind), known, depth), name, *arguments(dtype, number), keep=keep)


@device
def plain_number(like):
    return like


@device
def fused_number(like):
    return lanes(1, True)


def sequential(recurrence: Any, order: int, depth: int) -> Any:
    """One channel, sample after sample, each operation rounded as SciPy rounds it (or fused, in a vector of one)."""
    step, room, number = recurrence.step, depth * (order + 1), fused_number if recurrence.fused else plain_number

    def run(b, a, x, y, z):
        # b, a (S, P + 1)   x, y (N,) any strides   z (S P,), left as the final state
        like, z = number(b[0, 0]), z.reshape(b.shape[0], b.shape[1] - 1)
        tile = stack(TILE, b[0, 0])
        for start in range(0, x.shape[0], TILE):
            count = min(TILE, x.shape[0] - start)
            for n in range(count):
                tile[n] = x[start + n]
            if order:
                sweep(step, order, depth, room, b, a, z, tile, 1, count, like, ())
            else:
                sweep_any(step, b, a, z, tile, 1, count)
            for n in range(count):
                y[start + n] = tile[n]

    return run


@device
def to_lanes(at, hop, along, rows, tile, ahead, coming):
    """tile[n, k] = at[k hop + n along], along = 1 or -1, in 4 x 4 transposes.

    Four streams at a time: sixteen would evict each other from the cache when they lie a power of two apart. Streams
    are too short for the hardware to see where they go, so what lies `ahead` is asked for; 0: by others.
    """
    back, asked = ROWS - 1 if along < 0 else 0, 0
    for first in range(0, rows, TILE):
        for k in range(0, LANES, ROWS):
            for n in range(first, min(first + TILE, rows), ROWS):
                transpose(at, k * hop + n * along - back, hop, tile, (n + back) * LANES + k, along * LANES)
                ask(coming, asked)
                asked += 1
                if ahead and n % LINE == 0:
                    later = ahead if k + ROWS == LANES else 0
                    for j in range(k, k + ROWS):
                        prefetch(at, (j + ROWS) % LANES * hop + n * along + later)


@device
def from_lanes(tile, rows, at, hop, along, ahead, coming):
    """The way back: at[k hop + n along] = tile[n, k]."""
    back, asked = ROWS - 1 if along < 0 else 0, 0
    for first in range(0, rows, TILE):
        for k in range(0, LANES, ROWS):
            for n in range(first, min(first + TILE, rows), ROWS):
                transpose(tile, (n + back) * LANES + k, along * LANES, at, k * hop + n * along - back, hop)
                ask(coming, asked)
                asked += 1
                if ahead and n % LINE == 0:
                    later = ahead if k + ROWS == LANES else 0
                    for j in range(k, k + ROWS):
                        prefetch(at, (j + ROWS) % LANES * hop + n * along + later)


@device
def gather(x, c, width, start, count, tile, like, way=1):
    """tile[n, k] = x[c + k, start + n]; lanes beyond `width` are zero; `way` -1: the tile before comes next."""
    across, along = x.strides[0] // x.itemsize, x.strides[1] // x.itemsize
    at, rows = pointer(x[c:, start:]), 0
    if width == LANES and abs(along) == 1:
        rows = count // ROWS * ROWS
        to_lanes(at, across, along, rows, tile, way * along * TILE, ())
    elif width == LANES and across == 1:
        rows = count
        for n in range(rows):
            store(tile, n * LANES, load(at, n * along, like))
    for n in range(rows, count):
        for k in range(LANES):
            tile[n * LANES + k] = x[c + k, start + n] if k < width else 0.0


@device
def scatter(tile, y, c, width, start, count, like, way=1):
    """The way back: y[c + k, start + n] = tile[n, k] for k < width."""
    across, along = y.strides[0] // y.itemsize, y.strides[1] // y.itemsize
    at, rows = pointer(y[c:, start:]), 0
    if width == LANES and abs(along) == 1:
        rows = count // ROWS * ROWS
        from_lanes(tile, rows, at, across, along, way * along * TILE, ())
    elif width == LANES and across == 1:
        rows = count
        for n in range(rows):
            store(at, n * along, load(tile, n * LANES, like))
    for n in range(rows, count):
        for k in range(width):
            y[c + k, start + n] = tile[n * LANES + k]


@device
def following(x, g, start, by_row, back, way=1):
    """Where the samples of the next tile lie: address of the first, and how far apart they are."""
    across, along = x.strides[0] // x.itemsize, x.strides[1] // x.itemsize
    forward = way * TILE * along if by_row or back else 0
    aside = 0 if by_row else (LANES - back) * across
    return Soon(pointer(x[g * LANES :, start:]), forward + aside, along)


def channels(recurrence: Any, order: int, depth: int) -> Any:
    """Sixteen channels at a time, one in each lane, each rounded as if it were alone."""
    (step, fused), known, room = recurrence, order, depth * (order + 1) if order else LANES_ORDER + 1

    def run(b, a, x, y, z, low, high, kept, entries):
        # b, a (1 or G, S, P + 1, LANES)   x, y (C, N) any strides   z (G, S, P, LANES)   groups low ... high - 1
        # kept (G, tiles, AREA) left as the tiles of x, or (0, 0, 0)   entries (G, tiles, S, P, LANES) as the states before
        like = lanes(LANES, fused)
        tile = stack(AREA, 0.0)
        order = known if known else b.shape[2] - 1
        groups, tiles = high - low, (x.shape[1] + TILE - 1) // TILE
        by_row = abs(x.strides[1]) <= abs(x.strides[0])  # walk memory in the order in which it lies
        for i in range(groups * tiles):
            g, t = (i // tiles, i % tiles) if by_row else (i % groups, i // groups)
            g, start = low + g, t * TILE
            count, width = min(TILE, x.shape[1] - start), min(LANES, x.shape[0] - g * LANES)
            gather(x, g * LANES, width, start, count, tile, like)
            if kept.shape[0]:
                keep(tile, kept[g, t], count, like, kept.size > FAR)
                for s in range(b.shape[1]):
                    copy(z[g, s], entries[g, t, s])
            h = g if b.shape[0] > 1 else 0
            back = 0 if g + 1 < high else groups * LANES  # channels to go back to where the next stretch begins
            coming = following(x, g, start, by_row, back), following(y, g, start, by_row, back)
            sweep(step, order, depth, room, b[h], a[h], z[g], tile, LANES, count, like, coming)
            scatter(tile, y, g * LANES, width, start, count, like)
        settle()

    return run


def stretch(recurrence: Any, order: int, depth: int) -> Any:
    """A stretch of one long channel cut into blocks, sixteen of them side by side in the lanes.

    For each `depth` sections: the state each block would end with from rest, the chain w <- A^L w + that, both in the
    coordinates of `block_transition.py`, and the recurrence itself from the true states. Sums may be fused. False, with z and y
    unchanged, if it would leave a state that is not finite.
    """
    step, known, room = recurrence.step, order, depth * (order + 1) if order else LANES_ORDER + 1

    @device
    def run(b, a, g, power, basis, x, y, start, z, w, kept, far, entries, tile, entry, before):
        # b, a (S, P + 1)   x, y (N,), samples from `start` on   z (S, P), w (S / D, R) with D = depth, R = D P: the state
        # g (S / D, L, R)   power (S / D, R, R)   basis (S / D, 2, 2, R, W)
        # kept (L * LANES,) left as the tile of x, or (0,); `far` as for `keep`
        # entries (S / D, R, LANES) left as the states before each block, or (0, 1, 1)
        # scratch: tile (L * LANES,)   entry (D, P, LANES)   before (S, P)
        like = lanes(LANES, True)
        order = known if known else b.shape[1] - 1
        length, states, at, done = g.shape[1], depth * order, pointer(tile), True
        together = entry.reshape(states, LANES)
        near_x, far_x = following_stretch(x, start, length)
        near_y, far_y = following_stretch(y, start, length)
        copy(z, before)
        columns(x, start, length, at, near_x)
        if kept.shape[0]:
            keep(at, kept, length, like, far)
        for i in range(g.shape[0]):
            if done:
                part = slice(i * depth, (i + 1) * depth)
                final_states(states, room, g[i], at, together, length, like, far_x)
                chain(power[i], basis[i, 0], w[i], together, 1)
                if entries.shape[0]:
                    copy(together, entries[i])
                sweep(step, order, depth, room, b[part], a[part], entry, at, LANES, length, like, near_y)
                done = all_finite(together, like)
                last_lane(together, z[part].reshape(states))
        if done:
            back(at, y, start, length, far_y)
        else:
            copy(before, z)
        return done

    return run


def blocked(recurrence: Any, order: int, depth: int) -> Any:
    """One long channel, stretch after stretch. Returns how many samples are done: it stops before one that will not do."""
    one = stretch(recurrence, order, depth)

    def run(b, a, g, power, basis, x, y, z, w, kept, entries, tile, entry, before):
        # as above, N a multiple of L LANES, for each stretch:   kept (M, L LANES) or (1, 0)   entries (M, ...) or (1, 0, 1, 1)
        # w with NaN in front is found from z
        size, far = g.shape[1] * LANES, kept.size > FAR
        for i in range(g.shape[0]):
            if math.isnan(w[i, 0]):
                to_normal(basis[i, 1], z[i * depth : (i + 1) * depth].reshape(g.shape[2]), w[i])
        for start in range(0, x.shape[0], size):
            i = start // size
            row, entered = kept[min(i, kept.shape[0] - 1)], entries[min(i, entries.shape[0] - 1)]
            if not one(b, a, g, power, basis, x, y, start, z, w, row, far, entered, tile, entry, before):
                return start
        settle()
        return x.shape[0]

    return run


def ahead(recurrence: Any, order: int, depth: int) -> Any:
    """Only what each block would end with from rest: the first half of `blocked`, for many threads at once."""
    known, room = order, depth * (order + 1) if order else LANES_ORDER + 1

    def run(g, x, ends, tile):
        # g (1, L, R)   x (N,)   ends (N / (L LANES), R, LANES)   tile (L * LANES,) scratch
        like = lanes(LANES, True)
        length, states, at = g.shape[1], depth * known if known else g.shape[2], pointer(tile)
        for i in range(ends.shape[0]):
            near, far = following_stretch(x, i * length * LANES, length)
            columns(x, i * length * LANES, length, at, near)
            final_states(states, room, g[0], at, ends[i], length, like, far)

    return run


def follow(recurrence: Any, order: int, depth: int) -> Any:
    """The chain through blocks whose ends are known: w goes from before the first to after the last."""

    def run(power, basis, ends, w, z):
        # power (1, R, R)   basis (1, 2, 2, R, W)   ends as from `ahead`, overwritten   w, z (R,), the state afterwards
        for i in range(ends.shape[0]):
            chain(power[0], basis[0, 0], w, ends[i], 1)
        from_normal(basis[0, 0], w, z)

    return run


@device
def following_stretch(x, start, length, way=1):
    """The two halves of the stretch of a channel that comes after the one from `start` on; `way` -1: before it."""
    along = x.strides[0] // x.itemsize
    return halves(pointer(x), (start + way * length * LANES) * along, along, length)


@device
def columns(x, start, length, tile, coming):
    """tile[n, k] = x[start + k length + n]: block k of the stretch goes into lane k."""
    along = x.strides[0] // x.itemsize
    if abs(along) == 1:
        to_lanes(pointer(x[start:]), along * length, along, length, tile, 0, coming)
    else:
        for n in range(length):
            for k in range(LANES):
                tile[n * LANES + k] = x[start + k * length + n]


@device
def back(tile, y, start, length, coming):
    """The way back: y[start + k length + n] = tile[n, k].

    Stores go to memory in order, so each line is asked into the first-level cache before its turn (1.24, not 1.45 ms).
    """
    along = y.strides[0] // y.itemsize
    if abs(along) == 1:
        from_lanes(tile, length, pointer(y[start:]), along * length, along, along * TILE, coming)
    else:
        for n in range(length):
            for k in range(LANES):
                y[start + k * length + n] = tile[n * LANES + k]


@device
def keep(tile, kept, count, like, far):
    """A copy of a tile, past the caches if it is of many that do not fit them."""
    at = pointer(kept)
    if far:
        for n in range(count):
            store_past(at, n * LANES, load(tile, n * LANES, like))
    else:
        for n in range(count):
            store(at, n * LANES, load(tile, n * LANES, like))


@device
def last_lane(states, z):
    """The state after the last block."""
    for p in range(z.shape[0]):
        z[p] = states[p, LANES - 1]


@device
def all_finite(z, like):
    """No NaN and no inf: x - x is 0 only for the others."""
    total, out = like, stack(LANES, 0.0)
    for p in range(z.shape[0]):
        x = load(pointer(z[p]), 0, like)
        total = total + (x - x)
    store(out, 0, total)
    finite = True
    for k in range(LANES):
        finite = finite and out[k] == 0.0
    return finite


LOOPS = {
    "sequential": (
        sequential,
        lambda x, z: (*[packed(z, 2, read=True)] * 2, strided(x, 1, read=True), strided(x, 1), packed(z, 1)),
    ),
    "channels": (
        channels,
        lambda x, z: (
            *[packed(z, 4, read=True)] * 2,
            *[strided(x, 2, read=True), strided(x, 2)],
            *[packed(z, 4), types.intp, types.intp, packed(z, 3), packed(z, 5)],
        ),
    ),
    "blocked": (
        blocked,
        lambda x, z: (
            *[packed(z, 2, read=True)] * 2,
            *[packed(z, 3, read=True), packed(z, 3, read=True), packed(z, 5, read=True)],
            *[strided(x, 1, read=True), strided(x, 1), packed(z, 2), packed(z, 2)],
            *[packed(z, 2), packed(z, 4), packed(z, 1), packed(z, 3), packed(z, 2)],
        ),
    ),
    "ahead": (
        ahead,
        lambda x, z: (packed(z, 3, read=True), strided(x, 1, read=True), packed(z, 3), packed(z, 1)),
    ),
    "follow": (
        follow,
        lambda x, z: (packed(z, 3, read=True), packed(z, 5, read=True), packed(z, 3), packed(z, 1), packed(z, 1)),
    ),
}
