"""Recurrent layers ready to run: weights as the kernels want them, the memory of a run, and the way back through it.

A step's sums are one affine map of what it sees, [x, 1, h]; `Layer.whole` (Q, units, S) holds it with zeros where a cell
has none, so that a single matrix product gives the gradients of all weights and biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array
from sigrnn.activations import respond
from sigrnn.workers import share

EXCITATION = "excitation"  # the key of the gradient by the sums, among the others
GATES = {
    "lstm": 4,
    "peephole": 4,
    "gru": 3,
    "gru_before": 3,
}  # rows of the user's weights for each unit; others have one
PIECE = 1 << 16  # gradients of sums taken at a time on the way back: they stay in the cache
SHORTEST = 64  # steps, at least
HARMLESS = 1.0  # where slopes of activations are finite, as the user's may not be at 0
PART, WORTH = 8, 500_000  # sequences for a thread at a time: so many, or what takes so many nanoseconds


@cache
def loops() -> Any:
    """The compiled loops; Numba is imported here, at the first call that needs it."""
    from sigrnn._kernels.layers import loops as compiled

    return compiled


class Run(NamedTuple):
    """What a run leaves behind: what each step saw, the cells' memories, and what the way back needs of each step."""

    s: Array  # (T + 1 or, with the last state alone, 1, B, S)
    c: Array  # the same, (.., B, units)
    tape: Array  # (T or 0, B, Q, units)


class Layer:
    """
    A cell and its weights.

    kind : 'lstm', 'peephole', 'gru', 'gru_before' (r acts on the units before they are weighed), or the activation of a
        plain recurrent net.
    w_ih, w_hh : (G H, I) and (G H, H), G gates. b_ih, b_hh : (G H,) or None. peephole : (3, H) or None.
    """

    def __init__(
        self, kind: Any, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None, peephole: Array | None
    ) -> None:
        self.kind, self.dtype = kind, w_hh.dtype
        self._entries: dict[tuple[str, bool], Any] = {}
        self.gates = GATES.get(kind, 1) if isinstance(kind, str) else 1
        self.inputs, self.hidden = w_ih.shape[1], w_hh.shape[1]
        self.width = loops().lanes(self.dtype, self.hidden)
        self.units = -(-self.hidden // self.width) * self.width
        self.first = self.inputs + 1  # where h begins in what a step sees
        self.sums, self.memory = 4 if kind == "gru" else self.gates, kind in ("lstm", "peephole")
        self.whole = np.zeros((self.sums, self.units, self.first + self.units), self.dtype)
        for part, rows, columns in self._places():
            given = {"w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh}[part]
            if given is not None:
                each = given.reshape(self.gates, self.hidden, -1)
                for gate, q in enumerate(rows):
                    self.whole[q, : self.hidden, columns] += each[gate]
        depth, blocks = self.first + self.hidden, self.units // self.width
        factors = np.array(loops().factors(kind))[:, None, None]
        seen = self.whole[:, :, :depth] * factors
        units = self.whole[:, :, self.first :]
        if kind == "gru_before":  # the third weighs r h, after all else
            self.gated = np.zeros((self.units, self.units), self.dtype)
            self.gated[: self.hidden, : self.hidden] = w_hh[2 * self.hidden :]
            last = np.zeros((3, self.units, self.hidden), self.dtype)
            last[0] = self.gated[:, : self.hidden] * factors[2]
            seen = np.concatenate([seen, last], axis=2)
            units = np.concatenate([units[:2], self.gated[None]])
        seen = seen.reshape(self.sums, blocks, self.width, -1)
        self.forward_weights = np.ascontiguousarray(seen.transpose(1, 3, 0, 2), self.dtype)
        back = units[:, : self.hidden].reshape(self.sums * self.hidden, blocks, self.width)
        groups = np.split(back, np.cumsum(loops().groups(blocks))[:-1], axis=1)
        self.backward_weights = np.concatenate([group.reshape(-1) for group in groups]).reshape(blocks, -1, self.width)
        self.peepholes = np.zeros((3, self.units), self.dtype)
        if peephole is not None:
            self.peepholes[:, : self.hidden] = peephole
        self.forward_peepholes = (self.peepholes * factors[0, 0]).astype(self.dtype)

    def _places(self) -> list[tuple[str, Sequence[int], slice]]:
        """Where the user's arrays go: for each gate its sum, and the columns. The GRU's n has a sum of its own over units."""
        ours, theirs = ((0, 1, 2), (0, 1, 3)) if self.kind == "gru" else (tuple(range(self.gates)),) * 2
        x, one, h = slice(0, self.inputs), slice(self.inputs, self.first), slice(self.first, self.first + self.hidden)
        weighed = ours[:2] if self.kind == "gru_before" else theirs
        return [("w_ih", ours, x), ("b_ih", ours, one), ("w_hh", weighed, h), ("b_hh", theirs, one)]

    def taken_apart(self, whole: Array) -> dict[str, Array]:
        """From the gradient of the map to those of the user's arrays."""
        found = {}
        for part, rows, columns in self._places():
            each = whole[list(rows), : self.hidden, columns]
            found[part] = each.reshape(len(rows) * self.hidden, -1)
        return {name: value[:, 0] if name.startswith("b") else value for name, value in found.items()}

    def kernel(self, direction: str, alone: bool) -> Any:
        given = direction, self.kind, self.dtype.char, self.width, alone
        if direction != "backward":
            return loops().runner(*given)
        groups = loops().groups(self.units // self.width)
        return loops().runner(*given, tuple(sorted(set(groups), reverse=True)))

    def entry(self, alone: bool, direction: str = "forward") -> Any:
        """The way forward, with less checks at each call."""
        known = self._entries.get((direction, alone))
        if known is None:
            known = self._entries[direction, alone] = loops().entry_point(self.kernel(direction, alone))
        return known

    def rest(self, batch: int, alone: bool, steps: int = 0, taped: bool = False) -> Run:
        """Memory for a run, at rest; an odd sequence, if not `alone`, gets another beside it, that sees zeros."""
        full, rows = batch if alone else batch + batch % 2, steps + 1 if taped else 2
        s = np.empty((rows, full, self.first + self.units), self.dtype)
        c = np.empty((rows if self.memory else 2, full, self.units), self.dtype)
        kept = steps if taped else 1 if self.kind == "gru_before" else 0  # that one works in it
        s[:, batch:, : self.inputs] = s[0, :, self.first :] = c[: 1 if self.memory else 2] = 0.0
        s[:, :, self.inputs] = 1.0
        return Run(s, c, np.empty((kept, full, self.sums, self.units), self.dtype))

    def start(self, run: Run, h0: Array, c0: Array) -> None:
        """States (B, H) before the first step."""
        run.s[0, : len(h0), self.first : self.first + self.hidden], run.c[0, : len(c0), : self.hidden] = h0, c0

    def run(self, x: Array, h0: Array, c0: Array, h: Array, taped: bool, alone: bool) -> Run:
        """
        Fill h (B, T, H) from x (T, B, I) and the states before, (B, H).

        taped : if not, only the last state is kept. alone : whether there is but one sequence in all: it has loops of
            its own, that sum in another order, which must not depend on how sequences are parted.
        """
        steps, batch = x.shape[:2]
        run = self.rest(batch, alone, steps, taped)
        self.start(run, h0, c0)
        kernel = self.entry(alone, "taped" if taped else "forward")
        kernel(self.forward_weights, self.forward_peepholes, x, *run, h)
        if not taped:
            return Run(run.s[:1], run.c[:1], run.tape)
        # What a sequence that fills a pair has come to must not be NaN times 0 on the way back.
        run.s[:, batch:] = run.c[:, batch:] = 0.0
        run.tape[:, batch:] = HARMLESS
        return run

    def forget(self, run: Run, ends: Array) -> None:
        """Drop what has been made after the ends of sequences: it may have overflowed, and counts for nothing."""
        for b, end in enumerate(ends):
            run.s[end + 1 :, b, self.first :] = 0.0
            run.tape[end:, b] = HARMLESS
            if self.memory:
                run.c[end + 1 :, b] = 0.0

    def partial(
        self, w: Array, p: Array, s: Array, c: Array, tape: Array, dy: Array, dh: Array, dc: Array, d: Array
    ) -> None:
        """In place of the kernel, for a plain recurrent net: no way back from step to step."""
        slope = respond(self.kind, np.array(tape[:, :, 0], np.float64), slope=True)
        dy[-1:] += dh
        dh[...] = 0.0
        d[:, :, 0] = slope * dy

    def state(self, run: Run, batch: int, steps: Array | None) -> tuple[Array, Array]:
        """h and c after so many steps of each sequence, or after the last, (B, H)."""
        ours = slice(self.first, self.first + self.hidden)
        if steps is None:
            last = len(run.s) - 1
            return run.s[last, :batch, ours].copy(), run.c[last % len(run.c), :batch, : self.hidden].copy()
        each = np.arange(batch)
        return run.s[steps, each, ours], run.c[steps % len(run.c), each, : self.hidden]

    def back(
        self, run: Run, dy: Array, finals: dict[int, list[tuple[int, Array, Array]]], total: bool = True
    ) -> dict[str, Array]:
        """
        Gradients of weights, inputs and initial states, and of the sums if there is one for a unit.

        dy : (T, B, H). finals : by step count, the sequences that end there with the gradients of their final h and c.
        total : False for partial derivatives, other steps held constant.
        """
        steps, batch = dy.shape[:2]
        full = run.s.shape[1]
        dh, dc = (np.zeros((full, self.units), self.dtype) for _ in range(2))
        whole, peepholes = np.zeros(self.whole.shape), np.zeros(self.peepholes.shape)
        gated = np.zeros((self.units, self.units))
        dx = np.empty((steps, batch, self.inputs), self.dtype)
        size = max(SHORTEST, PIECE // max(full * self.sums * self.units, 1))
        slopes = np.zeros((min(size, steps), full, self.units), self.dtype)
        d = np.empty((min(size, steps), full, self.sums, self.units), self.dtype)
        into_x = self.whole[:, :, : self.inputs].reshape(self.sums * self.units, self.inputs)
        kernel = self.kernel("backward", full == 1) if total else self.partial
        delta = np.empty((steps, batch, self.hidden), self.dtype) if self.sums == 1 else None
        after = [(b, end) for end, those in finals.items() if end < steps for b, *_ in those]
        stop = steps
        while True:
            for b, dh_final, dc_final in finals.get(stop, ()):
                dh[b, : self.hidden] += dh_final
                dc[b, : self.hidden] += dc_final
            if not stop:
                break
            start = max(stop - size, 0, *(end for end in finals if end < stop))
            part, count = slice(start, stop), stop - start
            slopes[:count, :batch, : self.hidden] = dy[part]
            s, c, now = run.s[start : stop + 1], run.c[start : stop + 1], d[:count]
            kernel(self.backward_weights, self.peepholes, s, c, run.tape[part], slopes[:count], dh, dc, now)
            now[..., self.hidden :] = now[:, batch:] = 0.0  # units and sequences that are not there
            for b, over in after:
                now[max(over - start, 0) :, b] = 0.0
            flat = now.reshape(-1, self.sums * self.units)
            whole += (flat.T @ s[:-1].reshape(len(flat), self.whole.shape[2])).reshape(whole.shape)
            dx[part] = (flat @ into_x).reshape(count, full, self.inputs)[:, :batch]
            if self.kind == "gru_before":
                seen = run.tape[part, :, 0] * s[:-1, :, self.first :]
                gated += np.einsum("tbi,tbj->ij", now[:, :, 2], seen, optimize=True)
            if self.kind == "peephole":
                for row, (q, seen) in enumerate(((0, c[:-1]), (1, c[:-1]), (3, c[1:]))):
                    peepholes[row] += (now[:, :, q] * seen).sum(axis=(0, 1))
            if delta is not None:
                delta[part] = now[:, :batch, 0, : self.hidden]
            if not start and not total:
                dh += (now[0].reshape(full, -1) @ self.whole[:, :, self.first :].reshape(-1, self.units)).astype(
                    dh.dtype
                )
            stop = start
        states = {name: d[:batch, : self.hidden] for name, d in (("h0", dh), ("c0", dc))}
        weights_found = self.taken_apart(whole)
        if self.kind == "gru_before":
            both = weights_found["w_hh"], gated[: self.hidden, : self.hidden]
            weights_found["w_hh"] = np.concatenate(both)
        found = {**weights_found, "x": dx, **states, "peephole": peepholes[:, : self.hidden]}
        return found if delta is None else {**found, EXCITATION: delta}


class Runs:
    """A run of all sequences, on several threads if the user allows it: each takes some of them."""

    def __init__(self, layer: Layer, x: Array, h0: Array, c0: Array, taped: bool) -> None:
        self.layer, self.taped, self.steps, batch = layer, taped, *x.shape[:2]
        self.work = 0.1 * x.shape[0] * batch * layer.whole.size
        # The same parts whatever the threads: sums over sequences, and with them the last bits, depend on them.
        size = max(PART, 2 * ceil(0.5 * WORTH * batch / max(self.work, 1.0)))
        self.parts = [slice(b, min(b + size, batch)) for b in range(0, max(batch, 1), size)]
        self.h = np.empty((batch, self.steps, layer.hidden), layer.dtype)
        self.runs: list[Any] = [None] * len(self.parts)

        def run(i: int, part: slice) -> None:
            self.runs[i] = layer.run(x[:, part], h0[part], c0[part], self.h[part], taped, batch == 1)

        if len(self.parts) == 1:
            run(0, self.parts[0])
        else:
            share([partial(run, i, part) for i, part in enumerate(self.parts)], self.work)

    def states(self, ends: Array | None) -> tuple[Array, Array]:
        """h and c after so many steps of each sequence, or after all, (B, H)."""
        found = []
        for run, part in zip(self.runs, self.parts, strict=True):
            steps = None if ends is None else ends[part]
            found.append(self.layer.state(run, part.stop - part.start, steps))
        h, c = zip(*found, strict=True)
        return (h[0], c[0]) if len(found) == 1 else (np.concatenate(h), np.concatenate(c))

    def forget(self, ends: Array) -> None:
        for run, part in zip(self.runs, self.parts, strict=True):
            self.layer.forget(run, ends[part])

    def back(self, dy: Array, dh: Array, dc: Array, ends: Array, total: bool) -> dict[str, Array]:
        """Gradients of everything, from those of outputs (T, B, H) and of the states after `ends` steps (B, H)."""
        found: list[Any] = [None] * len(self.parts)

        def back(i: int, part: slice) -> None:
            finals: dict[int, list[tuple[int, Array, Array]]] = {}
            for b in range(part.start, part.stop):
                finals.setdefault(int(ends[b]), []).append((b - part.start, dh[b], dc[b]))
            found[i] = self.layer.back(self.runs[i], dy[:, part], finals, total)

        share([partial(back, i, part) for i, part in enumerate(self.parts)], self.work)
        axes = {"x": 1, "h0": 0, "c0": 0, EXCITATION: 1}
        return {
            name: np.concatenate([f[name] for f in found], axes[name]) if name in axes else sum(f[name] for f in found)
            for name in found[0]
        }
