"""Change of the sampling rate with SciPy's signatures: `upfirdn`, `resample_poly`, `decimate`."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, NATIVE, Array, array, time_axis
from sigrnn.filters._decimation import decimated
from sigrnn.filters._extension import MODES
from sigrnn.filters._polyphase import Rates, one_channel, resampled
from sigrnn.filters._rates import against_aliasing, by_scipy, common, reduced, taps_of

__all__ = ["decimate", "resample_poly", "upfirdn"]

BACKGROUNDS: dict[str, Any] = {"mean": np.mean, "median": np.median, "minimum": np.min, "maximum": np.max}


def upfirdn(
    h: ArrayLike,
    x: ArrayLike,
    up: int = 1,
    down: int = 1,
    axis: int = -1,
    mode: str = "constant",
    cval: float = 0,
) -> Array:
    r"""
    Raise the sampling rate, filter without feedback, and lower it.

    .. math:: y[n] = \sum_k h[k]\, v[n D - k], \qquad v[i U] = x[i], \quad v[j] = 0 \text{ elsewhere}

    for `up` U and `down` D. Nothing is computed that is thrown away, and no zero is multiplied.

    Parameters
    ----------
    h : array_like, shape (L,)
        Taps of the filter, at the raised rate.
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    up, down : int, default 1
        Factors of the sampling rate.
    axis : int, default -1
        The axis of time.
    mode : str, default 'constant'
        How the signal is extended beyond its ends: 'constant' (`cval`), 'edge' (its last sample), 'wrap', 'symmetric',
        'reflect', 'antisymmetric', 'antireflect', 'smooth' (along the slope of the last two samples), or 'line' (along
        that from the first sample to the last).
    cval : float, default 0
        The value of 'constant'.

    Returns
    -------
    y : ndarray
        The filtered signal, ``((N - 1) * up + L - 1) // down + 1`` samples along `axis`, in the common dtype of `h`, `x`
        and float32.

    Raises
    ------
    ValueError
        If `h` is not 1-D or empty, `up` or `down` is less than 1, or `mode` is unknown.
    IndexError
        If there is no such axis.
    TypeError
        If `h` or `x` has a dtype that neither sigrnn nor SciPy supports.

    See Also
    --------
    scipy.signal.upfirdn : The same.
    resample_poly : With a low-pass that is designed, and its delay removed.

    Notes
    -----
    Cost: L / up products for each output; memory is the result and a scratch that does not grow with the signal.
    Vectors run over outputs of one phase, over taps, or over channels that are adjacent in memory. float32 signals are
    filtered in float64 and rounded once. A single sample is extended as a constant, where SciPy reads beyond it. Taps
    with zero imaginary part filter the real and imaginary parts of a complex signal separately.

    References
    ----------
    .. [1] P. P. Vaidyanathan, "Multirate Systems and Filter Banks", Prentice Hall 1993, section 4.3.

    Examples
    --------
    Linear interpolation, then every third sample:

    >>> import sigrnn
    >>> sigrnn.upfirdn([0.5, 1.0, 0.5], [1.0, 1.0, 1.0], 2)
    array([0.5, 1. , 1. , 1. , 1. , 1. , 0.5])
    >>> sigrnn.upfirdn([0.5, 1.0, 0.5], range(10), 2, 3)
    array([0. , 1. , 2.5, 4. , 5.5, 7. , 8.5])
    """
    if type(h) is type(x) is np.ndarray and h.dtype is x.dtype is F8 and h.ndim == x.ndim == 1 and mode == "constant":
        plain = x.size and h.size and x.flags.carray and h.flags.carray and type(up) is type(down) is int
        if plain and min(up, down) > 0 and cval == 0 and axis in (0, -1):
            y = one_channel(h, x, up, down)
            if y is not None:
                return y
    h, x = array("h", h), array("x", x)
    if h.ndim != 1 or h.size == 0:
        raise ValueError(f"h must be 1-D with non-zero length, got shape {h.shape}")
    dtype = common(h, x)
    up, down = int(up), int(down)
    if up < 1 or down < 1:
        raise ValueError(f"Both up and down must be >= 1, got up={up}, down={down}")
    axis = time_axis(axis, x)
    mode = mode.lower()
    if mode not in MODES:
        raise ValueError(f"Unknown mode: {mode}; it must be one of {', '.join(MODES)}")
    if dtype.char not in NATIVE or not x.size:
        return by_scipy("upfirdn", {"h": h, "x": x}, up, down, axis, mode, cval)
    outputs = ((x.shape[axis] - 1) * up + len(h) - 1) // down + 1
    return resampled(h, x, Rates(up, down, 0, outputs), axis, dtype, mode, float(cval))


def resample_poly(
    x: ArrayLike,
    up: int,
    down: int,
    axis: int = 0,
    window: Any = ("kaiser", 5.0),
    padtype: str = "constant",
    cval: float | None = None,
) -> Array:
    r"""
    Change the sampling rate by a rational factor: `upfirdn` with a low-pass, its delay removed.

    Parameters
    ----------
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    up, down : int
        The rate is multiplied by ``up / down``; only the reduced fraction matters.
    axis : int, default 0
        The axis of time.
    window : str, tuple, float, list or ndarray, default ('kaiser', 5.0)
        The window of the low-pass, as for `scipy.signal.get_window`: it has ``20 * max(up, down) + 1`` taps, and its
        cut-off is the lower of the two Nyquist frequencies. A list or an array contains the taps themselves.
    padtype : str, default 'constant'
        How the signal is extended: a mode of `upfirdn`; or 'mean', 'median', 'minimum', 'maximum', that value of the
        channel.
    cval : float, optional
        The value for 'constant'; 0 by default.

    Returns
    -------
    y : ndarray
        ``ceil(N * up / down)`` samples along `axis`; float32 and complex64 stay so, integers become float64. Its first
        sample is at the time of the first of `x`.

    Raises
    ------
    ValueError
        If `up` or `down` is not a positive integer, `padtype` is unknown, `cval` is given for another one than
        'constant', or taps are not 1-D.
    IndexError
        If there is no such axis.
    TypeError
        If `x` is not of numbers with a kernel here or in SciPy.

    See Also
    --------
    scipy.signal.resample_poly : The same.
    Resampler : The same block by block.
    decimate : For a lower rate, with IIR filters, too.

    Notes
    -----
    Cost: about ``20 * max(1, down / up)`` products for each output; only the outputs that remain are computed. Designed
    filters are cached between calls, in float64 also for float32 signals.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.sin(2 * np.pi * 50 * np.arange(441) / 44100)
    >>> y = sigrnn.resample_poly(x, 160, 147)  # 44.1 kHz to 48 kHz
    >>> y.shape, bool(np.abs(y - np.sin(2 * np.pi * 50 * np.arange(480) / 48000))[50:-50].max() < 1e-3)
    ((480,), True)
    """
    x = array("x", x)
    up, down = reduced(up, down)
    if cval is not None and padtype != "constant":
        raise ValueError(f"cval has no effect when padtype is {padtype!r}")
    if padtype not in MODES and padtype not in BACKGROUNDS:
        raise ValueError(f"padtype must be one of: {', '.join((*BACKGROUNDS, *MODES))}; got {padtype!r}")
    if up == down:
        return x.copy()
    axis = time_axis(axis, x)
    h, kind = taps_of(window, up, down, x.dtype)
    dtype = common(np.empty(0, kind), x)
    if dtype.char not in NATIVE or not h.size:
        return by_scipy("resample_poly", {"x": x}, up, down, axis, window, padtype, cval)
    if not x.size:
        return np.zeros((*x.shape[:axis], -(-x.shape[axis] * up // down), *x.shape[axis + 1 :]), dtype)
    rates = Rates(up, down, (len(h) - 1) // 2, -(-x.shape[axis] * up // down))
    if padtype in BACKGROUNDS:
        background = BACKGROUNDS[padtype](x, axis=axis, keepdims=True)
        y = resampled(h, x - background, rates, axis, dtype)
        y += background
        return y
    return resampled(h, x, rates, axis, dtype, padtype, 0.0 if cval is None else float(cval))


def decimate(
    x: ArrayLike,
    q: int,
    n: int | None = None,
    ftype: Any = "iir",
    axis: int = -1,
    zero_phase: bool = True,
) -> Array:
    r"""
    Lower the sampling rate by an integer factor, after an anti-aliasing filter.

    Parameters
    ----------
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    q : int
        The factor. With an IIR filter, split large factors into steps of at most 13.
    n : int, optional
        Order of the filter: 8 for 'iir', ``20 * q`` for 'fir' by default.
    ftype : {'iir', 'fir'} or scipy.signal.dlti, default 'iir'
        A Chebyshev filter of type I, a Hamming-windowed low-pass without feedback, or a filter of your own.
    axis : int, default -1
        The axis of time.
    zero_phase : bool, default True
        Filter forward and backward ('iir'), or remove the delay ('fir').

    Returns
    -------
    y : ndarray
        Every q-th sample of the filtered signal; float32 and complex64 stay so, integers become float64.

    Raises
    ------
    TypeError
        If `q` or `n` is not a whole number.
    ValueError
        If `ftype` is unknown, the filter cannot be designed, or the signal is too short for 'iir' with `zero_phase`.
    IndexError
        If there is no such axis.

    See Also
    --------
    scipy.signal.decimate : The same.
    resample_poly : For a factor that is not whole.

    Notes
    -----
    With 'fir' only the samples that are kept are computed: 20 products for each sample of `x`. The IIR filter runs as
    second-order sections with float64 coefficients and states, also for float32 signals: SciPy rounds the coefficients
    to float32, which changes the filter for large q (for q = 150 the error is 9e-3; SciPy's issues 15072 and 15393).
    Channels are filtered in groups, and longer channels in blocks, so besides the result it needs memory for about four
    million samples. With `zero_phase`, channels of more than four million samples are filtered forward twice.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.sin(2 * np.pi * np.arange(1000) / 100)
    >>> y = sigrnn.decimate(x, 5)
    >>> y.shape, bool(np.abs(y - x[::5]).max() < 0.02)
    ((200,), True)
    """
    x, q = array("x", x), operator.index(q)
    n = n if n is None else operator.index(n)
    inexact = x.dtype.kind in "fc" and x.dtype.char != "e"
    kind = np.dtype(x.dtype.char) if inexact or x.dtype.kind not in "biuf" else np.dtype(np.float64)
    if kind.char not in NATIVE:
        return by_scipy("decimate", {"x": x}, q, n, ftype, axis, zero_phase)
    fir, filter, dtype = against_aliasing(ftype, n, q, kind)
    axis = time_axis(axis, x)
    if not fir:
        y = np.empty((*x.shape[:axis], -(-x.shape[axis] // q), *x.shape[axis + 1 :]), dtype)
        before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
        shapes = ((before, c.shape[axis], after) for c in (x, y))
        decimated(filter, x.reshape(next(shapes)), q, zero_phase, y.reshape(next(shapes)))
        return y
    (h,) = filter
    if h.ndim != 1:
        raise ValueError(f"the numerator of ftype must be 1-D, got shape {h.shape}")
    if q == 1 and zero_phase:  # as resample_poly by 1 / 1
        return x.copy()
    rates = Rates(1, q, (len(h) - 1) // 2 if zero_phase else 0, -(-x.shape[axis] // q))
    return resampled(h, x, rates, axis, dtype)
