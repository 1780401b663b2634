"""Recursive filters ready to run: coefficients as kernels want them, and the choice of the loop that runs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import C16, F8, Array
from sigrnn._kernels.sizes import LANES, LANES_ORDER, UNROLLED_ORDER
from sigrnn.filters import _fixed_point
from sigrnn.filters._memory import aligned
from sigrnn.workers import get_workers, share

METHODS = "auto", "sequential", "blocked", "fft"

SHORT = 4096  # samples up to which the plain recurrence is quicker than to get blocks ready (18 us): 3000 of order 4, 15 and 23 us
LEAST = 64  # shortest block: below it, entering the blocks costs as much as running them
USUAL = 200  # block length where memory of the filter allows it: 16 of them fill half of a first-level cache
LONGEST = 65_536  # longest block: 8 MB of scratch
SHARE = 1 << 20  # samples for a thread at a time: what is found ahead takes no more memory than that
TRIES = 4  # lengths tried before a filter is taken as one without safe blocks
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
    """What it takes to enter time blocks of one length: see `_kernels/filters/block_transition.py`."""

    length: int
    g: Array  # (S / D, L, D P) for D sections at a time
    power: Array  # (S / D, D P, D P)


class Cascade:
    """
    S sections of order P, one after the other: `lfilter` is one section, `sosfilt` S of order 2.

    b, a : (S, P + 1) for all channels or (C, S, P + 1), float64 or complex128, contiguous, normalised, P >= 1.
    kind : which recurrence: one of LINEAR ('taps' is direct without feedback), or an activation.
    """

    __slots__ = ("_blocks", "_lanes", "a", "b", "depth", "kind", "order", "run_one")

    def __init__(self, b: Array, a: Array, kind: str) -> None:
        self.b, self.a, self.kind = b, a, kind
        self.order = b.shape[-1] - 1
        self.depth = next(d for d in range(DEEPEST, 0, -1) if b.shape[-2] % d == 0)
        self.run_one = loops().entry_point(self.kernel("sequential", b.dtype.char))
        self._blocks: dict[int, Block | None] = {}
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
        """Blocks for a signal of this length; None if it is too short for them or the filter has none that are safe.

        Safe is ||A^L|| <= 1: an error made in one block does not grow in the next. With a norm of 1e4 the result was
        200 times less accurate than the plain recurrence's, with norms up to 1 it is more accurate.
        """
        longest = min(samples // LANES, LONGEST)
        if longest < LEAST or self.b.ndim != 2 or self.order > LANES_ORDER or self.b.dtype != F8:
            return None
        known = self._blocks.get(longest, self)  # read once: another thread may clear the others
        if isinstance(known, Cascade):
            known = self._found(samples, longest)
            if len(self._blocks) >= KEPT:
                self._blocks.clear()
            self._blocks[longest] = known
        return known

    def _found(self, samples: int, longest: int) -> Block | None:
        """Blocks that divide the signal well, as short as is usual or as the memory of the filter wants them."""
        lanes, least = LANES, self._safe_from(LEAST, longest)
        for _ in range(TRIES):
            if not least:
                break
            stretches = max(1, samples // (lanes * max(least, USUAL)))
            length = max(least, samples // (lanes * stretches) // 4 * 4)
            if length % 64 == 0 and length - 4 >= least:
                length -= 4  # rows a power of two apart would share the sets of the cache
            block = self.entered(length)
            if block is not None:
                return block
            least = self._safe_from(length + 4, longest)  # the norm swings: safe at one length, not at the next
        return None

    def _safe_from(self, least: int, longest: int) -> int:
        """Shortest length from `least` on at which all sections entered together are safe; 0 if there is none."""
        from sigrnn._kernels.filters.block_transition import shortest

        states = self.depth * self.order
        for b, a in self._parts():
            least = least and shortest()(b, a, np.empty((states, states)), least, 4, longest)
        return least

    def entered(self, length: int) -> Block | None:
        """Blocks of this length; None if they are not safe."""
        from sigrnn._kernels.filters.block_transition import entry

        parts, states = self._parts(), self.depth * self.order
        g, power = np.empty((len(parts), length, states)), np.empty((len(parts), states, states))
        for i, (b, a) in enumerate(parts):
            if not entry()(b, a, power[i], g[i], np.zeros((6, states, states)), length) <= 1.0:
                return None
        return Block(length, g, power)

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
    cascade: Cascade, block: Block, x: Array, y: Array, z: Array, keep: tuple[Array, Array] | None = None
) -> None:
    """A whole number of stretches, one after the other; those with NaN or inf on the way go sample after sample.

    keep : (stretches, L lanes) for the tiles of x, (stretches, S / D, D P, lanes) for the states before each block; where
    there are none, but the first, NaN.
    """
    lanes = LANES
    stretch, kernel, done = block.length * lanes, cascade.kernel("blocked", y.dtype.char), 0
    scratch = aligned(stretch), aligned(cascade.depth, cascade.order, lanes), np.empty_like(z)
    while done < len(x):
        tiles, entries = NOWHERE if keep is None else (c[done // stretch :] for c in keep)
        done += kernel(cascade.b, cascade.a, block.g, block.power, x[done:], y[done:], z, tiles, entries, *scratch)
        if done < len(x):
            plain = slice(done, done + stretch)
            if keep is not None:
                entry = keep[1][done // stretch]
                entry[...] = np.nan
                entry[..., 0] = z.reshape(entry.shape[:2])
            cascade.one(x[plain], y[plain], z.reshape(-1))
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
    ends = [aligned((part.stop - part.start) // stretch, z.size, lanes) for part in parts[:-1]]
    kernel, follow = cascade.kernel("ahead", dtype), cascade.kernel("follow", dtype)
    share([partial(kernel, block.g, x[p], e, aligned(stretch)) for p, e in zip(parts, ends, strict=False)], len(x))
    for end in ends:
        starts.append(starts[-1].copy())
        follow(block.power, end, starts[-1].reshape(-1))
    states = [start.copy() for start in starts]
    work = zip(parts, states, strict=True)
    share([partial(run_blocks, cascade, block, x[part], y[part], state) for part, state in work], len(x))
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
