"""Filters designed for the sampling rate of a coordinate, and the check that it has one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array


def sampling_rate(data: Any, dim: str = "time", tolerance: float = 1e-3) -> float:
    """
    Find the samples in a unit of a coordinate, or in a second of a coordinate of dates or durations.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        With a coordinate along `dim`: numbers, `datetime64` or `timedelta64`.
    dim : str, default 'time'
        The dimension of time.
    tolerance : float, default 1e-3
        By how much, as a share of the median step, a single step may differ from it: rounded time stamps do.

    Returns
    -------
    float
        Steps divided by the time they take together: Hz for dates, durations, and numbers in seconds.

    Raises
    ------
    ValueError
        If there is no such dimension or coordinate, or it has fewer than two values, is not finite, does not rise, or is not
        uniform; the message says where.
    TypeError
        If `data` is no xarray object, or the coordinate holds neither numbers nor times.

    See Also
    --------
    butter : Design a filter for that rate.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> time = np.datetime64("2020-01-01") + np.arange(5) * np.timedelta64(20, "ms")
    >>> sigrnn.xarray.sampling_rate(xarray.DataArray(np.zeros(5), dims="time", coords={"time": time}))
    50.0
    """
    check(data, dim)
    if dim not in data.coords:
        raise ValueError(f"dimension {dim!r} has no coordinate to take the sampling rate from")
    values = np.asarray(data.coords[dim].values)
    if len(values) < 2:
        raise ValueError(f"coordinate {dim!r} has {len(values)} values; a sampling rate takes two")
    steps = _steps(values, dim)
    usual = float(np.median(steps[np.isfinite(steps)])) if np.isfinite(steps).any() else np.nan
    wrong = ~(np.abs(steps - usual) <= tolerance * abs(usual)) | ~(steps > 0)
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"coordinate {dim!r} is not uniform: from index {at} ({values[at]}) to {at + 1} ({values[at + 1]}) it rises by "
            f"{steps[at]:g}, elsewhere by {usual:g} (tolerance {tolerance:g} of it)"
        )
    return float(len(steps) / steps.sum())


def _steps(values: Array, dim: str) -> Array:
    """Differences in float64, in seconds for times."""
    if values.dtype.kind in "mM":
        if np.isnat(values).any():
            raise ValueError(f"coordinate {dim!r} has NaT at index {int(np.isnat(values).argmax())}")
        unit, _ = np.datetime_data(values.dtype)
        if unit in ("Y", "M", "generic"):
            raise TypeError(f"coordinate {dim!r} has dtype {values.dtype}, whose unit is of no fixed length")
        seconds: Array = np.diff(values) / np.timedelta64(1, "s")
        return seconds
    if values.dtype.kind not in "iuf":
        raise TypeError(f"coordinate {dim!r} must hold numbers, datetime64 or timedelta64, got {values.dtype}")
    return np.diff(values.astype(float))


def _design(
    family: str, order: int, parameters: tuple[float, ...], cutoff: Any, data: Any, btype: str, dim: str
) -> Array:
    from scipy import signal

    rate = sampling_rate(data, dim)
    try:
        sos: Array = getattr(signal, family)(order, *parameters, cutoff, btype, output="sos", fs=rate)
    except (TypeError, ValueError) as error:  # most of SciPy's do not say what came
        given = ", ".join(map(repr, (order, *parameters, cutoff, btype)))
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"no filter {family}({given}) at a sampling rate of {rate:g}: {error}") from None
    return sos


def butter(order: int, cutoff: float | ArrayLike, data: Any, btype: str = "lowpass", dim: str = "time") -> Array:
    """
    Design a Butterworth filter for the sampling rate of the data.

    Parameters
    ----------
    order : int
        Its order; band filters have twice as many poles.
    cutoff : float or pair of floats
        Edge or edges, in Hz, or in cycles a unit of a coordinate of numbers.
    data : xarray.DataArray or xarray.Dataset
        What is to be filtered; its coordinate along `dim` tells the sampling rate.
    btype : {'lowpass', 'highpass', 'bandpass', 'bandstop'}, default 'lowpass'
        What passes.
    dim : str, default 'time'
        The dimension of time.

    Returns
    -------
    sos : ndarray, shape (S, 6)
        Second-order sections, for `sosfilt` and `sosfiltfilt`.

    Raises
    ------
    ValueError
        If the coordinate is not uniform, as `sampling_rate` says, or there is no such filter.

    See Also
    --------
    scipy.signal.butter : What designs it.
    cheby1, cheby2, ellip, bessel : Other families.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.zeros(100), dims="time", coords={"time": np.arange(100) / 50})
    >>> sigrnn.xarray.butter(4, 5.0, x).shape
    (2, 6)
    """
    return _design("butter", order, (), cutoff, data, btype, dim)


def cheby1(
    order: int, ripple: float, cutoff: float | ArrayLike, data: Any, btype: str = "lowpass", dim: str = "time"
) -> Array:
    """
    Design a Chebyshev filter of type I for the sampling rate of the data.

    Parameters
    ----------
    order : int
        Its order.
    ripple : float
        In the pass band, dB.
    cutoff : float or pair of floats
        Edge or edges, as in `butter`.
    data : xarray.DataArray or xarray.Dataset
        What is to be filtered; its coordinate along `dim` tells the sampling rate.
    btype : {'lowpass', 'highpass', 'bandpass', 'bandstop'}, default 'lowpass'
        What passes.
    dim : str, default 'time'
        The dimension of time.

    Returns
    -------
    sos : ndarray, shape (S, 6)
        Second-order sections.

    Raises
    ------
    ValueError
        If the coordinate is not uniform, as `sampling_rate` says, or there is no such filter.

    See Also
    --------
    butter : Without ripple.
    scipy.signal.cheby1 : What designs it.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.zeros(100), dims="time", coords={"time": np.arange(100) / 50})
    >>> sigrnn.xarray.cheby1(5, 1.0, [2.0, 8.0], x, "bandpass").shape
    (5, 6)
    """
    return _design("cheby1", order, (ripple,), cutoff, data, btype, dim)


def cheby2(
    order: int, attenuation: float, cutoff: float | ArrayLike, data: Any, btype: str = "lowpass", dim: str = "time"
) -> Array:
    """
    Design a Chebyshev filter of type II for the sampling rate of the data.

    Parameters
    ----------
    order : int
        Its order.
    attenuation : float
        In the stop band, dB.
    cutoff : float or pair of floats
        Edge or edges, as in `butter`.
    data : xarray.DataArray or xarray.Dataset
        What is to be filtered; its coordinate along `dim` tells the sampling rate.
    btype : {'lowpass', 'highpass', 'bandpass', 'bandstop'}, default 'lowpass'
        What passes.
    dim : str, default 'time'
        The dimension of time.

    Returns
    -------
    sos : ndarray, shape (S, 6)
        Second-order sections.

    Raises
    ------
    ValueError
        If the coordinate is not uniform, as `sampling_rate` says, or there is no such filter.

    See Also
    --------
    butter : Without ripple.
    scipy.signal.cheby2 : What designs it.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.zeros(100), dims="time", coords={"time": np.arange(100) / 50})
    >>> sigrnn.xarray.cheby2(4, 40.0, 5.0, x, "highpass").shape
    (2, 6)
    """
    return _design("cheby2", order, (attenuation,), cutoff, data, btype, dim)


def ellip(
    order: int,
    ripple: float,
    attenuation: float,
    cutoff: float | ArrayLike,
    data: Any,
    btype: str = "lowpass",
    dim: str = "time",
) -> Array:
    """
    Design an elliptic filter for the sampling rate of the data.

    Parameters
    ----------
    order : int
        Its order.
    ripple, attenuation : float
        In the pass band and in the stop band, dB.
    cutoff : float or pair of floats
        Edge or edges, as in `butter`.
    data : xarray.DataArray or xarray.Dataset
        What is to be filtered; its coordinate along `dim` tells the sampling rate.
    btype : {'lowpass', 'highpass', 'bandpass', 'bandstop'}, default 'lowpass'
        What passes.
    dim : str, default 'time'
        The dimension of time.

    Returns
    -------
    sos : ndarray, shape (S, 6)
        Second-order sections.

    Raises
    ------
    ValueError
        If the coordinate is not uniform, as `sampling_rate` says, or there is no such filter.

    See Also
    --------
    butter : Without ripple.
    scipy.signal.ellip : What designs it.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.zeros(100), dims="time", coords={"time": np.arange(100) / 50})
    >>> sigrnn.xarray.ellip(6, 1.0, 60.0, 5.0, x).shape
    (3, 6)
    """
    return _design("ellip", order, (ripple, attenuation), cutoff, data, btype, dim)


def bessel(order: int, cutoff: float | ArrayLike, data: Any, btype: str = "lowpass", dim: str = "time") -> Array:
    """
    Design a Bessel filter for the sampling rate of the data.

    Parameters
    ----------
    order : int
        Its order.
    cutoff : float or pair of floats
        Edge or edges, as in `butter`.
    data : xarray.DataArray or xarray.Dataset
        What is to be filtered; its coordinate along `dim` tells the sampling rate.
    btype : {'lowpass', 'highpass', 'bandpass', 'bandstop'}, default 'lowpass'
        What passes.
    dim : str, default 'time'
        The dimension of time.

    Returns
    -------
    sos : ndarray, shape (S, 6)
        Second-order sections.

    Raises
    ------
    ValueError
        If the coordinate is not uniform, as `sampling_rate` says, or there is no such filter.

    See Also
    --------
    butter : A sharper edge.
    scipy.signal.bessel : What designs it.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.zeros(100), dims="time", coords={"time": np.arange(100) / 50})
    >>> sigrnn.xarray.bessel(4, 5.0, x).shape
    (2, 6)
    """
    return _design("bessel", order, (), cutoff, data, btype, dim)


def check(data: Any, dim: str) -> None:
    """Whether it is an xarray object with that dimension."""
    import xarray

    if not isinstance(data, xarray.DataArray | xarray.Dataset):
        raise TypeError(f"data must be an xarray.DataArray or Dataset, got {type(data).__name__}")
    if dim not in data.dims:
        raise ValueError(f"no dimension {dim!r} in {tuple(data.dims)}")
