"""What layers of the same cell, dtype and shapes share: sizes, compiled loops, memory for packed weights.

A step's sums are one affine map of the row s[n] = [x[n], 1, h[n-1]] that it sees, so a single matrix product gives the
gradients of all weights and biases.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import unit_groups, units_in_vector
from sigrnn._lookup import Kernels, entry_point, made_before, register_bytes
from sigrnn._utils.memory import LEAST, Pool, Store, aligned
from sigrnn.layers._cells import Cell

LAYOUTS = 128  # kept
ALL_GROUPS = 7  # vectors of units that leave groups of each size

pool = Pool(lambda count: aligned((count,), F8))  # arrays of runs that are too large for the store
store = Store()

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


class Kind:
    """What the store keeps under one key: how it is made, and how many bytes it takes."""

    __slots__ = "make", "size"

    def __init__(self, make: Callable[..., Any], size: int, *arguments: Any) -> None:
        self.make, self.size = partial(make, *arguments), size


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros from where a cache line begins."""
    found = aligned(shape, dtype)
    found.fill(0.0)
    return found


class Weights:
    """Packed weights, initially zero. Each packing writes the same entries, so the memory is used again as it is."""

    __slots__ = "backward", "forward", "into_x", "packed", "peephole", "scaled_peephole"

    def __init__(self, layout: Layout, gradients: bool) -> None:
        dtype, units, sums = layout.dtype, layout.units, layout.sums
        self.forward = zeros(layout.packed_shape, dtype)
        self.scaled_peephole = np.zeros((3, units), dtype)  # peepholes with the factors of gates
        back = layout.none_back
        if gradients:
            back = (
                zeros((layout.returned * units,), dtype),
                zeros((3, units), dtype),
                zeros((layout.inputs, sums, units), dtype),
            )
        backward, self.peephole, into_x = back
        self.packed = self.forward, self.scaled_peephole, *back
        if gradients:  # as the backward pass reads them
            self.backward = backward.reshape(layout.blocks, layout.returned, layout.width)
            self.into_x = into_x.reshape(layout.inputs, sums * units)


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
        self.no_late, self.no_peephole = np.zeros((0, 0)), np.zeros((3, 0))  # sums
        self.none_back = self.no_vector, self.no_matrix, np.zeros((0, 0, 0), dtype)
        self.pack = entry_point(weight_kernels.pack(dtype.char))
        self.kernels: dict[tuple[str, bool], Any] = {}
        forward = (self.blocks * depth * cell.sums * self.width + 3 * self.units) * dtype.itemsize
        backward = (self.returned + 3 + inputs * cell.sums) * self.units * dtype.itemsize
        self.weights = Kind(Weights, forward, self, False), Kind(Weights, forward + backward, self, True)

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

    def pack_into(self, weights: Any, given: Given) -> None:
        """Pack the weights that the user has given."""
        _, w_ih, w_hh, b_ih, b_hh, _, _, peephole = given
        self.pack(
            w_ih,
            self.no_matrix if w_hh is None else w_hh,
            self.no_vector if b_ih is None else b_ih,
            self.no_vector if b_hh is None else b_hh,
            self.no_matrix if peephole is None else peephole,
            self.gates,
            self.factors,
            self.late,
            self.hidden,
            *weights.packed,
        )

    def weights_of(self, sums: Sums, given: Given) -> dict[str, Array]:
        """From sums over all steps to the gradients of the user's arrays."""
        rows, dtype = self.rows, self.dtype
        w_ih = np.empty((rows, self.inputs), dtype)
        w_hh = np.empty((rows, self.hidden), dtype) if self.recurrent else self.no_matrix
        b_ih = self.no_vector if given.b_ih is None else np.empty(rows, dtype)
        b_hh = self.no_vector if given.b_hh is None else np.empty(rows, dtype)
        self.unpack(sums.whole, sums.late, self.gates, self.late, self.hidden, w_ih, w_hh, b_ih, b_hh)
        peephole = sums.peephole[:, : self.hidden]
        return {"w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh, "peephole": peephole}

    def at_rest(self, batch: int, alone: bool, steps: int = 0, taped: bool = False) -> Run:
        """Memory for a run, at rest; an odd sequence, if not `alone`, is joined by another that sees zeros."""
        dtype = self.dtype
        full, rows = batch if alone else batch + batch % 2, steps + 1 if taped else 2
        kept, width = steps if taped else 0, self.units if self.memory else 0
        if self.late >= 0:  # works in both
            kept, width = max(kept, 1), self.units
        seen, memory = (rows, full, self.size), (rows if self.memory else 2, full, width)
        tape = kept, full, self.sums, self.units
        if rows * full * (self.size + self.sums * self.units) * dtype.itemsize < LEAST:
            return Run(zeros(seen, dtype), zeros(memory, dtype), aligned(tape, dtype))
        s, c = pool.borrow(seen, dtype), pool.borrow(memory, dtype)
        s[:, batch:] = s[0, :, self.first :] = c[0] = 0.0
        return Run(s, c, pool.borrow(tape, dtype))

    def start(self, run: Run, h0: Array | None, c0: Array | None) -> None:
        """States (B, H) before the first step."""
        if h0 is not None:
            run.s[0, : len(h0), self.ours] = h0
        if c0 is not None and self.memory:
            run.c[0, : len(c0), : self.hidden] = c0


@lru_cache(LAYOUTS)
def layout_of(cell: Cell, activation: Any, dtype: np.dtype[Any], inputs: int, hidden: int) -> Layout:
    return Layout(cell, activation, dtype, inputs, hidden)
