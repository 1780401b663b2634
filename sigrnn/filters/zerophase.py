"""Zero-phase filters, forward and backward: `filtfilt`, `sosfiltfilt`."""

from __future__ import annotations

from functools import lru_cache
from typing import TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigrnn._arrays import F8, NATIVE, Array, Double, Sample, array, numeric, time_axis, whole
from sigrnn.filters._call import by_scipy, repeated
from sigrnn.filters._coefficients import REAL, cascaded, check_first, recall, sections
from sigrnn.filters._options import FORWARD, PROPAGATE, options
from sigrnn.filters._passes import any_channels, edge_length, one_channel, sections_once, taps_of, taps_once
from sigrnn.filters.steady import constant_sections, constant_state

__all__ = ["filtfilt", "sosfiltfilt"]


class Choices(TypedDict, total=False):
    """Keyword-only arguments that leave the dtype of the result as it is."""

    direction: str
    nan_policy: str


class Keywords(Choices, total=False):
    """All keyword-only arguments."""

    out: Array | None


@overload
def filtfilt(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
    **options: Unpack[Choices],
) -> NDArray[Sample]: ...
@overload
def filtfilt(
    b: Double,
    a: Double,
    x: Double,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
    **options: Unpack[Choices],
) -> NDArray[np.float64]: ...
@overload
def filtfilt(
    b: ArrayLike,
    a: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
    **options: Unpack[Keywords],
) -> Array: ...
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
        the rest; 'segments' filters each stretch without NaN separately. A stretch shorter than `padlen` is extended by
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
            return one_channel(known[0], _steady(b.tobytes(), a.tobytes()), x, padtype, edge, out)
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
    return any_channels(taps_once, taps, 1, x, axis, padtype, edge, dtype, out, how)


@overload
def sosfiltfilt(  # type: ignore[overload-overlap]
    sos: NDArray[Sample],
    x: NDArray[Sample],
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    **options: Unpack[Choices],
) -> NDArray[Sample]: ...
@overload
def sosfiltfilt(
    sos: Double,
    x: Double,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    **options: Unpack[Choices],
) -> NDArray[np.float64]: ...
@overload
def sosfiltfilt(
    sos: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    **options: Unpack[Keywords],
) -> Array: ...
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
            return one_channel(known, steady, x, padtype, edge_length(padtype, padlen, x, 0, taps), out)
    how = options(direction, nan_policy)
    sos, x = sections(sos), numeric(how.signal(x))
    axis = time_axis(axis, x)
    if not _served(sos, x):
        result: Array = by_scipy("sosfiltfilt", (sos,), x, out, how, axis=axis, padtype=padtype, padlen=padlen)
        return result
    edge = edge_length(padtype, padlen, x, axis, taps_of(sos))
    x = repeated({"sos": sos}, 2, x, axis)
    dtype = np.result_type(sos, x, constant_sections(sos))
    return any_channels(sections_once, {"sos": sos}, 2, x, axis, padtype, edge, dtype, out, how)


def _served(*arrays: Array) -> bool:
    """Whether kernels do it; integers become float64."""
    dtype = np.result_type(*arrays)
    return dtype.char in NATIVE or dtype.kind in "biu"


@lru_cache(maxsize=128)
def _steady(b: bytes, a: bytes) -> Array:
    """The steady state for a constant input of 1."""
    return constant_state(np.frombuffer(b), np.frombuffer(a))


@lru_cache(maxsize=128)
def _steady_sections(sos: bytes) -> tuple[Array, int]:
    """The same for all sections, one after the other, and the taps of the whole filter."""
    rows = np.frombuffer(sos).reshape(-1, 6)
    return constant_sections(rows).reshape(-1), taps_of(rows)
