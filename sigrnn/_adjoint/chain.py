"""Back through sections of order 1 or 2, one after the other: what goes into each is found again, not kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np

from sigrnn import _cascade
from sigrnn._adjoint.memory import pool
from sigrnn._adjoint.reverse import Reverse, Rows
from sigrnn._arrays import F8, Array
from sigrnn._cascade import MANY, Block, Cascade

ORDER = 2


class Chain:
    """Sections for all channels of a signal, and what their pull-back needs to know of the way forward.

    whole : the filter. b, a : (S, P + 1) or (C, S, P + 1), its sections, normalised. x : the signal, of the type of the output.
    """

    def __init__(self, whole: Cascade, b: Array, a: Array, x: Array, rows: Rows, method: str) -> None:
        self.whole, self.b, self.a, self.rows, self.method = whole, b, a, rows, method
        self.each = [Cascade(_section(b, s), _section(a, s), whole.kind) for s in range(b.shape[-2])]
        self.beside = Beside(whole, rows) if Beside.serves(whole, x.dtype, rows, method) else None
        self.x = rows.of(x) if self.beside else rows.copies([x], x.dtype)[0]
        alone = rows.channels < MANY and method != "sequential" and x.dtype.kind == "f"
        found = [Together.of(whole, rows.samples) for _ in range(rows.channels)] if alone else []
        self.channels = [together for together in found if together is not None]
        self.rest = "sequential" if self.channels else method  # as the filter itself does, to the same bits
        self.parts: list[slice] = []
        self.starts: list[Array] = []

    def forward(self, y: Array, state: Array) -> None:
        """Fill y; the state (C, S, P) goes from the initial to the final one."""
        if self.beside:
            self.beside.forward(self.x, y, state)
            del self.x  # the user's, and not asked for again
            return
        done = 0
        for c, together in enumerate(self.channels):
            done = together.forward(self.x[c], y[c], state[c])
        self.parts = self.rows.pieces(done, self.rows.samples, *self.each)
        for part in self.parts:
            self.starts.append(state.copy())
            run(self.whole, self.x[:, part], y[:, part], state, self.rest)

    def pull(self, dy: Array, dx: Array, tail: Array) -> list[Reverse]:
        """Fill dx; the sections over reversed time, with their sums. tail (C, S, P)."""
        b, a = self.b, self.a
        reverses = [Reverse(b[..., s, :], a[..., s, :], tail[:, s], self.rows, self.method) for s in range(b.shape[-2])]
        if self.beside:
            self.beside.pull(dy, dx, reverses)
            return reverses
        for part, start in zip(reversed(self.parts), reversed(self.starts), strict=True):
            self.plain(reverses, self.x[:, part], dy[:, part], dx[:, part], start, self.rest)
        for c, together in enumerate(self.channels):
            self._together(c, together, dy[c], dx[c], reverses)
        return reverses

    def _together(self, c: int, together: Together, dy: Array, dx: Array, reverses: Sequence[Reverse]) -> None:
        """One long channel, the samples that lie in whole stretches."""
        ones, x, left = [reverse.of_channel(c) for reverse in reverses], self.x[c], together.samples
        while left:
            left = together.pull(x[:left], dy[:left], dx[:left], ones)
            if left:  # NaN and inf go sample after sample
                part = slice(left - together.stretch, left)
                start = together.entries[part.start // together.stretch, :, : self.whole.order, 0]
                self.plain(ones, x[None, part], dy[None, part], dx[None, part], start[None], "sequential")
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
    """Sections of order 2, and what it takes to enter blocks of one length in 1/A of each over reversed time."""

    b: Array  # (S, 3)
    a: Array  # (S, 3)
    h: Array  # (S, L, 2)
    power: Array  # (S, 2, 2)


@lru_cache(maxsize=64)
def backwards(whole: Cascade, length: int) -> Entered | None:
    """The sections of a filter over reversed time; None if the blocks would not be safe."""
    b, a = _padded(whole.b), _padded(whole.a)
    poles = Cascade(np.eye(1, ORDER + 1).repeat(len(a), axis=0), a, "sections")
    poles.depth = 1  # a block for each section
    block = poles.entered(length)
    return None if block is None else Entered(b, a, np.ascontiguousarray(block.g[:, ::-1]), block.power)


class Together:
    """All sections of one long channel at once: see `_kernels/cascades.py`."""

    def __init__(self, whole: Cascade, block: Block, entered: Entered, samples: int) -> None:
        self.whole, self.block, self.entered = whole, block, entered
        self.stretch = block.length * _cascade.loops().LANES
        self.samples = samples // self.stretch * self.stretch
        self.entries = np.empty((0, len(whole.b), ORDER, 0))

    @classmethod
    def serves(cls, whole: Cascade, rows: Rows) -> bool:
        """Whether these are few and long channels, and the filter has safe blocks."""
        return rows.channels < MANY and cls.of(whole, rows.samples) is not None

    @classmethod
    def of(cls, whole: Cascade, samples: int) -> Self | None:
        """For real sections, at least one; None if the signal is too short or the filter has no safe blocks."""
        block = whole.block(samples) if len(whole.b) else None
        entered = None if block is None else backwards(whole, block.length)
        return None if block is None or entered is None else cls(whole, block, entered, samples)

    def forward(self, x: Array, y: Array, z: Array) -> int:
        """Fill y as far as whole stretches reach: how far. z (S, P) goes from the state before to that after."""
        done, parts, lanes = slice(0, self.samples), self.block.g, _cascade.loops().LANES
        entries = np.empty((self.samples // self.stretch, len(parts), parts.shape[2], lanes))
        _cascade.run_blocks(self.whole, self.block, x[done], y[done], z, entries)
        self.entries = entries.reshape(len(entries), *z.shape, lanes)
        if self.whole.order < ORDER:
            self.entries = np.concatenate([self.entries, np.zeros_like(self.entries)], axis=2)
        return self.samples

    def pull(self, x: Array, dy: Array, dx: Array, reverses: Sequence[Reverse]) -> int:
        """Fill dx from the end; how many samples are left, where NaN or inf stopped it."""
        from sigrnn._kernels.cascades import section_gradients

        b, lanes, stretch = self.entered.b, _cascade.loops().LANES, self.stretch
        scratch = np.empty((len(b) + 1, stretch)), np.empty(stretch), np.empty((ORDER, lanes)), np.empty((3, *b.shape))
        tail, (db, da) = np.zeros((len(b), ORDER)), np.zeros((2, *b.shape))
        for s, reverse in enumerate(reverses):
            tail[s, : self.whole.order] = reverse.tail[0]
        kernel = section_gradients(dx.dtype.char)
        left: int = kernel(*self.entered, x, dy, dx, self.entries, tail, db, da, *scratch)
        for s, reverse in enumerate(reverses):
            reverse.db += db[s, : self.whole.order + 1]
            reverse.da += da[s, : self.whole.order + 1]
            reverse.resume(tail[s : s + 1, : self.whole.order])
        return left


def _padded(c: Array) -> Array:
    """Coefficients (S, P + 1) as those of order 2."""
    full = np.zeros((len(c), ORDER + 1))
    full[:, : c.shape[1]] = c
    return full


class Beside:
    """All sections of many channels, a group of them in the lanes at a time."""

    def __init__(self, whole: Cascade, rows: Rows) -> None:
        scans = _cascade.loops()
        self.whole, self.groups = whole, -(-rows.channels // scans.LANES)
        tiles = self.groups, -(-rows.samples // scans.TILE)
        self.kept = pool.borrow((*tiles, scans.AREA), F8)
        self.entries = np.empty((*tiles, len(whole.b), ORDER, scans.LANES))

    @staticmethod
    def serves(whole: Cascade, dtype: np.dtype[Any], rows: Rows, method: str) -> bool:
        """Whether these are channels for it."""
        known = whole.b.ndim == 2 and whole.b.dtype == F8 and len(whole.b) > 0 and whole.order == ORDER
        return known and dtype.kind == "f" and rows.channels >= MANY and method in ("auto", "sequential")

    def forward(self, x: Array, y: Array, z: Array) -> None:
        """Fill y; z (C, S, 2) goes from the state before to that after."""
        _cascade.run_lanes(self.whole, x, y, z, (self.kept, self.entries))

    def pull(self, dy: Array, dx: Array, reverses: Sequence[Reverse]) -> None:
        """Fill dx."""
        from sigrnn._kernels.cascades import channel_gradients

        scans, kernel, (b, a) = _cascade.loops(), channel_gradients(dx.dtype.char), (self.whole.b, self.whole.a)
        tail = _cascade.in_lanes(np.stack([reverse.tail for reverse in reverses], axis=1), self.groups, scans.LANES)

        db, da = np.zeros((2, self.groups, *b.shape))

        def run(low: int, high: int) -> None:
            scratch = np.empty((len(b) + 1, scans.AREA)), np.empty((ORDER, scans.LANES))
            kernel(b, a, self.kept, self.entries, dy, dx, tail, db, da, low, high, *scratch)

        _cascade.by_group(run, self.groups, dy.size)
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
        _cascade.run(cascade, x, y, state, method)
