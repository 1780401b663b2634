"""`lfilter`, `sosfilt`, `filtfilt` and `sosfiltfilt` along a named dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

import sigrnn
from sigrnn.xarray.design import check


def lfilter(b: ArrayLike, a: ArrayLike, data: Any, dim: str = "time", **options: Any) -> Any:
    """
    Filter along a named dimension with an FIR or IIR filter.

    Parameters
    ----------
    b, a : array_like, shape (M + 1,) and (P + 1,)
        Numerator and denominator.
    data : xarray.DataArray or xarray.Dataset
        What is filtered; of a data set every variable that has the dimension, the others stay as they are.
    dim : str, default 'time'
        The dimension of time.
    **options
        `method`, as in `sigrnn.lfilter`.

    Returns
    -------
    DataArray or Dataset
        With the dimensions in their order, coordinates, attributes and names of `data`. What is chunked with dask stays so,
        and is not computed.

    Raises
    ------
    TypeError
        If `data` is no xarray object, or `zi` or `out` is given.
    ValueError
        If there is no such dimension, or for the reasons `sigrnn.lfilter` has.

    See Also
    --------
    sigrnn.lfilter : The same for a NumPy array.
    sigrnn.dask.lfilter : The same for a dask array.

    Notes
    -----
    An index of time that is not uniform is no error here, as `b` and `a` know of no rate: `sampling_rate` checks it.

    Examples
    --------
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray([[8.0, 0.0, 0.0]], dims=("channel", "time"), name="voltage", attrs={"unit": "V"})
    >>> y = sigrnn.xarray.lfilter([1.0], [1.0, -0.5], x)
    >>> y.values, y.dims, y.name, y.attrs
    (array([[8., 4., 2.]]), ('channel', 'time'), 'voltage', {'unit': 'V'})
    """
    return _over("lfilter", (b, a), data, dim, options)


def sosfilt(sos: ArrayLike, data: Any, dim: str = "time", **options: Any) -> Any:
    """
    Filter along a named dimension with second-order sections.

    Parameters
    ----------
    sos : array_like, shape (S, 6)
        The sections.
    data : xarray.DataArray or xarray.Dataset
        What is filtered; of a data set every variable that has the dimension, the others stay as they are.
    dim : str, default 'time'
        The dimension of time.
    **options
        `method`, as in `sigrnn.sosfilt`.

    Returns
    -------
    DataArray or Dataset
        As in `lfilter`.

    Raises
    ------
    TypeError
        If `data` is no xarray object, or `zi` or `out` is given.
    ValueError
        If there is no such dimension, or for the reasons `sigrnn.sosfilt` has.

    See Also
    --------
    sigrnn.sosfilt : The same for a NumPy array.
    butter : Design a filter for the sampling rate of the data.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.ones((100, 2)), dims=("time", "channel"), coords={"time": np.arange(100) / 50})
    >>> sos = sigrnn.xarray.butter(2, 5.0, x)
    >>> sigrnn.xarray.sosfilt(sos, x).sizes
    Frozen({'time': 100, 'channel': 2})
    """
    return _over("sosfilt", (sos,), data, dim, options)


def filtfilt(b: ArrayLike, a: ArrayLike, data: Any, dim: str = "time", **options: Any) -> Any:
    """
    Filter along a named dimension forward and backward: zero phase, twice the attenuation.

    Parameters
    ----------
    b, a : array_like, shape (M + 1,) and (P + 1,)
        Numerator and denominator.
    data : xarray.DataArray or xarray.Dataset
        What is filtered; of a data set every variable that has the dimension, the others stay as they are.
    dim : str, default 'time'
        The dimension of time.
    **options
        `padtype`, `padlen`, `method` and `irlen`, as in `sigrnn.filtfilt`; `reread` for dask, as in `sigrnn.dask.filtfilt`.

    Returns
    -------
    DataArray or Dataset
        As in `lfilter`.

    Raises
    ------
    TypeError
        If `data` is no xarray object.
    ValueError
        If there is no such dimension, or for the reasons `sigrnn.filtfilt` has.

    See Also
    --------
    sosfiltfilt : The same in second-order sections.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.full(9, 2.0), dims="time")
    >>> sigrnn.xarray.filtfilt([0.5], [1.0, -0.5], x).values.round(12)
    array([2., 2., 2., 2., 2., 2., 2., 2., 2.])
    """
    return _over("filtfilt", (b, a), data, dim, options)


def sosfiltfilt(sos: ArrayLike, data: Any, dim: str = "time", **options: Any) -> Any:
    """
    Filter along a named dimension forward and backward with second-order sections.

    Parameters
    ----------
    sos : array_like, shape (S, 6)
        The sections.
    data : xarray.DataArray or xarray.Dataset
        What is filtered; of a data set every variable that has the dimension, the others stay as they are.
    dim : str, default 'time'
        The dimension of time.
    **options
        `padtype` and `padlen`, as in `sigrnn.sosfiltfilt`; `reread` for dask, as in `sigrnn.dask.filtfilt`.

    Returns
    -------
    DataArray or Dataset
        As in `lfilter`.

    Raises
    ------
    TypeError
        If `data` is no xarray object.
    ValueError
        If there is no such dimension, or for the reasons `sigrnn.sosfiltfilt` has.

    See Also
    --------
    butter : Design a filter for the sampling rate of the data.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.ones(100), dims="time", coords={"time": np.arange(100) / 50})
    >>> y = sigrnn.xarray.sosfiltfilt(sigrnn.xarray.butter(2, 5.0, x), x)
    >>> bool(abs(y - 1).max() < 1e-9)
    True
    """
    return _over("sosfiltfilt", (sos,), data, dim, options)


def _over(name: str, coefficients: tuple[ArrayLike, ...], data: Any, dim: str, options: dict[str, Any]) -> Any:
    """Run a function over a DataArray, or over those variables of a Dataset that have the dimension."""
    import xarray

    check(data, dim)
    for refused in ("zi", "out", "axis"):
        if refused in options:
            raise TypeError(f"{refused} is not taken here: an array without names would have to fit one with names")
    if isinstance(data, xarray.Dataset):
        found = {
            key: _over(name, coefficients, variable, dim, options)
            for key, variable in data.data_vars.items()
            if dim in variable.dims
        }
        return data.assign(found)
    axis = data.get_axis_num(dim)
    if data.chunks is None:
        options.pop("reread", None)
        return data.copy(data=getattr(sigrnn, name)(*coefficients, data.values, axis, **options))
    from sigrnn import dask

    run: Callable[..., Any] = getattr(dask, name)
    return data.copy(data=run(*coefficients, data.data, axis, **options))
