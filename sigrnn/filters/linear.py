"""Linear filters with SciPy's signatures: `lfilter`, `sosfilt`."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigrnn._arrays import F8, NATIVE, Array, Double, Sample, array, initial_state, promoted, time_axis
from sigrnn.filters._call import (
    AUTO,
    Recursion,
    Taps,
    apply,
    by_scipy,
    few_channels,
    matched,
    one_channel,
    repeated,
    state_layout,
)
from sigrnn.filters._coefficients import (
    cascaded,
    check_first,
    check_method,
    coefficients,
    filter_of,
    filter_of_sections,
    inner,
    normalised,
    real_if_exact,
    recall,
    sections,
    weak,
)
from sigrnn.filters._kept import cascades, direct_forms
from sigrnn.filters._options import FORWARD, PROPAGATE, deliver, options, real_for
from sigrnn.filters._recursive import RecursiveFilter

__all__ = ["lfilter", "sosfilt"]

# Looked up, and compared by identity: a short call is counted in nanoseconds
ndarray, empty, zeros = np.ndarray, np.empty, np.zeros
LAST = -1


class Choices(TypedDict, total=False):
    """Keyword-only arguments of `lfilter` and `sosfilt` that leave the dtype of the result as it is."""

    method: str
    direction: str
    nan_policy: str


class Keywords(Choices, total=False):
    """All their keyword-only arguments."""

    out: Array | None


@overload
def lfilter(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int = -1,
    zi: None = None,
    **options: Unpack[Choices],
) -> NDArray[Sample]: ...
@overload
def lfilter(
    b: Double, a: Double, x: Double, axis: int = -1, zi: None = None, **options: Unpack[Choices]
) -> NDArray[np.float64]: ...
@overload
def lfilter(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, zi: None = None, **options: Unpack[Keywords]
) -> Array: ...
@overload
def lfilter(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int,
    zi: NDArray[Sample] | float,
    **options: Unpack[Choices],
) -> tuple[NDArray[Sample], NDArray[Sample]]: ...
@overload
def lfilter(  # type: ignore[overload-overlap]
    b: Double, a: Double, x: Double, axis: int, zi: Double, **options: Unpack[Choices]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def lfilter(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int, zi: ArrayLike, **options: Unpack[Keywords]
) -> tuple[Array, Array]: ...
@overload
def lfilter(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int = -1,
    *,
    zi: NDArray[Sample] | float,
    **options: Unpack[Choices],
) -> tuple[NDArray[Sample], NDArray[Sample]]: ...
@overload
def lfilter(
    b: Double, a: Double, x: Double, axis: int = -1, *, zi: Double, **options: Unpack[Choices]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def lfilter(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, *, zi: ArrayLike, **options: Unpack[Keywords]
) -> tuple[Array, Array]: ...
def lfilter(
    b: ArrayLike,
    a: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    zi: ArrayLike | None = None,
    *,
    out: Array | None = None,
    method: str = "auto",
    direction: str = FORWARD,
    nan_policy: str = PROPAGATE,
) -> Array | tuple[Array, Array]:
    r"""
    Filter data along one axis with an FIR or IIR filter.

    .. math:: a_0 y[n] = \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m]

    Parameters
    ----------
    b : array_like, shape (M + 1,) or (..., M + 1)
        Numerator. Leading axes are broadcast against the channels of `x`: a filter for each.
    a : array_like, shape (P + 1,) or (..., P + 1)
        Denominator; all coefficients are divided by ``a[0]``. With ``a`` of length 1 the filter is FIR.
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    axis : int, default -1
        The axis of time.
    zi : array_like, optional
        Initial state (transposed direct form II), shaped like `x` with ``max(M, P)`` along `axis`. Ones for channels,
        the state of a single channel, and a scalar (0: at rest) are broadcast.
    out : ndarray, optional
        Where the result goes; it has the shape and the dtype of the result and may be `x` itself. If it holds integers,
        results are rounded to nearest and saturated, NaN becomes 0; no copy of the whole signal in floats is made.
    method : {'auto', 'sequential', 'blocked', 'fft'}, default 'auto'
        'sequential' is the plain recurrence, sample by sample; for float64 it has SciPy's bits on x86-64. 'blocked'
        divides each channel into blocks of time that run in parallel, with the same accuracy. 'fft' (FIR only) uses
        overlap-save. 'auto': for IIR filters, 'blocked' for a single channel from about 600 samples (512 plus 64 for
        each state) and for 3 to 7 channels from 600 samples for each of them; otherwise channels run in parallel;
        unstable filters run sequentially; for FIR filters, 'fft' from about 64 taps (more for signals under 10,000
        samples), else sums over the taps.
    direction : {'forward', 'backward'}, default 'forward'
        'backward' filters from the last sample to the first, without a copy of the signal: `zi` is the state after the
        last sample, `zf` that before the first.
    nan_policy : {'propagate', 'omit', 'segments'}, default 'propagate'
        What happens at NaN, in each channel: 'propagate' is the equation's result; 'omit' leaves these samples out and
        keeps the state over the gap; 'segments' lets each stretch without NaN begin at rest (a first one with `zi`), and
        `zf` is at rest after a gap at the end. Samples that are NaN stay NaN; masked samples count as NaN.

    Returns
    -------
    y : ndarray
        The filtered signal, in the common dtype of all arrays given.
    zf : ndarray
        Final state, returned only if `zi` was given.

    Raises
    ------
    ValueError
        If `b` or `a` is empty, ``a[0]`` is 0, shapes do not fit, `method` is unknown or not for this filter, or another
        option is unknown.
    NotImplementedError
        If the common dtype is not a floating-point one, or `nan_policy` is given for a dtype that is passed on to
        SciPy.

    See Also
    --------
    scipy.signal.lfilter : The same, without the keyword-only arguments and a filter for each channel.
    sosfilt : The same filter in second-order sections: better conditioned for orders above about 4.

    Notes
    -----
    Cost: O((M + P) N) time for each channel; memory is the result and a scratch that does not grow with the signal.
    float32 signals are filtered in float64 and rounded once. NaN and inf propagate as in the equation.

    Blocks [1]_ are chained in input-normal coordinates [2]_, in which powers of the state matrix do not grow, so that
    rounding errors do not grow from block to block. All that depends on the coefficients alone is kept between calls.
    Two kinds of filters run sample after sample all the same, as rounding errors of blocks would add up: those with a
    pole within 1e-4 of -1, and cascades with poles within 1e-6 of the unit circle.

    On processors other than x86-64 SciPy's wheels fuse products and sums, and its last digits differ from these.

    References
    ----------
    .. [1] W. Sung, S. K. Mitra, "Efficient multi-processor implementation of recursive digital filters", ICASSP 1986,
       doi:10.1109/ICASSP.1986.1169210 (blocks of one recursion, run side by side).
    .. [2] C. T. Mullis, R. A. Roberts, "Synthesis of minimum roundoff noise fixed point digital filters", IEEE
       Transactions on Circuits and Systems 23 (9), 551-562, 1976, doi:10.1109/TCS.1976.1084254.

    Examples
    --------
    >>> import sigrnn
    >>> sigrnn.lfilter([1.0], [1.0, -0.5], [8.0, 0.0, 0.0, 0.0])
    array([8., 4., 2., 1.])
    >>> y, zf = sigrnn.lfilter([0.5, 0.5], [1.0], [1.0, 2.0, 3.0], zi=[0.5])
    >>> y, zf
    (array([1. , 1.5, 2.5]), array([1.5]))
    >>> sigrnn.lfilter([1.0], [1.0, -0.5], [8.0, float("nan"), 0.0, 0.0], nan_policy="omit")
    array([ 8., nan,  4.,  2.])
    """
    if (
        type(x) is type(b) is type(a) is ndarray
        and x.dtype is b.dtype is a.dtype is F8
        and b.ndim == a.ndim == 1
        and method is AUTO
        and direction is FORWARD
        and nan_policy is PROPAGATE
        and (kept := direct_forms.get((b.tobytes(), a.tobytes()))) is not None
    ):
        if x.ndim == 1 and axis is LAST:
            if zi is out is None:
                samples = len(x)
                y, z = empty(samples), zeros(kept.started)
                if samples < kept.least:
                    kept.plain(x, y, z)
                else:
                    kept.one(x, y, z)
                return y
            result = one_channel(kept, F8, x, zi, out, AUTO)
        else:
            result = few_channels(kept, x, axis) if zi is out is None else None
        if result is not None:
            return result
    if type(a) is float:  # as in lfilter(taps, 1.0, x)
        a = np.array([a])
    if type(x) is list:  # type: ignore[comparison-overlap]
        x = array("x", x)
    if (
        type(x) is ndarray
        and direction is FORWARD
        and nan_policy is PROPAGATE
        and (known := recall(b, a, x)) is not None
    ):
        filter, dtype = known
        if x.ndim == 1 and type(axis) is int and (axis == -1 or axis == 0):
            result = one_channel(filter, dtype, x, zi, out, method)
            if result is not None:
                return result
        elif x.ndim > 1 and isinstance(filter, RecursiveFilter) and filter.kind == "direct" and plain_state(zi, dtype):
            check_method(method, False)
            return apply(Recursion(filter, method), x, time_axis(axis, x), zi, out, dtype)
    how = options(direction, nan_policy)
    b, a, x = coefficients(b, "b"), coefficients(a, "a"), how.signal(x)
    dtype = real_for(out, promoted(b=b, a=a, x=x) if zi is None else promoted(b=b, a=a, x=x, zi=weak(zi)))
    check_method(method, a.shape[-1] == 1)
    axis = time_axis(axis, x)
    if dtype.char not in NATIVE:
        check_first(a)
        state = _full(zi, (max(b.shape[-1], a.shape[-1]) - 1,), x, axis)
        if not x.size:  # np.convolve would refuse it
            y = deliver(np.empty(x.shape, dtype), out, x)
            return y if state is None else (y, state.astype(dtype))
        return by_scipy("lfilter", (b, a), x, out, how, axis=axis, zi=state)
    if b.ndim > 1 or a.ndim > 1:
        x = repeated({"b": b, "a": a}, 1, x, axis)
    given, (b, a) = (b, a), normalised(b, a, dtype)
    (b, a), x = matched({"b": b, "a": a}, 1, x, axis)
    if a.shape[-1] == 1:
        if not (np.isfinite(b).all() and (dtype.kind == "f" or np.isfinite(x).all())):
            if x.size and dtype.kind == "c" and b.ndim == 1 and not how.gaps:
                # which part of inf times 0 + 1j is NaN depends on the BLAS
                return by_scipy("lfilter", given, x, out, how, axis=axis, zi=_full(zi, (len(b) - 1,), x, axis))
            method = "sequential"  # no product that the equation has not, and none left out
        return apply(Taps(b, method), x, axis, zi, out, dtype, how)
    return apply(Recursion(filter_of(b, a), method), x, axis, zi, out, dtype, how)


@overload
def sosfilt(  # type: ignore[overload-overlap]
    sos: NDArray[Sample], x: NDArray[Sample], axis: int = -1, zi: None = None, **options: Unpack[Choices]
) -> NDArray[Sample]: ...
@overload
def sosfilt(
    sos: Double, x: Double, axis: int = -1, zi: None = None, **options: Unpack[Choices]
) -> NDArray[np.float64]: ...
@overload
def sosfilt(sos: ArrayLike, x: ArrayLike, axis: int = -1, zi: None = None, **options: Unpack[Keywords]) -> Array: ...
@overload
def sosfilt(  # type: ignore[overload-overlap]
    sos: NDArray[Sample], x: NDArray[Sample], axis: int, zi: NDArray[Sample] | float, **options: Unpack[Choices]
) -> tuple[NDArray[Sample], NDArray[Sample]]: ...
@overload
def sosfilt(  # type: ignore[overload-overlap]
    sos: Double, x: Double, axis: int, zi: Double, **options: Unpack[Choices]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def sosfilt(
    sos: ArrayLike, x: ArrayLike, axis: int, zi: ArrayLike, **options: Unpack[Keywords]
) -> tuple[Array, Array]: ...
@overload
def sosfilt(  # type: ignore[overload-overlap]
    sos: NDArray[Sample], x: NDArray[Sample], axis: int = -1, *, zi: NDArray[Sample] | float, **options: Unpack[Choices]
) -> tuple[NDArray[Sample], NDArray[Sample]]: ...
@overload
def sosfilt(
    sos: Double, x: Double, axis: int = -1, *, zi: Double, **options: Unpack[Choices]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def sosfilt(
    sos: ArrayLike, x: ArrayLike, axis: int = -1, *, zi: ArrayLike, **options: Unpack[Keywords]
) -> tuple[Array, Array]: ...
def sosfilt(
    sos: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    zi: ArrayLike | None = None,
    *,
    out: Array | None = None,
    method: str = "auto",
    direction: str = FORWARD,
    nan_policy: str = PROPAGATE,
) -> Array | tuple[Array, Array]:
    r"""
    Filter data along one axis with a cascade of second-order sections.

    .. math:: y_s[n] = b_{s0} y_{s-1}[n] + b_{s1} y_{s-1}[n-1] + b_{s2} y_{s-1}[n-2] - a_{s1} y_s[n-1] - a_{s2} y_s[n-2]

    with :math:`y_0 = x`; the result is the output of the last section.

    Parameters
    ----------
    sos : array_like, shape (S, 6) or (..., S, 6)
        Sections ``b0, b1, b2, 1, a1, a2``. Leading axes are broadcast against the channels of `x`: a filter for each.
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    axis : int, default -1
        The axis of time.
    zi : array_like, optional
        Initial state, shape ``(S, ..., 2, ...)``: 2 in place of the samples along `axis`. Ones for channels, the state
        ``(S, 2)`` of a single channel, and a scalar are broadcast.
    out : ndarray, optional
        Where the result goes; it has the shape and the dtype of the result and may be `x` itself. If it holds integers,
        results are rounded to nearest and saturated, NaN becomes 0; no copy of the whole signal in floats is made.
    method : {'auto', 'sequential', 'blocked'}, default 'auto'
        As in `lfilter`.
    direction : {'forward', 'backward'}, default 'forward'
        As in `lfilter`.
    nan_policy : {'propagate', 'omit', 'segments'}, default 'propagate'
        As in `lfilter`.

    Returns
    -------
    y : ndarray
        The filtered signal, in the common dtype of all arrays given.
    zf : ndarray
        Final state, returned only if `zi` was given.

    Raises
    ------
    ValueError
        If `sos` is not made of rows of six with ``sos[..., 3] == 1``, or shapes do not fit.
    NotImplementedError
        If the common dtype is not a floating-point one, or `nan_policy` is given for a dtype that is passed on to
        SciPy.

    See Also
    --------
    scipy.signal.sosfilt : The same, without the keyword-only arguments and a filter for each channel.
    sosfilt_zi : The steady state for a constant input.

    Notes
    -----
    Cost: O(S N) time for each channel; memory is the result and a scratch that does not grow with the signal.
    float32 signals are filtered in float64 and rounded once.

    Examples
    --------
    >>> import sigrnn
    >>> sos = [[1.0, 0.0, 0.0, 1.0, -0.5, 0.0], [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]]
    >>> sigrnn.sosfilt(sos, [8.0, 0.0, 0.0, 0.0])
    array([ 8., 12.,  6.,  3.])
    """
    if (
        type(x) is type(sos) is ndarray
        and x.dtype is sos.dtype is F8
        and sos.ndim == 2
        and sos.shape[1] == 6
        and direction is FORWARD
        and nan_policy is PROPAGATE
        and (known := cascades.get(key := sos.tobytes()) or cascaded(key)) is not None
    ):
        if x.ndim == 1 and (axis is LAST or (type(axis) is int and axis == 0)):
            if zi is out is None and method is AUTO:
                samples = len(x)
                y, z = empty(samples), zeros(known.started)
                if samples < known.least:
                    known.plain(x, y, z)
                else:
                    known.one(x, y, z)
                return y
            result = one_channel(known, F8, x, zi, out, method)
        else:
            result = few_channels(known, x, axis) if zi is out is None and method is AUTO else None
        if result is not None:
            return result
    how = options(direction, nan_policy)
    sos, x = sections(sos), how.signal(x)
    dtype = real_for(out, promoted(sos=sos, x=x) if zi is None else promoted(sos=sos, x=x, zi=weak(zi)))
    check_method(method, False)
    axis = time_axis(axis, x)
    if dtype.char not in NATIVE:
        return by_scipy("sosfilt", (sos,), x, out, how, axis=axis, zi=_full(zi, (sos.shape[-2], 2), x, axis))
    sos = real_if_exact(sos.astype(inner(dtype)))
    known = cascaded(sos.tobytes()) if sos.ndim == 2 and sos.dtype == F8 else None
    if known is None:
        (sos,), x = matched({"sos": sos}, 2, x, axis)
        known = filter_of_sections(sos)
    return apply(Recursion(known, method), x, axis, zi, out, dtype, how)


def plain_state(zi: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a state does not change the dtype of the result."""
    return zi is None or (type(zi) is ndarray and zi.dtype is dtype)


def _full(zi: Any, own: tuple[int, ...], x: Array, axis: int) -> Any:
    """A state as SciPy wants it: nothing left to broadcast."""
    if zi is None:
        return None
    return initial_state(zi, *state_layout(own, x.shape, axis), x, axis)
