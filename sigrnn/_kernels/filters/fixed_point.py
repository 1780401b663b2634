"""One long channel of a recurrence that is not linear, in lanes: time blocks that begin with a guess, until the guess is true.

A filter that forgets reaches the same state wherever it began, and soon the very same bits: two runs closer than a
rounding are one. So 32 blocks run side by side from rest, then once more from where their predecessors ended. A block
that meets its earlier run, sample for sample, would go on as that did; where all do, every block has begun with
the true state, and what stands there is what one run from the first sample to the last would have given. Noise through
poles at 0.9 takes 270 samples to meet, at 0.99 some 500 to 4000. A filter that does not forget goes sample after sample.
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.base.activations import label
from sigrnn._kernels.base.jit import device, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import lanes, load, magnitude, offset, pointer, spread, stack, store, total
from sigrnn._kernels.filters.loops import from_lanes, to_lanes
from sigrnn._kernels.filters.steps import gained, recurrence
from sigrnn._kernels.sizes import FIXED_POINT_BLOCKS as BLOCKS
from sigrnn._kernels.sizes import FIXED_POINT_GROUPS as GROUPS
from sigrnn._kernels.sizes import FIXED_POINT_ROWS as ROWS
from sigrnn._kernels.sizes import LANES

AREA = ROWS * BLOCKS
RUNS = 8  # of a segment at most; one more puts at least one more block right


@routine
def fetch(x, start, hop, tile):
    """ROWS samples of each block, blocks `hop` apart, in groups of sixteen lanes."""
    along = x.strides[0] // x.itemsize
    for j in range(GROUPS):
        at, part = pointer(x[start + j * LANES * hop :]), offset(tile, j * ROWS * LANES)
        if abs(along) == 1:
            to_lanes(at, along * hop, along, ROWS, part, along * ROWS, ())
        else:
            for n in range(ROWS):
                for k in range(LANES):
                    store(part, n * LANES + k, at[(k * hop + n) * along])


@routine
def deliver(tile, y, start, hop):
    """The reverse."""
    along = y.strides[0] // y.itemsize
    for j in range(GROUPS):
        at, part = pointer(y[start + j * LANES * hop :]), offset(tile, j * ROWS * LANES)
        if abs(along) == 1:
            from_lanes(part, ROWS, at, along * hop, along, along * ROWS, ())
        else:
            for n in range(ROWS):
                for k in range(LANES):
                    store(at, (k * hop + n) * along, load(part, n * LANES + k, 0.0))


def guessed(advance: Any, signals: int, order: int) -> Any:
    """The loop for a step `advance` that takes a sample of each of so many signals."""
    coefficients, states, before, capacity = order + 1, GROUPS * order, order * BLOCKS, signals * AREA

    def run(b, a, x, y, z, length, tile):
        # b, a (P + 1,)   x: tuple of signals (M L BLOCKS,)   y (M L BLOCKS,)   z (P,)   L a multiple of ROWS
        # tile (L BLOCKS,) scratch   returns how many samples are done: it stops before a segment whose runs do not meet
        like = lanes(LANES, True)
        bb, aa, zz = stack(coefficients, like), stack(coefficients, like), stack(states, like)
        entry, end, samples = stack(before, 0.0), stack(before, 0.0), stack(capacity, 0.0)
        for p in range(order + 1):
            bb[p], aa[p] = spread(b[p], like), spread(a[p], like)
        for start in range(0, y.shape[0], length * BLOCKS):
            for p in range(order):
                for k in range(BLOCKS):
                    end[p * BLOCKS + k] = 0.0
            met = False
            for again in range(RUNS):
                for p in range(order):
                    entry[p * BLOCKS] = z[p]
                    for k in range(1, BLOCKS):
                        entry[p * BLOCKS + k] = end[p * BLOCKS + k - 1]
                for j in range(GROUPS):
                    for p in range(order):
                        zz[j * order + p] = load(entry, p * BLOCKS + j * LANES, like)
                first = 0
                while first < length and not met:
                    for i in range(signals):
                        fetch(x[i], start + first, length, offset(samples, i * AREA))
                    outputs, apart = offset(pointer(tile), first * BLOCKS), like
                    for n in range(ROWS):
                        for j in range(GROUPS):
                            i = (j * ROWS + n) * LANES
                            out = advance(order, bb, aa, zz, j * order, samples, i, like)
                            apart = apart + magnitude(out - load(outputs, i, like))
                            store(outputs, i, out)
                    met = again > 0 and total(apart) == 0.0
                    first += ROWS
                if met:
                    break
                for j in range(GROUPS):
                    for p in range(order):
                        store(end, p * BLOCKS + j * LANES, zz[j * order + p])
            if not met:
                return start
            for p in range(order):
                z[p] = end[p * BLOCKS + BLOCKS - 1]
            for first in range(0, length, ROWS):
                deliver(offset(pointer(tile), first * BLOCKS), y, start + first, length)
        return y.shape[0]

    return run


@once
def forward(kind: Any, order: int, dtype: str) -> Any:
    """The filter with this activation, samples of this type."""
    step = recurrence(kind).step

    @device
    def advance(order, b, a, z, s, samples, i, like):
        return step(order, b, a, z, 0, s, load(samples, i, like))

    return _kernel(advance, 1, order, dtype, f"guessed_{label(kind)}{order}_{dtype}", isinstance(kind, str))


@once
def backward(order: int) -> Any:
    """Its transpose: the signals are dy and g' over reversed time."""

    @device
    def advance(order, b, a, z, s, samples, i, like):
        return gained(order, a, z, 0, s, load(samples, i, like), load(samples, i + AREA, like))

    return _kernel(advance, 2, order, "d", f"guessed_back{order}", True)


def _kernel(advance: Any, signals: int, order: int, dtype: str, name: str, keep: bool) -> Any:
    number, signal = packed("d", 1, read=True), strided(dtype, 1, read=True)
    scratch = packed("d", 1), types.intp, packed("d", 1)
    arguments = number, number, types.UniTuple(signal, signals), strided(dtype, 1), *scratch
    return kernel(guessed(advance, signals, order), name, *arguments, keep=keep)
