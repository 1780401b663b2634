"""Recursive filters ready to run: their coefficients, the constants kept between calls, and which loop runs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from sigrnn._arrays import C16, F8, Array
from sigrnn._kernels.sizes import LANES, LANES_ORDER, STACK_STATES, UNROLLED_ORDER
from sigrnn._lookup import Kernels, entry_point
from sigrnn.filters import _fixed_point, _kept
from sigrnn.filters._blocks import (
    SCRATCH,
    Blocks,
    NormalForm,
    entered_exactly,
    length_for,
    normal_form,
    state_space,
)
from sigrnn.filters._memory import aligned, give_back, take
from sigrnn.workers import get_workers, share

METHODS = "auto", "sequential", "blocked", "fft"

FEW_SAMPLES, PER_STATE = 512, 64  # one channel runs in blocks from 512 + 64 R samples on, for R states together
PER_CHANNEL = (
    600  # samples from which, for each of a few channels, they run one by one in blocks; below, in lanes together
)
SHARE = 1 << 20  # samples for a thread at a time: what is found ahead takes no more memory than that
KEPT = 32  # lengths of blocks a filter keeps, for signals of different length
MANY_LENGTHS = 64  # of signals whose loops a filter keeps
DEEPEST = 4  # sections run together: more do not fit the registers
NO_TAPE = np.empty((1, 0)), np.empty((1, 0, LANES))
NO_TILES = np.empty((0, 0, 0)), np.empty((0, 0, 0, 0, 0))
MANY = 8  # channels from which lanes of channels beat blocks of time
LINEAR = "direct", "sections", "taps", "poles"  # the kinds without an activation
BLOCKED = "direct", "sections", "poles"  # those with feedback among them


ORDER = 0  # where `functions` of `_kernels/filters/loops.py` has the order

# Filters x (N,) into y, and takes the state z (S P,) from the initial to the final one
Run = Callable[[Array, Array, Array], None]

loops, transitions, fixed_point = (Kernels(f"filters.{file}") for file in ("loops", "block_transition", "fixed_point"))


@lru_cache(maxsize=256)
def loop_of(loop: str, kind: Any, order: int, depth: int, rest: int, dtype: str) -> Any:
    """A compiled loop with what it calls: addresses take 40 us to find, and a trainer makes a filter in each step."""
    filter = kind, compiled_order(order), depth, rest, dtype
    if loop == "sequential":
        return entry_point(loops.sequential(*filter))
    functions = loops.functions(loop, *filter).copy()
    functions[ORDER] = order
    return partial(loops.kernels(loop, dtype), functions)


class RecursiveFilter:
    """
    S sections of order P, one after the other: `lfilter` is one section, `sosfilt` S of order 2.

    b, a : (S, P + 1) for all channels or (C, S, P + 1), float64 or complex128, contiguous, normalised, P >= 1.
    kind : which recurrence: one of LINEAR ('taps' is direct without feedback), or an activation.
    """

    __slots__ = (
        "_blocks",
        "_lanes",
        "_normal",
        "_run",
        "a",
        "b",
        "bytes",
        "c",
        "depth",
        "in_blocks",
        "kind",
        "least",
        "order",
        "pair",
        "plain",
        "rest",
        "shape",
        "started",
        "states",
    )

    def __init__(self, b: Array, a: Array, kind: Any) -> None:
        self.c = np.stack([b, a])
        (self.b, self.a), self.kind = self.c, kind
        sections, self.order = b.shape[-2], b.shape[-1] - 1
        self.pair = (self.b[0], self.a[0]) if sections else ()  # the coefficients of a single section
        self.states = self.started = (
            sections * self.order
        )  # numbers of a state, and of one at rest, which is asked for too
        self.shape = (sections, self.order) if kind == "sections" else (self.states,)  # of a state, as users give it
        groups = max(1, -(-sections // DEEPEST))
        self.depth = max(1, -(-sections // groups))
        self.rest = sections % self.depth
        # Samples from which one channel runs in blocks of time
        self.least = FEW_SAMPLES + PER_STATE * self.depth * self.order if kind in LINEAR else long_nonlinear(self.order)
        self.plain: Run = self._first_plain  # for short channels of float64
        self.in_blocks: dict[int, Run] = {}  # for others, by their length
        self._run: dict[tuple[str, str], Any] = {}
        self._blocks: dict[int, Blocks] = {}
        self._normal: NormalForm | Literal[False] | None = None  # False: none
        self._lanes: tuple[Array, Array] | None = None
        self.bytes = 2 * self.c.nbytes  # with the key of the cache

    def kernel(self, loop: str, dtype: str) -> Any:
        """One of the compiled loops, for samples of this type."""
        known = self._run.get((loop, dtype))
        if known is None:
            known = self._run[loop, dtype] = loop_of(loop, self.kind, self.order, self.depth, self.rest, dtype)
        return known

    def _first_plain(self, x: Array, y: Array, z: Array) -> None:
        self.plain = self.sequential("d")
        self.plain(x, y, z)

    def one(self, x: Array, y: Array, z: Array, method: str = "auto") -> None:
        """Filter one channel x (N,) into y, which may be x; z (S P,) goes from the initial to the final state."""
        if method == "auto" and y.dtype is F8:
            if len(x) < self.least:
                self.plain(x, y, z)
                return
            run = self.in_blocks.get(len(x))
            if run is not None:
                run(x, y, z)
                return
        self._any(x, y, z, method)

    def _any(self, x: Array, y: Array, z: Array, method: str) -> None:
        """The same for any dtype, length and method."""
        samples = len(x)
        if x.strides[0] % x.itemsize:  # a field of a record
            x = x.copy()
        if self.kind not in LINEAR and method != "sequential" and samples >= self.least:
            run_fixed_point(self, x, y, z)
            return
        blocks = self.blocks(samples, method)
        if blocks is not None and samples > 2 * SHARE and get_workers() > 1 and run_threaded(self, blocks, x, y, z):
            return
        run = self.sequential(y.dtype.char) if blocks is None else self.blocked(blocks, y.dtype.char)
        if blocks is not None and method == "auto" and y.dtype is F8 and samples <= 2 * SHARE:
            if len(self.in_blocks) >= MANY_LENGTHS:
                self.in_blocks.clear()
            self.in_blocks[samples] = run
        run(x, y, z)

    def sequential(self, dtype: str) -> Run:
        """The plain recurrence."""
        return partial(self.kernel("sequential", dtype), self.c)

    def blocked(self, blocks: Blocks, dtype: str) -> Run:
        """The recurrence in these blocks."""
        if self.states > STACK_STATES:
            return partial(run_blocks, self, blocks)
        return partial(self.kernel("blocked", dtype), blocks.whole, blocks.length)

    def blocks(self, samples: int, method: str = "auto") -> Blocks | None:
        """Blocks for one channel of this length; None where it runs sample after sample."""
        least = 0 if method == "blocked" else self.least
        suited = method != "sequential" and self.kind in BLOCKED and self.b.ndim == 2 and self.b.dtype == F8
        return self.blocks_of(length_for(samples, self.depth * self.order)) if suited and samples >= least else None

    def blocks_of(self, length: int) -> Blocks | None:
        """Blocks of this length; None if it is 0, or the filter is not stable or would lose accuracy."""
        known = self._blocks.get(length)
        if known is None and length and self._normal is not False:
            if self._normal is None:
                suited = entered_exactly(self.a)
                self._normal = (suited and normal_form([state_space(b, a) for b, a in self.groups()])) or False
            if self._normal:
                known = self._normal.blocks(length, self.c)
                if len(self._blocks) >= KEPT:
                    self._blocks.clear()
                    self.in_blocks.clear()
                self._blocks[length] = known
                arrays = [
                    *self._normal.systems,
                    *self._normal.bases,
                    *(found.whole for found in list(self._blocks.values())),
                ]
                self.bytes = 2 * self.c.nbytes + sum(array.nbytes for array in arrays)
                _kept.forget_oldest()
        return known

    def groups(self) -> list[tuple[Array, Array]]:
        """The sections that run together."""
        return [(self.b[s : s + self.depth], self.a[s : s + self.depth]) for s in range(0, len(self.b), self.depth)]

    def in_lanes(self, groups: int, lanes: int) -> tuple[Array, Array]:
        """Coefficients (1 or groups, S, P + 1, lanes)."""
        if self.b.ndim == 3:
            return in_lanes(self.b, groups, lanes), in_lanes(self.a, groups, lanes)
        if self._lanes is None:
            self._lanes = (
                np.repeat(self.b, lanes).reshape(1, *self.b.shape, lanes),
                np.repeat(self.a, lanes).reshape(1, *self.a.shape, lanes),
            )
        return self._lanes

    def of_channel(self, c: int) -> RecursiveFilter:
        """That of one channel."""
        return self if self.b.ndim == 2 else RecursiveFilter(self.b[c], self.a[c], self.kind)


def compiled_order(order: int) -> int:
    """The order that kernels are asked for: all beyond the unrolled ones share theirs."""
    return min(order, UNROLLED_ORDER + 1)


def run(filter: RecursiveFilter, x: Array, y: Array, z: Array | None, method: str) -> None:
    """Filter x (C, N) into y; z (C, S, P), float64 or complex128, goes from initial to final states. None: from rest."""
    if y.dtype.kind != "c":
        run_real(filter, x, y, z, method)
        return
    if z is None:
        z = np.zeros((len(x), filter.b.shape[-2], filter.order), C16)
    if filter.b.dtype == F8 and np.isfinite(x).all() and np.isfinite(z).all():
        # A real filter on finite complex data is two real filters, to the last bit.
        before, x = z.copy(), x.copy() if np.may_share_memory(x, y) else x
        for part in ("real", "imag"):
            state = getattr(z, part).copy()
            run_real(filter, getattr(x, part), getattr(y, part), state, method)
            getattr(z, part)[...] = state
        if np.isfinite(z).all():
            return
        z[...] = before  # it grew beyond all numbers, and 0 times inf is part of SciPy's answer
    run_complex(filter, x, y, z)


def run_complex(filter: RecursiveFilter, x: Array, y: Array, z: Array) -> None:
    """Complex arithmetic throughout, sample after sample."""
    whole = RecursiveFilter(filter.b.astype(C16), filter.a.astype(C16), filter.kind)
    for c in range(len(x)):
        whole.of_channel(c).one(x[c], y[c], z[c].reshape(-1), "sequential")


def run_real(filter: RecursiveFilter, x: Array, y: Array, z: Array | None, method: str) -> None:
    """Channels in lanes, or one after the other: in blocks of time where they are few and long."""
    channels, samples = x.shape
    each = filter.order > LANES_ORDER or one_by_one(filter, channels, samples, method)
    if not each:
        run_lanes(filter, x, y, z)
        return
    if z is None:
        z = np.zeros((channels, filter.b.shape[-2], filter.order))
    share(
        [partial(filter.of_channel(c).one, x[c], y[c], z[c].reshape(-1), method) for c in range(channels)],
        float(x.size),
    )


def one_by_one(filter: RecursiveFilter, channels: int, samples: int, method: str) -> bool:
    """Whether channels run one after the other, in blocks of time if they are long enough, and not side by side in lanes.

    A few channels leave most lanes unused. Order 4, microseconds in lanes and one by one: 3 channels of 1500 samples 23 and
    19, of 4000 52 and 28; 6 channels of 1500 28 and 34, of 4000 66 and 51.
    """
    if channels == 1 or method == "sequential":
        return channels == 1
    linear = filter.kind in LINEAR
    if method == "blocked" and linear:
        return True
    if channels == 2 and filter.kind in BLOCKED and filter.b.ndim == 2:  # short ones, too
        return True
    return channels < MANY and samples >= (PER_CHANNEL * channels if linear else filter.least)


def long_nonlinear(order: int) -> int:
    """Samples from which a channel of a nonlinear filter is cut into blocks of time."""
    return _fixed_point.LONG if order <= UNROLLED_ORDER else sys.maxsize


def run_fixed_point(filter: RecursiveFilter, x: Array, y: Array, z: Array) -> None:
    """One long channel of a filter with an activation."""
    kernel, plain = (
        fixed_point.forward(filter.kind, filter.order, y.dtype.char),
        filter.kernel("sequential", y.dtype.char),
    )
    b, a = filter.b[0], filter.a[0]
    _fixed_point.run(
        len(x),
        lambda part, length, scratch: kernel(b, a, (x[part],), y[part], z, length, scratch),
        lambda part: plain(filter.c, x[part], y[part], z),
    )


def run_blocks(
    filter: RecursiveFilter,
    blocks: Blocks,
    x: Array,
    y: Array,
    z: Array,
    tape: tuple[Array, Array] = NO_TAPE,
    w: Array | None = None,
) -> None:
    """One channel, segment after segment, and what is left of it sample after sample.

    tape : (segments, L lanes) for the tiles of x, (segments, S P, lanes) for the states before each block; where a segment
    ran sample after sample, NaN in all lanes but the first.
    w : (S P,), the same state as z in the coordinates of the blocks, if it is known; it is left as that after the last segment.
    """
    scratch = take(SCRATCH + 2 * filter.states)
    at = blocks.segment + filter.depth * filter.order * LANES + filter.states
    known = slice(at, at + filter.states)
    if w is not None:
        scratch[known] = w
    kernel = filter.kernel("taped", y.dtype.char)
    kernel(blocks.whole, x, y, z, *tape, scratch, blocks.length, w is not None)
    if w is not None:
        w[...] = scratch[known]
    give_back(scratch)


def run_threaded(filter: RecursiveFilter, blocks: Blocks, x: Array, y: Array, z: Array) -> bool:
    """The same on several threads, with the same bits; False, with z as it was, if it cannot be done.

    First each thread finds what its blocks would end with from rest, then a chain through all of them (short, and in the
    order of a single thread) gives each its initial state. It costs a second reading of x: two threads gained
    1.0 to 1.4 times on two million samples and more, and lost on fewer.
    """
    if len(blocks.states) > 1 or np.may_share_memory(x, y):
        return False
    segment, before, step = blocks.segment, z.copy(), max(1, SHARE // blocks.segment) * blocks.segment
    bounds = [*range(0, len(x) // segment * segment, step), len(x)]
    if len(bounds) > 2 and bounds[-1] - bounds[-2] < segment:
        del bounds[-2]
    together, w = get_workers(), _normal_state(blocks, z)
    for first in range(0, len(bounds) - 1, together):
        parts = [slice(*part) for part in pairwise(bounds[first : first + together + 1])]
        if not _threaded(filter, blocks, x, y, z, w, parts):
            z[...] = before
            return False
    return True


def _threaded(
    filter: RecursiveFilter, blocks: Blocks, x: Array, y: Array, z: Array, w: Array, parts: list[slice]
) -> bool:
    """The parts of a channel, a thread for each; z and w go from its initial to its final state. False if NaN or inf forbid it."""
    dtype, segment = y.dtype.char, blocks.segment
    states, normal = [z.copy()], [w.copy()]
    ends = [aligned((part.stop - part.start) // segment, z.size, LANES) for part in parts[:-1]]
    ahead, follow = filter.kernel("ahead", dtype), loops.follow()
    work = zip(parts, ends, strict=False)
    share(
        [partial(ahead, blocks.constants, x[p], end, aligned(segment), blocks.length) for p, end in work], float(len(x))
    )
    for end in ends:
        states.append(np.empty_like(z))
        normal.append(normal[-1].copy())
        follow(blocks.constants, end, normal[-1], states[-1])
    if not np.isfinite(states).all():
        return False
    each = zip(parts, states, normal, strict=True)
    share([partial(run_blocks, filter, blocks, x[p], y[p], state, w=given) for p, state, given in each], float(len(x)))
    z[...], w[...] = states[-1], normal[-1]
    return bool(np.isfinite(states).all())


def _normal_state(blocks: Blocks, z: Array) -> Array:
    """The state of a filter of one group in the coordinates of its blocks."""
    w = np.empty_like(z)
    transitions.normal_state()(blocks.group(0)[1][1], z, w)
    return w


def run_lanes(
    filter: RecursiveFilter, x: Array, y: Array, z: Array | None, tape: tuple[Array, Array] = NO_TILES
) -> None:
    """Channels in the lanes of vectors, a group of them at a time.

    tape : (groups, tiles, AREA) for the tiles of x, (groups, tiles, S, P, lanes) for the states before each.
    """
    groups = -(-len(x) // LANES)
    b, a = filter.in_lanes(groups, LANES)
    state = np.zeros((groups, *filter.b.shape[-2:-1], filter.order, LANES)) if z is None else in_lanes(z, groups, LANES)
    kernel = filter.kernel("channels", y.dtype.char)
    by_group(lambda low, high: kernel(b, a, x, y, state, low, high, *tape), groups, x.size)
    if z is not None:
        z[...] = state.transpose(0, 3, 1, 2).reshape(groups * LANES, *z.shape[1:])[: len(z)]


def by_group(run: Callable[[int, int], None], groups: int, samples: int) -> None:
    """Run groups low to high - 1, on as many threads as are allowed."""
    parts = min(get_workers(), groups)
    if parts == 1:
        run(0, groups)
    else:
        bounds = [groups * i // parts for i in range(parts + 1)]
        share([partial(run, *part) for part in pairwise(bounds)], 0.5 * samples)


def in_lanes(c: Array, groups: int, lanes: int) -> Array:
    """(C, S, P) -> (groups, S, P, lanes); lanes without a channel are zero."""
    full = np.zeros((groups * lanes, *c.shape[1:]))
    full[: len(c)] = c
    return np.ascontiguousarray(full.reshape(groups, lanes, *c.shape[1:]).transpose(0, 2, 3, 1))
