"""`lfilter` and `sosfilt` over dask arrays."""

from __future__ import annotations

from typing import Any, overload

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import NATIVE, Array, time_axis
from sigrnn.dask import spec
from sigrnn.dask.graph import FilterGraph, signal
from sigrnn.filters import linear
from sigrnn.filters._coefficients import weak


@overload
def lfilter(
    b: ArrayLike, a: ArrayLike, x: Any, axis: int = -1, zi: None = None, *, method: str = "auto"
) -> da.Array: ...
@overload
def lfilter(
    b: ArrayLike, a: ArrayLike, x: Any, axis: int, zi: da.Array | ArrayLike, *, method: str = "auto"
) -> tuple[da.Array, da.Array]: ...
@overload
def lfilter(
    b: ArrayLike, a: ArrayLike, x: Any, axis: int = -1, *, zi: da.Array | ArrayLike, method: str = "auto"
) -> tuple[da.Array, da.Array]: ...
def lfilter(
    b: ArrayLike, a: ArrayLike, x: Any, axis: int = -1, zi: da.Array | ArrayLike | None = None, *, method: str = "auto"
) -> da.Array | tuple[da.Array, da.Array]:
    r"""
    Filter a dask array along one axis, chunk by chunk, with the exact result.

    .. math:: a_0 y[n] = \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m]

    Parameters
    ----------
    b : array_like, shape (M + 1,) or (..., M + 1)
        Numerator. Leading axes are broadcast against the channels of `x`: a filter for each.
    a : array_like, shape (P + 1,) or (..., P + 1)
        Denominator; with a single coefficient the filter is FIR.
    x : dask.array.Array
        Signal, any number of axes, in chunks of any size along all of them.
    axis : int, default -1
        The axis of time.
    zi : array_like or dask.array.Array, optional
        Initial state, as in `sigrnn.lfilter`.
    method : {'auto', 'sequential', 'blocked', 'fft'}, default 'auto'
        'sequential' filters chunk after chunk, with the bits of the plain recurrence. All others filter chunks in parallel
        where that is exact, and a chunk as `sigrnn.lfilter` does.

    Returns
    -------
    y : dask.array.Array
        The filtered signal, not yet computed, in the chunks of `x`.
    zf : dask.array.Array
        Final state, only if `zi` was given.

    Raises
    ------
    ValueError
        If sizes of chunks are not known, or for the reasons `sigrnn.lfilter` has.
    NotImplementedError
        If the common dtype is not float32, float64 or a complex one of that precision.

    See Also
    --------
    sigrnn.lfilter : The same for a NumPy array.

    Notes
    -----
    A chunk is filtered from rest to find its effect on the state; the states before the chunks follow by
    :math:`z \leftarrow A^L z + z_{rest}`, with the state matrix :math:`A` and the length :math:`L` of the chunk; then the
    chunk is filtered from its state. So each chunk is read once and filtered twice, and only states, a few numbers
    for each channel, pass from chunk to chunk. Where :math:`\|A^L\| > 1` (unstable filters; chunks much shorter than the
    memory of the filter) rounding errors would grow, and chunks of the same channels are filtered one after the other
    instead. dask may then read chunks before their turn and keep them, so that memory is not bounded. A channel with an inf
    is filtered sample by sample for the states, too, until its state is NaN. FIR filters need the last M samples of a
    chunk only.

    Arrays with masked chunks raise a TypeError: ``dask.array.ma.filled`` fills them.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> x = da.ones((2, 6), chunks=(1, 4))
    >>> y = sigrnn.dask.lfilter([1.0], [1.0, -0.5], x)
    >>> y
    dask.array<sigrnn-filtered, shape=(2, 6), dtype=float64, chunksize=(1, 4), chunktype=numpy.ndarray>
    >>> y[0].compute()
    array([1.     , 1.5    , 1.75   , 1.875  , 1.9375 , 1.96875])
    """
    x = signal(x)
    axis, dtype = time_axis(axis, x), result_dtype((b, a), x, zi)
    x = broadcast_channels(x, linear.lfilter(b, a, no_samples(x, axis, dtype), axis, method=method).shape, axis)
    return value(FilterGraph(spec.direct(b, a, channels(x, axis), dtype, method), x, axis, zi))


@overload
def sosfilt(sos: ArrayLike, x: Any, axis: int = -1, zi: None = None, *, method: str = "auto") -> da.Array: ...
@overload
def sosfilt(
    sos: ArrayLike, x: Any, axis: int, zi: da.Array | ArrayLike, *, method: str = "auto"
) -> tuple[da.Array, da.Array]: ...
@overload
def sosfilt(
    sos: ArrayLike, x: Any, axis: int = -1, *, zi: da.Array | ArrayLike, method: str = "auto"
) -> tuple[da.Array, da.Array]: ...
def sosfilt(
    sos: ArrayLike, x: Any, axis: int = -1, zi: da.Array | ArrayLike | None = None, *, method: str = "auto"
) -> da.Array | tuple[da.Array, da.Array]:
    r"""
    Filter a dask array along one axis with a cascade of second-order sections, chunk by chunk, with the exact result.

    .. math:: y_s[n] = b_{s0} y_{s-1}[n] + b_{s1} y_{s-1}[n-1] + b_{s2} y_{s-1}[n-2] - a_{s1} y_s[n-1] - a_{s2} y_s[n-2]

    Parameters
    ----------
    sos : array_like, shape (S, 6) or (..., S, 6)
        Sections. Leading axes are broadcast against the channels of `x`: a filter for each.
    x : dask.array.Array
        Signal, any number of axes, in chunks of any size along all of them.
    axis : int, default -1
        The axis of time.
    zi : array_like or dask.array.Array, optional
        Initial state, as in `sigrnn.sosfilt`.
    method : {'auto', 'sequential', 'blocked'}, default 'auto'
        As in `lfilter`.

    Returns
    -------
    y : dask.array.Array
        The filtered signal, not yet computed, in the chunks of `x`.
    zf : dask.array.Array
        Final state, only if `zi` was given.

    Raises
    ------
    ValueError
        If sizes of chunks are not known, or for the reasons `sigrnn.sosfilt` has.
    NotImplementedError
        If the common dtype is not float32, float64 or a complex one of that precision.

    See Also
    --------
    sigrnn.sosfilt : The same for a NumPy array.
    lfilter : How the state passes from chunk to chunk, and the cost.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> sos = [[1.0, 0.0, 0.0, 1.0, -0.5, 0.0], [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]]
    >>> y, zf = sigrnn.dask.sosfilt(sos, da.ones(6, chunks=2), zi=0)
    >>> y.compute()
    array([1.     , 2.5    , 3.25   , 3.625  , 3.8125 , 3.90625])
    """
    x = signal(x)
    axis, dtype = time_axis(axis, x), result_dtype((sos,), x, zi)
    x = broadcast_channels(x, linear.sosfilt(sos, no_samples(x, axis, dtype), axis, method=method).shape, axis)
    return value(FilterGraph(spec.sections(sos, channels(x, axis), dtype, method), x, axis, zi))


def value(graph: FilterGraph) -> Any:
    return graph.y if graph.zi is None else (graph.y, graph.zf)


def channels(x: Any, axis: int) -> tuple[int, ...]:
    """The shape of x without time."""
    shape: tuple[int, ...] = x.shape[:axis] + x.shape[axis + 1 :]
    return shape


def result_dtype(coefficients: tuple[ArrayLike, ...], x: Any, zi: Any) -> np.dtype[Any]:
    """The dtype of the result."""
    kinds = [np.asarray(c).dtype for c in coefficients]
    state: list[Any] = [] if zi is None else [zi.dtype if isinstance(zi, da.Array) else weak(zi)]
    dtype = np.result_type(*kinds, x.dtype, *state)
    if dtype.char not in NATIVE:
        raise NotImplementedError(
            f"sigrnn.dask supports float32, float64, complex64 and complex128; filter and x make it {dtype}"
        )
    return dtype


def no_samples(x: Any, axis: int, dtype: np.dtype[Any]) -> Array:
    """An array like x without time: the NumPy function is called with it for its errors and the shape of the result."""
    return np.empty((*x.shape[:axis], 0, *x.shape[axis + 1 :]), dtype)


def broadcast_channels(x: Any, shape: tuple[int, ...], axis: int) -> Any:
    """The signal with channels of length 1 repeated, if each has filters of its own."""
    shape = (*shape[:axis], x.shape[axis], *shape[axis + 1 :])
    return x if shape == x.shape else da.broadcast_to(x, shape)
