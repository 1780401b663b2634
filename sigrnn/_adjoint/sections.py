"""Gradients of second-order sections: each is a filter of order 2, and what goes into it is found again, piece by piece."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from sigrnn import _cascade
from sigrnn._adjoint.linear import (
    Named,
    Pull,
    Reverse,
    Rows,
    denormalised,
    lfilter_jvp,
    of_state,
    summed,
    tail_of,
)
from sigrnn._adjoint.memory import room
from sigrnn._apply import inner, matched, state_given, state_layout, state_rows
from sigrnn._arrays import F8, Array, signal, time_axis
from sigrnn._cascade import Cascade
from sigrnn.linear import cascade_of, check_method, known_sections, real_if_exact, sections, sosfilt, weak

NEAR = 163_840  # samples of all sections that stay there, if they are taken together
SPAN = 16_384  # samples whose blocks are as short as they get


def sosfilt_vjp(arguments: Named) -> tuple[Any, Pull]:
    sos, x, zi, method = sections(arguments["sos"]), signal(arguments["x"]), arguments["zi"], arguments["method"]
    check_method(method, False)
    dtype = np.result_type(sos, x) if zi is None else np.result_type(sos, x, weak(zi))
    axis, kind = time_axis(arguments["axis"], x), inner(dtype)
    normal = real_if_exact(sos.astype(kind))
    (coefs,), full = matched({"sos": normal}, 2, x, axis)
    shape, own = full.shape, (sos.shape[-2], 2)
    whole = sections_of(coefs)
    each = [sections_of(coefs[..., s : s + 1, :]) for s in range(own[0])]
    rows = Rows(shape, axis, coefs.ndim == 2)
    state = np.zeros((rows.channels, *own), kind) if zi is None else state_rows(zi, own, full, axis, kind)
    (kept,), starts = rows.copies([x], dtype), []
    together = Together.of(coefs, rows) if dtype.kind == "f" and method != "sequential" else None
    parts = rows.pieces(*each) if together is None else together.pieces()
    size = max((p.stop - p.start for p in parts), default=0)
    y = rows.empty(rows.samples, dtype)
    for part in parts:
        starts.append(state.copy())
        forward(whole, kept[:, part], y[:, part], state, method)
    y = rows.back(y)
    value = y if zi is None else (y, state_given(state, own, shape, axis).astype(dtype, copy=False))

    def pull(dy: Array, dzf: Array | None = None) -> Named:
        tail = tail_of(dzf, own, shape, axis, kind)
        b, a = coefs[..., :3], coefs[..., 3:]
        reverses = [Reverse(b[..., s, :], a[..., s, :], tail[:, s], rows, size, method) for s in range(own[0])]
        dy, dx = rows.of(dy), rows.empty(rows.samples, dtype)
        signals = [rows.scratch(1 + i, size, kind) for i in range(own[0] + 2)]  # into each section; last, a gradient
        for part, start in zip(reversed(parts), reversed(starts), strict=True):
            if together is not None and together.run(kept[0, part], dy[0, part], dx[0, part], start[0], reverses):
                continue
            *through, slope = (c[:, : part.stop - part.start] for c in signals)
            through[0][...] = kept[:, part]
            for s in range(own[0]):
                forward(each[s], through[s], through[s + 1], start[:, s : s + 1].copy(), method)
            slope[...] = dy[:, part]
            for s in reversed(range(own[0])):
                reverses[s].run(through[s], through[s + 1], slope, slope)
            dx[:, part] = slope
        dsos = np.zeros((own[0], *np.shape(coefs)[:-2], 6), kind)
        for s, reverse in enumerate(reverses):
            db, da = reverse.db.reshape(*coefs.shape[:-2], 3), reverse.da.reshape(*coefs.shape[:-2], 3)
            dsos[s, ..., :3], dsos[s, ..., 3:] = denormalised(db, da, b[..., s, :], a[..., s, :], np.ones(1))
        dsos = np.moveaxis(dsos, 0, -2)
        if coefs.ndim > 2:
            dsos = dsos.reshape(*shape[:axis], *shape[axis + 1 :], *own[:1], 6)
        dzi = np.stack([r.tail for r in reverses], axis=1) if reverses else np.zeros((rows.channels, *own), kind)
        dzi = state_given(dzi, own, shape, axis)
        return {
            "sos": summed(dsos, sos.shape),
            "x": summed(rows.back(dx), x.shape),
            "zi": None if zi is None else of_state(dzi, zi, own, shape, axis),
        }

    return value, pull


class Together:
    """The pull-back of all sections of one long channel at once: see `_kernels/cascades.py`."""

    def __init__(self, sos: Array, samples: int, ahead: _cascade.Block, back: _cascade.Block) -> None:
        self.b, self.a, self.samples = np.ascontiguousarray(sos[:, :3]), np.ascontiguousarray(sos[:, 3:]), samples
        self.g, self.h, self.power = ahead.g, np.ascontiguousarray(back.g[:, ::-1]), ahead.power
        self.length = ahead.length
        self.stretch = ahead.length * _cascade.loops().LANES
        self.most = max(1, NEAR // (self.stretch * (len(sos) + 1)))

    @classmethod
    def of(cls, sos: Array, rows: Rows) -> Self | None:
        """For sections (S, 6), real and at least one; None if the signal is too short or the filter has no safe blocks."""
        if sos.ndim != 2 or sos.dtype != F8 or not len(sos) or rows.channels != 1:
            return None
        one = np.zeros((len(sos), 3))
        one[:, 0] = 1.0
        blocks = []
        for b in (np.ascontiguousarray(sos[:, :3]), one):
            cascade = Cascade(b, np.ascontiguousarray(sos[:, 3:]), "sections")
            cascade.depth = 1  # a block for each section
            blocks.append(cascade.block(min(rows.samples, SPAN)) or cascade.block(rows.samples))
        ahead, back = blocks
        if ahead is None or back is None or ahead.length != back.length:
            return None
        return cls(sos, rows.samples, ahead, back)

    def pieces(self) -> list[slice]:
        """Whole stretches, some at a time, and what is left."""
        whole, size = self.samples // self.stretch * self.stretch, self.most * self.stretch
        parts = [slice(i, min(i + size, whole)) for i in range(0, whole, size)]
        return parts if whole == self.samples else [*parts, slice(whole, self.samples)]

    def run(self, x: Array, dy: Array, dx: Array, start: Array, reverses: list[Reverse]) -> bool:
        """Fill dx; False if these are no whole stretches, or NaN and inf need the plain recurrence."""
        stretches, lanes = len(x) // self.stretch, _cascade.loops().LANES
        if not stretches or len(x) % self.stretch:
            return False
        from sigrnn._kernels.cascades import section_gradients

        tail = np.array([reverse.tail[0] for reverse in reverses])
        db, da = np.zeros(self.b.shape), np.zeros(self.b.shape)
        tiles = room(1, stretches * (len(self.b) + 1) * self.stretch).reshape(stretches, -1, self.stretch)
        rest = room(2, self.stretch), room(0, self.stretch + 2 * lanes), np.empty((2, lanes))
        entries = self.g, self.h, self.power
        run = section_gradients(dx.dtype.char)
        if not run(self.b, self.a, *entries, x, dy, dx, start.copy(), tail, db, da, tiles, *rest):
            return False
        for s, reverse in enumerate(reverses):
            reverse.db += db[s]
            reverse.da += da[s]
            reverse.resume(tail[s : s + 1])
        return True


def forward(cascade: Cascade, x: Array, y: Array, state: Array, method: str) -> None:
    if not state.shape[1]:  # no sections: nothing happens
        y[...] = x
    else:
        _cascade.run(cascade, x, y, state, method)


def sections_of(sos: Array) -> Cascade:
    """The cascade of (S, 6) or (C, S, 6), one that is known if possible: it keeps what its blocks need."""
    known = known_sections(sos.tobytes()) if sos.ndim == 2 and sos.dtype == F8 else None
    return cascade_of(sos) if known is None else known


def sosfilt_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    axis, zi, method = arguments["axis"], arguments["zi"], arguments["method"]
    value = sosfilt(arguments["sos"], arguments["x"], axis, zi, method=method)
    y = value if zi is None else value[0]
    kind, axis = inner(y.dtype), time_axis(axis, y)
    sos, x = sections(arguments["sos"]), np.array(np.broadcast_to(arguments["x"], y.shape), kind)
    own = sos.shape[-2], 2
    layout = state_layout(own, y.shape, axis)[0]
    z, dz = (_full_state(c, own, layout, y, axis, kind) for c in (zi, tangents.get("zi")))
    dx = np.array(np.broadcast_to(tangents.get("x", 0.0), y.shape), kind)
    dsos = np.reshape(tangents.get("sos", np.zeros_like(sos)), sos.shape)  # of one section: (6,)
    final = np.empty(layout, kind)
    for s in range(own[0]):
        section = {"b": sos[..., s, :3], "a": sos[..., s, 3:], "x": x, "axis": axis, "zi": z[s], "method": method}
        change = {"b": dsos[..., s, :3], "a": dsos[..., s, 3:], "x": dx, "zi": dz[s]}
        (x, _), (dx, final[s]) = lfilter_jvp(section, change)
    dx = dx.astype(y.dtype, copy=False)
    return value, dx if zi is None else (dx, final.astype(y.dtype, copy=False))


def _full_state(zi: Any, own: tuple[int, ...], layout: list[int], y: Array, axis: int, kind: np.dtype[Any]) -> Array:
    """A state in SciPy's layout, nothing left to broadcast; zeros for None."""
    if zi is None:
        return np.zeros(layout, kind)
    return state_given(state_rows(zi, own, y, axis, kind), own, y.shape, axis)
