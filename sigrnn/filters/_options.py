"""Options of all filters: the direction of time, gaps in the signal, integer results."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from sigrnn._arrays import F8, NATIVE, Array, output, signal
from sigrnn._kernels.sizes import LANES
from sigrnn._lookup import Kernels, entry_point
from sigrnn.workers import get_workers

FORWARD, BACKWARD = DIRECTIONS = "forward", "backward"
PROPAGATE, OMIT, SEGMENTS = POLICIES = "propagate", "omit", "segments"
PIECE = (
    1 << 16
)  # samples of all channels that are filtered in float64 before they are rounded: half a second-level cache


class Runner(Protocol):
    """What `apply` needs of a filter."""

    @property
    def state(self) -> tuple[int, ...]:
        """Shape of one channel's state; the last entry stands where time stands in the signal."""

    def filter(self, x: Array, y: Array, z: Array | None) -> None:
        """Filter x (C, N) into y, which may be x; z (C, *state) goes from initial to final, None: from rest."""

    def of(self, part: slice) -> Self:
        """The same for some of the channels."""

    def at(self, samples: slice | Array) -> Self:
        """The same for some of the samples; another filter only if the coefficients change with time."""


class Options(NamedTuple):
    """The direction of a filter, and its handling of NaN."""

    direction: str = FORWARD
    nan_policy: str = PROPAGATE

    @property
    def backward(self) -> bool:
        return self.direction == BACKWARD

    @property
    def gaps(self) -> bool:
        return self.nan_policy != PROPAGATE

    def turned(self, x: Array, axis: int) -> Array:
        """A view that begins where the filter does."""
        return x[(*[slice(None)] * axis, slice(None, None, -1))] if self.backward else x

    def signal(self, x: Any) -> Array:
        """The signal as an array, with NaN where one with a mask has none, if gaps are asked for."""
        if self.gaps and isinstance(x, np.ma.MaskedArray):
            x = np.ma.filled(x.astype(np.result_type(x.dtype, np.float16)), np.nan)
        return signal(x)


PLAIN = Options()


def options(direction: str, nan_policy: str) -> Options:
    """Check both."""
    if direction == FORWARD and nan_policy == PROPAGATE:
        return PLAIN
    for name, given, known in (("direction", direction, DIRECTIONS), ("nan_policy", nan_policy, POLICIES)):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}; got {given!r}")
    return Options(direction, nan_policy)


def integral(out: Any) -> bool:
    """Whether results are to be rounded."""
    return isinstance(out, np.ndarray) and out.dtype.kind in "iu"


def dtype_of(out: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that `out` should have: that of the result, or its own if it holds integers."""
    return out.dtype.newbyteorder("=") if integral(out) else dtype


def real_for(out: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype to compute in: integers are filtered in float64 if the result is rounded."""
    if not integral(out):
        return dtype
    if dtype.kind == "c":
        raise TypeError(f"out has dtype {out.dtype!r}, expected the result's: {dtype!r} does not round to integers")
    return F8 if dtype.kind in "biu" else dtype


def deliver(result: Array, out: Array | None, x: Array) -> Array:
    """A result, put into `out` if there is one."""
    if out is None:
        return result
    rounded = integral(out) and result.dtype.char in NATIVE
    target, _ = output(out, result.shape, dtype_of(out, result.dtype) if rounded else result.dtype, x)
    if rounded:
        saturate(result, target)
    else:
        target[...] = result
    return target


def saturate(values: Array, y: Array) -> None:
    """Round real values into an array of integers, to nearest; what it cannot hold becomes the nearest it can, NaN 0."""
    values = values.astype(F8, copy=False)
    if not (values.flags.c_contiguous or values.flags.f_contiguous):
        values = values.copy()
    rounded, info = np.empty_like(values, y.dtype), np.iinfo(y.dtype)
    _saturate(y.dtype)(
        values.reshape(-1, order="A"),
        rounded.reshape(-1, order="A"),
        float(info.min),
        float(info.max),
        y.dtype.type(info.max),
    )
    y[...] = rounded


@cache
def _saturate(dtype: np.dtype[Any]) -> Any:
    """The compiled loop."""
    return entry_point(Kernels("filters.rounding").saturate(dtype.name))


def alike(missing: Array) -> Iterator[slice]:
    """Channels one after the other whose gaps (C, N) are the same."""
    bounds = np.flatnonzero((missing[1:] != missing[:-1]).any(axis=1)) + 1
    for low, high in pairwise([0, *bounds.tolist(), len(missing)]):
        yield slice(low, high)


def stretches(missing: Array) -> list[slice]:
    """Where (N,) has no gaps."""
    edges = np.flatnonzero(np.diff(missing, prepend=True, append=True)).tolist()
    return [slice(*edge) for edge in zip(edges[::2], edges[1::2], strict=True)]


class Gaps:
    """A filter that leaves out NaN."""

    def __init__(self, runner: Runner, policy: str) -> None:
        self.runner, self.policy, self.state = runner, policy, runner.state

    def filter(self, x: Array, y: Array, z: Array | None) -> None:
        missing = np.isnan(x)
        for part in alike(missing):
            state = None if z is None else z[part]
            self._alike(self.runner.of(part), missing[part.start], x[part], y[part], state)

    def _alike(self, runner: Runner, missing: Array, x: Array, y: Array, z: Array | None) -> None:
        """Channels with the same gaps."""
        if not missing.any():
            runner.filter(x, y, z)
            return
        if self.policy == OMIT:
            present = np.flatnonzero(~missing)
            if present.size:
                joined = x[:, present]
                filtered = np.empty(joined.shape, y.dtype)
                runner.at(present).filter(joined, filtered, z)
                y[:, present] = filtered
        else:
            for samples in stretches(missing):
                if z is not None and samples.start:
                    z[...] = 0.0
                runner.at(samples).filter(x[:, samples], y[:, samples], z)
            if z is not None and missing[-1]:
                z[...] = 0.0
        y[:, missing] = 0 if y.dtype.kind in "iu" else x[:, missing]

    def of(self, part: slice) -> Self:
        return type(self)(self.runner.of(part), self.policy)

    def at(self, samples: slice | Array) -> Self:
        return type(self)(self.runner.at(samples), self.policy)


class Rounded:
    """A filter into integers: piece by piece in float64, which stays in the cache."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.state = runner, runner.state

    def filter(self, x: Array, y: Array, z: Array | None) -> None:
        channels, samples = x.shape
        state = np.zeros((channels, *self.state)) if z is None else z
        rows = abs(x.strides[1]) <= abs(x.strides[0])  # else all channels of a sample are neighbours in memory
        together = min(channels, LANES * get_workers()) if rows else channels
        length = max(PIECE // together, 16 * self.state[-1], 16)
        for first in range(0, channels, together):
            part = slice(first, first + together)
            runner, mine = self.runner.of(part), state[part]
            count = len(mine)
            room = np.empty(count * min(length, samples))
            for start in range(0, samples, length):
                now = slice(start, min(start + length, samples))
                size = now.stop - start
                piece = room[: count * size].reshape((count, size), order="C" if rows else "F")
                piece[...] = x[part, now]
                runner.at(now).filter(piece, piece, mine)
                saturate(piece, y[part, now])

    def of(self, part: slice) -> Self:
        return type(self)(self.runner.of(part))

    def at(self, samples: slice | Array) -> Self:
        return type(self)(self.runner.at(samples))
