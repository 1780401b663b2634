"""One long channel of a nonlinear recurrence, in lanes: time segments start from estimated states, which converge.

Runs of a filter with fading memory converge from different initial states until their bits are equal. So 32 segments
run in parallel from rest, then again from the final states of their predecessors. Once a segment reproduces its earlier
run, sample for sample, the rest of that run is valid. If all segments do, each has started from its true state, and the
result is that of a single run over all samples, to the last bit. Noise through poles at 0.9 takes 270 samples to
converge, at 0.99 500 to 4000. A filter that does not converge runs sample by sample.
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.base.activations import label
from sigrnn._kernels.base.calls import small
from sigrnn._kernels.base.jit import device, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import lanes, load, magnitude, offset, pointer, spread, stack, store, total
from sigrnn._kernels.filters.steps import gained, recurrence
from sigrnn._kernels.filters.transfers import from_lanes, to_lanes
from sigrnn._kernels.sizes import FIXED_POINT_BLOCKS as BLOCKS
from sigrnn._kernels.sizes import FIXED_POINT_GROUPS as GROUPS
from sigrnn._kernels.sizes import FIXED_POINT_ROWS as ROWS
from sigrnn._kernels.sizes import LANES

AREA = ROWS * BLOCKS
RUNS = 8  # largest number of runs; each makes at least one more segment exact


@routine
def fetch(x, start, hop, tile):
    """Load ROWS samples of each segment, `hop` apart, into groups of sixteen lanes."""
    small()
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
    small()
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
    """The loop for a step `advance` that reads a sample of each of several signals."""
    coefficients, states, before, capacity = order + 1, GROUPS * order, order * BLOCKS, signals * AREA

    def run(b, a, x, y, z, length, tile):
        # b, a (P + 1,)   x: tuple of signals (M L BLOCKS,)   y (M L BLOCKS,)   z (P,)   L a multiple of ROWS
        # tile (L BLOCKS,) scratch   returns the number of samples done; it stops before a part that does not converge
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
    """The compiled loop of the filter with this activation, for samples of this type."""
    step = recurrence(kind).step

    @device
    def advance(order, b, a, z, s, samples, i, like):
        return step(order, b, a, z, 0, s, load(samples, i, like))

    return _kernel(advance, 1, order, dtype, f"guessed_{label(kind)}{order}_{dtype}", isinstance(kind, str))


@once
def backward(order: int) -> Any:
    """The compiled loop of its transpose: the signals are dy and g', in reversed time."""

    @device
    def advance(order, b, a, z, s, samples, i, like):
        return gained(order, a, z, 0, s, load(samples, i, like), load(samples, i + AREA, like))

    return _kernel(advance, 2, order, "d", f"guessed_back{order}", True)


def _kernel(advance: Any, signals: int, order: int, dtype: str, name: str, keep: bool) -> Any:
    number, signal = packed("d", 1, read=True), strided(dtype, 1, read=True)
    scratch = packed("d", 1), types.intp, packed("d", 1)
    arguments = number, number, types.UniTuple(signal, signals), strided(dtype, 1), *scratch
    return kernel(guessed(advance, signals, order), name, *arguments, keep=keep)
