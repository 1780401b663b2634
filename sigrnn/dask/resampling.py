"""Filters without feedback over dask arrays that change the sampling rate or smooth: each output sees a few samples of its
own chunk and of its neighbours."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import NATIVE, Array, array, time_axis
from sigrnn.dask.filters import lfilter, sosfilt
from sigrnn.dask.graph import signal
from sigrnn.dask.zerophase import filtfilt, sosfiltfilt
from sigrnn.filters import smoothing
from sigrnn.filters._polyphase import Rates, resampled
from sigrnn.filters._rates import against_aliasing, common, reduced, taps_of
from sigrnn.workers import set_workers


def upfirdn(h: ArrayLike, x: Any, up: int = 1, down: int = 1, axis: int = -1) -> da.Array:
    """
    Raise the sampling rate of a dask array, filter without feedback, and lower it, in chunks, as if it were one piece.

    Parameters
    ----------
    h : array_like, shape (L,)
        Taps of the filter, at the raised rate.
    x : dask.array.Array
        Signal, any number of axes, in chunks of any size along all of them; zeros beyond its ends.
    up, down : int, default 1
        Factors of the sampling rate.
    axis : int, default -1
        The axis of time.

    Returns
    -------
    y : dask.array.Array
        The filtered signal, not yet computed, in a chunk for each of `x`; chunks of time shorter than the filter are joined.

    Raises
    ------
    ValueError
        If sizes of chunks are not known, or for the reasons `sigrnn.upfirdn` has.
    NotImplementedError
        If the common dtype is not float32, float64 or a complex one of that precision.

    See Also
    --------
    sigrnn.upfirdn : The same for a NumPy array.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> sigrnn.dask.upfirdn([0.5, 1.0, 0.5], da.ones(6, chunks=3), 2).compute()
    array([0.5, 1. , 1. , 1. , 1. , 1. , 1. , 1. , 1. , 1. , 1. , 1. , 0.5])
    """
    h, x = array("h", h), signal(x)
    if h.ndim != 1 or h.size == 0:
        raise ValueError(f"h must be 1-D with non-zero length, got shape {h.shape}")
    up, down = int(up), int(down)
    if up < 1 or down < 1:
        raise ValueError(f"Both up and down must be >= 1, got up={up}, down={down}")
    axis = time_axis(axis, x)
    outputs = ((x.shape[axis] - 1) * up + len(h) - 1) // down + 1 if x.shape[axis] else 0
    return _resampled(h, x, Rates(up, down, 0, outputs), axis, common(h, np.empty(0, x.dtype)))


def resample_poly(x: Any, up: int, down: int, axis: int = 0, window: Any = ("kaiser", 5.0)) -> da.Array:
    """
    Change the sampling rate of a dask array by a rational factor, in chunks, as if it were one piece.

    Parameters
    ----------
    x : dask.array.Array
        Signal, any number of axes, in chunks of any size along all of them; zeros beyond its ends.
    up, down : int
        The rate becomes ``up / down`` of what it was; only the reduced fraction counts.
    axis : int, default 0
        The axis of time.
    window : str, tuple, float, list or ndarray, default ('kaiser', 5.0)
        The window of the low-pass, or its taps, as in `sigrnn.resample_poly`.

    Returns
    -------
    y : dask.array.Array
        The signal at the new rate, not yet computed, in chunks as those of `upfirdn`.

    Raises
    ------
    ValueError
        If sizes of chunks are not known, or for the reasons `sigrnn.resample_poly` has.
    NotImplementedError
        If the common dtype is not float32, float64 or a complex one of that precision.

    See Also
    --------
    sigrnn.resample_poly : The same for a NumPy array, with other continuations at the ends.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> sigrnn.dask.resample_poly(da.ones(1000, chunks=300), 3, 2)
    dask.array<sigrnn-resampled, shape=(1500,), dtype=float64, chunksize=(450,), chunktype=numpy.ndarray>
    """
    x = signal(x)
    up, down = reduced(up, down)
    axis = time_axis(axis, x)
    if up == down:
        return x
    h, kind = taps_of(window, up, down, x.dtype)
    if not h.size:
        raise ValueError("window has no taps")
    rates = Rates(up, down, (len(h) - 1) // 2, -(-x.shape[axis] * up // down))
    return _resampled(h, x, rates, axis, common(np.empty(0, kind), np.empty(0, x.dtype)))


def decimate(
    x: Any, q: int, n: int | None = None, ftype: Any = "iir", axis: int = -1, zero_phase: bool = True
) -> da.Array:
    """
    Lower the sampling rate of a dask array by a whole factor, after a filter against aliasing, as if it were one piece.

    Parameters
    ----------
    x : dask.array.Array
        Signal, any number of axes, in chunks of any size along all of them.
    q : int
        The factor.
    n : int, optional
        Order of the filter: 8 for 'iir', ``20 * q`` for 'fir' by default.
    ftype : {'iir', 'fir'} or scipy.signal.dlti, default 'iir'
        The filter, as in `sigrnn.decimate`.
    axis : int, default -1
        The axis of time.
    zero_phase : bool, default True
        Filter forward and backward ('iir'), which reads `x` twice, or take out the delay ('fir').

    Returns
    -------
    y : dask.array.Array
        Every q-th sample of the filtered signal, not yet computed; float32 and complex64 stay so.

    Raises
    ------
    ValueError
        If sizes of chunks are not known, or for the reasons `sigrnn.decimate` has.
    NotImplementedError
        If the dtype has no kernel.

    See Also
    --------
    sigrnn.decimate : The same for a NumPy array.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> sigrnn.dask.decimate(da.ones((2, 1000), chunks=(1, 400)), 5).shape
    (2, 200)
    """
    x, q = signal(x), operator.index(q)
    n = n if n is None else operator.index(n)
    kind = x.dtype if x.dtype.kind in "fc" and x.dtype.char != "e" else np.dtype(np.float64)
    fir, filter, dtype = against_aliasing(ftype, n, q, kind)
    axis = time_axis(axis, x)
    if fir:
        (h,) = filter
        if h.ndim != 1:
            raise ValueError(f"the numerator of ftype must be 1-D, got shape {h.shape}")
        if q == 1 and zero_phase:  # as resample_poly by 1 / 1
            return x
        start = (len(h) - 1) // 2 if zero_phase else 0
        return _resampled(h, x, Rates(1, q, start, -(-x.shape[axis] // q)), axis, dtype)
    run: Any = (sosfiltfilt if zero_phase else sosfilt) if len(filter) == 1 else (filtfilt if zero_phase else lfilter)
    kept = (slice(None),) * axis + (slice(None, None, q),)
    return run(*filter, x.astype(np.result_type(x.dtype, np.float64)), axis=axis)[kept].astype(dtype)


def savgol_filter(
    x: Any,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: float = 0.0,
) -> da.Array:
    """
    Smooth or differentiate a dask array by polynomials fitted to a sliding window, in chunks, as if it were one piece.

    Parameters
    ----------
    x : dask.array.Array
        Signal, any number of axes, in chunks of any size along all of them.
    window_length : int
        Samples of the window.
    polyorder : int
        Order of the polynomials.
    deriv : int, default 0
        Which derivative.
    delta : float, default 1.0
        Time from sample to sample, for derivatives.
    axis : int, default -1
        The axis of time.
    mode : {'mirror', 'constant', 'nearest', 'interp'}, default 'interp'
        What is done at the ends, as in `sigrnn.savgol_filter`.
    cval : float, default 0.0
        The value of 'constant'.

    Returns
    -------
    y : dask.array.Array
        The result, not yet computed; chunks of time shorter than the window are joined.

    Raises
    ------
    ValueError
        If sizes of chunks are not known, or for the reasons `sigrnn.savgol_filter` has.
    NotImplementedError
        If `mode` is 'wrap', which needs both ends at once.

    See Also
    --------
    sigrnn.savgol_filter : The same for a NumPy array.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> sigrnn.dask.savgol_filter(da.arange(1.0, 7.0, chunks=3) ** 2, 5, 2).compute().round(9)
    array([ 1.,  4.,  9., 16., 25., 36.])
    """
    x = signal(x)
    axis = time_axis(axis, x)
    if mode == "wrap":
        raise NotImplementedError("mode 'wrap' needs both ends at once: sigrnn.savgol_filter serves it")
    given = (window_length, polyorder, deriv, delta, axis, mode, cval)
    nothing = np.empty((0, *x.shape[:axis], max(x.shape[axis], 0), *x.shape[axis + 1 :]), x.dtype)
    kind = smoothing.savgol_filter(nothing, *given[:4], axis + 1, mode, cval).dtype  # for its errors, too
    reach = window_length // 2 + 1
    x = _joined(x, axis, window_length + 1)
    starts = list(accumulate(x.chunks[axis], initial=0))
    work = partial(_smoothed, starts=starts, reach=reach, given=given)
    return _mapped(x, axis, reach, reach, x.chunks[axis], kind, work)


def _smoothed(part: Array, k: int, starts: list[int], reach: int, given: tuple[Any, ...]) -> Array:
    """The outputs of chunk k, from it and its neighbouring samples."""
    first, axis = max(0, starts[k] - reach), given[4]
    kept = slice(starts[k] - first, starts[k + 1] - first)
    return smoothing.savgol_filter(part, *given)[(slice(None),) * axis + (kept,)]


def _resampled(h: Array, x: Any, rates: Rates, axis: int, dtype: np.dtype[Any]) -> da.Array:
    """Each output by the chunk that holds the newest sample it sees."""
    if dtype.char not in NATIVE:
        raise NotImplementedError(
            f"sigrnn.dask supports float32, float64, complex64 and complex128; filter and x make it {dtype}"
        )
    before = -(-len(h) // rates.up) - 1
    x = _joined(x, axis, before)
    starts = list(accumulate(x.chunks[axis], initial=0))
    bounds = [min(max(0, -(-(s * rates.up - rates.start) // rates.down)), rates.outputs) for s in starts]
    bounds[0], bounds[-1] = 0, rates.outputs
    work = partial(_outputs, h=h, rates=rates, starts=starts, bounds=bounds, before=before, axis=axis, kind=dtype.str)
    return _mapped(x, axis, before, 0, tuple(np.diff(bounds).tolist()), dtype, work)


def _outputs(
    part: Array,
    k: int,
    h: Array,
    rates: Rates,
    starts: list[int],
    bounds: list[int],
    before: int,
    axis: int,
    kind: str,
) -> Array:
    """Those of chunk k, of it and of the samples before it."""
    first, (low, high) = max(0, starts[k] - before), bounds[k : k + 2]
    start = rates.start + low * rates.down - first * rates.up
    return resampled(h, part, rates._replace(start=start, outputs=high - low), axis, np.dtype(kind))


def _joined(x: Any, axis: int, least: int) -> da.Array:
    """The same array with chunks of time that are long enough, neighbours joined."""
    sizes: list[int] = []
    for size in x.chunks[axis]:
        if sizes and sizes[-1] < max(least, 1):
            sizes[-1] += size
        else:
            sizes.append(size)
    if len(sizes) > 1 and sizes[-1] < max(least, 1):
        last = sizes.pop()
        sizes[-1] += last
    return x if tuple(sizes) == x.chunks[axis] else x.rechunk({axis: tuple(sizes)})


def _mapped(
    x: Any,
    axis: int,
    before: int,
    after: int,
    sizes: tuple[int, ...],
    dtype: np.dtype[Any],
    work: Callable[[Array, int], Array],
) -> da.Array:
    """Chunks of these sizes, each the work on a chunk of x and as many samples before and after it."""
    if len(sizes) > 1 and (before or after):
        x = da.overlap.overlap(x, {axis: (before, after)}, boundary=dict.fromkeys(range(x.ndim), "none"))
    chunks = (*x.chunks[:axis], sizes, *x.chunks[axis + 1 :])
    meta = np.empty((0,) * x.ndim, dtype)
    return x.map_blocks(_block, axis=axis, work=work, chunks=chunks, dtype=dtype, meta=meta, token="sigrnn-resampled")


def _block(part: Array, axis: int, work: Callable[[Array, int], Array], block_info: Any = None) -> Array:
    """A task; on one thread, as dask runs one on each core."""
    with set_workers(1):
        return work(part, block_info[0]["chunk-location"][axis])
