"""The loops that run the recurrences of `steps.py`: sample after sample, channels in lanes, or time blocks in lanes.

Loops that move samples are compiled once for each type of sample. They call the functions that depend on the filter by
address: the sweep of a recurrence over a tile, and the sum for the final states of blocks. Callers get loops from
`kernels`; they are compiled at their first call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types

from sigrnn._kernels.base.activations import label
from sigrnn._kernels.base.calls import NUMBERS, address, caller, function
from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, strided
from sigrnn._kernels.base.vec import lanes, offset, pointer, settle, stack
from sigrnn._kernels.filters.block_transition import chain, columns_of, from_normal, size_of, to_normal
from sigrnn._kernels.filters.steps import LINE, final_states, halves, recurrence, short_sweep, sweep, sweep_any
from sigrnn._kernels.filters.transfers import (
    all_finite,
    channel_callers,
    channel_moves,
    copy_numbers,
    following,
    keep,
    move_callers,
    moves,
    step_of,
)
from sigrnn._kernels.sizes import AREA, BLOCK_STATES, LANES, LONGEST, SECTION_ORDER, STACK_STATES, TILE, UNROLLED_ORDER

__all__ = ["entry_point", "functions", "kernels"]

SCRATCH = (LONGEST + BLOCK_STATES) * LANES + 2 * STACK_STATES  # numbers that `blocked` keeps on the stack
FAR = 1 << 16  # from this many numbers on, tiles are stored past the caches: half of a small second-level cache
INT = types.intp


# Functions that depend on the filter


@once
def sequential(kind: Any, order: int, depth: int, rest: int, dtype: str) -> Any:
    """One channel, sample after sample, each operation rounded as SciPy rounds it (or fused, in a vector of one).

    A `steps.recurrence`, `depth` sections of this order at a time, `rest` at last. `dtype` is that of the samples;
    numbers are float64 or complex128.
    """
    step, fused = recurrence(kind)
    known = order if order <= UNROLLED_ORDER else 0
    number = fused_number if fused else plain_number
    together = sweep(step, known, depth)
    last = sweep(step, known, rest) if rest else None

    def run(c, x, y, z):
        # c (2, S, P + 1): b, a   x, y (N,) any strides   z (S P,), left as the final state
        like, order = number(c[0, 0, 0]), c.shape[2] - 1
        b, a, states = pointer(c[0]), pointer(c[1]), pointer(z)
        tile = stack(TILE, c[0, 0, 0])
        for start in range(0, x.shape[0], TILE):
            count = min(TILE, x.shape[0] - start)
            for n in range(count):
                tile[n] = x[start + n]
            if known:
                for s in range(0, c.shape[1] - rest, depth):
                    i, j = s * (order + 1), s * order
                    together(offset(b, i), offset(a, i), offset(states, j), order, tile, 1, count, like, ())
                if rest:
                    s = c.shape[1] - rest
                    i, j = s * (order + 1), s * order
                    last(offset(b, i), offset(a, i), offset(states, j), order, tile, 1, count, like, ())
            else:
                for s in range(c.shape[1]):
                    i, j = s * (order + 1), s * order
                    sweep_any(step, offset(b, i), offset(a, i), offset(states, j), order, tile, count)
            for n in range(count):
                y[start + n] = tile[n]

    sections = f"{depth}_{rest}" if rest else f"{depth}"
    name, keep = f"sequential_{label(kind)}{known or ''}_{sections}_{dtype}", isinstance(kind, str)
    return kernel(run, name, *sequential_arguments(dtype), keep=keep)


def sequential_arguments(dtype: str) -> tuple[Any, ...]:
    """The types of that."""
    number = "D" if dtype in "FD" else "d"
    return packed(number, 3, read=True), strided(dtype, 1, read=True), strided(dtype, 1), packed(number, 1)


@device
def plain_number(like):
    return like


@device
def fused_number(like):
    return lanes(1, True)


SWEEP = NUMBERS, NUMBERS, NUMBERS, INT, NUMBERS, INT, INT, INT, INT  # b, a, z, P, tile, stride, count, coming
LANES_SWEEP = NUMBERS, NUMBERS, NUMBERS, INT, NUMBERS, INT, *[INT] * 5  # b, a, z, P, tile, count, coming
ENDS = NUMBERS, INT, NUMBERS, INT, NUMBERS, INT, INT, INT  # g, R, tile, stride, ends, count, coming

CHAINED = NUMBERS, NUMBERS, NUMBERS, NUMBERS, INT, INT  # power, t, w, ends, states, way
NORMAL_STATES = NUMBERS, INT, INT, INT, NUMBERS, NUMBERS, INT  # constants, length, order, depth, z, w, states

call_sweep, call_lanes_sweep, call_ends = caller(*SWEEP), caller(*LANES_SWEEP), caller(*ENDS)
call_chain, call_normal_states = caller(*CHAINED), caller(*NORMAL_STATES)


@once
def block_sweep(kind: Any, order: int, depth: int) -> int:
    """`depth` sections over a tile of time blocks, one in each lane; sums may be fused."""
    known = order if order <= UNROLLED_ORDER else 0
    short = kind in ("direct", "sections") and order <= SECTION_ORDER and depth == 1
    sections = short_sweep(order) if short else sweep(recurrence(kind).step, known, depth)

    def run(b, a, z, order, tile, stride, count, at, step):
        # b, a (D, P + 1)   z (D, P, LANES)   tile (L, LANES), rows `stride` elements apart
        sections(b, a, z, order, tile, stride, count, lanes(LANES, True), (at, step))

    return function(run, f"block_sweep_{label(kind)}{known or ''}_{depth}", *SWEEP, keep=isinstance(kind, str))


@once
def lanes_sweep(kind: Any, order: int, depth: int) -> int:
    """`depth` sections over a tile of channels, one in each lane, each rounded as if it were alone."""
    known = order if order <= UNROLLED_ORDER else 0
    step, fused = recurrence(kind)
    sections = sweep(step, known, depth, 1)

    def run(b, a, z, order, tile, count, x, x_step, y, y_step, line):
        # b, a (D, P + 1, LANES)   z (D, P, LANES)   tile (TILE, LANES)
        coming = (x, x_step, y, y_step, line)
        sections(b, a, z, order, tile, LANES, count, lanes(LANES, fused), coming)

    name = f"lanes_sweep_{label(kind)}{known or ''}_{depth}"
    return function(run, name, *LANES_SWEEP, keep=isinstance(kind, str))


@once
def block_ends(states: int) -> int:
    """The states that blocks end with from rest; in registers where there are few."""
    known, capacity = states if states <= UNROLLED_ORDER else 0, states if states <= UNROLLED_ORDER else BLOCK_STATES

    def run(g, states, tile, stride, ends, count, at, step):
        # g (L, R)   tile (L, LANES), rows `stride` elements apart   ends (R, LANES)
        states = known if known else states
        final_states(states, capacity, g, tile, stride, ends, count, lanes(LANES, True), (at, step))

    return function(run, f"block_ends{known or ''}", *ENDS)


# The description of a filter in the first argument of `blocked` and `channels`
ORDER, DEPTH, PLAIN, WHOLE, MAIN_SWEEP, MAIN_ENDS, REST_SWEEP, REST_ENDS = range(8)
COLUMNS, BACK, CHAIN, NORMAL = range(8, 12)  # what all filters share
GATHER, SCATTER = COLUMNS, BACK  # in the same place for `channels`


def functions(loop: str, kind: Any, order: int, depth: int, rest: int, dtype: str) -> Any:
    """The functions of a filter that a loop calls, by address, and its order and depth."""
    found = np.zeros(12, np.intp)
    found[ORDER], found[DEPTH] = order, depth
    groups = [(MAIN_SWEEP, depth), (REST_SWEEP, rest)] if rest else [(MAIN_SWEEP, depth)]
    for at, count in groups:
        if loop == "channels":
            found[at] = lanes_sweep(kind, order, count)
        else:
            found[at], found[at + 1] = block_sweep(kind, order, count), block_ends(order * count)
    if loop != "channels":
        found[PLAIN], found[WHOLE] = address(sequential(kind, order, depth, rest, dtype)), address(taped(dtype))
        found[COLUMNS:] = shared(dtype)
    else:
        found[GATHER], found[SCATTER] = channel_moves(dtype)
    return found


@once
def shared(dtype: str) -> tuple[int, ...]:
    """The functions of all filters, by address: COLUMNS, BACK, CHAIN, NORMAL."""
    chained = function(chain.py_func, "chain", *CHAINED)
    return *moves(dtype), chained, function(_normal_states, "normal_states", *NORMAL_STATES)


@once
def channels(dtype: str) -> Any:
    """Sixteen channels at a time, one in each lane, each rounded as if it were alone."""
    call_gather, call_scatter = channel_callers(dtype)

    def run(functions, b, a, x, y, z, low, high, kept, entries):
        # functions as from `functions`   b, a (1 or G, S, P + 1, LANES)   x, y (C, N) any strides   z (G, S, P, LANES)
        # groups low ... high - 1   kept (G, tiles, AREA) left as the tiles of x, or (0, 0, 0)
        # entries (G, tiles, S, P, LANES) as the states before
        like = lanes(LANES, True)
        tile = stack(AREA, 0.0)
        order, depth, sections = functions[ORDER], functions[DEPTH], b.shape[1]
        groups, tiles = high - low, (x.shape[1] + TILE - 1) // TILE
        by_row = abs(x.strides[1]) <= abs(x.strides[0])  # walk memory in the order in which it lies
        for i in range(groups * tiles):
            g, t = (i // tiles, i % tiles) if by_row else (i % groups, i // groups)
            g, start = low + g, t * TILE
            count, width = min(TILE, x.shape[1] - start), min(LANES, x.shape[0] - g * LANES)
            state = pointer(z[g])
            call_gather(functions[GATHER], (x, g * LANES, width, start, count, tile, 1))
            if kept.shape[0]:
                keep(tile, pointer(kept[g, t]), count, like, kept.size > FAR)
                keep(state, pointer(entries[g, t]), sections * order, like, False)
            back = 0 if g + 1 < high else groups * LANES  # channels to go back to where the next segment begins
            h = g if b.shape[0] > 1 else 0
            bb, aa = pointer(b[h]), pointer(a[h])
            at_x, step_x = following(x, g, start, by_row, back, 1)
            at_y, step_y = following(y, g, start, by_row, back, 1)
            s = 0
            while s < sections:
                step = depth if s + depth <= sections else sections - s
                c, p = s * (order + 1) * LANES, s * order * LANES
                call_lanes_sweep(
                    functions[MAIN_SWEEP if step == depth else REST_SWEEP],
                    (offset(bb, c), offset(aa, c), offset(state, p), order, tile, count,
                     at_x, step_x, at_y, step_y, LINE * x.itemsize),
                )  # fmt: skip
                s += step
            call_scatter(functions[SCATTER], (tile, y, g * LANES, width, start, count, 1))
        settle()

    numbers, signals = [packed("d", 4, read=True)] * 2, (strided(dtype, 2, read=True), strided(dtype, 2))
    arguments = packed("p", 1, read=True), *numbers, *signals, packed("d", 4), INT, INT, packed("d", 3), packed("d", 5)
    return kernel(run, f"channels_{dtype}", *arguments)


# Time blocks


@device
def group_constants(at, states):
    """What blocks need of a group of sections: (A^L)' (R, W), T and its inverse (2, 2, R, W), inputs to states (L, R)."""
    half = 2 * states * columns_of(states)
    t = offset(at, states * columns_of(states))
    return at, t, offset(t, half), offset(t, 2 * half)


def _normal_states(constants, length, order, depth, z, w, states):
    """The state of all sections in the coordinates of blocks."""
    first, rest = 0, True
    for p in range(states):
        rest = rest and z[p] == 0.0
        w[p] = 0.0
    while first < states and not rest:
        group = min(depth * order, states - first)
        _, _, inverse, _ = group_constants(constants, group)
        to_normal(inverse, offset(z, first), offset(w, first), group)
        constants, first = offset(constants, size_of(length, group)), first + group


@once
def taped(dtype: str) -> Any:
    """One long channel, segment after segment, and what a pull-back needs of it.

    Segments with NaN or inf in a state, and the remainder, run sample by sample.
    """
    call_plain, (call_columns, call_back) = caller(*sequential_arguments(dtype)), move_callers(dtype)

    def run(functions, whole, x, y, z, kept, entries, scratch, length, ready):
        # functions as from `functions`   whole: b and a (S, P + 1) each, and the constants of all groups
        # x, y (N,) any strides   z (S P,)   M = N / (L LANES) segments
        # kept (M, L LANES) left as the tiles of x, or (1, 0)   entries (M, S P, LANES) left as the states before each block,
        # or (1, 0, LANES); where a segment ran sample after sample, its first lane, the others NaN
        # scratch: tile (L LANES,), entry (D P, LANES), the state before (S P,), w (S P,), `ready` if that is given
        like = lanes(LANES, True)
        order, depth, states = functions[ORDER], functions[DEPTH], z.shape[0]
        sections, size, far = states // order, length * LANES, kept.size > FAR
        b, z_at, tile, x_at, y_at = pointer(whole), pointer(z), pointer(scratch), pointer(x), pointer(y)
        along_x, along_y, kept_at, entries_at = step_of(x), step_of(y), pointer(kept), pointer(entries)
        a, constants = offset(b, sections * (order + 1)), offset(b, 2 * sections * (order + 1))
        entry = offset(tile, size)
        before = offset(entry, depth * order * LANES)
        w = offset(before, states)
        c = carray(b, (2, sections, order + 1))
        whole_steps = x.strides[0] % x.itemsize == 0 and y.strides[0] % y.itemsize == 0  # not fields of records
        done = x.shape[0] // size * size if whole_steps else 0
        start = 0
        while start < x.shape[0]:
            i, count, finite = start // size, size, False
            if start < done:
                if not ready:
                    call_normal_states(functions[NORMAL], (constants, length, order, depth, z_at, w, states))
                copy_numbers(z_at, before, states)
                near_x, far_x = halves(x, start + size, length)
                near_y, far_y = halves(y, start + size, length)
                from_x, to_y = offset(x_at, start * along_x), offset(y_at, start * along_y)
                call_columns(
                    functions[COLUMNS], (from_x, along_x * length, along_x, length, tile, near_x[0], near_x[1])
                )
                if kept.shape[1]:
                    keep(tile, offset(kept_at, i * size), length, like, far)
                s, at, first, finite = 0, constants, 0, True
                while s < sections and finite:
                    step = depth if s + depth <= sections else sections - s
                    main, group, p = step == depth, step * order, s * (order + 1)
                    power, t, _, g = group_constants(at, group)
                    call_ends(
                        functions[MAIN_ENDS if main else REST_ENDS],
                        (g, group, tile, LANES, entry, length, far_x[0], far_x[1]),
                    )
                    call_chain(functions[CHAIN], (power, t, offset(w, first), entry, group, 1))
                    if entries.shape[1]:
                        keep(entry, offset(entries_at, (i * states + first) * LANES), group, like, False)
                    call_sweep(
                        functions[MAIN_SWEEP if main else REST_SWEEP],
                        (offset(b, p), offset(a, p), entry, order, tile, LANES, length, near_y[0], near_y[1]),
                    )
                    for q in range(group):
                        z_at[first + q] = entry[q * LANES + LANES - 1]
                    finite = all_finite(entry, group)
                    s, at, first = s + step, offset(at, size_of(length, group)), first + group
                ready = finite
                if finite:
                    call_back(functions[BACK], (tile, to_y, along_y * length, along_y, length, far_y[0], far_y[1]))
                else:
                    copy_numbers(before, z_at, states)
                    if entries.shape[1]:
                        for p in range(states * LANES):
                            entries_at[i * states * LANES + p] = np.nan if p % LANES else z[p // LANES]
            else:
                count = x.shape[0] - start
            if not finite:
                call_plain(functions[PLAIN], (c, x[start : start + count], y[start : start + count], z))
            start += count
        if done and not ready:
            call_normal_states(functions[NORMAL], (constants, length, order, depth, z_at, w, states))
        settle()

    return kernel(run, f"taped_{dtype}", *taped_arguments(dtype))


def taped_arguments(dtype: str) -> tuple[Any, ...]:
    """The types of that."""
    signals = strided(dtype, 1, read=True), strided(dtype, 1)
    kept = packed("d", 1), packed("d", 2), packed("d", 3), packed("d", 1)
    return packed("p", 1, read=True), packed("d", 1, read=True), *signals, *kept, INT, types.boolean


@once
def blocked(dtype: str) -> Any:
    """The same without a tape, for up to STACK_STATES states: few arguments, since each array argument takes 0.1 us."""
    call_taped = caller(*taped_arguments(dtype))

    def run(functions, whole, length, x, y, z):
        at = stack(SCRATCH, 0.0)
        kept, entries, scratch = carray(at, (1, 0)), carray(at, (1, 0, LANES)), carray(at, (SCRATCH,))
        call_taped(functions[WHOLE], (functions, whole, x, y, z, kept, entries, scratch, length, False))

    constants = packed("p", 1, read=True), packed("d", 1, read=True), INT
    return kernel(run, f"blocked_{dtype}", *constants, strided(dtype, 1, read=True), strided(dtype, 1), packed("d", 1))


@once
def ahead(dtype: str) -> Any:
    """Only the final state of each block from rest: the first half of `blocked`, for several threads."""

    call_columns, _ = move_callers(dtype)

    def run(functions, constants, x, ends, tile, length):
        # constants of one group   x (N,)   ends (N / (L LANES), R, LANES)   tile (L * LANES,) scratch
        states, at, size, along = ends.shape[1], pointer(tile), length * LANES, step_of(x)
        _, _, _, g = group_constants(pointer(constants), states)
        for i in range(ends.shape[0]):
            near, far = halves(x, (i + 1) * size, length)
            first = offset(pointer(x), i * size * along)
            call_columns(functions[COLUMNS], (first, along * length, along, length, at, near[0], near[1]))
            call_ends(functions[MAIN_ENDS], (g, states, at, LANES, pointer(ends[i]), length, far[0], far[1]))

    numbers = strided(dtype, 1, read=True), packed("d", 3), packed("d", 1), INT
    return kernel(run, f"ahead_{dtype}", packed("p", 1, read=True), packed("d", 1, read=True), *numbers)


@once
def follow() -> Any:
    """The chain through blocks with known ends: w is the state before the first, then that after the last."""

    def run(constants, ends, w, z):
        # constants of one group   ends as from `ahead`, overwritten   w, z (R,), the state afterwards
        states = w.shape[0]
        power, t, _, _ = group_constants(pointer(constants), states)
        for i in range(ends.shape[0]):
            chain(power, t, pointer(w), pointer(ends[i]), states, 1)
        from_normal(t, pointer(w), pointer(z), states)

    return kernel(run, "follow", packed("d", 1, read=True), packed("d", 3), packed("d", 1), packed("d", 1))


LOOPS = {"channels": channels, "taped": taped, "blocked": blocked, "ahead": ahead}


def kernels(loop: str, dtype: str) -> Any:
    """The compiled form of one of the loops that call the functions of a filter."""
    return entry_point(LOOPS[loop](dtype))
