"""Recursive filters ready to run: coefficients as kernels want them, and the choice of the loop that runs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np

from sigrnn._arrays import C16, F8, Array
from sigrnn._kernels.sizes import BLOCK_STATES, LANES, LANES_ORDER, UNROLLED_ORDER
from sigrnn.filters import _fixed_point
from sigrnn.filters._memory import aligned
from sigrnn.workers import get_workers, share

METHODS = "auto", "sequential", "blocked", "fft"

SHORT = 4096  # samples up to which the plain recurrence is quicker than to get blocks ready (18 us): 3000 of order 4, 15 and 23 us
LEAST = 16  # shortest block: below it, entering the blocks costs as much as running them
LONGEST = 248  # longest block: 16 of them fill a first-level cache
SHARE = 1 << 20  # samples for a thread at a time: what is found ahead takes no more memory than that
KEPT = 8  # sets of blocks a filter keeps, for signals of different length
DEEPEST = 4  # sections run together: more do not fit the registers
NOWHERE = np.empty((1, 0)), np.empty((1, 0, 1, 1))  # for tiles and states nobody asks for
NOTHING = np.empty((0, 0, 0)), np.empty((0, 0, 0, 0, 0))  # likewise
MANY = 8  # channels from which lanes of channels beat blocks of time
LINEAR = "direct", "sections", "taps", "poles"  # the kinds without an activation


@cache
def loops() -> Any:
    """The compiled loops; Numba is imported here, at the first call that needs it."""
    from sigrnn._kernels.filters import loops as compiled

    return compiled


class Block(NamedTuple):
    """What it takes to enter time blocks of one length, for G parts of a filter with R states each: see `_kernels/filters/block_transition.py`."""

    length: int
    g: Array  # (G, L, R): what a sample adds to the state after its block
    power: Array  # (G, R, R): what the state before a block adds
    basis: Array  # (G, 2, 2, R, W): from these states to those of the transposed form, and the inverse

    def normal_state(self, z: Array) -> Array:
        """States (G, R) of the transposed form in the coordinates of the block_transition."""
        from sigrnn._kernels.filters import block_transition

        w = np.empty_like(z)
        for i in range(len(z)):
            block_transition.normal_state()(self.basis[i, 1], z[i], w[i])
        return w


class Normal(NamedTuple):
    """G systems of R states in input-normal form, in double-double."""

    system: Array  # (G, 2, R, W): [A B]
    basis: Array  # (G, 2, 2, R, W)

    def block(self, length: int) -> Block:
        """Blocks of this length."""
        from sigrnn._kernels.filters import block_transition

        parts, _, states, width = self.system.shape
        g, power = np.empty((parts, length, states)), np.empty((parts, states, states))
        work = np.zeros((3, 2, states, width))
        for i in range(parts):
            block_transition.inputs()(self.system[i], g[i], np.zeros((2, 2, states, block_transition.WIDTH)), work)
            block_transition.power()(self.system[i], length, power[i], work)
        return Block(length, g, power, self.basis)


def transitions(parts: list[tuple[Array, Array]]) -> Array:
    """[A B] of each cascade b, a (S, P + 1) of the same size: (G, 2, R, W)."""
    from sigrnn._kernels.filters import block_transition

    states = len(parts[0][0]) * (parts[0][0].shape[1] - 1)
    systems = np.zeros((len(parts), 2, states, block_transition.columns(states)))
    for (b, a), system in zip(parts, systems, strict=True):
        block_transition.state_space()(b, a, system)
    return systems


def normal_form(systems: Array) -> Normal | None:
    """Systems [A B] (G, 2, R, W) in input-normal form; None if one of them is not stable or has too many states."""
    from sigrnn._kernels.filters import block_transition

    parts, _, states, width = systems.shape
    if states > BLOCK_STATES:
        return None
    normal, basis = np.zeros_like(systems), np.zeros((parts, 2, *systems.shape[1:]))
    for i in range(parts):
        scratch = np.zeros((4, states, width)), np.zeros((2, 2, states, width))
        if not block_transition.input_normal()(systems[i], basis[i], normal[i], *scratch):
            return None
    return Normal(normal, basis)


class Cascade:
    """
    S sections of order P, one after the other: `lfilter` is one section, `sosfilt` S of order 2.

    b, a : (S, P + 1) for all channels or (C, S, P + 1), float64 or complex128, contiguous, normalised, P >= 1.
    kind : which recurrence: one of LINEAR ('taps' is direct without feedback), or an activation.
    """

    __slots__ = ("_blocks", "_lanes", "_normal", "a", "b", "depth", "kind", "order", "run_one")

    def __init__(self, b: Array, a: Array, kind: str) -> None:
        self.b, self.a, self.kind = b, a, kind
        self.order = b.shape[-1] - 1
        self.depth = next(d for d in range(DEEPEST, 0, -1) if b.shape[-2] % d == 0)
        self.run_one = loops().entry_point(self.kernel("sequential", b.dtype.char))
        self._blocks: dict[int, Block] = {}
        self._normal: Normal | Literal[False] | None = None  # False: not stable
        self._lanes: tuple[Array, Array] | None = None

    def kernel(self, loop: str, dtype: str) -> Any:
        return loops().kernels(loop, self.kind, self.order, self.depth, dtype)

    def one(self, x: Array, y: Array, z: Array) -> None:
        """Filter x (N,) into y sample after sample; z (S P,)."""
        run = self.run_one if y.dtype == self.b.dtype else self.kernel("sequential", y.dtype.char)
        run(self.b, self.a, x, y, z)

    def long(self, method: str) -> int:
        """Samples from which a channel is cut into blocks of time."""
        if self.kind in LINEAR:
            return LEAST * LANES if method == "blocked" else SHORT + 1
        return _fixed_point.LONG if self.order <= UNROLLED_ORDER else sys.maxsize

    def block(self, samples: int) -> Block | None:
        """Blocks for a signal of this length; None if it is too short for them or the filter is not stable."""
        if samples < LEAST * LANES or self.b.ndim != 2 or self.b.dtype != F8:
            return None
        stretches = -(-samples // (LANES * LONGEST))
        length = samples // (LANES * stretches) // 4 * 4
        if length % 64 == 0 and length > 4:
            length -= 4  # rows a power of two apart would share the sets of the cache
        return self.entered(length)

    def entered(self, length: int) -> Block | None:
        """Blocks of this length; None if the filter is not stable."""
        known = self._blocks.get(length)
        if known is None and self._normal is not False:
            if self._normal is None:
                self._normal = normal_form(transitions(self._parts())) or False
            if self._normal:
                known = self._normal.block(length)
                if len(self._blocks) >= KEPT:
                    self._blocks.clear()
                self._blocks[length] = known
        return known

    def _parts(self) -> list[tuple[Array, Array]]:
        """The sections that are entered together."""
        return [(self.b[i : i + self.depth], self.a[i : i + self.depth]) for i in range(0, len(self.b), self.depth)]

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

    def of_channel(self, c: int) -> Cascade:
        return self if self.b.ndim == 2 else Cascade(self.b[c], self.a[c], self.kind)


def run(cascade: Cascade, x: Array, y: Array, z: Array | None, method: str) -> None:
    """Filter x (C, N) into y; z (C, S, P), float64 or complex128, goes from initial to final states. None: from rest."""
    if y.dtype.kind != "c":
        run_real(cascade, x, y, z, method)
        return
    if z is None:
        z = np.zeros((len(x), cascade.b.shape[-2], cascade.order), C16)
    if cascade.b.dtype == F8 and np.isfinite(x).all() and np.isfinite(z).all():
        # A real filter on finite complex data is two real filters, to the last bit.
        before, x = z.copy(), x.copy() if np.may_share_memory(x, y) else x
        for part in ("real", "imag"):
            state = getattr(z, part).copy()
            run_real(cascade, getattr(x, part), getattr(y, part), state, method)
            getattr(z, part)[...] = state
        if np.isfinite(z).all():
            return
        z[...] = before  # it grew beyond all numbers, and 0 times inf is part of SciPy's answer
    run_complex(cascade, x, y, z)


def run_complex(cascade: Cascade, x: Array, y: Array, z: Array) -> None:
    """Complex arithmetic throughout, sample after sample."""
    whole = Cascade(cascade.b.astype(C16), cascade.a.astype(C16), cascade.kind)
    for c in range(len(x)):
        whole.of_channel(c).one(x[c], y[c], z[c].reshape(-1))


def run_real(cascade: Cascade, x: Array, y: Array, z: Array | None, method: str) -> None:
    channels, samples = x.shape
    long = samples >= cascade.long(method) and method != "sequential"
    if channels > 1 and cascade.order <= LANES_ORDER and not (long and (channels < MANY or method == "blocked")):
        run_lanes(cascade, x, y, z)
        return
    if z is None:
        z = np.zeros((channels, cascade.b.shape[-2], cascade.order))
    if long:
        share([partial(run_long, cascade.of_channel(c), x[c], y[c], z[c]) for c in range(channels)], float(x.size))
    else:
        for c in range(channels):
            cascade.of_channel(c).one(x[c], y[c], z[c].reshape(-1))


def run_guessed(cascade: Cascade, x: Array, y: Array, z: Array) -> None:
    """One channel of a filter with an activation."""
    from sigrnn._kernels.filters.fixed_point import forward

    kernel = forward(cascade.kind, cascade.order, y.dtype.char)
    b, a, state = cascade.b[0], cascade.a[0], z.reshape(-1)
    _fixed_point.run(
        len(x),
        lambda part, length, scratch: kernel(b, a, (x[part],), y[part], state, length, scratch),
        lambda part: cascade.one(x[part], y[part], state),
    )


def run_long(cascade: Cascade, x: Array, y: Array, z: Array) -> None:
    """One channel: blocks while they last, sample after sample for the rest (or for all, if there are no blocks)."""
    if cascade.kind not in LINEAR:
        run_guessed(cascade, x, y, z)
        return
    block, done = cascade.block(len(x)), 0
    if block is not None:
        stretch = block.length * LANES
        done = len(x) // stretch * stretch
        share_size = max(1, SHARE // stretch) * stretch
        together = len(block.g) == 1 and done > share_size and not np.may_share_memory(x, y)
        threads = get_workers() if together else 1
        step = min(done, threads * share_size)
        for start in range(0, done, step):
            part = slice(start, min(start + step, done))
            if threads == 1 or not run_together(cascade, block, x[part], y[part], z, share_size):
                run_blocks(cascade, block, x[part], y[part], z)
    if done < len(x):
        cascade.one(x[done:], y[done:], z.reshape(-1))


def run_blocks(
    cascade: Cascade,
    block: Block,
    x: Array,
    y: Array,
    z: Array,
    keep: tuple[Array, Array] | None = None,
    w: Array | None = None,
) -> None:
    """A whole number of stretches, one after the other; those with NaN or inf on the way go sample after sample.

    w : (S / D, R), the same state as z in the coordinates of the blocks, found from z if it is not given.
    keep : (stretches, L lanes) for the tiles of x, (stretches, S / D, D P, lanes) for the states before each block; where
    there are none, but the first, NaN.
    """
    lanes = LANES
    stretch, kernel, done = block.length * lanes, cascade.kernel("blocked", y.dtype.char), 0
    scratch = aligned(stretch), aligned(cascade.depth, cascade.order, lanes), np.empty_like(z)
    w = np.full(block.power.shape[:2], np.nan) if w is None else w
    while done < len(x):
        tiles, entries = NOWHERE if keep is None else (c[done // stretch :] for c in keep)
        done += kernel(cascade.b, cascade.a, *block[1:], x[done:], y[done:], z, w, tiles, entries, *scratch)
        if done < len(x):
            plain = slice(done, done + stretch)
            if keep is not None:
                entry = keep[1][done // stretch]
                entry[...] = np.nan
                entry[..., 0] = z.reshape(entry.shape[:2])
            cascade.one(x[plain], y[plain], z.reshape(-1))
            w[...] = np.nan
            done = plain.stop


def run_together(cascade: Cascade, block: Block, x: Array, y: Array, z: Array, size: int) -> bool:
    """The same on several threads, `size` samples each, with the same bits; False if NaN or inf forbid it.

    First each thread finds what its blocks would end with from rest, then a chain through all of them (short, and in the
    order of a single thread) gives each its true start. It costs a second reading of x: two threads gained
    1.0 to 1.4 times on two million samples and more, and lost on fewer.
    """
    lanes, dtype = LANES, y.dtype.char
    parts = [slice(i, min(i + size, len(x))) for i in range(0, len(x), size)]
    stretch, before, starts = block.length * lanes, z.copy(), [z.copy()]
    w = [block.normal_state(z.reshape(1, -1))]
    ends = [aligned((part.stop - part.start) // stretch, z.size, lanes) for part in parts[:-1]]
    kernel, follow = cascade.kernel("ahead", dtype), cascade.kernel("follow", dtype)
    share([partial(kernel, block.g, x[p], e, aligned(stretch)) for p, e in zip(parts, ends, strict=False)], len(x))
    for end in ends:
        starts.append(np.empty_like(z))
        w.append(w[-1].copy())
        follow(block.power, block.basis, end, w[-1][0], starts[-1].reshape(-1))
    states = [start.copy() for start in starts]
    work = zip(parts, states, w, strict=True)
    share([partial(run_blocks, cascade, block, x[part], y[part], state, w=wi) for part, state, wi in work], len(x))
    z[...] = states[-1]
    if np.isfinite(states).all():
        return True
    z[...] = before
    return False


def run_lanes(cascade: Cascade, x: Array, y: Array, z: Array | None, keep: tuple[Array, Array] = NOTHING) -> None:
    """Channels in the lanes of vectors, a group of them at a time.

    keep : (groups, tiles, AREA) for the tiles of x, (groups, tiles, S, P, lanes) for the states before each.
    """
    lanes = LANES
    groups = -(-len(x) // lanes)
    b, a = cascade.in_lanes(groups, lanes)
    state = (
        np.zeros((groups, *cascade.b.shape[-2:-1], cascade.order, lanes)) if z is None else in_lanes(z, groups, lanes)
    )
    kernel = cascade.kernel("channels", y.dtype.char)
    by_group(lambda low, high: kernel(b, a, x, y, state, low, high, *keep), groups, x.size)
    if z is not None:
        z[...] = state.transpose(0, 3, 1, 2).reshape(groups * lanes, *z.shape[1:])[: len(z)]


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
