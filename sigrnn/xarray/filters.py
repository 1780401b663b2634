"""`lfilter`, `sosfilt`, `filtfilt` and `sosfiltfilt` along a named dimension."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

import sigrnn
from sigrnn.xarray.sampling import Labelled, check


def lfilter(b: ArrayLike, a: ArrayLike, data: Labelled, dim: str = "time", **options: Any) -> Labelled:
    """
    Filter along a named dimension with an FIR or IIR filter.

    Parameters
    ----------
    b, a : array_like, shape (M + 1,) and (P + 1,)
        Numerator and denominator.
    data : xarray.DataArray or xarray.Dataset
        The signal. Of a Dataset each variable with the dimension is filtered, the others stay as they are.
    dim : str, default 'time'
        The dimension of time.
    **options
        `method`, as in `sigrnn.lfilter`.

    Returns
    -------
    DataArray or Dataset
        With the order of dimensions, coordinates, attributes and names of `data`, and without `encoding`: the packing of
        what was read does not fit the result. Data in dask chunks stay so, and are not computed.

    Raises
    ------
    TypeError
        If `data` is not an xarray object, or `zi` or `out` is given.
    ValueError
        If there is no such dimension, or as in `sigrnn.lfilter`.

    See Also
    --------
    sigrnn.lfilter : The same for a NumPy array.
    sigrnn.dask.lfilter : The same for a dask array.

    Notes
    -----
    The time coordinate need not be uniform, as `b` and `a` have no sampling rate: `sampling_rate` checks it.

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


def sosfilt(sos: ArrayLike, data: Labelled, dim: str = "time", **options: Any) -> Labelled:
    """
    Filter along a named dimension with second-order sections.

    Parameters
    ----------
    sos : array_like, shape (S, 6)
        The sections.
    data : xarray.DataArray or xarray.Dataset
        The signal. Of a Dataset each variable with the dimension is filtered, the others stay as they are.
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
        If `data` is not an xarray object, or `zi` or `out` is given.
    ValueError
        If there is no such dimension, or as in `sigrnn.sosfilt`.

    See Also
    --------
    sigrnn.sosfilt : The same for a NumPy array.
    sampling_rate : For the design of a filter.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.ones((100, 2)), dims=("time", "channel"))
    >>> sos = [[0.5, 0.5, 0.0, 1.0, 0.0, 0.0]]
    >>> sigrnn.xarray.sosfilt(sos, x).sizes
    Frozen({'time': 100, 'channel': 2})
    """
    return _over("sosfilt", (sos,), data, dim, options)


def filtfilt(b: ArrayLike, a: ArrayLike, data: Labelled, dim: str = "time", **options: Any) -> Labelled:
    """
    Filter along a named dimension forward and backward: zero phase, twice the attenuation.

    Parameters
    ----------
    b, a : array_like, shape (M + 1,) and (P + 1,)
        Numerator and denominator.
    data : xarray.DataArray or xarray.Dataset
        The signal. Of a Dataset each variable with the dimension is filtered, the others stay as they are.
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
        If `data` is not an xarray object.
    ValueError
        If there is no such dimension, or as in `sigrnn.filtfilt`.

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


def sosfiltfilt(sos: ArrayLike, data: Labelled, dim: str = "time", **options: Any) -> Labelled:
    """
    Filter along a named dimension forward and backward with second-order sections.

    Parameters
    ----------
    sos : array_like, shape (S, 6)
        The sections.
    data : xarray.DataArray or xarray.Dataset
        The signal. Of a Dataset each variable with the dimension is filtered, the others stay as they are.
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
        If `data` is not an xarray object.
    ValueError
        If there is no such dimension, or as in `sigrnn.sosfiltfilt`.

    See Also
    --------
    sampling_rate : For the design of a filter.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray
    >>> import sigrnn.xarray
    >>> x = xarray.DataArray(np.full(9, 2.0), dims="time")
    >>> sigrnn.xarray.sosfiltfilt([[0.5, 0.0, 0.0, 1.0, -0.5, 0.0]], x).values.round(12)
    array([2., 2., 2., 2., 2., 2., 2., 2., 2.])
    """
    return _over("sosfiltfilt", (sos,), data, dim, options)


def _over(name: str, coefficients: tuple[ArrayLike, ...], data: Any, dim: str, options: dict[str, Any]) -> Any:
    """Run a function over a DataArray, or over those variables of a Dataset that have the dimension."""
    import xarray

    check(data, dim)
    for refused in ("zi", "out", "axis"):
        if refused in options:
            raise TypeError(f"{refused} is not an argument here: its axes would have no names")
    if isinstance(data, xarray.Dataset):
        names = [key for key, variable in data.data_vars.items() if dim in variable.dims]
        return data.assign({key: _variable(name, coefficients, data, key, dim, options) for key in names})
    axis = data.get_axis_num(dim)
    if data.chunks is None:
        options = {key: value for key, value in options.items() if key != "reread"}
        found = data.copy(data=getattr(sigrnn, name)(*coefficients, data.values, axis, **options))
    else:
        from sigrnn import dask

        found = data.copy(data=getattr(dask, name)(*coefficients, data.data, axis, **options))
    found.encoding = {}
    return found


def _variable(name: str, coefficients: tuple[ArrayLike, ...], data: Any, key: Any, dim: str, options: Any) -> Any:
    """One variable of a Dataset filtered; an error names the variable."""
    try:
        return _over(name, coefficients, data[key], dim, options)
    except (TypeError, ValueError, NotImplementedError) as error:
        error.add_note(f"while filtering variable {key!r} of the Dataset")
        raise
