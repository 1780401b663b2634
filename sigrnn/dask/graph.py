"""The graph: each chunk's effect on the state, the chain of states through the chunks, and the chunks filtered."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from sigrnn._arrays import F8, Array, initial_state
from sigrnn.dask import plan as tasks
from sigrnn.dask.plan import Plan
from sigrnn.filters._call import state_layout

Index = tuple[int, ...]
Graph = dict[Any, Any]

AHEAD = 8  # chunks of the same channels that are under way at a time before a way back; dask alone would keep them all


def signal(x: Any, name: str = "x") -> Any:
    """A dask array with at least one axis and chunks of known size."""
    x = da.asarray(x)
    if x.ndim == 0:
        raise ValueError(f"{name} must be at least 1-D, got a scalar")
    if any(np.isnan(n) for n in x.shape):
        raise ValueError(
            f"{name} has chunks of unknown size, shape {x.shape}: the state after a chunk depends on its length. "
            f"{name}.compute_chunk_sizes() finds them."
        )
    return x


class Chain:
    """
    One filtering of a dask array along an axis; `y` and `zf` are dask arrays.

    Three tasks for a chunk: its effect on the state from rest, the state moved over it, and the chunk filtered from its
    true start. Where the state may not be moved at once (see `way_over`) there is one task that does all.

    back : Chain with ``ahead=True``, if this is the way back over what that one has filtered. It has left the effects of
        all chunks on the state of the way back, so that this one reads x, the same signal made anew, only once, from its end.
    """

    def __init__(self, plan: Plan, x: Any, axis: int, zi: Any, ahead: bool = False, back: Chain | None = None) -> None:
        self.x, self.axis, self.ahead, self.back = x, axis, ahead, back
        self.token = tokenize(plan.kind, plan.coefficients, str(plan.dtype), plan.method, x, axis, zi, ahead)
        self.plan = plan._replace(powers=powers(plan, set(x.chunks[axis])))
        self.zi = None if zi is None else state_blocks(plan, x, axis, zi)
        states: Graph = {}
        outputs: Graph = {}
        for at, slices, shape in channel_blocks(x, axis):
            plan_key = (self.name("plan"), *at)
            states[plan_key] = of_channels(self.plan, slices, x.ndim - 1)
            zi_key = None if self.zi is None else (self.zi.name, *self.state_index(at))
            states[self.start(at, 0)] = (tasks.begin, plan_key, zi_key, shape, axis)
            for k in range(len(x.chunks[axis])):
                self.link(states, outputs, plan_key, at, k)
        known = [x] if self.zi is None else [x, self.zi]
        self.states = HighLevelGraph.from_collections(self.name("states"), states, known)
        self.y = self.array("filtered", outputs, x.chunks, [x])

    @property
    def zf(self) -> Any:
        """The state after the last chunk, in SciPy's layout."""
        axis, last, layer = self.axis, len(self.x.chunks[self.axis]), {}
        for at, _, shape in channel_blocks(self.x, axis):
            key = (self.name("final"), *self.state_index(at))
            layer[key] = (tasks.finish, (self.name("plan"), *at), self.start(at, last), shape, axis)
        return self.array("final", layer, state_chunks(self.plan, self.x, axis), [])

    def once_more(self, x: Any) -> Any:
        """The signal under another name, filtered from the states that are known."""
        name, layer = f"again-{tokenize(x)}", {}
        for at, _, _ in channel_blocks(x, self.axis):
            for k in range(len(x.chunks[self.axis])):
                place = place_of(at, k, self.axis)
                block, plan = (x.name, *place), (self.name("plan"), *at)
                layer[(self.name(name), *place)] = (tasks.filtered, plan, block, self.start(at, k), self.axis)
        return self.array(name, layer, x.chunks, [x])

    def link(self, states: Graph, outputs: Graph, plan: Any, at: Index, k: int) -> None:
        """The tasks of one chunk."""
        place, before, after = place_of(at, k, self.axis), self.start(at, k), self.start(at, k + 1)
        block, chunks = (self.x.name, *place), self.x.chunks[self.axis]
        way = way_over(self.plan, chunks[k])
        if self.ahead and k and way != "whole":
            states[self.behind(at, k)] = (tasks.way_back, plan, block, before, self.axis)
        if way == "whole" or k == len(chunks) - 1:
            both = (self.name("both"), *at, k)
            states[both] = (tasks.run, plan, block, before, self.axis)
            states[after] = (operator.getitem, both, 1)
            outputs[(self.name("filtered"), *place)] = (operator.getitem, both, 0)
            return
        outputs[(self.name("filtered"), *place)] = (tasks.filtered, plan, block, before, self.axis)
        rest: Any = (self.name("rest"), *at, k)
        if self.back is not None:
            rest = self.back.behind(at, len(chunks) - 1 - k)
        else:
            states[rest] = (tasks.from_rest, plan, block, self.axis)
        earlier = self.behind(at, k - AHEAD)  # nothing is made of it: chunks must not pile up before it
        earlier = earlier if earlier in states else None
        if self.plan.kind == "taps":  # the last inputs know of no state before
            states[after] = (tasks.alone, rest, earlier)
            return
        states[after] = (tasks.moved, plan, before, rest, chunks[k], earlier)

    def behind(self, at: Index, k: int) -> Any:
        """Key of what chunk k, filtered, adds to the state on the way back."""
        return (self.name("behind"), *at, k)

    def name(self, part: str) -> str:
        return f"sigrnn-{part}-{self.token}"

    def start(self, at: Index, k: int) -> Any:
        """Key of the state before chunk k."""
        return (self.name("start"), *at, k)

    def state_index(self, at: Index) -> Index:
        """Where the state of these channels stands in SciPy's layout."""
        return (*[0] * (len(self.plan.state) - 1), *place_of(at, 0, self.axis))

    def array(self, part: str, layer: Graph, chunks: Any, read: list[Any]) -> Any:
        """A dask array of a layer that reads the states, and perhaps arrays."""
        name = self.name(part)
        above = {self.name("states"), *(layer for x in read for layer in x.__dask_layers__())}
        below = HighLevelGraph.merge(self.states, *(x.__dask_graph__() for x in read))
        graph = HighLevelGraph({**below.layers, name: layer}, {**below.dependencies, name: above})
        return da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks), self.plan.dtype))


def channel_blocks(x: Any, axis: int) -> Iterator[tuple[Index, tuple[slice, ...], tuple[int, ...]]]:
    """Of each block of channels: its index, its slices, and the shape of its first chunk."""
    chunks = [c for k, c in enumerate(x.chunks) if k != axis]
    bounds = [np.cumsum([0, *c]).tolist() for c in chunks]
    for at in itertools.product(*(range(len(c)) for c in chunks)):
        slices = tuple(slice(bounds[i][n], bounds[i][n + 1]) for i, n in enumerate(at))
        yield at, slices, place_of(tuple(chunks[i][n] for i, n in enumerate(at)), x.chunks[axis][0], axis)


def place_of(at: Index, k: int, axis: int) -> Index:
    """The index of channels with that of time put in its place."""
    return (*at[:axis], k, *at[axis:])


def of_channels(plan: Plan, slices: tuple[slice, ...], channels: int) -> Plan:
    """The plan for some of the channels: coefficients (..., taps) become (C, taps)."""
    if plan.single:
        return plan
    tails = [c.shape[channels:] for c in plan.coefficients]
    cut = [np.ascontiguousarray(c[slices]).reshape(-1, *tail) for c, tail in zip(plan.coefficients, tails, strict=True)]
    return plan._replace(coefficients=tuple(cut))


def way_over(plan: Plan, length: int) -> str:
    """How the state gets over a chunk: 'apart', or 'whole', with the chunk filtered, one after the other.

    Without feedback the last inputs make the state, if there are enough. With feedback ``A^L z`` plus the state from rest
    do, if ||A^L|| <= 1, so that an error in a state does not grow from chunk to chunk. An unstable filter has no such
    length, and an ill-conditioned one no short one: for these only the recurrence itself is exact.
    """
    if plan.kind == "taps":
        known = length >= plan.state[0] and np.isfinite(plan.coefficients[0]).all()
        return "apart" if known and plan.method != "sequential" else "whole"
    return "apart" if length in plan.powers else "whole"


def powers(plan: Plan, lengths: set[int]) -> dict[int, Array]:
    """A^L for the lengths of chunks over which a state may be moved at once."""
    real = all(c.dtype == F8 and np.isfinite(c).all() for c in plan.coefficients)
    states = int(np.prod(plan.state))
    if plan.kind == "taps" or plan.method == "sequential" or not (plan.single and real and 0 < states <= tasks.STATES):
        return {}
    given = tuple(c.tobytes() for c in plan.coefficients)
    found = {length: tasks.power(plan.kind, given, length) for length in lengths if length}
    return {length: power for length, power in found.items() if power is not None}


def state_chunks(plan: Plan, x: Any, axis: int) -> tuple[tuple[int, ...], ...]:
    """Chunks of the state in SciPy's layout."""
    own = plan.state
    return (*((n,) for n in own[:-1]), *x.chunks[:axis], (own[-1],), *x.chunks[axis + 1 :])


def state_blocks(plan: Plan, x: Any, axis: int, zi: Any) -> Any:
    """The state given as a dask array in SciPy's layout, in the chunks of the channels."""
    shape, axes = state_layout(plan.state, x.shape, axis)
    like = np.broadcast_to(np.zeros((), x.dtype), x.shape)
    if not isinstance(zi, da.Array):
        zi = da.asarray(np.array(initial_state(zi, shape, axes, like, axis)))
    elif any(np.isnan(n) for n in zi.shape):
        raise ValueError(f"zi has chunks of unknown size, shape {zi.shape}: zi.compute_chunk_sizes() finds them.")
    initial_state(np.broadcast_to(np.zeros(()), zi.shape), shape, axes, like, axis)  # raises
    if zi.ndim and zi.ndim < len(shape):  # the state of a single channel
        zi = zi.reshape(tuple(n if k in axes else 1 for k, n in enumerate(shape)))
    return da.broadcast_to(zi, tuple(shape)).rechunk(state_chunks(plan, x, axis))
