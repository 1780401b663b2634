"""Local polynomials with SciPy's signature: `savgol_filter`."""

from __future__ import annotations

from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array, array, time_axis, time_last
from sigrnn.filters._polyphase import Rates, resampled

__all__ = ["savgol_filter"]

MODES = {"mirror": "reflect", "constant": "constant", "nearest": "edge", "wrap": "wrap", "interp": "constant"}


def savgol_filter(
    x: ArrayLike,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: float = 0.0,
) -> Array:
    r"""
    Smooth or differentiate a signal by fitting polynomials (Savitzky-Golay filter).

    Parameters
    ----------
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    window_length : int
        Number of samples that each polynomial is fitted to.
    polyorder : int
        Degree of the polynomials, less than `window_length`.
    deriv : int, default 0
        Which derivative of the polynomial is returned.
    delta : float, default 1.0
        Time between samples, for derivatives.
    axis : int, default -1
        The axis of time.
    mode : {'interp', 'mirror', 'constant', 'nearest', 'wrap'}, default 'interp'
        How the signal is extended beyond its ends: mirrored at the end sample, `cval`, its last sample, or its other
        end. With 'interp' the polynomials through the first and the last `window_length` samples give the outputs near
        the ends.
    cval : float, default 0.0
        The value for 'constant'.

    Returns
    -------
    y : ndarray
        The result, shaped like `x`, float32 for that and else float64.

    Raises
    ------
    ValueError
        If `mode` is unknown, `polyorder` is not less than `window_length`, or with 'interp' the signal is shorter than
        that.
    IndexError
        If there is no such axis.

    See Also
    --------
    scipy.signal.savgol_filter : The same.

    Notes
    -----
    Away from the ends it is a filter without feedback with `window_length` taps [1]_. The taps are cached between
    calls.

    References
    ----------
    .. [1] A. Savitzky, M. J. E. Golay, "Smoothing and differentiation of data by simplified least squares procedures",
       Analytical Chemistry 36 (8), 1627-1639, 1964, doi:10.1021/ac60214a047.

    Examples
    --------
    A parabola is its own polynomial:

    >>> import numpy as np
    >>> import sigrnn
    >>> sigrnn.savgol_filter(np.arange(1.0, 7.0) ** 2, 5, 2).round(9)
    array([ 1.,  4.,  9., 16., 25., 36.])
    >>> sigrnn.savgol_filter(np.arange(1.0, 7.0) ** 2, 5, 2, deriv=1).round(9)
    array([ 2.,  4.,  6.,  8., 10., 12.])
    """
    if mode not in MODES:
        raise ValueError(f"mode must be 'mirror', 'constant', 'nearest' 'wrap' or 'interp', got {mode!r}")
    x = array("x", x)
    if x.dtype.char not in "fd":
        x = x.astype(np.float64)
    kind = np.dtype(x.dtype.char)
    taps = coefficients(window_length, polyorder, deriv, delta)
    axis = time_axis(axis, x)
    if mode == "interp" and window_length > x.shape[axis]:
        raise ValueError(
            f"If mode is 'interp', window_length must be less than or equal to the size of x: got {window_length}, and x "
            f"with {x.shape[axis]} samples along axis {axis}"
        )
    if not x.size:
        return np.zeros(x.shape, kind)
    half = window_length // 2
    y = resampled(taps, x, Rates(1, 1, half, x.shape[axis]), axis, kind, MODES[mode], float(cval))
    if mode == "interp" and half:
        given, result = time_last(x, axis), time_last(y, axis)
        fit, first, last = edges(window_length, polyorder, deriv, delta)
        result[..., :half] = given[..., :window_length] @ fit.T @ first.T
        result[..., -half:] = given[..., -window_length:] @ fit.T @ last.T
    return y


@lru_cache(maxsize=64)
def coefficients(window_length: int, polyorder: int, deriv: int, delta: float) -> Array:
    """The taps."""
    if polyorder >= window_length:
        raise ValueError(f"polyorder must be less than window_length, got {polyorder} and {window_length}")
    from scipy.signal import savgol_coeffs

    return np.asarray(savgol_coeffs(window_length, polyorder, deriv=deriv, delta=delta), np.float64)


@lru_cache(maxsize=64)
def edges(window_length: int, polyorder: int, deriv: int, delta: float) -> tuple[Array, Array, Array]:
    """The fit of a polynomial to a window, (polyorder + 1, window_length), and the matrices that evaluate it at the first and at
    the last places, (window_length // 2, polyorder + 1) each."""
    places, half = np.arange(window_length), window_length // 2
    middle = (window_length - 1) / 2  # powers of small numbers: the fit is better conditioned
    fit = np.linalg.pinv(np.vander(places - middle, polyorder + 1, increasing=True))
    powers = np.zeros((window_length, polyorder + 1))
    for k in range(deriv, polyorder + 1):
        powers[:, k] = factorial(k) / factorial(k - deriv) * (places - middle) ** (k - deriv)
    powers /= delta**deriv
    return fit, powers[:half], powers[-half:]
