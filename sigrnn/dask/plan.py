"""What a task does: filter a chunk from a state, or find how a chunk moves the state. NumPy arrays only, no graph."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters import _blocks, _call
from sigrnn.filters._call import Recursion, Runner, Taps, state_given, state_rows
from sigrnn.filters._coefficients import cascaded, filter_of, inner, known_sections, recursive
from sigrnn.filters._recursive import RecursiveFilter
from sigrnn.workers import set_workers

PIECE = 1 << 18  # samples at a time where only the state is wanted: what is filtered stays in the cache
HUGE = 1e150  # beyond it a sum of two finite responses might overflow where the whole does not, or the reverse
STATES = 32  # states up to which powers of the state matrix are worth their making: 32^3 products 20 times over


class Plan(NamedTuple):
    """A filter as tasks get it: numbers only, so that it can be pickled; what is compiled is found again where it runs.

    kind : 'taps' (b), 'direct' (b, a) or 'sections' (sos).
    coefficients : normalised; for all channels, or with the channels of the chunk as first axis.
    powers : A^L by L, for those lengths of chunks over which a state may be moved at once.
    """

    kind: str
    coefficients: tuple[Array, ...]
    dtype: np.dtype[Any]
    method: str
    powers: dict[int, Array]

    @property
    def state(self) -> tuple[int, ...]:
        """Shape of one channel's state."""
        c = self.coefficients[0]
        return (c.shape[-2], 2) if self.kind == "sections" else (c.shape[-1] - 1,)

    @property
    def single(self) -> bool:
        """Whether there is one filter for all channels."""
        return self.coefficients[0].ndim == (2 if self.kind == "sections" else 1)

    def runner(self) -> Runner:
        """The filter ready to run; those of one filter for all channels are kept, with their blocks."""
        first = self.coefficients[0]
        if self.kind == "taps":
            return Taps(first, self.method if np.isfinite(first).all() else "sequential")
        return Recursion(self.recursive(), self.method)

    def recursive(self) -> RecursiveFilter:
        """The filter with its feedback."""
        return known_sections(*self.coefficients) if self.kind == "sections" else filter_of(*self.coefficients)


def fill(runner: Runner, x: Array, y: Array, axis: int, z: Array) -> None:
    """Filter on one thread: dask has a task for each core, and hands the caller's `set_workers` on to all of them.

    Numbers of another dtype, as of a recording in int16, are converted where the result is to be.
    """
    if x.dtype != y.dtype:
        y[...] = x
        x = y
    with set_workers(1):
        _call.fill(runner, x, y, axis, z)


def begin(plan: Plan, zi: Array | None, shape: tuple[int, ...], axis: int) -> Array:
    """The state a chunk of this shape starts from, as rows (C, *state)."""
    kind = inner(plan.dtype)
    if zi is None:
        return np.zeros((math.prod(shape[:axis] + shape[axis + 1 :]), *plan.state), kind)
    return state_rows(zi, plan.state, np.broadcast_to(np.zeros(()), shape), axis, kind)


def finish(plan: Plan, z: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Rows (C, *state) in SciPy's layout."""
    return state_given(z, plan.state, shape, axis).astype(plan.dtype, copy=False)


def run(plan: Plan, x: Array, z: Array, axis: int) -> tuple[Array, Array]:
    """The chunk filtered, and the state after it."""
    x = np.asarray(x)
    y, after = np.empty(x.shape, plan.dtype), z.copy()
    fill(plan.runner(), x, y, axis, after)
    return y, after


def filtered(plan: Plan, x: Array, z: Array, axis: int) -> Array:
    """The chunk filtered."""
    return run(plan, x, z, axis)[0]


class Effect(NamedTuple):
    """What a chunk does to the state; all that the chain of states gets to see of it.

    rest : the state after the chunk if it started at rest, rows (C, *state).
    beyond : rows that a sum of responses may be wrong for, by numbers that are not finite or too near to that.
    inputs : the chunk in these rows. As a rule there are none; then an effect is as small as a state.
    """

    rest: Array
    beyond: Array
    inputs: Array


def from_rest(plan: Plan, x: Array, axis: int) -> Effect:
    """The effect of a chunk. Without feedback the last inputs say all.

    All pieces share their room: dask's worker processes run with MALLOC_TRIM_THRESHOLD_, where each piece would be memory new
    from the system, and a chunk of 64 MB takes 147 ms, 100 ms of them in page faults, instead of 34 ms.
    """
    x = np.asarray(x)
    if plan.kind == "taps":
        x = x[(*[slice(None)] * axis, slice(x.shape[axis] - plan.state[0], None))]
    samples, z = x.shape[axis], begin(plan, None, x.shape, axis)
    peak, runner = np.zeros(len(z)), plan.runner()
    step = max(64, PIECE // max(1, len(z)))
    room = np.empty(min(step, samples) * len(z), plan.dtype)
    with np.errstate(all="ignore"):
        for start in range(0, samples, step):
            piece = x[(*[slice(None)] * axis, slice(start, start + step))]
            y = room[: piece.size].reshape(piece.shape)
            fill(runner, piece, y, axis, z)
            size = np.abs(y, out=None if y.dtype.kind == "c" else y)
            peak = np.maximum(peak, size.max(axis=axis).reshape(-1))
    beyond = np.flatnonzero(~(peak < HUGE) & ~lost(z)) if plan.kind != "taps" else np.arange(0)
    if not beyond.size:
        return Effect(z, beyond, np.empty((0, samples), x.dtype))
    return Effect(z, beyond, np.moveaxis(x, axis, -1).reshape(-1, samples)[beyond])


def way_back(plan: Plan, x: Array, z: Array, axis: int) -> Effect:
    """`from_rest` for the way back over a chunk that is filtered here."""
    return from_rest(plan, np.flip(filtered(plan, x, z, axis), axis), axis)


def alone(effect: Effect, _: Any = None) -> Array:
    """The state after a chunk that no state before it matters for."""
    return effect.rest


def moved(plan: Plan, z: Array, effect: Effect, length: int, _: Any = None) -> Array:
    """The state after a chunk: ``A^L z`` and what the chunk adds to it from rest.

    That is the plain recurrence's state, up to rounding, for finite numbers, and for a channel that is lost: with a NaN in
    all of its state it has it for ever. Between the two (inf, or numbers near the largest there are) the recurrence itself
    has to say it. Over inputs that are tame it does so without them: beside a state beyond HUGE their part is less than
    rounding, and where the state is finite and small again it is added, as ever.
    """
    rest = effect.rest
    flat = flattened(z)
    with np.errstate(all="ignore"):
        after: Array = (flat @ plan.powers[length].T).reshape(z.shape) + rest
        gone = lost(rest) | lost(z)
        wild = ~(np.abs(flat).max(axis=1, initial=0.0) < HUGE)
        wild[effect.beyond] = True
        again = np.flatnonzero(wild & ~gone)
        if again.size:
            x = np.zeros((again.size, length), plan.dtype)
            known = np.isin(again, effect.beyond)
            x[known] = effect.inputs[np.isin(effect.beyond, again)]
            after[again] = run(plan, x, z[again], 1)[1]
            after[again[~known]] += rest[again[~known]]
    after[gone] = np.nan if after.dtype == F8 else complex(np.nan, np.nan)
    return after


def lost(z: Array) -> Array:
    """Which rows are NaN throughout."""
    parts = (z.real, z.imag) if z.dtype.kind == "c" else (z,)
    found: Array = np.all([np.isnan(flattened(part)).all(axis=1) for part in parts], axis=0)
    return found


def flattened(z: Array) -> Array:
    """States (C, *state) as rows of numbers; there may be no rows."""
    return z.reshape(len(z), math.prod(z.shape[1:]))


@lru_cache(maxsize=256)
def power(kind: str, coefficients: tuple[bytes, ...], length: int) -> Array | None:
    """A^L of real sections, or of one recursion; None where it would make an error in a state larger."""
    filter = cascaded(*coefficients) if kind == "sections" else recursive(*coefficients)
    if filter is None:
        return None
    matrix = _blocks.power(_blocks.state_space(filter.b, filter.a), length)
    return matrix if np.abs(matrix).sum(axis=1).max(initial=0.0) <= 1.0 else None
