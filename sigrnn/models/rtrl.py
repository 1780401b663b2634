"""Forward mode of layers, many tangents at a time: real-time recurrent learning.

All tangents of a step are rows of one product of matrices. `layer_jvp` takes one tangent at a time, over the same
steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.activations import respond
from sigrnn.gradients.recurrent import MOVES
from sigrnn.layers._run import Layer
from sigrnn.layers.recurrent import prepared


class Entries(NamedTuple):
    """For each entry of the weights, a row: which sum of which unit sees it, and what it is multiplied with."""

    row: Array
    q: Array
    unit: Array
    column: Array  # of what a step sees


def forward_sensitivities(
    kind: Any, arguments: dict[str, Any], names: tuple[str, ...], rows: Array | None
) -> tuple[Array, Array]:
    """
    Outputs (B, N, H), and rows of their tangents (R, B, N, H).

    arguments : as of the function; `names` are the weights with a row for each entry, in this order. rows : (R, B, N, I),
        tangents of x in place of those of weights.
    """
    call = prepared(kind, arguments)
    layer, (steps, batch) = call.layer, call.x.shape[:2]
    y, run = call.run_whole()
    s, c, tape = run.s[:, :batch].astype(F8), run.c[:, :batch].astype(F8), run.tape[:, :batch].astype(F8)
    if not layer.memory:
        c = np.broadcast_to(c[:1], (steps + 1, *c.shape[1:]))
    sizes = {name: np.size(arguments[name]) for name in names}
    count = sum(sizes.values()) if rows is None else len(rows)
    entries = entries_of(layer, sizes) if rows is None else None
    step = Step(layer, sizes if rows is None else {}, count)
    dh, dc = (np.zeros((count, batch, layer.units)) for _ in range(2))
    found = np.empty((count, batch, steps, layer.hidden), y.dtype)
    for t in range(steps):
        da = step.weighed(dh, step.units)
        if entries is not None:
            seen = s[t][:, entries.column].T
            da[entries.q, entries.row, :, entries.unit] += seen
        else:
            assert rows is not None
            da += step.weighed(rows[:, :, t].astype(F8), step.inputs)
        dh, dc = step(da, tape[t].transpose(1, 0, 2), s[t, :, layer.first :], dh, c[t], c[t + 1], dc)
        dh[..., layer.hidden :] = dc[..., layer.hidden :] = 0.0  # units that are not there
        found[:, :, t] = dh[..., : layer.hidden]
    return y, found


def entries_of(layer: Layer, sizes: dict[str, int]) -> Entries:
    """Where the entries of weights and biases are in the map of the layer."""
    places = {name: (gates, columns) for name, gates, columns in layer._places()}
    parts, start = [], 0
    for name, size in sizes.items():
        if name in places:
            gates, columns = places[name]
            width = columns.stop - columns.start
            gate, unit, column = np.unravel_index(
                np.arange(size), (size // (layer.hidden * width), layer.hidden, width)
            )
            known = gate < len(gates)  # the rest is weighed after the others
            q = np.array(gates)[np.minimum(gate, len(gates) - 1)]
            parts.append(np.stack([start + np.arange(size), q, unit, columns.start + column])[:, known])
        start += size
    return Entries(*np.concatenate(parts, axis=1))


class Step:
    """A step of the layer for tangents: from those of its sums to those of its units."""

    def __init__(self, layer: Layer, sizes: dict[str, int], count: int) -> None:
        self.layer, self.count = layer, count
        whole = layer.whole.astype(F8)
        self.units = np.ascontiguousarray(whole[:, :, layer.first :].swapaxes(1, 2))  # (Q, units before, units)
        self.inputs = np.ascontiguousarray(whole[:, :, : layer.inputs].swapaxes(1, 2))
        self.peepholes = layer.peepholes.astype(F8)
        self.own_peepholes = np.zeros((3, count, 1, layer.units))
        starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
        if "peephole" in sizes:
            row = starts["peephole"] + np.arange(3 * layer.hidden)
            self.own_peepholes[np.repeat(np.arange(3), layer.hidden), row, 0, np.tile(np.arange(layer.hidden), 3)] = 1.0
        self.last: Array | None = None  # rows of the weights by which the GRU's third sum sees r h
        if layer.kind == "gru_before" and "w_hh" in sizes:
            size = layer.hidden**2
            self.last = starts["w_hh"] + 2 * size + np.arange(size).reshape(layer.hidden, layer.hidden)

    @staticmethod
    def weighed(rows: Array, weights: Array) -> Array:
        """(R, B, K) by (Q, K, units): (Q, R, B, units). One product for each sum, as stacked ones are slow."""
        flat = rows.reshape(-1, rows.shape[-1]) @ weights
        return flat.reshape(len(weights), *rows.shape[:-1], weights.shape[-1])

    def __call__(
        self, da: Array, a: Array, h: Array, dh: Array, c: Array, c_after: Array, dc: Array
    ) -> tuple[Array, Array]:
        layer = self.layer
        if layer.kind == "gru_before":
            r, dr = a[0], a[0] * (1 - a[0]) * da[0]
            da[2] += (dr * h + r * dh) @ layer.gated.T.astype(F8)
            if self.last is not None:
                weighed = (r * h)[:, : layer.hidden]
                for unit, of_unit in enumerate(self.last):
                    da[2, of_unit, :, unit] += weighed.T
        move = MOVES.get(layer.kind) if isinstance(layer.kind, str) else None
        if move is None:
            return da[0] * respond(layer.kind, np.array(a[0]), slope=True), dc
        return move(a, da, h, dh, c, c_after, dc, self.peepholes, self.own_peepholes)
