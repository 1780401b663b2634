"""The two passes of a zero-phase filter: signals continued at their ends, then filtered in place from either end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, output, time_back, time_last, whole
from sigrnn._kernels.sizes import LANES
from sigrnn._lookup import Kernels, entry_point
from sigrnn.filters._call import matched
from sigrnn.filters._fir import FIRFilter
from sigrnn.filters._options import OMIT, Options, alike, deliver, dtype_of, integral, real_for, stretches
from sigrnn.filters._recursive import RecursiveFilter
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.filters.steady import constant_sections, constant_state

PADDINGS = "odd", "even", "constant", None  # in the order of `_kernels/filters/extension.py`


def edge_length(padtype: str | None, padlen: int | None, x: Array, axis: int, taps: int) -> int:
    """Samples to add at each end."""
    if padtype not in PADDINGS:
        raise ValueError(
            f"Unknown value {padtype!r} given to padtype. padtype must be 'even', 'odd', 'constant', or None."
        )
    edge = 0 if padtype is None else 3 * taps if padlen is None else whole("padlen", padlen)
    if edge < 0:
        raise ValueError(f"padlen must not be negative, got {padlen}")
    if x.shape[axis] <= edge:
        raise ValueError(
            f"The length of the input vector x must be greater than padlen, which is {edge}; "
            f"x has {x.shape[axis]} samples along axis {axis}."
        )
    return edge


def taps_of(sos: Array) -> int:
    """Coefficients of the whole filter, the longest if there are several; SciPy leaves out zeros at the ends of sections."""
    flat = sos.reshape(-1, *sos.shape[-2:])
    unused = min((flat[..., 2] == 0).sum(axis=1).min(), (flat[..., 5] == 0).sum(axis=1).min()) if flat.size else 0
    return 2 * sos.shape[-2] + 1 - int(unused)


def continuation(x: Array, padtype: str | None, edge: int) -> tuple[Array, Array]:
    """What stands before and after x: its ends held, mirrored, or mirrored through the end point."""
    start, end = x[..., :1], x[..., -1:]
    if padtype == "constant":
        shape = (*x.shape[:-1], edge)
        return np.broadcast_to(start, shape), np.broadcast_to(end, shape)
    before, after = x[..., edge:0:-1], x[..., -2 : -edge - 2 : -1]
    return (before, after) if padtype == "even" else (2 * start - before, 2 * end - after)


def one_channel(
    filter: RecursiveFilter | FIRFilter, steady: Array, x: Array, padtype: str | None, edge: int, out: Array | None
) -> Array:
    """A single channel in float64: continued by compiled code, then filtered in place from either end."""
    if x.dtype is not F8 or x.strides[0] % x.itemsize:
        x = x.astype(F8)
    y = np.empty(len(x) + 2 * edge)
    _extend()(x, PADDINGS.index(padtype), edge, y)
    filter.one(y, y, steady * y[0])
    backward = y[::-1]
    filter.one(backward, backward, steady * y[-1])
    result = y[edge : edge + len(x)]
    return result if out is None else deliver(result, out, x)


@cache
def _extend() -> Any:
    """The compiled loop."""
    return entry_point(Kernels("filters.extension").extend())


def any_channels(
    once: Callable[..., Callable[[Array], None]],
    coefficients: dict[str, Array],
    own: int,
    x: Array,
    axis: int,
    padtype: str | None,
    edge: int,
    dtype: np.dtype[Any],
    out: Array | None,
    how: Options,
) -> Array:
    """All channels at once; or some after the others, if results are rounded or there may be gaps."""
    rounded = integral(out)
    missing = np.isnan(time_last(x, axis)).reshape(-1, x.shape[axis]) if how.gaps and x.dtype.kind in "fc" else None
    if missing is None or not missing.any():
        if not rounded:
            return _both_ways(once(x, *coefficients.values()), x, axis, padtype, edge, dtype, out, how)
        missing = None
    dtype = real_for(out, dtype)
    y, x = output(out, x.shape, dtype_of(out, dtype), x)
    values, x = matched(coefficients, own, x, axis)
    given = time_last(x, axis)
    given = given.reshape(-1, given.shape[-1])
    filtered = np.empty(given.shape, y.dtype)
    for part, samples in _pieces(missing, *given.shape, how.nan_policy):
        piece = given[part, samples]
        mine = [c if c.ndim == own else c[part] for c in values]
        count = piece.shape[-1]
        result = _both_ways(once(piece, *mine), piece, 1, padtype, min(edge, count - 1), dtype, None, how)
        if rounded:
            result = deliver(result, np.empty(result.shape, y.dtype), result)
        filtered[part, samples] = result
    if missing is not None:
        filtered[missing] = 0 if rounded else given[missing]
    time_last(y, axis)[...] = filtered.reshape(time_last(y, axis).shape)
    return y


def _pieces(missing: Array | None, channels: int, samples: int, policy: str) -> Iterator[tuple[slice, Any]]:
    """Which channels and samples are filtered together: a vector's lanes of channels, and no gaps (C, N)."""
    for first in range(0, channels, LANES):
        some = slice(first, min(first + LANES, channels))
        for part in [slice(0, some.stop - some.start)] if missing is None else alike(missing[some]):
            part = slice(first + part.start, first + part.stop)
            present = [slice(0, samples)] if missing is None else stretches(missing[part.start])
            if policy == OMIT and present:
                present = [np.r_[tuple(present)]]
            for stretch in present:
                yield part, stretch


def _both_ways(
    once: Callable[[Array], None],
    x: Array,
    axis: int,
    padtype: str | None,
    edge: int,
    dtype: np.dtype[Any],
    out: Array | None,
    how: Options,
) -> Array:
    """Continue x at both ends, filter it in place with `once`, then again from the other end, and cut the ends off."""
    last = time_last(x, axis)
    padded = np.empty((*x.shape[:axis], x.shape[axis] + 2 * edge, *x.shape[axis + 1 :]), dtype)
    y = time_last(padded, axis)
    samples = slice(edge, edge + x.shape[axis])
    y[..., samples] = last
    if edge:
        y[..., :edge], y[..., samples.stop :] = continuation(y[..., samples], padtype, edge)
    for step in (-1, 1) if how.backward else (1, -1):
        once(y[..., ::step])
    return deliver(time_back(y[..., samples], axis), out, x)


def taps_once(x: Array, b: Array, a: Array) -> Callable[[Array], None]:
    """One pass over y, continued from x, in place."""
    zi = constant_state(b, a)
    return lambda y: _in_place(partial(lfilter, b, a), y, zi * y[..., :1])


def sections_once(x: Array, sos: Array) -> Callable[[Array], None]:
    zi = constant_sections(sos)
    channels = (*[1] * (x.ndim + 1 - zi.ndim), *zi.shape[:-2])
    sections_first = np.moveaxis(zi.reshape(*channels, *zi.shape[-2:]), -2, 0)  # (S, ..., 2), as sosfilt wants it

    def once(y: Array) -> None:
        _in_place(partial(sosfilt, sos), y, sections_first * y[None, ..., :1] if y.ndim > 1 else zi * y[0])

    return once


def _in_place(run: Callable[..., Any], y: Array, zi: Array) -> None:
    """Filter y into itself."""
    run(y, zi=zi, out=y)
