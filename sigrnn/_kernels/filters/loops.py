"""The loops that run the recurrences of `steps.py`: sample after sample, channels in lanes, or time blocks in lanes.

Each function here makes the kernel for one recurrence: `step` says which and `order` how many states a section has
(0: any number, known only when called). Callers ask for them through `kernels`; they are compiled at their first call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from sigrnn._kernels.base.activations import label
from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import ROWS, lanes, load, pointer, prefetch, settle, stack, store, store_past, transpose
from sigrnn._kernels.filters.block_transition import chain, columns_of, from_normal, size_of, to_normal
from sigrnn._kernels.filters.steps import (
    LINE,
    Soon,
    ask,
    cascade,
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
def kernels(loop: str, kind: Any, order: int, depth: int, rest: int, dtype: str) -> Any:
    """The compiled form of one of the loops below: a `steps.recurrence`, `depth` sections of this order at a time, `rest` at last.

    `dtype` is that of the samples; numbers are float64 or complex128.
    """
    known = order if order <= UNROLLED_ORDER else 0
    make, arguments = LOOPS[loop]
    sections = f"{depth}_{rest}" if rest else f"{depth}"
    name, keep = f"{loop}_{label(kind)}{known or ''}_{sections}_{dtype}", isinstance(kind, str)
    number = "D" if dtype in "FD" else "d"
    return kernel(make(kind, known, depth, rest), name, *arguments(dtype, number), keep=keep)


def named(function: Any, name: str, kind: Any, *sizes: int) -> Any:
    """A routine with a name of its own: of two with the same name and types, linked in different processes, one is lost."""
    function.__qualname__ = "_".join([name, label(kind), *map(str, sizes)])
    return routine(function)


@device
def plain_number(like):
    return like


@device
def fused_number(like):
    return lanes(1, True)


@once
def plain(kind: Any, order: int, depth: int, rest: int) -> Any:
    """One channel, sample after sample, each operation rounded as SciPy rounds it (or fused, in a vector of one)."""
    step, fused = recurrence(kind)
    number, sections = fused_number if fused else plain_number, cascade(step, order, depth, rest) if order else None

    def run(b, a, x, y, z):
        # b, a (S, P + 1)   x, y (N,) any strides   z (S P,), left as the final state
        like, z = number(b[0, 0]), z.reshape(b.shape[0], b.shape[1] - 1)
        tile = stack(TILE, b[0, 0])
        for start in range(0, x.shape[0], TILE):
            count = min(TILE, x.shape[0] - start)
            for n in range(count):
                tile[n] = x[start + n]
            if order:
                sections(b, a, z, tile, 1, count, like, ())
            else:
                sweep_any(step, b, a, z, tile, 1, count)
            for n in range(count):
                y[start + n] = tile[n]

    return named(run, "plain", kind, order, depth, rest)


def sequential(kind: Any, order: int, depth: int, rest: int) -> Any:
    """The same as a kernel."""
    filtered = plain(kind, order, depth, rest)

    def run(c, x, y, z):
        # c (2, S, P + 1): b, a   x, y (N,) any strides   z (S P,), left as the final state
        filtered(c[0], c[1], x, y, z)

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
    """The reverse: at[k hop + n along] = tile[n, k]."""
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
    """The reverse: y[c + k, start + n] = tile[n, k] for k < width."""
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


def channels(kind: Any, order: int, depth: int, rest: int) -> Any:
    """Sixteen channels at a time, one in each lane, each rounded as if it were alone."""
    step, fused = recurrence(kind)
    sections = cascade(step, order, depth, rest)

    def run(b, a, x, y, z, low, high, kept, entries):
        # b, a (1 or G, S, P + 1, LANES)   x, y (C, N) any strides   z (G, S, P, LANES)   groups low ... high - 1
        # kept (G, tiles, AREA) left as the tiles of x, or (0, 0, 0)   entries (G, tiles, S, P, LANES) as the states before
        like = lanes(LANES, fused)
        tile = stack(AREA, 0.0)
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
            back = 0 if g + 1 < high else groups * LANES  # channels to go back to where the next segment begins
            coming = following(x, g, start, by_row, back), following(y, g, start, by_row, back)
            sections(b[h], a[h], z[g], tile, LANES, count, like, coming)
            scatter(tile, y, g * LANES, width, start, count, like)
        settle()

    return run


def together(kind: Any, order: int, depth: int) -> Any:
    """`depth` sections over a segment of one channel, cut into blocks that lie in a tile, one in each lane.

    The state each block would end with from rest, the chain w <- A^L w + that, both in the coordinates of
    `block_transition.py`, and the recurrence itself from the true states. Sums may be fused. False if it leaves a state
    that is not finite.
    """
    sections, known, room = sweep(recurrence(kind).step, order, depth), order, depth * order if order else LANES_ORDER

    @device
    def run(b, a, constants, tile, length, z, w, entries, entry, like, reads, writes):
        # b, a (D, P + 1)   with R = D P states: constants as `Block.constants`   z, w (R,) the state
        # tile (L, LANES)   entries (R, LANES) left as the states before each block, or (0, LANES)   scratch: entry (R, LANES)
        order = known if known else b.shape[1] - 1
        states = depth * order
        power, basis, g = unpacked(constants, length, states)
        final_states(states, room, g, tile, entry, length, like, reads)
        chain(power, basis[0], w, entry, 1)
        if entries.shape[0]:
            copy(entry, entries)
        sections(b, a, entry.reshape(depth, order, LANES), tile, LANES, length, like, writes)
        last_lane(entry, z)
        return all_finite(entry, like)

    return run


@device
def unpacked(constants, length, states):
    """What blocks need of a group of sections: A^L (R, R), T and its inverse (2, 2, R, W), inputs to states (L, R)."""
    width = columns_of(states)
    first, second = states * states, states * states + 4 * states * width
    power, basis = constants[:first].reshape(states, states), constants[first:second].reshape(2, 2, states, width)
    return power, basis, constants[second : second + length * states].reshape(length, states)


@device
def normal_states(constants, length, order, depth, rest, z, w):
    """The state of all sections in the coordinates of blocks."""
    at, first = 0, 0
    while first < z.shape[0]:
        states = min(depth * order, z.shape[0] - first)
        _, basis, _ = unpacked(constants[at:], length, states)
        to_normal(basis[1], z[first : first + states], w[first : first + states])
        at, first = at + size_of(length, states), first + states


@once
def in_blocks(kind: Any, order: int, depth: int, rest: int) -> Any:
    """One long channel, segment after segment; those with NaN or inf on the way, and what is left, sample after sample."""
    filtered, one, known = plain(kind, order, depth, rest), together(kind, order, depth), order
    last = together(kind, order, rest) if rest else None

    def run(b, a, constants, x, y, z, kept, entries, scratch, length, ready):
        # b, a (S, P + 1)   constants: those of all groups   x, y (N,) any strides   z (S P,)   M = N / (L LANES) segments
        # kept (M, L LANES) left as the tiles of x, or (1, 0)   entries (M, S P, LANES) left as the states before each block,
        # or (1, 0, LANES); where a segment ran sample after sample, its first lane, the others NaN
        # scratch: tile (L LANES,), entry (D P, LANES), the state before (S P,), w (S P,), `ready` if that is given
        like = lanes(LANES, True)
        order = known if known else b.shape[1] - 1
        size, states, group, far = length * LANES, z.shape[0], depth * order, kept.size > FAR
        tile, entry = pointer(scratch), scratch[size : size + group * LANES].reshape(group, LANES)
        spare = size + group * LANES
        before, w = scratch[spare : spare + states], scratch[spare + states : spare + 2 * states]
        done = x.shape[0] // size * size
        for start in range(0, done, size):
            if not ready:
                normal_states(constants, length, order, depth, rest, z, w)
                ready = True
            i = min(start // size, kept.shape[0] - 1)
            saved = entries[min(start // size, entries.shape[0] - 1)]
            for p in range(states):
                before[p] = z[p]
            near_x, far_x = following_segment(x, start, length)
            near_y, far_y = following_segment(y, start, length)
            columns(x, start, length, tile, near_x)
            if kept.shape[1]:
                keep(tile, kept[i], length, like, far)
            at, first, finite = 0, 0, True
            for s in range(0, b.shape[0] - rest, depth):
                if finite:
                    p, q = slice(s, s + depth), slice(first, first + group)
                    finite = one(
                        b[p], a[p], constants[at:], tile, length, z[q], w[q], saved[q], entry, like, far_x, near_y
                    )
                    at, first = at + size_of(length, group), first + group
            if rest and finite:
                finite = last(
                    b[s + depth :], a[s + depth :], constants[at:], tile, length, z[first:], w[first:], saved[first:],
                    entry[: rest * order], like, far_x, near_y,
                )  # fmt: skip
            if finite:
                back(tile, y, start, length, far_y)
            else:
                for p in range(states):
                    z[p] = before[p]
                if saved.shape[0]:
                    for p in range(states):
                        for k in range(LANES):
                            saved[p, k] = np.nan if k else z[p]
                filtered(b, a, x[start : start + size], y[start : start + size], z)
                ready = False
        if done and not ready:
            normal_states(constants, length, order, depth, rest, z, w)
        settle()
        if done < x.shape[0]:
            filtered(b, a, x[done:], y[done:], z)

    return named(run, "in_blocks", kind, order, depth, rest)


def blocked(kind: Any, order: int, depth: int, rest: int) -> Any:
    """The same as a kernel: few arguments, since each array takes 0.1 us to hand over."""
    filtered, known = in_blocks(kind, order, depth, rest), order

    def run(constants, x, y, z, scratch, length):
        # constants: b and a (S, P + 1) each, and those of `in_blocks`
        order = known if known else z.shape[0]
        sections = z.shape[0] // order
        size = sections * (order + 1)
        b, a = constants[:size].reshape(sections, order + 1), constants[size : 2 * size].reshape(sections, order + 1)
        kept, entries = scratch[:0].reshape(1, 0), scratch[:0].reshape(1, 0, LANES)
        filtered(b, a, constants[2 * size :], x, y, z, kept, entries, scratch, length, False)

    return run


def taped(kind: Any, order: int, depth: int, rest: int) -> Any:
    """The same, which keeps what a pull-back needs."""
    filtered = in_blocks(kind, order, depth, rest)

    def run(b, a, constants, x, y, z, kept, entries, scratch, length, ready):
        filtered(b, a, constants, x, y, z, kept, entries, scratch, length, ready)

    return run


def ahead(kind: Any, order: int, depth: int, rest: int) -> Any:
    """Only what each block would end with from rest: the first half of `blocked`, for many threads at once."""
    known, room = order, depth * order if order else LANES_ORDER

    def run(constants, x, ends, tile, length):
        # constants of one group   x (N,)   ends (N / (L LANES), R, LANES)   tile (L * LANES,) scratch
        like = lanes(LANES, True)
        states, at = depth * known if known else ends.shape[1], pointer(tile)
        _, _, g = unpacked(constants, length, states)
        for i in range(ends.shape[0]):
            near, far = following_segment(x, i * length * LANES, length)
            columns(x, i * length * LANES, length, at, near)
            final_states(states, room, g, at, ends[i], length, like, far)

    return run


def follow(kind: Any, order: int, depth: int, rest: int) -> Any:
    """The chain through blocks whose ends are known: w goes from before the first to after the last."""

    def run(constants, ends, w, z, length):
        # constants of one group   ends as from `ahead`, overwritten   w, z (R,), the state afterwards
        power, basis, _ = unpacked(constants, length, w.shape[0])
        for i in range(ends.shape[0]):
            chain(power, basis[0], w, ends[i], 1)
        from_normal(basis[0], w, z)

    return run


@device
def following_segment(x, start, length, way=1):
    """The two halves of the segment of a channel that comes after the one from `start` on; `way` -1: before it."""
    along = x.strides[0] // x.itemsize
    return halves(pointer(x), (start + way * length * LANES) * along, along, length)


@device
def columns(x, start, length, tile, coming):
    """tile[n, k] = x[start + k length + n]: block k of the segment goes into lane k."""
    along = x.strides[0] // x.itemsize
    if abs(along) == 1:
        to_lanes(pointer(x[start:]), along * length, along, length, tile, 0, coming)
    else:
        for n in range(length):
            for k in range(LANES):
                tile[n * LANES + k] = x[start + k * length + n]


@device
def back(tile, y, start, length, coming):
    """The reverse: y[start + k length + n] = tile[n, k].

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
        lambda x, z: (packed(z, 3, read=True), strided(x, 1, read=True), strided(x, 1), packed(z, 1)),
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
            *[packed(z, 1, read=True), strided(x, 1, read=True), strided(x, 1), packed(z, 1), packed(z, 1)],
            types.intp,
        ),
    ),
    "taped": (
        taped,
        lambda x, z: (
            *[packed(z, 2, read=True), packed(z, 2, read=True), packed(z, 1, read=True)],
            *[strided(x, 1, read=True), strided(x, 1), packed(z, 1), packed(z, 2), packed(z, 3), packed(z, 1)],
            *[types.intp, types.boolean],
        ),
    ),
    "ahead": (
        ahead,
        lambda x, z: (packed(z, 1, read=True), strided(x, 1, read=True), packed(z, 3), packed(z, 1), types.intp),
    ),
    "follow": (
        follow,
        lambda x, z: (packed(z, 1, read=True), packed(z, 3), packed(z, 1), packed(z, 1), types.intp),
    ),
}
