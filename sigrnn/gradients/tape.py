"""Back through sections, one after the other: what goes into each is found again, not kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import AREA, LANES, SECTION_ORDER, TILE
from sigrnn.filters import _recursive
from sigrnn.filters._memory import aligned
from sigrnn.filters._recursive import MANY, Block, Cascade, normal_form, transitions
from sigrnn.gradients.memory import pool
from sigrnn.gradients.reverse import Reverse, Rows


class Chain:
    """Sections for all channels of a signal, and what their pull-back needs to know of the way forward.

    whole : the filter. b, a : (S, P + 1) or (C, S, P + 1), its sections, normalised. dtype : of the signal and the output.
    """

    def __init__(self, whole: Cascade, b: Array, a: Array, dtype: np.dtype[Any], rows: Rows, method: str) -> None:
        self.whole, self.b, self.a, self.rows, self.method = whole, b, a, rows, method
        self.each = [Cascade(_section(b, s), _section(a, s), whole.kind) for s in range(b.shape[-2])]
        self.beside = Beside(whole, rows) if Beside.serves(whole, dtype, rows, method) else None
        alone = rows.channels < MANY and method != "sequential" and dtype.kind == "f"
        found = [Together.of(whole, rows.samples, method) for _ in range(rows.channels)] if alone else []
        self.channels = [together for together in found if together is not None]
        self.rest = "sequential" if self.channels else method  # as the filter itself does, to the same bits
        self.done = 0  # samples that lie in whole stretches
        self.parts: list[slice] = []
        self.starts: list[Array] = []

    def forward(self, x: Array, y: Array, state: Array) -> None:
        """Fill y; the state (C, S, P) goes from the initial to the final one. x, the user's, is not asked for again."""
        if self.beside:
            self.beside.forward(x, y, state)
            return
        for c, together in enumerate(self.channels):
            self.done = together.forward(x[c], y[c], state[c])
        self.rest_of_x = self.rows.empty(self.rows.samples - self.done, x.dtype)
        self.rest_of_x[...] = x[:, self.done :]
        self.parts = self.rows.pieces(self.done, self.rows.samples, *self.each)
        for part in self.parts:
            self.starts.append(state.copy())
            run(self.whole, self._input(part), y[:, part], state, self.rest)

    def _input(self, part: slice) -> Array:
        """What was kept of x for a piece that lies in no whole stretch."""
        return self.rest_of_x[:, part.start - self.done : part.stop - self.done]

    def pull(self, dy: Array, dx: Array, tail: Array) -> list[Reverse]:
        """Fill dx; the sections over reversed time, with their sums. tail (C, S, P)."""
        b, a = self.b, self.a
        reverses = [Reverse(b[..., s, :], a[..., s, :], tail[:, s], self.rows, self.method) for s in range(b.shape[-2])]
        if self.beside:
            self.beside.pull(dy, dx, reverses)
            return reverses
        for part, start in zip(reversed(self.parts), reversed(self.starts), strict=True):
            self.plain(reverses, self._input(part), dy[:, part], dx[:, part], start, self.rest)
        for c, together in enumerate(self.channels):
            self._together(c, together, dy[c], dx[c], reverses)
        return reverses

    def _together(self, c: int, together: Together, dy: Array, dx: Array, reverses: Sequence[Reverse]) -> None:
        """One long channel, the samples that lie in whole stretches."""
        ones, left = [reverse.of_channel(c) for reverse in reverses], together.samples
        while left:
            left = together.pull(dy[:left], dx[:left], ones)
            if left:  # NaN and inf go sample after sample
                part = slice(left - together.stretch, left)
                x, start = together.kept_of(part.start // together.stretch)
                self.plain(ones, x, dy[None, part], dx[None, part], start, "sequential")
                left = part.start
        for reverse, one in zip(reverses, ones, strict=True):
            reverse.tail[c] = one.tail[0]

    def plain(self, reverses: Sequence[Reverse], x: Array, dy: Array, dx: Array, start: Array, method: str) -> None:
        """Fill dx for a piece that ends where the last one began, its states before it given."""
        rows = reverses[0].rows if reverses else self.rows
        *through, slope = (rows.scratch(1 + i, x.shape[1], start.dtype) for i in range(len(self.each) + 2))
        through[0][...] = x
        for s, section in enumerate(self.each):
            run(section, through[s], through[s + 1], start[:, s : s + 1].copy(), method)
        slope[...] = dy
        for s in reversed(range(len(self.each))):
            reverses[s].run(through[s], through[s + 1], slope, slope)
        dx[...] = slope


class Entered(NamedTuple):
    """Sections of one order, and what it takes to enter blocks of one length in 1/A of each over reversed time.

    Of order 2 they are entered with v[L] and v[L + 1], of higher order with the state of the transposed form; blocks
    follow each other in the coordinates of `_kernels/filters/block_transition.py`.
    """

    b: Array  # (S, P + 1)
    a: Array  # (S, P + 1)
    h: Array  # (S, L, P): what sample n adds to that of the block before
    power: Array  # (S, P, P): what that of the block after adds
    basis: Array  # (S, 2, 2, P, W)


@lru_cache(maxsize=64)
def backwards(whole: Cascade, length: int) -> Entered | None:
    """The sections of a filter over reversed time, of order 2 at least; None if one of them is not stable."""
    b, a = _padded(whole.b), _padded(whole.a)
    one = np.eye(1, b.shape[1])
    systems = transitions([(one, a[s : s + 1]) for s in range(len(a))])
    if b.shape[1] == SECTION_ORDER + 1:  # v[n] = dy[n] - a[1] v[n + 1] - a[2] v[n + 2], with both v as its state
        systems[...] = 0.0
        systems[:, 0, 0, :2], systems[:, 0, 1, 0], systems[:, 0, 0, 2] = -a[:, 1:], 1.0, 1.0
    normal = normal_form(systems)
    if normal is None:
        return None
    block = normal.block(length)
    return Entered(b, a, np.ascontiguousarray(block.g[:, ::-1]), block.power, block.basis)


class Together:
    """All sections of one long channel at once, any number of order 2 or one of any order."""

    def __init__(self, whole: Cascade, block: Block, entered: Entered, samples: int) -> None:
        self.whole, self.block, self.entered = whole, block, entered
        self.stretch = block.length * LANES
        self.samples = samples // self.stretch * self.stretch
        self.order = entered.b.shape[1] - 1
        self.kept = self.entries = np.empty(())

    @classmethod
    def serves(cls, whole: Cascade, rows: Rows, method: str) -> bool:
        """Whether these are few and long channels, and the filter has safe blocks."""
        return rows.channels < MANY and cls.of(whole, rows.samples, method) is not None

    @classmethod
    def of(cls, whole: Cascade, samples: int, method: str) -> Self | None:
        """For real sections, at least one; None if the signal is too short or the filter has no safe blocks."""
        block = whole.block(samples) if len(whole.b) and samples >= whole.long(method) else None
        entered = None if block is None else backwards(whole, block.length)
        return None if block is None or entered is None else cls(whole, block, entered, samples)

    def forward(self, x: Array, y: Array, z: Array) -> int:
        """Fill y as far as whole stretches reach: how far. z (S, P) goes from the state before to that after."""
        done, parts, lanes = slice(0, self.samples), self.block.g, LANES
        self.kept = pool.borrow((self.samples // self.stretch, self.stretch), F8)
        entries = aligned(len(self.kept), len(parts), parts.shape[2], lanes)
        _recursive.run_blocks(self.whole, self.block, x[done], y[done], z, (self.kept, entries))
        self.entries = entries.reshape(len(entries), *z.shape, lanes)
        if self.whole.order < self.order:
            self.entries = np.concatenate([self.entries, np.zeros_like(self.entries)], axis=2)
        return self.samples

    def kept_of(self, i: int) -> tuple[Array, Array]:
        """The input (1, L lanes) of a stretch, and the states (1, S, P) before it."""
        x = self.kept[i].reshape(-1, LANES).T.reshape(1, -1)
        return x, self.entries[i, None, :, : self.whole.order, 0]

    def pull(self, dy: Array, dx: Array, reverses: Sequence[Reverse]) -> int:
        """Fill dx from the end; how many samples are left, where NaN or inf stopped it."""
        signals = self.kept, self.entries, dy, dx
        return self._sections(signals, reverses) if self.order == SECTION_ORDER else self._one(signals, *reverses)

    def _sections(self, signals: tuple[Array, ...], reverses: Sequence[Reverse]) -> int:
        """Sections of order 2: see `_kernels/filters/section_gradients.py`."""
        from sigrnn._kernels.filters.section_gradients import section_gradients

        b, lanes, order = self.entered.b, LANES, self.whole.order
        scratch = aligned(len(b) + 1, self.stretch), aligned(2, SECTION_ORDER, lanes), np.empty((4, *b.shape))
        tail, (db, da) = np.zeros((len(b), SECTION_ORDER)), np.zeros((2, *b.shape))
        for s, reverse in enumerate(reverses):
            tail[s, :order] = reverse.tail[0]
        kernel = section_gradients(signals[-1].dtype.char)
        left: int = kernel(*self.entered, *signals, tail, db, da, *scratch)
        for s, reverse in enumerate(reverses):
            reverse.db += db[s, : order + 1]
            reverse.da += da[s, : order + 1]
            reverse.resume(tail[s : s + 1, :order])
        return left

    def _one(self, signals: tuple[Array, ...], reverse: Reverse) -> int:
        """One section of higher order: see `_kernels/filters/gradients.py`."""
        from sigrnn._kernels.filters.gradients import pulled, scratch

        order, lanes = self.order, LANES
        v, entry = aligned(self.stretch + order * lanes), aligned(1, order, lanes)
        room = aligned(self.stretch), v, entry, scratch(order + 1)
        tail, state = reverse.tail[0].copy(), reverse.start()[0, 0]
        kernel = pulled(order, signals[-1].dtype.char)
        left: int = kernel(*self.entered, *signals, state, tail, reverse.db, reverse.da, *room)
        reverse.resume(tail[None])
        return left


def _padded(c: Array) -> Array:
    """Coefficients (S, P + 1) as those of order 2 at least."""
    full = np.zeros((len(c), max(SECTION_ORDER + 1, c.shape[1])))
    full[:, : c.shape[1]] = c
    return full


class Beside:
    """All sections of many channels, a group of them in the lanes at a time."""

    def __init__(self, whole: Cascade, rows: Rows) -> None:
        self.whole, self.groups = whole, -(-rows.channels // LANES)
        tiles = self.groups, -(-rows.samples // TILE)
        self.kept = pool.borrow((*tiles, AREA), F8)
        self.entries = aligned(*tiles, len(whole.b), SECTION_ORDER, LANES)

    @staticmethod
    def serves(whole: Cascade, dtype: np.dtype[Any], rows: Rows, method: str) -> bool:
        """Whether these are channels for it."""
        known = whole.b.ndim == 2 and whole.b.dtype == F8 and len(whole.b) > 0 and whole.order == SECTION_ORDER
        return known and dtype.kind == "f" and rows.channels >= MANY and method in ("auto", "sequential")

    def forward(self, x: Array, y: Array, z: Array) -> None:
        """Fill y; z (C, S, 2) goes from the state before to that after."""
        _recursive.run_lanes(self.whole, x, y, z, (self.kept, self.entries))

    def pull(self, dy: Array, dx: Array, reverses: Sequence[Reverse]) -> None:
        """Fill dx."""
        from sigrnn._kernels.filters.section_gradients import channel_gradients

        kernel, (b, a) = channel_gradients(dx.dtype.char), (self.whole.b, self.whole.a)
        tail = _recursive.in_lanes(np.stack([reverse.tail for reverse in reverses], axis=1), self.groups, LANES)

        db, da = np.zeros((2, self.groups, *b.shape))

        def run(low: int, high: int) -> None:
            scratch = aligned(len(b) + 1, AREA), aligned(SECTION_ORDER, LANES)
            kernel(b, a, self.kept, self.entries, dy, dx, tail, db, da, low, high, *scratch)

        _recursive.by_group(run, self.groups, dy.size)
        for s, reverse in enumerate(reverses):
            reverse.db += db[:, s].sum(axis=0)
            reverse.da += da[:, s].sum(axis=0)
        after = tail.transpose(0, 3, 1, 2).reshape(-1, *tail.shape[1:3])
        for s, reverse in enumerate(reverses):
            reverse.resume(after[: len(dy), s].copy())


def _section(c: Array, s: int) -> Array:
    return np.ascontiguousarray(c[..., s : s + 1, :])


def run(cascade: Cascade, x: Array, y: Array, state: Array, method: str) -> None:
    if not state.shape[1]:  # no sections: nothing happens
        y[...] = x
    else:
        _recursive.run(cascade, x, y, state, method)
