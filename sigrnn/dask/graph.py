"""The graph of a filter: the effect of each chunk on the state, the states before the chunks, and the chunks filtered."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from sigrnn._arrays import array, refuse_masked
from sigrnn.dask import tasks
from sigrnn.dask.spec import FilterSpec

Index = tuple[int, ...]
Graph = dict[Any, Any]

AHEAD = (
    8  # chunks of the same channels in memory at a time in the forward of two passes; dask alone would keep them all
)


def signal(x: Any, name: str = "x") -> Any:
    """A dask array with at least one axis, chunks of known size and no mask."""
    x = da.asarray(x)
    if x.ndim == 0:
        raise ValueError(f"{name} must be at least 1-D, got a scalar")
    if any(np.isnan(n) for n in x.shape):
        raise ValueError(
            f"{name} has chunks of unknown size, shape {x.shape}: the state after a chunk depends on its length. "
            f"{name}.compute_chunk_sizes() finds them."
        )
    unmasked(name, x)
    return x


def unmasked(name: str, x: Any) -> None:
    refuse_masked(name, isinstance(x._meta, np.ma.MaskedArray), f"give dask.array.ma.filled({name}, value)")


class FilterGraph:
    """
    A filter over a dask array along an axis; `y` and `zf` are dask arrays.

    There are three tasks for a chunk: its effect on the state, the state after it, and the chunk filtered from the state
    before it. Chunks that must be filtered one after the other (see `FilterSpec.parallel`) have one task for all three.

    two_passes : whether a backward pass follows that reads x again. Then the effects of all chunks on the state of the
        backward pass are found, too.
    forward : the forward pass, if this is the backward pass. Then x is the output of the forward pass, recomputed, and
        read only once, from its end.
    """

    def __init__(
        self,
        spec: FilterSpec,
        x: Any,
        axis: int,
        zi: Any,
        two_passes: bool = False,
        forward: FilterGraph | None = None,
    ) -> None:
        self.x, self.axis, self.two_passes, self.forward = x, axis, two_passes, forward
        token = tokenize(spec.kind, spec.coefficients, str(spec.dtype), spec.method, x, axis, zi, two_passes)
        self.name = functools.cache(lambda part: f"sigrnn-{part}-{token}")  # one string in all keys
        self.spec = spec.with_powers(set(x.chunks[axis]))
        self.zi = None if zi is None else state_blocks(spec, x, axis, zi)
        states: Graph = {}
        outputs: Graph = {}
        for at, slices, shape in channel_blocks(x, axis):
            spec_key = self.key("filter", at)
            states[spec_key] = self.spec.of_channels(slices, x.ndim - 1)
            zi_key = None if self.zi is None else (self.zi.name, *self.state_index(at))
            states[self.key("state", at, 0)] = (FilterSpec.first_state, spec_key, zi_key, shape, axis)
            for k in range(len(x.chunks[axis])):
                self.add_chunk(states, outputs, at, k)
        known = [x] if self.zi is None else [x, self.zi]
        self.states = HighLevelGraph.from_collections(self.name("states"), states, known)
        self.y = self.array("filtered", outputs, x.chunks, [x])

    @property
    def zf(self) -> Any:
        """The state after the last chunk, in SciPy's layout."""
        axis, last, layer = self.axis, len(self.x.chunks[self.axis]), {}
        for at, _, shape in channel_blocks(self.x, axis):
            key = (self.name("final"), *self.state_index(at))
            layer[key] = (FilterSpec.last_state, self.key("filter", at), self.key("state", at, last), shape, axis)
        return self.array("final", layer, state_chunks(self.spec, self.x, axis), [])

    def recomputed(self, x: Any) -> Any:
        """The signal under another name, filtered from the known states."""
        part, layer = f"again-{tokenize(x)}", {}
        for at, _, _ in channel_blocks(x, self.axis):
            for k in range(len(x.chunks[self.axis])):
                place = place_of(at, k, self.axis)
                block, state = (x.name, *place), self.key("state", at, k)
                layer[(self.name(part), *place)] = (tasks.filtered, self.key("filter", at), block, state, self.axis)
        return self.array(part, layer, x.chunks, [x])

    def add_chunk(self, states: Graph, outputs: Graph, at: Index, k: int) -> None:
        """Add the tasks of one chunk."""
        spec, chunks, place = self.key("filter", at), self.x.chunks[self.axis], place_of(at, k, self.axis)
        before, after = self.key("state", at, k), self.key("state", at, k + 1)
        block, output = (self.x.name, *place), (self.name("filtered"), *place)
        parallel = self.spec.parallel(chunks[k])
        if self.two_passes and k and parallel:
            states[self.key("backward", at, k)] = (tasks.backward_effect, spec, block, before, self.axis)
        if not parallel or k == len(chunks) - 1:
            both = self.key("both", at, k)
            states[both] = (tasks.run, spec, block, before, self.axis)
            states[after] = (operator.getitem, both, 1)
            outputs[output] = (operator.getitem, both, 0)
            return
        outputs[output] = (tasks.filtered, spec, block, before, self.axis)
        if self.forward is not None:
            effect = self.forward.key("backward", at, len(chunks) - 1 - k)
        else:
            effect = self.key("effect", at, k)
            states[effect] = (tasks.from_rest, spec, block, self.axis)
        earlier: Any = self.key("backward", at, k - AHEAD)  # waited for, so that chunks do not pile up in memory
        earlier = earlier if earlier in states else None
        if self.spec.kind == "taps":  # the last inputs are the state
            states[after] = (tasks.replace, effect, earlier)
        else:
            states[after] = (tasks.advance, spec, before, effect, chunks[k], earlier)

    def key(self, part: str, at: Index, *k: int) -> tuple[Any, ...]:
        """The key of a task of the channels at an index, before or of chunk k."""
        return (self.name(part), *at, *k)

    def state_index(self, at: Index) -> Index:
        """The index of the state of these channels in SciPy's layout."""
        return (*[0] * (len(self.spec.state) - 1), *place_of(at, 0, self.axis))

    def array(self, part: str, layer: Graph, chunks: Any, read: list[Any]) -> Any:
        """A dask array of a layer that reads the states, and perhaps arrays."""
        name = self.name(part)
        above = {self.name("states"), *(layer for x in read for layer in x.__dask_layers__())}
        below = HighLevelGraph.merge(self.states, *(x.__dask_graph__() for x in read))
        graph = HighLevelGraph({**below.layers, name: layer}, {**below.dependencies, name: above})
        return da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks), self.spec.dtype))


def channel_blocks(x: Any, axis: int) -> Iterator[tuple[Index, tuple[slice, ...], tuple[int, ...]]]:
    """Of each block of channels: its index, its slices, and the shape of its first chunk."""
    chunks = [c for k, c in enumerate(x.chunks) if k != axis]
    bounds = [np.cumsum([0, *c]).tolist() for c in chunks]
    for at in itertools.product(*(range(len(c)) for c in chunks)):
        slices = tuple(slice(bounds[i][n], bounds[i][n + 1]) for i, n in enumerate(at))
        yield at, slices, place_of(tuple(chunks[i][n] for i, n in enumerate(at)), x.chunks[axis][0], axis)


def place_of(at: Index, k: int, axis: int) -> Index:
    """An index of channels with the index of time inserted."""
    return (*at[:axis], k, *at[axis:])


def state_chunks(spec: FilterSpec, x: Any, axis: int) -> tuple[tuple[int, ...], ...]:
    """Chunks of the state in SciPy's layout."""
    own = spec.state
    return (*((n,) for n in own[:-1]), *x.chunks[:axis], (own[-1],), *x.chunks[axis + 1 :])


def state_blocks(spec: FilterSpec, x: Any, axis: int, zi: Any) -> Any:
    """The given state as a dask array in SciPy's layout, in the chunks of the channels."""
    zi = zi if isinstance(zi, da.Array) else da.asarray(array("zi", zi))
    if any(np.isnan(n) for n in zi.shape):
        raise ValueError(f"zi has chunks of unknown size, shape {zi.shape}: zi.compute_chunk_sizes() finds them.")
    unmasked("zi", zi)
    shape, own = spec.state_axes(zi.shape, x, axis)
    if zi.ndim and zi.ndim < len(shape):  # the state of a single channel
        zi = zi.reshape(tuple(n if k in own else 1 for k, n in enumerate(shape)))
    return da.broadcast_to(zi, shape).rechunk(state_chunks(spec, x, axis))
