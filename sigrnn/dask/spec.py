"""The description of a filter for dask's tasks: how to run it, and the layout of its state."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, initial_state
from sigrnn.filters import _blocks, _call, _options
from sigrnn.filters._coefficients import (
    cascaded,
    coefficients,
    filter_of,
    inner,
    known_sections,
    normalised,
    real_if_exact,
    recursive,
)
from sigrnn.filters._coefficients import sections as checked_sections
from sigrnn.workers import set_workers

STATES = 32  # most states for which powers of the state matrix are computed: 20 products of 32^3


class FilterSpec(NamedTuple):
    """
    A filter in numbers, which can be pickled. What is compiled is looked up where a task runs.

    kind : 'taps' (b), 'direct' (b, a) or 'sections' (sos).
    coefficients : normalised; for all channels, or with the channels of the chunk as first axis.
    powers : A^L by L, for the lengths of chunks over which a state may be advanced by the state matrix A.
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

    def fill(self, x: Array, y: Array, axis: int, z: Array) -> None:
        """Filter x into y on one thread, and the state z in place: dask runs a task on each core.

        Numbers of another dtype, as of a recording in int16, are converted in the memory of the result.
        """
        if x.dtype != y.dtype:
            y[...] = x
            x = y
        with set_workers(1):
            _call.fill(self._runner(), x, y, axis, z)

    def _runner(self) -> _options.Runner:
        """The filter ready to run; one filter for all channels is kept, with its blocks."""
        first = self.coefficients[0]
        if self.kind == "taps":
            return _call.Taps(first, self.method if np.isfinite(first).all() else "sequential")
        make = known_sections if self.kind == "sections" else filter_of
        return _call.Recursion(make(*self.coefficients), self.method)

    def first_state(self, zi: Array | None, shape: tuple[int, ...], axis: int) -> Array:
        """The state before a chunk of this shape as rows (C, *state); None: zeros."""
        dtype = inner(self.dtype)
        if zi is None:
            return np.zeros((math.prod(shape[:axis] + shape[axis + 1 :]), *self.state), dtype)
        return _call.state_rows(zi, self.state, np.broadcast_to(np.zeros(()), shape), axis, dtype)

    def last_state(self, z: Array, shape: tuple[int, ...], axis: int) -> Array:
        """Rows (C, *state) in SciPy's layout."""
        return _call.state_given(z, self.state, shape, axis).astype(self.dtype, copy=False)

    def state_axes(self, given: tuple[int, ...], x: Any, axis: int) -> tuple[tuple[int, ...], list[int]]:
        """SciPy's shape of the state for x, and which axes are the state's own; raises if the shape given does not fit."""
        shape, own = _call.state_layout(self.state, x.shape, axis)
        initial_state(np.broadcast_to(0.0, given), shape, own, x, axis)
        return tuple(shape), own

    def of_channels(self, slices: tuple[slice, ...], channels: int) -> FilterSpec:
        """The filter for some of the channels: coefficients (..., taps) become (C, taps)."""
        if self.single:
            return self
        tails = [c.shape[channels:] for c in self.coefficients]
        parts = zip(self.coefficients, tails, strict=True)
        return self._replace(
            coefficients=tuple(np.ascontiguousarray(c[slices]).reshape(-1, *tail) for c, tail in parts)
        )

    def with_powers(self, lengths: set[int]) -> FilterSpec:
        """The same with A^L for those lengths of chunks over which a state may be advanced by it."""
        real = all(c.dtype == F8 and np.isfinite(c).all() for c in self.coefficients)
        few = 0 < math.prod(self.state) <= STATES
        if self.kind == "taps" or self.method == "sequential" or not (self.single and real and few):
            return self._replace(powers={})
        given = tuple(c.tobytes() for c in self.coefficients)
        found = {length: power(self.kind, given, length) for length in lengths if length}
        return self._replace(powers={length: power for length, power in found.items() if power is not None})

    def parallel(self, length: int) -> bool:
        """
        Whether chunks of this length can be filtered at the same time.

        Without feedback the state is the last inputs, if the chunk has as many. With feedback it is ``A^L z`` plus the final
        state from rest, if ||A^L|| <= 1, so that errors do not grow from chunk to chunk. This excludes unstable filters,
        and short chunks of ill-conditioned ones: only the recurrence itself is exact for these.
        """
        if self.kind != "taps":
            return length in self.powers
        known = length >= self.state[0] and np.isfinite(self.coefficients[0]).all()
        return bool(known) and self.method != "sequential"


def direct(b: ArrayLike, a: ArrayLike, channels: tuple[int, ...], dtype: np.dtype[Any], method: str) -> FilterSpec:
    """The filter of `lfilter` for channels of this shape."""
    pair = normalised(coefficients(b, "b"), coefficients(a, "a"), dtype)
    if pair[1].shape[-1] == 1:
        return FilterSpec("taps", for_channels(pair[:1], 1, channels), dtype, method, {})
    return FilterSpec("direct", for_channels(pair, 1, channels), dtype, method, {})


def sections(sos: ArrayLike, channels: tuple[int, ...], dtype: np.dtype[Any], method: str) -> FilterSpec:
    """The filter of `sosfilt` for channels of this shape."""
    given = (real_if_exact(checked_sections(sos).astype(inner(dtype))),)
    return FilterSpec("sections", for_channels(given, 2, channels), dtype, method, {})


def for_channels(coefficients: tuple[Array, ...], own: int, channels: tuple[int, ...]) -> tuple[Array, ...]:
    """Coefficients with the channels as leading axes, unless none has leading axes."""
    if all(c.ndim == own for c in coefficients):
        return coefficients
    return tuple(np.broadcast_to(c, channels + c.shape[c.ndim - own :]) for c in coefficients)


@lru_cache(maxsize=256)
def power(kind: str, coefficients: tuple[bytes, ...], length: int) -> Array | None:
    """A^L; None if it would amplify an error in a state."""
    filter = cascaded(*coefficients) if kind == "sections" else recursive(*coefficients)
    if filter is None:
        return None
    matrix = _blocks.power(_blocks.state_space(filter.b, filter.a), length)
    return matrix if np.abs(matrix).sum(axis=1).max(initial=0.0) <= 1.0 else None
