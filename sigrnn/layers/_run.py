"""Recurrent layers ready to run: packed weights, the memory of a run, and the backward pass.

A step's sums are one affine map of the row s[n] = [x[n], 1, h[n-1]] that it sees, so a single matrix product gives the
gradients of all weights and biases.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array
from sigrnn._kernels.sizes import unit_groups, units_in_vector
from sigrnn._lookup import Kernels, entry_point, made_before, register_bytes
from sigrnn._utils.memory import LEAST, Pool
from sigrnn.activations import respond
from sigrnn.layers._cells import Cell
from sigrnn.layers._product import add_product, product
from sigrnn.workers import share

PIECE = 1 << 16  # gradients of sums taken at a time in the backward pass: they stay in the cache
SHORTEST = 64  # steps, at least
FEW_INPUTS = 4  # gradients of so few are found by a loop
HARMLESS = 1.0  # where slopes of activations are finite, as the user's may not be at 0
PART, WORTH = 8, 500_000  # sequences for a thread at a time: this number, or as many as take this time in ns
LAYOUTS = 128  # kept
ALL_GROUPS = 7  # vectors of units that leave groups of each size

pool = Pool(np.empty)


kernels, weight_kernels = Kernels("layers.loops"), Kernels("layers.weights")


class Given(NamedTuple):
    """The arrays of a call as the user gives them, B sequences or one without an axis for it; a layer reads the weights."""

    x: Any  # (B, T, I)
    w_ih: Any  # (G H, I)
    w_hh: Any = None  # (G H, H)
    b_ih: Any = None  # (G H,)
    b_hh: Any = None
    h0: Any = None  # (B, H)
    c0: Any = None
    peephole: Any = None  # (3, H)


class Run(NamedTuple):
    """What a run leaves behind: what each step saw, the cells' memories, and what the backward pass needs of each step."""

    s: Array  # (T + 1 or, with the last state alone, 1, B, S)
    c: Array  # the same, (.., B, units), of size 0 in a cell without
    tape: Array  # (T or 0, B, Q, units)


class Sums(NamedTuple):
    """Sums over all steps and sequences: the gradients of weights, as the backward pass finds them, in float64."""

    whole: Array  # (Q, units, S): of the map from s to the sums
    late: Array  # (units, units): of the sum that takes r h
    peephole: Array  # (3, units)

    def __add__(self, other: Any) -> Sums:
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Gradients(NamedTuple):
    """Gradients of all that a layer is given."""

    sums: Sums
    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    c0: Array
    excitation: Array | None  # (T, B, H), if a unit has one sum


class Layout:
    """Sizes and kernels: what layers of the same cell, dtype and shapes have in common. Kept from call to call."""

    def __init__(self, cell: Cell, activation: Any, dtype: np.dtype[Any], inputs: int, hidden: int) -> None:
        self.cell, self.activation, self.dtype, self.inputs, self.hidden = cell, activation, dtype, inputs, hidden
        self.width = units_in_vector(register_bytes(), dtype.itemsize, hidden)
        self.blocks = -(-hidden // self.width)
        self.units = self.blocks * self.width
        self.sums, self.late, self.memory, self.recurrent = cell.sums, cell.late, cell.memory, cell.recurrent
        self.rows = cell.gates * hidden  # of the user's weights
        self.late_shape = (self.units,) * 2 if cell.late >= 0 else (0, 0)
        self.peephole_shape = 3, self.units if cell.name == "peephole" else 0
        self.first = inputs + 1  # where h begins in a row
        self.size = self.first + self.units  # of a row
        self.seen = self.size if cell.recurrent else self.first  # entries of a row that have weights
        self.ours = slice(self.first, self.first + hidden)
        depth = self.first + hidden * (cell.recurrent + (cell.late >= 0))
        self.packed_shape = self.blocks, depth, cell.sums, self.width
        self.returned = cell.sums * hidden if cell.recurrent else 0  # gradients that go back to each unit
        self.gates = np.array([cell.x_gates, cell.h_gates], np.int64)
        self.factors = np.array(kernels.factors(cell.name), np.float64)
        self.no_matrix, self.no_vector = np.zeros((0, 0), dtype), np.zeros(0, dtype)
        self.none_back = self.no_vector, self.no_matrix, np.zeros((0, 0, 0), dtype)
        self.pack = entry_point(weight_kernels.pack(dtype.char))
        self.kernels: dict[tuple[str, bool], Any] = {}

    @cached_property
    def unpack(self) -> Any:
        return entry_point(weight_kernels.unpack(self.dtype.char))

    @cached_property
    def input_gradients(self) -> Any:
        return entry_point(weight_kernels.input_gradients(self.dtype.char, self.width))

    def kernel(self, direction: str, alone: bool) -> Any:
        """'forward', 'taped' or 'backward'; for one sequence in all, or for several."""
        known = self.kernels.get((direction, alone))
        if known is None:
            given = direction, self.cell.name, self.activation, self.dtype.char, self.width, alone
            # Where Numba compiles now, what this layer has, in a third of the time; what was compiled before serves all.
            all_groups = made_before() and (self.activation is None or isinstance(self.activation, str))
            groups = unit_groups(ALL_GROUPS if all_groups else self.blocks)
            taken = (groups,) if direction == "backward" else ()
            known = self.kernels[direction, alone] = entry_point(kernels.runner(*given, *taken))
        return known


@lru_cache(LAYOUTS)
def layout_of(cell: Cell, activation: Any, dtype: np.dtype[Any], inputs: int, hidden: int) -> Layout:
    return Layout(cell, activation, dtype, inputs, hidden)


class Layer:
    """A layout with weights; `gradients`: also those that the backward pass reads."""

    def __init__(self, layout: Layout, given: Given, gradients: bool) -> None:
        self.layout, self.given = layout, given
        dtype, units = layout.dtype, layout.units
        _, w_ih, w_hh, b_ih, b_hh, _, _, peephole = given
        self.forward = np.zeros(layout.packed_shape, dtype)
        self.scaled_peephole = np.zeros((3, units), dtype)  # peepholes with the factors of gates
        back = layout.none_back
        if gradients:
            back = (
                np.zeros(layout.returned * units, dtype),
                np.zeros((3, units), dtype),
                np.zeros((layout.inputs, layout.sums, units), dtype),
            )
        self.backward, self.peephole, self.into_x = back
        layout.pack(
            w_ih,
            layout.no_matrix if w_hh is None else w_hh,
            layout.no_vector if b_ih is None else b_ih,
            layout.no_vector if b_hh is None else b_hh,
            layout.no_matrix if peephole is None else peephole,
            layout.gates,
            layout.factors,
            layout.late,
            layout.hidden,
            self.forward,
            self.scaled_peephole,
            *back,
        )

    def at_rest(self, batch: int, alone: bool, steps: int = 0, taped: bool = False) -> Run:
        """Memory for a run, at rest; an odd sequence, if not `alone`, is joined by another that sees zeros."""
        layout, dtype = self.layout, self.layout.dtype
        full, rows = batch if alone else batch + batch % 2, steps + 1 if taped else 2
        kept, width = steps if taped else 0, layout.units if layout.memory else 0
        if layout.late >= 0:  # works in both
            kept, width = max(kept, 1), layout.units
        seen, memory = (rows, full, layout.size), (rows if layout.memory else 2, full, width)
        tape = kept, full, layout.sums, layout.units
        if rows * full * (layout.size + layout.sums * layout.units) * dtype.itemsize < LEAST:
            return Run(np.zeros(seen, dtype), np.zeros(memory, dtype), np.empty(tape, dtype))
        s, c = pool.borrow(seen, dtype), pool.borrow(memory, dtype)
        s[:, batch:] = s[0, :, layout.first :] = c[0] = 0.0
        return Run(s, c, pool.borrow(tape, dtype))

    def start(self, run: Run, h0: Array | None, c0: Array | None) -> None:
        """States (B, H) before the first step."""
        if h0 is not None:
            run.s[0, : len(h0), self.layout.ours] = h0
        if c0 is not None and self.layout.memory:
            run.c[0, : len(c0), : self.layout.hidden] = c0

    def run(self, x: Array, states: tuple[Array | None, Array | None], h: Array, taped: bool, alone: bool) -> Run:
        """
        Fill h (B, T, H) from x (T, B, I) and the states before, (B, H).

        taped : if not, only the last state is kept. alone : whether there is but one sequence in all: it has loops of
            its own, that sum in another order, which must not depend on how sequences are parted.
        """
        steps, batch = x.shape[:2]
        run = self.at_rest(batch, alone, steps, taped)
        if states[0] is not None or states[1] is not None:
            self.start(run, *states)
        direction = "taped" if taped else "forward"
        kernel = self.layout.kernels.get((direction, alone)) or self.layout.kernel(direction, alone)
        kernel(self.forward, self.scaled_peephole, x, run.s, run.c, run.tape, h)
        if taped and run.s.shape[1] > batch:
            # What a sequence that fills a pair has come to must not be NaN times 0 in the backward pass.
            run.s[:, batch:] = run.c[:, batch:] = 0.0
            run.tape[:, batch:] = HARMLESS
        return run

    def forget(self, run: Run, ends: Array) -> None:
        """Drop what has been made after the ends of sequences: it may have overflowed, and counts for nothing."""
        for b, end in enumerate(ends):
            run.s[end + 1 :, b, self.layout.first :] = 0.0
            run.tape[end:, b] = HARMLESS
            if self.layout.memory:
                run.c[end + 1 :, b] = 0.0

    def state(self, run: Run, batch: int, last: Any) -> tuple[Array, Array]:
        """h and c (B, H) in row `last`, or each sequence's in a row of its own; what is no memory has no columns."""
        layout = self.layout
        each: Any = slice(batch) if isinstance(last, int) else np.arange(batch)
        h = run.s[last, each, layout.ours].copy()
        return h, run.c[last, each, : layout.hidden].copy() if layout.memory else h

    def back(
        self, run: Run, dy: Array, states: tuple[Array, Array | None], ends: Array | None, total: bool = True
    ) -> Gradients:
        """
        Gradients of everything.

        dy : (T, B, H), zero after the ends. states : gradients of h and c (B, H) after `ends` steps, or after all.
        total : False for partial derivatives, other steps held constant.
        """
        steps, batch = dy.shape[:2]
        layout, full = self.layout, run.s.shape[1]
        backward = Backward(self, run, batch, total)
        size = max(SHORTEST, PIECE // max(full * layout.sums * layout.units, 1))
        delta = np.empty((steps, batch, layout.hidden), layout.dtype) if layout.sums == 1 else None
        dx = np.empty((steps, batch, layout.inputs), layout.dtype)
        stops = [0, steps] if ends is None else sorted({0, steps, *ends.tolist()})
        while stops:
            stop = stops[-1]
            if ends is None:
                if stop == steps:
                    backward.receive(slice(batch), *states)
            else:
                here = np.flatnonzero(ends == stop)
                backward.receive(here, states[0][here], None if states[1] is None else states[1][here])
            if not stop:
                break
            stops[-1] = start = max(stop - size, stops[-2])
            if start == stops[-2]:
                stops.pop()
            part = slice(start, stop)
            d = backward.piece(part, dy[part], ends)
            backward.collect(part, d, dx[part])
            if delta is not None:
                delta[start:stop] = d[:, :batch, 0, : layout.hidden]
        dh, dc = backward.dh[:batch, : layout.hidden], backward.dc[:batch, : layout.hidden]
        return Gradients(backward.sums, dx, dh, dc, delta)

    def weights_of(self, sums: Sums) -> dict[str, Array]:
        """From sums over all steps to the gradients of the user's arrays."""
        layout = self.layout
        rows, dtype = layout.rows, layout.dtype
        w_ih = np.empty((rows, layout.inputs), dtype)
        w_hh = np.empty((rows, layout.hidden), dtype) if layout.recurrent else layout.no_matrix
        b_ih = layout.no_vector if self.given.b_ih is None else np.empty(rows, dtype)
        b_hh = layout.no_vector if self.given.b_hh is None else np.empty(rows, dtype)
        layout.unpack(sums.whole, sums.late, layout.gates, layout.late, layout.hidden, w_ih, w_hh, b_ih, b_hh)
        found = {"w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh}
        return {**found, "peephole": sums.peephole[:, : layout.hidden]}


class Backward:
    """A backward pass: the gradients of h and c that it carries from piece to piece, and sums over the steps so far."""

    def __init__(self, layer: Layer, run: Run, batch: int, total: bool) -> None:
        layout, full = layer.layout, run.s.shape[1]
        self.layer, self.run, self.batch, self.total = layer, run, batch, total
        self.dh = np.zeros((full, layout.units), layout.dtype)
        self.dc = np.zeros((full, layout.units if layout.memory else 0), layout.dtype)
        whole = np.zeros((layout.sums, layout.units, layout.seen))
        self.sums = Sums(whole, np.zeros(layout.late_shape), np.zeros(layout.peephole_shape))
        self.backward = layer.backward.reshape(layout.blocks, layout.returned, layout.width)

    def receive(self, each: Any, dh: Array, dc: Array | None) -> None:
        """Gradients of the states of some sequences, which end here."""
        hidden = self.layer.layout.hidden
        self.dh[each, :hidden] += dh
        if dc is not None and self.dc.size:
            self.dc[each, :hidden] += dc

    def piece(self, part: slice, dy: Array, ends: Array | None = None) -> Array:
        """Go back over some steps; the gradients of their sums (T, B, Q, units)."""
        layer, layout, batch = self.layer, self.layer.layout, self.batch
        count, full = len(dy), len(self.dh)
        s, c, tape = self.run.s[part.start : part.stop + 1], self.run.c, self.run.tape[part]
        if layout.memory:
            c = c[part.start : part.stop + 1]
        slopes = np.zeros((count, full, layout.units), layout.dtype)
        slopes[:, :batch, : layout.hidden] = dy
        shape = count, full, layout.sums, layout.units
        large = slopes.nbytes * layout.sums >= LEAST
        d = pool.borrow(shape, layout.dtype) if large else np.empty(shape, layout.dtype)
        if self.total:
            kernel = layout.kernels.get(("backward", full == 1)) or layout.kernel("backward", full == 1)
            kernel(self.backward, layer.peephole, s, c, tape, slopes, self.dh, self.dc, d)
        else:
            self.hold_constant(tape, slopes, d)
        if layout.hidden < layout.units:  # units and sequences that only fill up vectors and pairs
            d[..., layout.hidden :] = 0.0
        if batch < full:
            d[:, batch:] = 0.0
        if ends is not None:
            for b in np.flatnonzero(ends < part.stop):
                d[max(ends[b] - part.start, 0) :, b] = 0.0
        if not (part.start or self.total):
            self.dh[:, : layout.hidden] += product(d[0, :, 0, : layout.hidden], layer.given.w_hh)
        return d

    def hold_constant(self, tape: Array, slopes: Array, d: Array) -> None:
        """Replaces the kernel for a plain recurrent layer: no gradient passes between steps."""
        slopes[-1:] += self.dh
        self.dh[...] = 0.0
        d[:, :, 0] = respond(self.layer.layout.activation, np.array(tape[:, :, 0], np.float64), slope=True) * slopes

    def collect(self, part: slice, d: Array, dx: Array) -> None:
        """Add up the gradients of weights over some steps, and find those of the inputs (T, B, I)."""
        layout, sums = self.layer.layout, self.sums
        s = self.run.s[part.start : part.stop + 1]
        flat = d.reshape(d.shape[0] * d.shape[1], layout.sums * layout.units)
        rows = s[:-1].reshape(len(flat), layout.size)[:, : layout.seen]
        add_product(sums.whole.reshape(flat.shape[1], layout.seen), flat, rows)
        whole = dx.shape[1] == len(self.dh)
        found = dx if whole else np.empty((*d.shape[:2], layout.inputs), layout.dtype)
        flat_x, into_x = (
            found.reshape(len(flat), layout.inputs),
            self.layer.into_x.reshape(layout.inputs, flat.shape[1]),
        )
        if layout.inputs <= FEW_INPUTS:
            layout.input_gradients(flat, into_x, flat_x)
        else:
            flat_x[...] = product(flat, into_x.T)
        if not whole:
            dx[...] = found[:, : self.batch]
        if sums.late.size:
            seen = self.run.tape[part, :, 0] * s[:-1, :, layout.first :]
            late = d[:, :, layout.late].reshape(len(flat), layout.units)
            add_product(sums.late, late, seen.reshape(len(flat), layout.units))
        if sums.peephole.size:
            c = self.run.c[part.start : part.stop + 1]
            for row, (q, seen) in enumerate(((0, c[:-1]), (1, c[:-1]), (3, c[1:]))):
                sums.peephole[row] += (d[:, :, q] * seen).sum(axis=(0, 1))


class Runs:
    """A run of all sequences, on several threads if the user allows it: each takes some of them."""

    def __init__(self, layer: Layer, x: Array, states: tuple[Array | None, Array | None], taped: bool) -> None:
        self.layer, self.taped, self.steps, batch = layer, taped, *x.shape[:2]
        layout = layer.layout
        self.h = np.empty((batch, self.steps, layout.hidden), layout.dtype)
        self.work = 0.1 * self.steps * batch * layer.forward.size
        if batch <= PART:
            self.parts = [slice(0, batch)]
            self.runs: list[Any] = [layer.run(x, states, self.h, taped, batch == 1)]
            return
        # The same parts whatever the threads: sums over sequences, and with them the last bits, depend on them.
        size = max(PART, 2 * ceil(0.5 * WORTH * batch / max(self.work, 1.0)))
        self.parts = [slice(b, min(b + size, batch)) for b in range(0, batch, size)]
        self.runs = [None] * len(self.parts)

        def run(i: int, part: slice) -> None:
            own = (
                states[0] if states[0] is None else states[0][part],
                states[1] if states[1] is None else states[1][part],
            )
            self.runs[i] = layer.run(x[:, part], own, self.h[part], taped, False)

        share([partial(run, i, part) for i, part in enumerate(self.parts)], self.work)

    def states(self, ends: Array | None) -> tuple[Array, Array]:
        """h and c after `ends` steps of each sequence, or after all, (B, H)."""
        last = self.steps if self.taped else 0
        if len(self.runs) == 1:
            return self.layer.state(self.runs[0], len(self.h), last if ends is None else ends)
        found = [
            self.layer.state(run, part.stop - part.start, last if ends is None else ends[part])
            for run, part in zip(self.runs, self.parts, strict=True)
        ]
        h, c = zip(*found, strict=True)
        return np.concatenate(h), np.concatenate(c)

    def forget(self, ends: Array) -> None:
        for run, part in zip(self.runs, self.parts, strict=True):
            self.layer.forget(run, ends[part])

    def back(self, dy: Array, states: tuple[Array, Array | None], ends: Array | None, total: bool = True) -> Gradients:
        """Gradients of everything, from those of outputs (T, B, H) and of the states after `ends` steps, or all (B, H)."""
        if len(self.parts) == 1:
            return self.layer.back(self.runs[0], dy, states, ends, total)
        found: list[Any] = [None] * len(self.parts)

        def back(i: int, part: slice) -> None:
            own = states[0][part], None if states[1] is None else states[1][part]
            found[i] = self.layer.back(self.runs[i], dy[:, part], own, None if ends is None else ends[part], total)

        share([partial(back, i, part) for i, part in enumerate(self.parts)], self.work)
        sums, dx, dh, dc, delta = zip(*found, strict=True)
        return Gradients(
            sum(sums[1:], sums[0]),
            np.concatenate(dx, 1),
            np.concatenate(dh),
            np.concatenate(dc),
            None if delta[0] is None else np.concatenate(delta, 1),
        )
