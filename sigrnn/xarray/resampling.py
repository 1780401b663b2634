"""`decimate`, `resample_poly` and `savgol_filter` along a named dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import sigrnn
from sigrnn._arrays import Array
from sigrnn.filters._rates import reduced
from sigrnn.xarray.sampling import Labelled, check, sampling_rate


def decimate(data: Labelled, q: int, dim: str = "time", **options: Any) -> Labelled:
    """
    Lower the sampling rate along a named dimension by an integer factor.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        The signal. Of a Dataset each variable with the dimension is decimated, the others stay as they are.
    q : int
        The factor.
    dim : str, default 'time'
        The dimension of time.
    **options
        `n`, `ftype` and `zero_phase`, as in `sigrnn.decimate`.

    Returns
    -------
    DataArray or Dataset
        With every q-th value of the coordinates along `dim`; the rest is that of `data`, without `encoding`.

    Raises
    ------
    TypeError
        If `data` is not an xarray object, or in dask chunks.
    ValueError
        If there is no such dimension, or as in `sigrnn.decimate`.

    See Also
    --------
    sigrnn.decimate : The same for a NumPy array.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.ones((100, 2)), dims=("time", "channel"), coords={"time": np.arange(100) / 50})
    >>> sigrnn.xarray.decimate(x, 5).time.values[:3]
    array([0. , 0.1, 0.2])
    """
    check(data, dim)
    picked = data.isel({dim: slice(None, None, q)})
    return _over(data, picked, dim, lambda x, axis: sigrnn.decimate(x, q, axis=axis, **options))


def resample_poly(data: Labelled, up: int, down: int, dim: str = "time", **options: Any) -> Labelled:
    """
    Change the sampling rate along a named dimension by a rational factor.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        The signal. Of a Dataset each variable with the dimension is resampled, the others stay as they are.
    up, down : int
        The rate is multiplied by ``up / down``.
    dim : str, default 'time'
        The dimension of time. Its coordinate, if there is one, must be uniform.
    **options
        `window`, `padtype` and `cval`, as in `sigrnn.resample_poly`.

    Returns
    -------
    DataArray or Dataset
        With the coordinate of the new samples along `dim`, without others along it; the rest is that of `data`, without
        `encoding`.

    Raises
    ------
    TypeError
        If `data` is not an xarray object, or in dask chunks.
    ValueError
        If there is no such dimension, its coordinate is not uniform, or as in `sigrnn.resample_poly`.

    See Also
    --------
    sigrnn.resample_poly : The same for a NumPy array.
    sampling_rate : Checks whether the coordinate is uniform.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.ones(100), dims="time", coords={"time": np.arange(100) / 50})
    >>> y = sigrnn.xarray.resample_poly(x, 3, 2)
    >>> y.sizes["time"], sigrnn.xarray.sampling_rate(y)
    (150, 75.0)
    """
    check(data, dim)
    up, down = reduced(up, down)
    along = [name for name, c in data.coords.items() if dim in c.dims]
    frame = data.drop_vars(along).isel({dim: np.zeros(-(-data.sizes[dim] * up // down), int)})
    if dim in data.coords:
        sampling_rate(data, dim)
        frame = frame.assign_coords({dim: (dim, _times(data.coords[dim].values, frame.sizes[dim], down / up))})
        frame[dim].attrs.update(data[dim].attrs)
    return _over(data, frame, dim, lambda x, axis: sigrnn.resample_poly(x, up, down, axis, **options))


def savgol_filter(data: Labelled, window_length: int, polyorder: int, dim: str = "time", **options: Any) -> Labelled:
    """
    Smooth or differentiate along a named dimension.

    Parameters
    ----------
    data : xarray.DataArray or xarray.Dataset
        The signal. Of a Dataset each variable with the dimension is filtered, the others stay as they are.
    window_length, polyorder : int
        Samples of a window, and the degree of its polynomial.
    dim : str, default 'time'
        The dimension of time.
    **options
        `deriv`, `delta`, `mode` and `cval`, as in `sigrnn.savgol_filter`.

    Returns
    -------
    DataArray or Dataset
        With all of `data` but its numbers and `encoding`.

    Raises
    ------
    TypeError
        If `data` is not an xarray object, or in dask chunks.
    ValueError
        If there is no such dimension, or as in `sigrnn.savgol_filter`.

    See Also
    --------
    sigrnn.savgol_filter : The same for a NumPy array.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.arange(1.0, 7.0) ** 2, dims="time")
    >>> sigrnn.xarray.savgol_filter(x, 5, 2).values.round(9)
    array([ 1.,  4.,  9., 16., 25., 36.])
    """
    check(data, dim)
    run = lambda x, axis: sigrnn.savgol_filter(x, window_length, polyorder, axis=axis, **options)  # noqa: E731
    return _over(data, data, dim, run)


def _over(data: Any, frame: Any, dim: str, run: Callable[[Array, int], Array]) -> Any:
    """`run` over the values of data, or of those variables that have the dimension, in a frame of their new size."""
    import xarray

    if isinstance(data, xarray.Dataset):
        names = [key for key, variable in data.data_vars.items() if dim in variable.dims]
        return frame.assign({key: _over(data[key], frame[key], dim, run) for key in names})
    if data.chunks is not None:
        raise TypeError("data are in dask chunks, which this function does not serve: data.compute() comes first")
    found = frame.copy(data=run(data.values, data.get_axis_num(dim)))
    found.encoding = {}
    return found


def _times(times: Array, count: int, ratio: float) -> Array:
    """The coordinate of `count` samples, `ratio` old steps apart."""
    if times.dtype.kind not in "mM":
        return times[0] + np.arange(count) * ((times[-1] - times[0]) / (len(times) - 1) * ratio)
    fine = np.dtype(f"{times.dtype.kind}8[ns]")  # steps of the new rate need not be whole ones of the old unit
    length = float((times[-1] - times[0]) / np.timedelta64(1, "ns")) / (len(times) - 1) * ratio
    return times[0].astype(fine) + np.round(np.arange(count) * length).astype("m8[ns]")
