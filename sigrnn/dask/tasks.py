"""The work of a task: filter a chunk from a state, or find how a chunk changes the state. NumPy arrays only, no
graph."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.dask.spec import FilterSpec

PIECE = 1 << 18  # samples at a time where only the state is wanted: the output stays in the cache
HUGE = 1e150  # above it a sum of two finite responses might overflow where the whole does not, or the reverse


def run(spec: FilterSpec, x: Array, z: Array, axis: int) -> tuple[Array, Array]:
    """The chunk filtered, and the state after it."""
    x = np.asarray(x)
    y, after = np.empty(x.shape, spec.dtype), z.copy()
    spec.fill(x, y, axis, after)
    return y, after


def filtered(spec: FilterSpec, x: Array, z: Array, axis: int) -> Array:
    """The chunk filtered."""
    return run(spec, x, z, axis)[0]


class Effect(NamedTuple):
    """
    How a chunk changes the state: all that is passed on to the next chunks, as small as a state as a rule.

    rest : the state after the chunk if it started from rest, rows (C, *state).
    beyond : rows for which a sum of responses may be wrong, with numbers that are not finite or are above HUGE.
    inputs : the chunk in these rows.
    """

    rest: Array
    beyond: Array
    inputs: Array


def from_rest(spec: FilterSpec, x: Array, axis: int) -> Effect:
    """
    The effect of a chunk; without feedback that of its last inputs.

    All pieces share one output array: dask's worker processes run with MALLOC_TRIM_THRESHOLD_, so each new array would be
    new memory from the system, and a chunk of 64 MB would take 147 ms, 100 ms of them in page faults, instead of 34 ms.
    """
    x = np.asarray(x)
    if spec.kind == "taps":
        x = x[(*[slice(None)] * axis, slice(x.shape[axis] - spec.state[0], None))]
    samples, z = x.shape[axis], spec.first_state(None, x.shape, axis)
    peak = np.zeros(len(z))
    step = max(64, PIECE // max(1, len(z)))
    memory = np.empty(min(step, samples) * len(z), spec.dtype)
    with np.errstate(all="ignore"):
        for start in range(0, samples, step):
            piece = x[(*[slice(None)] * axis, slice(start, start + step))]
            y = memory[: piece.size].reshape(piece.shape)
            spec.fill(piece, y, axis, z)
            size = np.abs(y, out=None if y.dtype.kind == "c" else y)
            peak = np.maximum(peak, size.max(axis=axis).reshape(-1))
    beyond = np.flatnonzero(~(peak < HUGE) & ~all_nan(z)) if spec.kind != "taps" else np.arange(0)
    if not beyond.size:
        return Effect(z, beyond, np.empty((0, samples), x.dtype))
    return Effect(z, beyond, np.moveaxis(x, axis, -1).reshape(-1, samples)[beyond])


def backward_effect(spec: FilterSpec, x: Array, z: Array, axis: int) -> Effect:
    """The effect of a chunk on the state of the backward pass; the chunk is filtered forward first."""
    return from_rest(spec, np.flip(filtered(spec, x, z, axis), axis), axis)


def replace(effect: Effect, _: Any = None) -> Array:
    """The state after a chunk whose last inputs are the state."""
    return effect.rest


def advance(spec: FilterSpec, z: Array, effect: Effect, length: int, _: Any = None) -> Array:
    """
    The state after a chunk.

    Finite channels: ``A^L z`` plus the effect of the chunk from rest, which is the state of the plain recurrence up to
    rounding. A channel whose whole state is NaN stays NaN. Channels with inf or numbers above HUGE are filtered sample by
    sample. If only the state is beyond HUGE, not the inputs, the inputs are below rounding: they are left out, and added
    if the state after the chunk is finite again.
    """
    rest = effect.rest
    rows = flattened(z)
    with np.errstate(all="ignore"):
        after: Array = (rows @ spec.powers[length].T).reshape(z.shape) + rest
        lost = all_nan(rest) | all_nan(z)
        beyond = ~(np.abs(rows).max(axis=1, initial=0.0) < HUGE)
        beyond[effect.beyond] = True
        again = np.flatnonzero(beyond & ~lost)
        if again.size:
            x = np.zeros((again.size, length), spec.dtype)
            given = np.isin(again, effect.beyond)
            x[given] = effect.inputs[np.isin(effect.beyond, again)]
            after[again] = run(spec, x, z[again], 1)[1]
            after[again[~given]] += rest[again[~given]]
    after[lost] = np.nan if after.dtype == F8 else complex(np.nan, np.nan)
    return after


def all_nan(z: Array) -> Array:
    """Which rows are NaN throughout."""
    parts = (z.real, z.imag) if z.dtype.kind == "c" else (z,)
    found: Array = np.all([np.isnan(flattened(part)).all(axis=1) for part in parts], axis=0)
    return found


def flattened(z: Array) -> Array:
    """States (C, *state) as rows of numbers; there may be no rows."""
    return z.reshape(len(z), math.prod(z.shape[1:]))
