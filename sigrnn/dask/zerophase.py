"""`filtfilt` and `sosfiltfilt` over dask arrays: a forward and a backward pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array, time_axis
from sigrnn.dask import spec
from sigrnn.dask.clone import clone
from sigrnn.dask.filters import broadcast_channels, channels, no_samples, result_dtype
from sigrnn.dask.graph import FilterGraph, signal
from sigrnn.filters._coefficients import coefficients, sections
from sigrnn.filters._passes import continuation, edge_length, taps_of
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.filters.steady import constant_sections, constant_state


def filtfilt(
    b: ArrayLike,
    a: ArrayLike,
    x: Any,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
    *,
    reread: bool = True,
) -> da.Array:
    r"""
    Filter a dask array forward and backward along one axis, chunk by chunk, with the exact result.

    .. math:: Y(e^{i\omega}) = |H(e^{i\omega})|^2 X(e^{i\omega})

    Parameters
    ----------
    b : array_like, shape (M + 1,) or (..., M + 1)
        Numerator. Leading axes are broadcast against the channels of `x`: a filter for each.
    a : array_like, shape (P + 1,) or (..., P + 1)
        Denominator.
    x : dask.array.Array
        Signal, any number of axes, in chunks of any size along all of them.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends before filtering.
    padlen : int, optional
        By how many samples; ``3 * max(M + 1, P + 1)`` by default.
    method : {'pad'}
        Gustafsson's method, 'gust', needs the whole signal at once and is not served.
    irlen : int, optional
        For 'gust'; ignored.
    reread : bool, default True
        Read and filter `x` a second time for the backward pass, so that memory does not grow with the signal. With False
        each chunk is read once, and the forward result is kept until the backward pass uses it: less work where reading is
        slow and there is enough memory.

    Returns
    -------
    y : dask.array.Array
        The filtered signal, not yet computed. Its chunks along `axis` are those of `x`.

    Raises
    ------
    NotImplementedError
        If `method` is 'gust', or the common dtype is not float32, float64 or a complex one of that precision.
    ValueError
        If sizes of chunks are not known, `padtype` or `method` is unknown, or the signal is not longer than `padlen`.
    numpy.linalg.LinAlgError
        If the filter has a pole at z = 1.

    See Also
    --------
    sigrnn.filtfilt : The same for a NumPy array.
    sosfiltfilt : The same in second-order sections.

    Notes
    -----
    The backward pass starts with the last chunk of the forward pass. With `reread` the first reading keeps only states, a
    few numbers for each chunk; the second recomputes the forward result, chunk by chunk from the end. `x` must then give
    the same numbers each time it is read.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> x = da.full((2, 12), 2.0, chunks=(1, 4))
    >>> sigrnn.dask.filtfilt([0.5], [1.0, -0.5], x)[0].compute().round(12)
    array([2., 2., 2., 2., 2., 2., 2., 2., 2., 2., 2., 2.])
    """
    if method == "gust":
        raise NotImplementedError("method 'gust' solves for the whole signal at once; sigrnn.dask has 'pad' only")
    if method != "pad":
        raise ValueError(f"method must be 'pad', got {method!r}.")
    b, a, x = coefficients(b, "b"), coefficients(a, "a"), signal(x)
    axis = time_axis(axis, x)
    edge = edge_length(padtype, padlen, x, axis, max(b.shape[-1], a.shape[-1]))
    zi = constant_state(b, a)
    dtype = result_dtype((b, a, zi), x, None)
    x = broadcast_channels(x, lfilter(b, a, no_samples(x, axis, dtype), axis).shape, axis)
    start = np.moveaxis(zi.reshape(*[1] * (x.ndim - zi.ndim), *zi.shape), -1, axis)
    make = partial(FilterGraph, spec.direct(b, a, channels(x, axis), dtype, "auto"))
    return forward_backward(make, lambda first: start * first, x.astype(dtype), axis, padtype, edge, reread)


def sosfiltfilt(
    sos: ArrayLike,
    x: Any,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    *,
    reread: bool = True,
) -> da.Array:
    r"""
    Filter a dask array forward and backward with second-order sections, chunk by chunk, with the exact result.

    .. math:: Y(e^{i\omega}) = |H(e^{i\omega})|^2 X(e^{i\omega})

    Parameters
    ----------
    sos : array_like, shape (S, 6) or (..., S, 6)
        Second-order sections. Leading axes are broadcast against the channels of `x`: a filter for each.
    x : dask.array.Array
        Signal, any number of axes, in chunks of any size along all of them.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends before filtering.
    padlen : int, optional
        By how many samples; by default three times the number of taps of the whole filter.
    reread : bool, default True
        As in `filtfilt`.

    Returns
    -------
    y : dask.array.Array
        The filtered signal, not yet computed. Its chunks along `axis` are those of `x`.

    Raises
    ------
    NotImplementedError
        If the common dtype is not float32, float64 or a complex one of that precision.
    ValueError
        If sizes of chunks are not known, `sos` is malformed, `padtype` is unknown, or the signal is not longer than
        `padlen`.
    numpy.linalg.LinAlgError
        If a section has a pole at z = 1.

    See Also
    --------
    sigrnn.sosfiltfilt : The same for a NumPy array.
    filtfilt : The same in direct form, and the cost.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> sos = [[0.5, 0.0, 0.0, 1.0, -0.5, 0.0]]
    >>> sigrnn.dask.sosfiltfilt(sos, da.full(9, 2.0, chunks=4)).compute().round(12)
    array([2., 2., 2., 2., 2., 2., 2., 2., 2.])
    """
    sos, x = sections(sos), signal(x)
    axis = time_axis(axis, x)
    edge = edge_length(padtype, padlen, x, axis, taps_of(sos))
    zi = constant_sections(sos)
    dtype = result_dtype((sos, zi), x, None)
    x = broadcast_channels(x, sosfilt(sos, no_samples(x, axis, dtype), axis).shape, axis)
    full = zi.reshape(*[1] * (x.ndim + 1 - zi.ndim), *zi.shape)  # (channels..., S, 2)
    start = np.moveaxis(np.moveaxis(full, -2, 0), -1, axis + 1)
    make = partial(FilterGraph, spec.sections(sos, channels(x, axis), dtype, "auto"))
    return forward_backward(make, lambda first: start * first[None], x.astype(dtype), axis, padtype, edge, reread)


def forward_backward(
    make: Callable[..., FilterGraph],
    state: Callable[[Any], Any],
    x: Any,
    axis: int,
    padtype: str | None,
    edge: int,
    reread: bool,
) -> da.Array:
    """Continue x at both ends, filter it forward and backward, and cut the ends off."""
    chunks, samples = x.chunks, x.shape[axis]
    if 0 in chunks[axis]:
        x = x.rechunk({axis: tuple(n for n in chunks[axis] if n)})
    extended = continued(x, axis, padtype, edge)
    forward = make(extended, axis, state(part(extended, axis, slice(0, 1))), two_passes=reread)
    y = reverse(forward.recomputed(clone(extended)) if reread else forward.y, axis)
    backward = make(y, axis, state(part(y, axis, slice(0, 1))), forward=forward if reread else None)
    return part(reverse(backward.y, axis), axis, slice(edge, edge + samples)).rechunk(chunks)


def part(x: Any, axis: int, samples: slice) -> Any:
    return x[(*[slice(None)] * axis, samples)]


def reverse(x: Any, axis: int) -> Any:
    return part(x, axis, slice(None, None, -1))


def continued(x: Any, axis: int, padtype: str | None, edge: int) -> Any:
    """The signal with `edge` samples more at each end, in chunks of their own."""
    if not edge:
        return x
    ends = part(x, axis, slice(0, edge + 1)), part(x, axis, slice(-edge - 1, None))
    kind = padtype or "constant"

    def outside(end: Array, which: int) -> Array:
        found = continuation(np.moveaxis(end, axis, -1), kind, edge)[which]
        return np.moveaxis(found, -1, axis)

    chunks = [*x.chunks]
    chunks[axis] = (edge,)
    found = [
        end.rechunk({axis: -1}).map_blocks(outside, which, dtype=x.dtype, chunks=tuple(chunks), meta=end._meta)
        for which, end in enumerate(ends)
    ]
    return da.concatenate([found[0], x, found[1]], axis=axis)
