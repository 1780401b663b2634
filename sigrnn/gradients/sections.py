"""Gradients of second-order sections: each is a filter of order 2, and its input is recomputed piece by piece."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import Array, signal, time_axis
from sigrnn.filters._call import matched, state_given, state_layout, state_rows
from sigrnn.filters._coefficients import check_method, inner, known_sections, real_if_exact, sections, weak
from sigrnn.filters.linear import sosfilt
from sigrnn.gradients.linear import (
    Named,
    Pull,
    denormalised,
    lfilter_jvp,
    of_state,
    summed,
    tail_of,
)
from sigrnn.gradients.reverse import Rows
from sigrnn.gradients.tape import SectionsTape


def sosfilt_vjp(arguments: Named) -> tuple[Any, Pull]:
    sos, x, zi, method = sections(arguments["sos"]), signal(arguments["x"]), arguments["zi"], arguments["method"]
    check_method(method, False)
    dtype = np.result_type(sos, x) if zi is None else np.result_type(sos, x, weak(zi))
    axis, kind = time_axis(arguments["axis"], x), inner(dtype)
    normal = real_if_exact(sos.astype(kind))
    (coefs,), full = matched({"sos": normal}, 2, x, axis)
    shape, own = full.shape, (sos.shape[-2], 2)
    rows = Rows(shape, axis, coefs.ndim == 2)
    state = np.zeros((rows.channels, *own), kind) if zi is None else state_rows(zi, own, full, axis, kind)
    b, a = coefs[..., :3], coefs[..., 3:]
    chain = SectionsTape(known_sections(coefs), b, a, dtype, rows, method)
    y = rows.empty(rows.samples, dtype)
    chain.forward(rows.of(full.astype(dtype, copy=False)), y, state)
    y = rows.back(y)
    value = y if zi is None else (y, state_given(state, own, shape, axis).astype(dtype, copy=False))

    def pull(dy: Array, dzf: Array | None = None) -> Named:
        dx = rows.empty(rows.samples, dtype)
        reverses = chain.pull(rows.of(dy), dx, tail_of(dzf, own, shape, axis, kind))
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
