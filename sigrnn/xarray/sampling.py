"""The sampling rate of a coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sigrnn._arrays import Array

if TYPE_CHECKING:
    import xarray

Labelled = TypeVar("Labelled", "xarray.DataArray", "xarray.Dataset")


def sampling_rate(data: Any, dim: str = "time", tolerance: float = 1e-3) -> float:
    """
    Find the number of samples per unit of a coordinate, per second for dates and durations.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        With a coordinate along `dim`: numbers, `datetime64` or `timedelta64`.
    dim : str, default 'time'
        The dimension of time.
    tolerance : float, default 1e-3
        Largest allowed deviation of a step from the median step, relative to it; rounded time stamps need some.

    Returns
    -------
    float
        Number of steps divided by the time between the first and the last sample: Hz for dates, durations, and numbers
        in seconds.

    Raises
    ------
    ValueError
        If there is no such dimension or coordinate, or the coordinate has fewer than two values, is not finite, does not
        increase, or is not uniform; the message names the index.
    TypeError
        If `data` is not an xarray object, or the coordinate holds neither numbers nor times.

    See Also
    --------
    scipy.signal.butter : Takes it as `fs`.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.signal
    >>> import xarray
    >>> import sigrnn.xarray
    >>> time = np.datetime64("2020-01-01") + np.arange(100) * np.timedelta64(125, "ms")
    >>> x = xarray.DataArray(np.zeros(100), dims="time", coords={"time": time})
    >>> sigrnn.xarray.sampling_rate(x)
    8.0
    >>> sos = scipy.signal.butter(4, 1.0, output="sos", fs=sigrnn.xarray.sampling_rate(x))
    >>> sigrnn.xarray.sosfilt(sos, x).sizes
    Frozen({'time': 100})
    """
    check(data, dim)
    if dim not in data.coords:
        raise ValueError(f"dimension {dim!r} has no coordinate, so the sampling rate is unknown")
    values = np.asarray(data.coords[dim].values)
    if len(values) < 2:
        raise ValueError(f"coordinate {dim!r} has {len(values)} values: a sampling rate needs at least two")
    steps = _steps(values, dim)
    if (steps < 0).all():
        raise ValueError(
            f"coordinate {dim!r} must increase, got {values[0]} to {values[-1]}: sort the data by it first"
        )
    median = float(np.median(steps[np.isfinite(steps)])) if np.isfinite(steps).any() else np.nan
    wrong = ~(np.abs(steps - median) <= tolerance * abs(median)) | ~(steps > 0)
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"coordinate {dim!r} is not uniform: from index {at} ({values[at]}) to {at + 1} ({values[at + 1]}) the step is "
            f"{steps[at]:g}, the median step is {median:g} (relative tolerance {tolerance:g})"
        )
    return float(len(steps) / steps.sum())


def _steps(values: Array, dim: str) -> Array:
    """Differences in float64, in seconds for times."""
    if values.dtype.kind in "mM":
        if np.isnat(values).any():
            raise ValueError(f"coordinate {dim!r} has NaT at index {int(np.isnat(values).argmax())}")
        unit, _ = np.datetime_data(values.dtype)
        if unit in ("Y", "M", "generic"):
            raise TypeError(f"coordinate {dim!r} has dtype {values.dtype}, a unit of no fixed length")
        seconds: Array = np.diff(values) / np.timedelta64(1, "s")
        return seconds
    if values.dtype.kind not in "iuf":
        raise TypeError(f"coordinate {dim!r} must hold numbers, datetime64 or timedelta64, got {values.dtype}")
    return np.diff(values.astype(float))


def check(data: Any, dim: str) -> None:
    """Raise unless `data` is an xarray object with that dimension."""
    import xarray

    if not isinstance(data, xarray.DataArray | xarray.Dataset):
        raise TypeError(f"data must be an xarray.DataArray or Dataset, got {type(data).__name__}")
    if dim not in data.dims:
        raise ValueError(f"no dimension {dim!r} in {tuple(data.dims)}")
