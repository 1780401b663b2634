"""Values of the forward pass that the pull-back of a linear filter needs: one channel, channels in lanes, and
others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import AREA, FIR_WIDTH, LANES, SECTION_ORDER, TILE
from sigrnn._lookup import Kernels, entry_point
from sigrnn.filters import _recursive
from sigrnn.filters._blocks import Blocks, normal_form, state_space
from sigrnn.filters._memory import aligned
from sigrnn.filters._recursive import MANY, RecursiveFilter, compiled_order
from sigrnn.gradients.memory import pool
from sigrnn.gradients.reverse import Reverse, Rows, state_after

kernels, of_sections = Kernels("filters.gradients"), Kernels("filters.section_gradients")

LONG = 12_000  # samples from which a pull-back in blocks pays for what it has to prepare


class SectionsTape:
    """Sections for all channels of a signal: what their pull-back needs of the forward pass.

    whole : the filter. b, a : (S, P + 1) or (C, S, P + 1), its sections, normalised. dtype : of the signal and the output.
    """

    def __init__(
        self, whole: RecursiveFilter, b: Array, a: Array, dtype: np.dtype[Any], rows: Rows, method: str
    ) -> None:
        self.whole, self.b, self.a, self.rows, self.method = whole, b, a, rows, method
        self.lanes = LanesTape(whole, rows) if LanesTape.serves(whole, dtype, rows, method) else None
        self.channels = channel_tapes(whole, dtype, rows, method)
        self.each = [RecursiveFilter(_section(b, s), _section(a, s), whole.kind) for s in range(b.shape[-2])]
        self.parts: list[slice] = []
        self.starts: list[Array] = []

    def forward(self, x: Array, y: Array, state: Array) -> None:
        """Fill y; the state (C, S, P) goes from the initial to the final one. x, the user's, is not used again."""
        if self.lanes:
            self.lanes.forward(x, y, state)
        elif self.channels:
            for c, tape in enumerate(self.channels):
                tape.forward(x[c], y[c], state[c].reshape(-1))
        else:
            self.x = self.rows.empty(self.rows.samples, x.dtype)
            self.x[...] = x
            self.parts = self.rows.pieces(0, self.rows.samples, *self.each)
            for part in self.parts:
                self.starts.append(state.copy())
                run(self.whole, self.x[:, part], y[:, part], state, self.method)

    def pull(self, dy: Array, dx: Array, tail: Array) -> list[Reverse]:
        """Fill dx; the sections over reversed time, with their sums. tail (C, S, P)."""
        b, a = self.b, self.a
        reverses = [Reverse(b[..., s, :], a[..., s, :], tail[:, s], self.rows, self.method) for s in range(b.shape[-2])]
        if self.lanes:
            self.lanes.pull(dy, dx, reverses)
        elif self.channels:
            sums = np.zeros((2, *b.shape))
            for c, tape in enumerate(self.channels):
                own = tail[c].copy()
                tape.pull(dy[c], dx[c], own, *sums)
                for s, reverse in enumerate(reverses):
                    reverse.tail[c] = own[s]
            for s, reverse in enumerate(reverses):
                reverse.db[...], reverse.da[...] = sums[:, s]
        else:
            for part, start in zip(reversed(self.parts), reversed(self.starts), strict=True):
                self._plain(reverses, self.x[:, part], dy[:, part], dx[:, part], start)
        return reverses

    def _plain(self, reverses: Sequence[Reverse], x: Array, dy: Array, dx: Array, start: Array) -> None:
        """Fill dx for a piece that ends where the last one began, its states before it given."""
        *through, slope = (self.rows.scratch(x.shape[1], start.dtype) for _ in range(len(self.each) + 2))
        through[0][...] = x
        for s, section in enumerate(self.each):
            run(section, through[s], through[s + 1], start[:, s : s + 1].copy(), self.method)
        slope[...] = dy
        for s in reversed(range(len(self.each))):
            reverses[s].run(through[s], through[s + 1], slope, slope)
        dx[...] = slope


def channel_tapes(whole: RecursiveFilter, dtype: np.dtype[Any], rows: Rows, method: str) -> list[ChannelTape]:
    """A tape for each of a few real channels; none where they run in lanes, or each has a filter of its own."""
    few = _recursive.one_by_one(whole, rows.channels, rows.samples, method)
    if not few or dtype.kind != "f" or whole.b.ndim != 2 or whole.b.dtype != F8 or not len(whole.b):
        return []
    return [ChannelTape(whole, rows.samples, method) for _ in range(rows.channels)]


class ReversedBlocks(NamedTuple):
    """Sections of one order, and the constants of blocks of one length in 1/A of each over reversed time.

    The state of order 2 is v[L] and v[L + 1], of higher order that of the transposed form; blocks are chained in the
    coordinates of `_kernels/filters/block_transition.py`.
    """

    c: Array  # (2, S, P + 1): b, a
    constants: Array  # (S, ...): those of `Blocks`


@lru_cache(maxsize=64)
def in_reverse(whole: RecursiveFilter, length: int) -> ReversedBlocks | None:
    """The sections of a filter over reversed time, of order 2 at least; None if one of them is not stable."""
    b, a = _padded(whole.b), _padded(whole.a)
    one = np.eye(1, b.shape[1])
    systems = [state_space(one, a[s : s + 1]) for s in range(len(a))]
    if b.shape[1] == SECTION_ORDER + 1:  # v[n] = dy[n] - a[1] v[n + 1] - a[2] v[n + 2], with both v as its state
        for s, system in enumerate(systems):
            system[...] = 0.0
            system[0, 0, :2], system[0, 1, 0], system[0, 0, 2] = -a[s, 1:], 1.0, 1.0
    normal = normal_form(systems)
    if normal is None:
        return None
    c = np.stack([b, a])
    return ReversedBlocks(c, normal.blocks(length, c).constants.reshape(len(a), -1))


class ChannelTape:
    """One real channel: what its pull-back needs of the forward pass.

    Long channels of stable filters run in blocks: kept are the tiles of x and the states before the blocks. For the rest, and
    for short channels, x is kept and, of a single section, y; of more, the state before.
    """

    def __init__(self, filter: RecursiveFilter, samples: int, method: str) -> None:
        self.filter, self.method = filter, method
        self.blocks: Blocks | None = None
        if samples >= LONG:
            blocks = filter.blocks(samples, method)
            self.reversed = None if blocks is None else in_reverse(filter, blocks.length)
            self.blocks = None if self.reversed is None else blocks
        self.done = 0 if self.blocks is None else samples // self.blocks.segment * self.blocks.segment
        self.tiles: Array = np.empty(())
        self.entries: Array = np.empty(())

    def forward(self, x: Array, y: Array, z: Array) -> None:
        """Fill y; z (S P,) goes from the initial to the final state. x is not used again."""
        filter, done = self.filter, self.done
        if self.blocks is not None:
            segments = done // self.blocks.segment
            self.tiles = pool.borrow((segments, self.blocks.segment), F8)
            entries = aligned(segments, z.size, LANES)
            _recursive.run_blocks(filter, self.blocks, x[:done], y[:done], z, (self.tiles, entries))
            self.entries = entries.reshape(segments, -1, filter.order, LANES)
            x, y = x[done:], y[done:]
        single = len(filter.b) == 1
        self.start = z if single else z.copy()  # of a single section y is kept, and the state not asked for
        filter.one(x, y, z, "sequential" if done else self.method)
        self.x, self.y = x.copy(), y.copy() if single else None

    def pull(self, dy: Array, dx: Array, tail: Array, db: Array, da: Array) -> None:
        """Fill dx, and add to db and da (S, P + 1); tail (S, P), v of each section after the end, becomes that at the begin."""
        done = self.done
        self._plain(self.x, self.y, self.start, dy[done:], dx[done:], tail, db, da)
        while done:
            left = self._segments(dy[:done], dx[:done], tail, db, da)
            if left:  # NaN and inf go sample after sample
                assert self.blocks is not None
                done = left - self.blocks.segment
                part, (x, start) = slice(done, left), self._segment(done // self.blocks.segment)
                self._plain(x, None, start, dy[part], dx[part], tail, db, da)
            else:
                done = 0

    def pull_plain(self, dy: Array, dx: Array, tail: Array, db: Array, da: Array) -> None:
        """The same for a single section that ran without blocks: tail (P,), db and da (P + 1,)."""
        order = self.filter.order
        room = np.empty(len(dy) + order), np.empty((order + 1, 2, FIR_WIDTH))
        pulled_plain(order, dx.dtype.char)(*self.filter.pair, self.x, self.y, dy, dx, tail, db, da, *room)

    def _segment(self, i: int) -> tuple[Array, Array]:
        """The input of a segment, and the state (S P,) before it."""
        return self.tiles[i].reshape(-1, LANES).T.reshape(-1), self.entries[i, ..., 0].reshape(-1)

    def _plain(
        self, x: Array, y: Array | None, start: Array, dy: Array, dx: Array, tail: Array, db: Array, da: Array
    ) -> None:
        """Sample after sample, for a part of the signal; y is found again where it is not given."""
        filter = self.filter
        if y is not None:
            self._section(0, dx.dtype.char, x, y, dy, dx, tail, db, da)
            return
        through, state, slope = [x.astype(F8, copy=False)], start.reshape(-1, filter.order), np.array(dy, F8)
        for s, section in enumerate(_sections(filter)):
            through.append(np.empty(len(x)))
            section.one(through[s], through[s + 1], state[s].copy(), "sequential")
        for s in range(len(filter.b) - 1, -1, -1):
            self._section(s, "d", through[s], through[s + 1], slope, slope, tail, db, da)
        dx[...] = slope

    def _section(
        self, s: int, dtype: str, x: Array, y: Array, dy: Array, dx: Array, tail: Array, db: Array, da: Array
    ) -> None:
        """The pull-back of one section, samples of this dtype."""
        order = self.filter.order
        room = np.empty(len(x) + order), np.empty((order + 1, 2, FIR_WIDTH))
        kernel = pulled_plain(order, dtype)
        kernel(self.filter.b[s], self.filter.a[s], x, y, dy, dx, tail[s], db[s], da[s], *room)

    def _segments(self, dy: Array, dx: Array, tail: Array, db: Array, da: Array) -> int:
        """Whole segments from the end; how many samples are left, where NaN or inf stopped it."""
        assert self.blocks is not None
        assert self.reversed is not None
        if self.reversed.c.shape[2] > SECTION_ORDER + 1:
            return self._one_section(dy, dx, tail[0], db, da)
        c, order, segment = self.reversed.c, self.filter.order, self.blocks.segment
        entries, v, sums = self.entries, tail, np.zeros(c.shape)
        if order < SECTION_ORDER:  # order 1 runs as order 2
            entries, v = (np.concatenate([part, np.zeros_like(part)], axis=part.ndim - 2) for part in (entries, tail.T))
            v = np.ascontiguousarray(v.T)
        scratch = aligned((c.shape[1] + 1) * segment + 2 * SECTION_ORDER * LANES + 2 * v.size + c.size)
        states = entries.reshape(len(entries), -1, LANES)
        dtype = dx.dtype.char
        kernel, functions = of_sections.section_gradients(dtype), of_sections.functions(dtype)
        left: int = kernel(functions, *self.reversed, self.tiles, states, dy, dx, v, sums, scratch)
        tail[...] = v[:, :order]
        db += sums[0, :, : order + 1]
        da += sums[1, :, : order + 1]
        return left

    def _one_section(self, dy: Array, dx: Array, tail: Array, db: Array, da: Array) -> int:
        """The same for one section of higher order."""
        assert self.blocks is not None
        assert self.reversed is not None
        order, segment = self.filter.order, self.blocks.segment
        scratch = aligned(2 * segment + 2 * order * LANES + 2 * (order + 1) * FIR_WIDTH)
        state, sums = state_after(self.filter.a[0], tail[None])[0], np.zeros((2, order + 1))
        states, kernel = self.entries.reshape(len(self.entries), -1, LANES), kernels.pulled(dx.dtype.char)
        left: int = kernel(
            kernels.functions(compiled_order(order), dx.dtype.char),
            *self.reversed,
            self.tiles,
            states,
            dy,
            dx,
            state,
            tail,
            sums,
            scratch,
        )
        db += sums[0]
        da += sums[1]
        return left


@lru_cache(maxsize=64)
def _sections(filter: RecursiveFilter) -> list[RecursiveFilter]:
    """Each section as a filter of its own."""
    return [RecursiveFilter(filter.b[s : s + 1], filter.a[s : s + 1], filter.kind) for s in range(len(filter.b))]


@cache
def pulled_plain(order: int, dtype: str) -> Any:
    """The compiled pull-back of one section, sample after sample."""
    return kernels.pulled_plain(compiled_order(order), dtype)


@cache
def pulled_short(order: int) -> Any:
    """The same for a short channel of float64 from rest, with all that follows, and how much scratch it takes beyond N."""
    (section,) = kernels.section_functions(compiled_order(order)).tolist()
    return partial(entry_point(kernels.pulled_short()), section), 2 * order + 2 * (order + 1) * FIR_WIDTH


@cache
def denormalise() -> Any:
    """The compiled step from gradients of normalised coefficients to those of b and a."""
    return kernels.denormalise()


def _padded(c: Array) -> Array:
    """Coefficients (S, P + 1) as those of order 2 at least."""
    full = np.zeros((len(c), max(SECTION_ORDER + 1, c.shape[1])))
    full[:, : c.shape[1]] = c
    return full


class LanesTape:
    """All sections of many channels, a group of them in the lanes at a time."""

    def __init__(self, whole: RecursiveFilter, rows: Rows) -> None:
        self.whole, self.groups = whole, -(-rows.channels // LANES)
        tiles = self.groups, -(-rows.samples // TILE)
        self.kept = pool.borrow((*tiles, AREA), F8)
        self.entries = aligned(*tiles, len(whole.b), SECTION_ORDER, LANES)

    @staticmethod
    def serves(whole: RecursiveFilter, dtype: np.dtype[Any], rows: Rows, method: str) -> bool:
        """Whether these are channels for it."""
        known = whole.b.ndim == 2 and whole.b.dtype == F8 and len(whole.b) > 0 and whole.order == SECTION_ORDER
        return known and dtype.kind == "f" and rows.channels >= MANY and method in ("auto", "sequential")

    def forward(self, x: Array, y: Array, z: Array) -> None:
        """Fill y; z (C, S, 2) goes from the state before to that after."""
        _recursive.run_lanes(self.whole, x, y, z, (self.kept, self.entries))

    def pull(self, dy: Array, dx: Array, reverses: Sequence[Reverse]) -> None:
        """Fill dx."""
        dtype, c = dx.dtype.char, self.whole.c
        kernel, functions = of_sections.channel_gradients(dtype), of_sections.channel_functions(dtype)
        tail = _recursive.in_lanes(np.stack([reverse.tail for reverse in reverses], axis=1), self.groups, LANES)

        sums = np.zeros((2, self.groups, *c.shape[1:]))

        def run(low: int, high: int) -> None:
            scratch = aligned((c.shape[1] + 1) * AREA + SECTION_ORDER * LANES)
            kernel(functions, c, self.kept, self.entries, dy, dx, tail, sums, low, high, scratch)

        _recursive.by_group(run, self.groups, dy.size)
        for s, reverse in enumerate(reverses):
            reverse.db += sums[0, :, s].sum(axis=0)
            reverse.da += sums[1, :, s].sum(axis=0)
        after = tail.transpose(0, 3, 1, 2).reshape(-1, *tail.shape[1:3])
        for s, reverse in enumerate(reverses):
            reverse.resume(after[: len(dy), s].copy())


def _section(c: Array, s: int) -> Array:
    return np.ascontiguousarray(c[..., s : s + 1, :])


def run(filter: RecursiveFilter, x: Array, y: Array, state: Array, method: str) -> None:
    if not state.shape[1]:  # no sections: nothing happens
        y[...] = x
    else:
        _recursive.run(filter, x, y, state, method)
