"""Transfers between memory and tiles: samples of sixteen channels, or of sixteen blocks of one channel, go into lanes."""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.base.calls import NUMBERS, alone, caller, function, place, small
from sigrnn._kernels.base.jit import device, once, routine, strided
from sigrnn._kernels.base.vec import (
    ROWS,
    lanes,
    load,
    pointer,
    prefetch,
    store,
    store_past,
    total,
    transpose,
)
from sigrnn._kernels.filters.steps import LINE, ask
from sigrnn._kernels.sizes import LANES, TILE


@device
def to_lanes(at, hop, along, rows, tile, ahead, coming):
    """tile[n, k] = at[k hop + n along], along = 1 or -1, in 4 x 4 transposes.

    Four streams at a time: sixteen would evict each other from the cache when they lie a power of two apart. Streams
    are too short for the hardware prefetcher, so we prefetch `ahead` elements; 0: the caller does.
    """
    back, asked = ROWS - 1 if along < 0 else 0, 0
    for first in range(0, rows, TILE):
        for k in range(0, LANES, ROWS):
            later = (k + ROWS) * hop if k + ROWS < LANES else ahead
            for n in range(first, min(first + TILE, rows), ROWS):
                transpose(at, k * hop + n * along - back, hop, tile, (n + back) * LANES + k, along * LANES)
                ask(coming, asked)
                asked += 1
                if ahead and n % LINE == 0:
                    for j in range(ROWS):
                        prefetch(at, later + j * hop + n * along)


@device
def from_lanes(tile, rows, at, hop, along, ahead, coming):
    """The reverse: at[k hop + n along] = tile[n, k]."""
    back, asked = ROWS - 1 if along < 0 else 0, 0
    for first in range(0, rows, TILE):
        for k in range(0, LANES, ROWS):
            later = (k + ROWS) * hop if k + ROWS < LANES else ahead
            for n in range(first, min(first + TILE, rows), ROWS):
                transpose(tile, (n + back) * LANES + k, along * LANES, at, k * hop + n * along - back, hop)
                ask(coming, asked)
                asked += 1
                if ahead and n % LINE == 0:
                    for j in range(ROWS):
                        prefetch(at, later + j * hop + n * along)


def _gather(x, c, width, start, count, tile, way):
    """tile[n, k] = x[c + k, start + n]; lanes beyond `width` are zero; `way` -1: the tile before comes next."""
    like = lanes(LANES, True)
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


def _scatter(tile, y, c, width, start, count, way):
    """The reverse: y[c + k, start + n] = tile[n, k] for k < width."""
    like = lanes(LANES, True)
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


@once
def channel_moves(dtype: str) -> tuple[int, int]:
    """Both, compiled once for all loops: their addresses."""
    into, out = channel_arguments(dtype)
    return function(_gather, f"gather_{dtype}", *into), function(_scatter, f"scatter_{dtype}", *out)


@once
def channel_callers(dtype: str) -> tuple[Any, Any]:
    """What calls them."""
    into, out = channel_arguments(dtype)
    return caller(*into), caller(*out)


def channel_arguments(dtype: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The types of their arguments."""
    ints = [types.intp] * 5
    return (strided(dtype, 2, read=True), *ints[:4], NUMBERS, ints[0]), (NUMBERS, strided(dtype, 2), *ints)


@device
def following(x, g, start, by_row, back, way):
    """Where the samples of the next tile lie: address of the first, and the step from row to row."""
    forward = way * TILE * x.strides[1] if by_row or back else 0
    aside = 0 if by_row else (LANES - back) * x.strides[0]
    return place(pointer(x[g * LANES :, start:])) + forward + aside, x.strides[1]


def _columns(x, hop, along, rows, tile, coming, step):
    """tile[n, k] = x[k hop + n along], n < rows: blocks of a signal go into lanes."""
    small()
    if abs(along) == 1:
        to_lanes(x, hop, along, rows, tile, 0, (coming, step))
    else:
        for n in range(rows):
            for k in range(LANES):
                tile[n * LANES + k] = x[k * hop + n * along]


def _back(tile, y, hop, along, rows, coming, step):
    """The reverse: y[k hop + n along] = tile[n, k].

    Stores go to memory in order, so each line is asked into the first-level cache before its turn (1.24, not 1.45 ms).
    """
    small()
    if abs(along) == 1:
        from_lanes(tile, rows, y, hop, along, along * TILE if rows > TILE else LANES * hop, (coming, step))
    else:
        for n in range(rows):
            for k in range(LANES):
                y[k * hop + n * along] = tile[n * LANES + k]


@once
def moves(dtype: str) -> tuple[int, int]:
    """Both, compiled once for all loops: their addresses."""
    into, out = move_arguments(dtype)
    return function(_columns, f"columns_{dtype}", *into), function(_back, f"back_{dtype}", *out)


@once
def move_callers(dtype: str) -> tuple[Any, Any]:
    """What calls them."""
    into, out = move_arguments(dtype)
    return caller(*into), caller(*out)


def move_arguments(dtype: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The types of their arguments."""
    samples, ints = types.CPointer(types.float32 if dtype == "f" else types.float64), [types.intp] * 3
    return (samples, *ints, NUMBERS, *ints[:2]), (NUMBERS, samples, *ints, *ints[:2])


@device
def step_of(x):
    """The distance from one sample to the next, in elements."""
    return x.strides[0] // x.itemsize


@device
def copy_numbers(source, target, count):
    for i in range(count):
        target[i] = source[i]


@device
def keep(source, target, count, like, far):
    """Copy `count` rows of lanes; past the caches if the copy is too large for them."""
    if far:
        for n in range(count):
            store_past(target, n * LANES, load(source, n * LANES, like))
    else:
        for n in range(count):
            store(target, n * LANES, load(source, n * LANES, like))


@routine
def all_finite(z, count):
    """Whether `count` rows of lanes are finite: x - x is 0 for finite x only."""
    alone()
    like = lanes(LANES, True)
    sums = like
    for p in range(count):
        x = load(z, p * LANES, like)
        sums = sums + (x - x)
    return total(sums) == 0.0
