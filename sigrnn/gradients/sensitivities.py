"""Forward mode of recurrent layers, step by step in NumPy, without kernels.

All tangents of a step are rows of one product of matrices. `jvp` has one row, a tangent of all arguments; models have one for
each entry of their weights (real-time recurrent learning), or those of an input.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.activations import respond
from sigrnn.gradients.linear import Named
from sigrnn.gradients.recurrent import call_of
from sigrnn.layers._cells import Step
from sigrnn.layers._layout import Given, Layout
from sigrnn.layers._prepare import Call


class StepMap(NamedTuple):
    """The map from s = [x, 1, h] to the sums, zero where a cell has no weights."""

    whole: Array  # (Q, S, units)
    late: Array  # (units, units): that of the sum which sees r h in place of h


def step_map(layout: Layout, weights: Given) -> StepMap:
    cell, hidden, first = layout.cell, layout.hidden, layout.first
    whole = np.zeros((cell.sums, layout.size, layout.units))
    late = np.zeros((layout.units if cell.late >= 0 else 0,) * 2)
    for q, (of_x, of_h) in enumerate(zip(cell.x_gates, cell.h_gates, strict=True)):
        rows_x, rows_h = (slice(gate * hidden, (gate + 1) * hidden) for gate in (of_x, of_h))
        if of_x >= 0:
            whole[q, : layout.inputs, :hidden] = weights.w_ih[rows_x].T
            if weights.b_ih is not None:
                whole[q, layout.inputs, :hidden] += weights.b_ih[rows_x]
        if of_h >= 0 and weights.w_hh is not None:
            (late if q == cell.late else whole[q, first:])[:hidden, :hidden] = weights.w_hh[rows_h].T
            if weights.b_hh is not None:
                whole[q, layout.inputs, :hidden] += weights.b_hh[rows_h]
    return StepMap(whole, late)


class Tangents:
    """What changes: the rows of tangents that enter each step."""

    def __init__(self, layout: Layout, batch: int, count: int) -> None:
        self.layout, self.count = layout, count
        self.h0, self.c0 = (np.zeros((count, batch, layout.units)) for _ in range(2))
        self.peephole = np.zeros((3, count, 1, layout.units))

    def add(self, t: int, s: Array, da: Array) -> None:
        """To the tangents of the sums (Q, R, B, units), what is due to weights, given the row s (B, S), and to inputs."""

    def add_late(self, seen: Array, da: Array) -> None:
        """The same for the late sum (R, B, units), which sees r h (B, units)."""


class OfArguments(Tangents):
    """One row: tangents of all arguments at once."""

    def __init__(self, layout: Layout, call: Call, change: Call, now: StepMap) -> None:
        super().__init__(layout, call.x.shape[1], 1)
        self.now, self.x = now, change.x.astype(F8)
        self.whole, self.late = step_map(layout, change.given)
        h0, c0 = change.states()
        self.h0[0, :, : layout.hidden] = h0
        self.c0[0, :, : layout.hidden] = c0
        if change.given.peephole is not None:
            self.peephole[:, 0, 0, : layout.hidden] = change.given.peephole

    def add(self, t: int, s: Array, da: Array) -> None:
        da[:, 0] += s @ self.whole + self.x[t] @ self.now.whole[:, : self.layout.inputs]

    def add_late(self, seen: Array, da: Array) -> None:
        da[0] += seen @ self.late


class OfInputs(Tangents):
    """Rows of tangents of x, (R, B, T, I)."""

    def __init__(self, layout: Layout, rows: Array, now: StepMap) -> None:
        super().__init__(layout, rows.shape[1], len(rows))
        self.rows, self.weights = rows, np.ascontiguousarray(now.whole[:, : layout.inputs])

    def add(self, t: int, s: Array, da: Array) -> None:
        da += weighed(self.rows[:, :, t].astype(F8), self.weights)


class OfEntries(Tangents):
    """A row for each entry of the weights, in this order: which sum of which unit sees it, and what it is multiplied with."""

    def __init__(self, layout: Layout, batch: int, sizes: dict[str, int]) -> None:
        super().__init__(layout, batch, sum(sizes.values()))
        cell, hidden = layout.cell, layout.hidden
        places = {
            "w_ih": (cell.x_gates, 0, layout.inputs),
            "b_ih": (cell.x_gates, layout.inputs, 1),
            "w_hh": (cell.h_gates, layout.first, hidden),
            "b_hh": (cell.h_gates, layout.inputs, 1),
        }
        parts, start = [np.zeros((4, 0), int)], 0
        self.late: Array | None = None  # rows of the weights by which the late sum sees r h
        for name, size in sizes.items():
            row = start + np.arange(size)
            if name == "peephole":
                unit = np.tile(np.arange(hidden), 3)
                self.peephole[np.repeat(np.arange(3), hidden), row, 0, unit] = 1.0
            else:
                gates, first, width = places[name]
                gate, unit, column = np.unravel_index(np.arange(size), (size // (hidden * width), hidden, width))
                q = np.array([gates.index(g) for g in range(max(gates) + 1)])[gate]
                after = (q == cell.late) & (name == "w_hh")
                parts.append(np.stack([row, q, unit, first + column])[:, ~after])
                if after.any():
                    self.late = row[after].reshape(hidden, hidden)
            start += size
        self.row, self.q, self.unit, self.column = np.concatenate(parts, axis=1)

    def add(self, t: int, s: Array, da: Array) -> None:
        da[self.q, self.row, :, self.unit] += s[:, self.column].T

    def add_late(self, seen: Array, da: Array) -> None:
        if self.late is not None:
            for unit, of_unit in enumerate(self.late):
                da[of_unit, :, unit] += seen[:, : len(of_unit)].T


def weighed(rows: Array, weights: Array) -> Array:
    """(R, B, K) by (Q, K, units): (Q, R, B, units). One product for each sum, as stacked ones are slow."""
    flat = rows.reshape(-1, rows.shape[-1]) @ weights
    return flat.reshape(len(weights), *rows.shape[:-1], weights.shape[-1])


class Pushed(NamedTuple):
    """Outputs and final states of a call, and the tangents of both."""

    y: Array  # (B, T, H)
    states: tuple[Array, Array]  # (B, H)
    dy: Array  # (R, B, T, H)
    dstates: tuple[Array, Array]  # (R, B, H)


def pushed(call: Call, now: StepMap, tangents: Tangents) -> Pushed:
    """Take tangents through all steps."""
    layout, (steps, batch) = call.layout, call.x.shape[:2]
    cell, hidden = layout.cell, layout.hidden
    y, part = call.run_whole()
    run = part.memory.run
    s, tape = run.s[:, :batch].astype(F8), run.tape[:, :batch].astype(F8)
    c = run.c[:, :batch].astype(F8) if cell.memory else np.zeros((steps + 1, batch, layout.units))
    units = np.ascontiguousarray(now.whole[:, layout.first :])  # (Q, units before, units)
    peephole = np.zeros((3, layout.units))
    if call.given.peephole is not None:
        peephole[:, :hidden] = call.given.peephole
    dh, dc = tangents.h0, tangents.c0
    dy = np.empty((tangents.count, batch, steps, hidden), y.dtype)
    ends = np.full(batch, steps) if call.lengths is None else call.lengths
    final_h, final_c = dh[..., :hidden].astype(y.dtype), dc[..., :hidden].astype(y.dtype)
    for t in range(steps):
        da = weighed(dh, units)
        tangents.add(t, s[t], da)
        step = Step(tape[t].transpose(1, 0, 2), s[t, :, layout.first :], c[t], c[t + 1], peephole, tangents.peephole)
        if cell.late >= 0:
            r, dr = step.a[0], step.a[0] * (1 - step.a[0]) * da[0]
            da[cell.late] += (dr * step.h + r * dh) @ now.late
            tangents.add_late(r * step.h, da[cell.late])
        if cell.tangent is None:
            dh = da[0] * respond(layout.activation, np.array(step.a[0]), slope=True)
        else:
            dh, dc = cell.tangent(step, da, dh, dc)
        dh[..., hidden:] = dc[..., hidden:] = 0.0  # units that only fill up a vector
        dy[:, :, t] = dh[..., :hidden]
        here = np.flatnonzero(ends == t + 1)
        final_h[:, here], final_c[:, here] = dh[:, here, :hidden], dc[:, here, :hidden]
    return Pushed(y, part.states(call.lengths), dy, (final_h, final_c))


def layer_jvp(function: str, arguments: Named, tangents: Named) -> tuple[Any, Any]:
    """The rule of a recurrent layer in forward mode."""
    call = call_of(function, arguments)
    layout = call.layout
    still = {
        name: np.zeros(np.shape(arguments[name]))
        for name in layout.cell.arrays
        if arguments.get(name) is not None and name not in tangents
    }
    change = call_of(function, {**arguments, **still, **tangents})
    now = step_map(layout, call.given)
    found = pushed(call, now, OfArguments(layout, call, change, now))
    dstates = (part[0] for part in found.dstates)
    return call.restore_layout(found.y, *found.states), call.restore_layout(found.dy[0], *dstates)


def layer_rows(function: str, arguments: Named, names: tuple[str, ...], rows: Array | None) -> tuple[Array, Array]:
    """
    Outputs (B, T, H), and rows of their tangents (R, B, T, H).

    arguments : as of the function; `names` are the weights with a row for each entry, in this order. rows : (R, B, T, I),
        tangents of x in place of those of weights.
    """
    call = call_of(function, {"lengths": None, **arguments})
    layout = call.layout
    now = step_map(layout, call.given)
    if rows is None:
        tangents: Tangents = OfEntries(layout, call.x.shape[1], {name: np.size(arguments[name]) for name in names})
    else:
        tangents = OfInputs(layout, rows, now)
    found = pushed(call, now, tangents)
    return found.y, found.dy
