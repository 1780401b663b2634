"""Adaptive filters over the channels of dask arrays: `map_adaptive`."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from sigrnn._arrays import Array, short, time_axis
from sigrnn.dask.graph import signal
from sigrnn.workers import set_workers


def map_adaptive(filter: Any, x: Any, d: Any, axis: int = -1) -> tuple[da.Array, da.Array]:
    r"""
    Run an adaptive filter over each channel of dask arrays, each with its own copy.

    .. math:: e[n] = d[n] - w_n^{\mathsf T} x_n

    Parameters
    ----------
    filter : sigrnn.adaptive.AdaptiveFilter
        What all channels start from, past included; it is copied and stays as it is. Anything with ``copy()``, that gives a
        result with ``e`` and ``w_final`` when called with ``(x, d)``, will do.
    x, d : dask.array.Array
        Input and desired signal, of the same shape; `d` gets the chunks of `x`.
    axis : int, default -1
        The axis of time.

    Returns
    -------
    e : dask.array.Array
        The error, not yet computed, in the shape and chunks of `x`. The output is ``d - e``.
    w_final : dask.array.Array
        The weights after the last sample: the channels of `x`, then the axes of the filter's weights.

    Raises
    ------
    TypeError
        If `filter` is not one: its class, or a name.
    ValueError
        If shapes of `x` and `d` differ, or sizes of chunks are not known.

    See Also
    --------
    sigrnn.adaptive : The filters.

    Notes
    -----
    Adaptation is not linear, so chunks of the same channels are processed in order, those of different channels in
    parallel; each is read once.

    Examples
    --------
    >>> import dask.array as da
    >>> import sigrnn.dask
    >>> from sigrnn.adaptive import NLMS
    >>> x = da.random.default_rng(0).standard_normal((2, 4000), chunks=(1, 1000))
    >>> e, w = sigrnn.dask.map_adaptive(NLMS(2, mu=0.5), x, 3.0 * x)
    >>> w.compute().round(6) + 0.0
    array([[3., 0.],
           [3., 0.]])
    """
    if isinstance(filter, type) or not (callable(filter) and hasattr(filter, "copy")):
        raise TypeError(f"filter must be an adaptive filter, as in map_adaptive(NLMS(32), x, d), got {short(filter)}")
    x, d = signal(x), signal(d, "d")
    if x.shape != d.shape:
        raise ValueError(f"x and d must have the same shape, got {x.shape} and {d.shape}")
    axis = time_axis(axis, x)
    x, d = da.moveaxis(x, axis, -1), da.moveaxis(d, axis, -1)
    d = d.rechunk(x.chunks)
    first = filter.copy()
    trial = first.copy()(np.zeros(0, x.dtype), np.zeros(0, d.dtype))
    dtype, weights = np.asarray(trial.e).dtype, np.asarray(trial.w_final)
    token = tokenize("map_adaptive", x, d, axis, first)
    run, error, final = (f"sigrnn-{part}-{token}" for part in ("adapted", "error", "weights"))
    states: dict[Any, Any] = {}
    errors: dict[Any, Any] = {}
    finals: dict[Any, Any] = {}
    last = len(x.chunks[-1])
    states[(run, "first")] = first
    for at in itertools.product(*(range(n) for n in x.numblocks[:-1])):
        before: Any = (run, "first")
        for k in range(last):
            states[(run, *at, k)] = (adapt, before, (x.name, *at, k), (d.name, *at, k), dtype)
            errors[(error, *at, k)] = (operator.getitem, (run, *at, k), 0)
            before = (run, "filters", *at, k)
            states[before] = (operator.getitem, (run, *at, k), 1)
        shape = tuple(x.chunks[i][n] for i, n in enumerate(at))
        finals[(final, *at, *[0] * weights.ndim)] = (weights_of, before, shape, weights.shape, weights.dtype)
    below = HighLevelGraph.from_collections(run, states, [x, d])

    def array(name: str, layer: dict[Any, Any], chunks: Any, kind: np.dtype[Any]) -> Any:
        graph = HighLevelGraph({**below.layers, name: layer}, {**below.dependencies, name: {run}})
        return da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks), kind))

    e = da.moveaxis(array(error, errors, x.chunks, dtype), -1, axis)
    own = tuple((n,) for n in weights.shape)
    return e, array(final, finals, (*x.chunks[:-1], *own), weights.dtype)


def adapt(filters: Any, x: Array, d: Array, dtype: np.dtype[Any]) -> tuple[Array, list[Any]]:
    """The error in a chunk, and the filters after it; those given stay as they are, as another task may ask for them."""
    x, d = np.asarray(x), np.asarray(d)
    e = np.empty(x.shape, dtype)
    channels = [*np.ndindex(x.shape[:-1])]
    after = [f.copy() for f in (filters if isinstance(filters, list) else [filters] * len(channels))]
    with set_workers(1):  # as in `FilterSpec.fill`
        for f, channel in zip(after, channels, strict=True):
            e[channel] = f(x[channel], d[channel]).e
    return e, after


def weights_of(filters: Any, channels: tuple[int, ...], own: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The weights of the filters, in the shape of their channels."""
    nothing = np.zeros(0, dtype)
    found = [np.asarray(f.copy()(nothing, nothing).w_final) for f in filters]
    return np.array(found, dtype).reshape(*channels, *own)
