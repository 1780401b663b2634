"""Filtering forward and backward, so that nothing is delayed: `filtfilt`, `sosfiltfilt`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, NATIVE, Array, array, numeric, output, time_axis, time_back, time_last, whole
from sigrnn._kernels.sizes import LANES
from sigrnn._lookup import Kernels, entry_point
from sigrnn.filters._call import by_scipy, matched, repeated
from sigrnn.filters._coefficients import REAL, cascaded, check_first, recall, sections
from sigrnn.filters._fir import FIRFilter
from sigrnn.filters._options import (
    FORWARD,
    OMIT,
    PROPAGATE,
    Options,
    alike,
    deliver,
    dtype_of,
    integral,
    options,
    real_for,
    stretches,
)
from sigrnn.filters._recursive import RecursiveFilter
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.filters.steady import constant_sections, constant_state

__all__ = ["filtfilt", "sosfiltfilt"]

PADDINGS = "odd", "even", "constant", None  # in the order of `_kernels/filters/extension.py`


def filtfilt(
    b: ArrayLike,
    a: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
    *,
    out: Array | None = None,
    direction: str = FORWARD,
    nan_policy: str = PROPAGATE,
) -> Array:
    r"""
    Filter data forward and backward along one axis: zero phase, twice the attenuation.

    .. math:: Y(e^{i\omega}) = |H(e^{i\omega})|^2 X(e^{i\omega})

    Parameters
    ----------
    b : array_like, shape (M + 1,) or (..., M + 1)
        Numerator. Leading axes are broadcast against the channels of `x`: a filter for each.
    a : array_like, shape (P + 1,) or (..., P + 1)
        Denominator.
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends before filtering.
    padlen : int, optional
        By how many samples; ``3 * max(M + 1, P + 1)`` by default.
    method : {'pad', 'gust'}, default 'pad'
        'gust' chooses the initial states so that filtering forward-backward and backward-forward agree [1]_; SciPy
        does it.
    irlen : int, optional
        Length of the impulse response, for 'gust'.
    out : ndarray, optional
        Where the result goes; it has the shape and the dtype of the result and may be `x` itself. If it holds integers,
        results are rounded to nearest and saturated, NaN becomes 0; a few channels at a time are copied as floats.
    direction : {'forward', 'backward'}, default 'forward'
        'backward' begins with the pass from the last sample to the first.
    nan_policy : {'propagate', 'omit', 'segments'}, default 'propagate'
        What happens at NaN, in each channel: 'propagate' makes all of it NaN; 'omit' leaves these samples out and joins
        the rest; 'segments' filters each stretch without NaN for itself. What is shorter than `padlen` is continued by
        as many samples as it allows. Samples that are NaN stay NaN; masked samples count as NaN.

    Returns
    -------
    y : ndarray
        The filtered signal, in the common dtype of all arrays given.

    Raises
    ------
    ValueError
        If `padtype` or `method` is unknown, or the signal is not longer than `padlen`.
    numpy.linalg.LinAlgError
        If the filter has a pole at z = 1.

    See Also
    --------
    scipy.signal.filtfilt : The same, without the keyword-only arguments and a filter for each channel.
    sosfiltfilt : The same in second-order sections: better conditioned for orders above about 4.

    Notes
    -----
    Cost: two calls of `lfilter`, in place in one array that holds the continued signal. The signal is continued in the
    dtype of the result: unlike SciPy's, an odd continuation of small integers does not wrap around.

    References
    ----------
    .. [1] F. Gustafsson, "Determining the initial states in forward-backward filtering", IEEE Transactions on Signal
       Processing 44 (4), 988-992, 1996, doi:10.1109/78.492552.

    Examples
    --------
    A constant passes a filter with gain 1 at frequency 0 unchanged, to the last sample:

    >>> import numpy as np
    >>> import sigrnn
    >>> sigrnn.filtfilt([0.5], [1.0, -0.5], np.full(9, 2.0)).round(12)
    array([2., 2., 2., 2., 2., 2., 2., 2., 2.])
    """
    if (
        type(x) is np.ndarray
        and x.ndim == 1
        and direction is FORWARD
        and nan_policy is PROPAGATE
        and type(axis) is int
        and (axis == -1 or axis == 0)
        and method == "pad"
        and irlen is None
    ):
        known = recall(b, a, x)
        if known is not None and known[1] is F8:
            b, a = np.asarray(b, F8), np.asarray(a, F8)
            edge = edge_length(padtype, padlen, x, 0, max(b.size, a.size))
            return _one_channel(known[0], _steady(b.tobytes(), a.tobytes()), x, padtype, edge, out)
    how = options(direction, nan_policy)
    b, a = (numeric(np.atleast_1d(array(name, c)), name) for name, c in (("b", b), ("a", a)))
    x = numeric(how.signal(x))
    if method not in ("pad", "gust"):
        raise ValueError(f"method must be 'pad' or 'gust', got {method!r}.")
    axis = time_axis(axis, x)
    if not a.size:
        raise ValueError("There must be at least one nonzero `a` coefficient.")
    if irlen is not None:
        irlen = whole("irlen", irlen, 0)
    if method == "gust" or not _served(b, a, x):
        for name, c in (("b", b), ("a", a)):  # Gustafsson's method would take rows for taps
            if c.ndim != 1 or not c.size:
                raise ValueError(
                    f"{name} must be 1-D and not empty for method {method!r} and these dtypes, got shape {c.shape}"
                )
        check_first(a)
        result: Array = by_scipy(
            "filtfilt", (b, a), x, out, how, axis=axis, padtype=padtype, padlen=padlen, method=method, irlen=irlen
        )
        return result
    edge = edge_length(padtype, padlen, x, axis, max(b.shape[-1], a.shape[-1]))
    x = repeated({"b": b, "a": a}, 1, x, axis)
    check_first(a)
    dtype = np.result_type(b, a, x, constant_state(b, a))
    taps = {"b": b, "a": a}
    if b.dtype.kind in "biu" or a.dtype.kind in "biu":
        taps = {name: c.astype(dtype) for name, c in taps.items()}
    return _any_channels(_taps_once, taps, 1, x, axis, padtype, edge, dtype, out, how)


def sosfiltfilt(
    sos: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    *,
    out: Array | None = None,
    direction: str = FORWARD,
    nan_policy: str = PROPAGATE,
) -> Array:
    r"""
    Filter data forward and backward with second-order sections: zero phase, twice the attenuation.

    .. math:: Y(e^{i\omega}) = |H(e^{i\omega})|^2 X(e^{i\omega})

    Parameters
    ----------
    sos : array_like, shape (S, 6) or (..., S, 6)
        Second-order sections. Leading axes are broadcast against the channels of `x`: a filter for each.
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends before filtering.
    padlen : int, optional
        By how many samples; by default three times the number of taps of the whole filter.
    out : ndarray, optional
        As in `filtfilt`.
    direction : {'forward', 'backward'}, default 'forward'
        As in `filtfilt`.
    nan_policy : {'propagate', 'omit', 'segments'}, default 'propagate'
        As in `filtfilt`.

    Returns
    -------
    y : ndarray
        The filtered signal, in the common dtype of all arrays given.

    Raises
    ------
    ValueError
        If `sos` is malformed, `padtype` is unknown, or the signal is not longer than `padlen`.
    numpy.linalg.LinAlgError
        If a section has a pole at z = 1.

    See Also
    --------
    scipy.signal.sosfiltfilt : The same, without the keyword-only arguments and a filter for each channel.
    filtfilt : The same for a filter in one piece.

    Notes
    -----
    Cost: two calls of `sosfilt`, in place in one array that holds the continued signal. The signal is continued in the
    dtype of the result: unlike SciPy's, an odd continuation of small integers does not wrap around.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> sos = [[0.5, 0.0, 0.0, 1.0, -0.5, 0.0]]
    >>> sigrnn.sosfiltfilt(sos, np.full(9, 2.0)).round(12)
    array([2., 2., 2., 2., 2., 2., 2., 2., 2.])
    """
    if (
        type(x) is type(sos) is np.ndarray
        and direction is FORWARD
        and nan_policy is PROPAGATE
        and x.ndim == 1
        and sos.ndim == 2
        and type(axis) is int
        and (axis == -1 or axis == 0)
    ):
        known = cascaded(sos.tobytes()) if sos.dtype is F8 and sos.shape[1] == 6 and x.dtype.kind in REAL else None
        if known is not None and x.dtype.itemsize <= F8.itemsize:
            steady, taps = _steady_sections(sos.tobytes())
            return _one_channel(known, steady, x, padtype, edge_length(padtype, padlen, x, 0, taps), out)
    how = options(direction, nan_policy)
    sos, x = sections(sos), numeric(how.signal(x))
    axis = time_axis(axis, x)
    if not _served(sos, x):
        result: Array = by_scipy("sosfiltfilt", (sos,), x, out, how, axis=axis, padtype=padtype, padlen=padlen)
        return result
    edge = edge_length(padtype, padlen, x, axis, taps_of(sos))
    x = repeated({"sos": sos}, 2, x, axis)
    dtype = np.result_type(sos, x, constant_sections(sos))
    return _any_channels(_sections_once, {"sos": sos}, 2, x, axis, padtype, edge, dtype, out, how)


def _served(*arrays: Array) -> bool:
    """Whether kernels do it; integers become float64."""
    dtype = np.result_type(*arrays)
    return dtype.char in NATIVE or dtype.kind in "biu"


def taps_of(sos: Array) -> int:
    """Coefficients of the whole filter, the longest if there are several; SciPy leaves out zeros at the ends of sections."""
    flat = sos.reshape(-1, *sos.shape[-2:])
    unused = min((flat[..., 2] == 0).sum(axis=1).min(), (flat[..., 5] == 0).sum(axis=1).min()) if flat.size else 0
    return 2 * sos.shape[-2] + 1 - int(unused)


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


def _taps_once(x: Array, b: Array, a: Array) -> Callable[[Array], None]:
    """One pass over y, continued from x, in place."""
    zi = constant_state(b, a)
    return lambda y: _in_place(partial(lfilter, b, a), y, zi * y[..., :1])


def _sections_once(x: Array, sos: Array) -> Callable[[Array], None]:
    zi = constant_sections(sos)
    channels = (*[1] * (x.ndim + 1 - zi.ndim), *zi.shape[:-2])
    sections_first = np.moveaxis(zi.reshape(*channels, *zi.shape[-2:]), -2, 0)  # (S, ..., 2), as sosfilt wants it

    def once(y: Array) -> None:
        _in_place(partial(sosfilt, sos), y, sections_first * y[None, ..., :1] if y.ndim > 1 else zi * y[0])

    return once


def _any_channels(
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
    room = np.empty((*x.shape[:axis], x.shape[axis] + 2 * edge, *x.shape[axis + 1 :]), dtype)
    y = time_last(room, axis)
    samples = slice(edge, edge + x.shape[axis])
    y[..., samples] = last
    if edge:
        y[..., :edge], y[..., samples.stop :] = continuation(y[..., samples], padtype, edge)
    for step in (-1, 1) if how.backward else (1, -1):
        once(y[..., ::step])
    return deliver(time_back(y[..., samples], axis), out, x)


def _in_place(run: Callable[..., Any], y: Array, zi: Array) -> None:
    """Filter y into itself."""
    run(y, zi=zi, out=y)


def _one_channel(
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


@lru_cache(maxsize=128)
def _steady(b: bytes, a: bytes) -> Array:
    """The steady state for a constant input of 1."""
    return constant_state(np.frombuffer(b), np.frombuffer(a))


@lru_cache(maxsize=128)
def _steady_sections(sos: bytes) -> tuple[Array, int]:
    """The same for all sections, one after the other, and the taps of the whole filter."""
    rows = np.frombuffer(sos).reshape(-1, 6)
    return constant_sections(rows).reshape(-1), taps_of(rows)


def continuation(x: Array, padtype: str | None, edge: int) -> tuple[Array, Array]:
    """What stands before and after x: its ends held, mirrored, or mirrored through the end point."""
    start, end = x[..., :1], x[..., -1:]
    if padtype == "constant":
        shape = (*x.shape[:-1], edge)
        return np.broadcast_to(start, shape), np.broadcast_to(end, shape)
    before, after = x[..., edge:0:-1], x[..., -2 : -edge - 2 : -1]
    return (before, after) if padtype == "even" else (2 * start - before, 2 * end - after)
