"""Filtering forward and backward, so that nothing is delayed: `filtfilt`, `sosfiltfilt`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, NATIVE, Array, array, numeric, output, signal, time_axis, time_back, time_last, whole
from sigrnn.filters._call import by_scipy, repeated
from sigrnn.filters._coefficients import REAL, cascaded, check_first, recall, sections
from sigrnn.filters._fir import FIRFilter
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
        Where the result goes; it has the shape and the dtype of the result and may be `x` itself.

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
    scipy.signal.filtfilt : The same, without `out` and a filter for each channel.
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
    b, a, x = np.atleast_1d(array("b", b)), np.atleast_1d(array("a", a)), numeric(signal(x))
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
            "filtfilt", (b, a), x, out, axis=axis, padtype=padtype, padlen=padlen, method=method, irlen=irlen
        )
        return result
    edge = edge_length(padtype, padlen, x, axis, max(b.shape[-1], a.shape[-1]))
    x = repeated({"b": b, "a": a}, 1, x, axis)
    check_first(a)
    zi = constant_state(b, a)
    dtype = np.result_type(b, a, x, zi)

    taps = (b.astype(dtype), a.astype(dtype)) if b.dtype.kind in "biu" or a.dtype.kind in "biu" else (b, a)

    def once(y: Array) -> None:
        _in_place(partial(lfilter, *taps), y, zi * y[..., :1])

    return _both_ways(once, x, axis, padtype, edge, dtype, out)


def sosfiltfilt(
    sos: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    *,
    out: Array | None = None,
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
        Where the result goes; it has the shape and the dtype of the result and may be `x` itself.

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
    scipy.signal.sosfiltfilt : The same, without `out` and a filter for each channel.
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
        and x.ndim == 1
        and sos.ndim == 2
        and type(axis) is int
        and (axis == -1 or axis == 0)
    ):
        known = cascaded(sos.tobytes()) if sos.dtype is F8 and sos.shape[1] == 6 and x.dtype.kind in REAL else None
        if known is not None and x.dtype.itemsize <= F8.itemsize:
            steady, taps = _steady_sections(sos.tobytes())
            return _one_channel(known, steady, x, padtype, edge_length(padtype, padlen, x, 0, taps), out)
    sos, x = sections(sos), numeric(signal(x))
    axis = time_axis(axis, x)
    if not _served(sos, x):
        result: Array = by_scipy("sosfiltfilt", (sos,), x, out, axis=axis, padtype=padtype, padlen=padlen)
        return result
    edge = edge_length(padtype, padlen, x, axis, taps_of(sos))
    x = repeated({"sos": sos}, 2, x, axis)
    zi = constant_sections(sos)
    dtype = np.result_type(sos, x, zi)
    channels = (*[1] * (x.ndim + 1 - zi.ndim), *zi.shape[:-2])
    sections_first = np.moveaxis(zi.reshape(*channels, *zi.shape[-2:]), -2, 0)  # (S, ..., 2), as sosfilt wants it

    def once(y: Array) -> None:
        _in_place(partial(sosfilt, sos), y, sections_first * y[None, ..., :1] if y.ndim > 1 else zi * y[0])

    return _both_ways(once, x, axis, padtype, edge, dtype, out)


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


def _both_ways(
    once: Callable[[Array], None],
    x: Array,
    axis: int,
    padtype: str | None,
    edge: int,
    dtype: np.dtype[Any],
    out: Array | None,
) -> Array:
    """Continue x at both ends, filter it in place with `once`, then again from the end, and cut the ends off."""
    last = time_last(x, axis)
    room = np.empty((*x.shape[:axis], x.shape[axis] + 2 * edge, *x.shape[axis + 1 :]), dtype)
    y = time_last(room, axis)
    samples = slice(edge, edge + x.shape[axis])
    y[..., samples] = last
    if edge:
        y[..., :edge], y[..., samples.stop :] = continuation(y[..., samples], padtype, edge)
    once(y)
    once(y[..., ::-1])
    result = time_back(y[..., samples], axis)
    if out is None:
        return result
    target, _ = output(out, x.shape, dtype, x)
    target[...] = result
    return target


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
    if out is None:
        return result
    target, _ = output(out, x.shape, F8, x)
    target[...] = result
    return target


@cache
def _extend() -> Any:
    """The compiled loop; Numba is imported here, at the first call that needs it."""
    from sigrnn._kernels.filters import extension

    return extension.entry_point(extension.extend())


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
