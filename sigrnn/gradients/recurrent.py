"""Gradients of recurrent layers: back-propagation through time.

For each step, from the last to the first, the cell gives the gradients d of its sums a = W [x, 1, h]; those of the units
before are W^T d, that of all weights is the sum of d [x, 1, h]^T: a product of matrices for many steps at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.activations import known, respond, slope_of_output
from sigrnn.gradients.linear import Named, Pull, summed
from sigrnn.layers._run import EXCITATION, Run, Runs
from sigrnn.layers.recurrent import Call, common, dense, prepared, weighed


def kind_of(arguments: Named) -> Any:
    """Which cell a call is of, from the arguments that only one of the functions has."""
    if "reset_after" in arguments:
        return "gru" if arguments["reset_after"] else "gru_before"
    if "activation" in arguments:
        return known(arguments["activation"])
    return "lstm" if arguments["peephole"] is None else "peephole"


def layer_vjp(arguments: Named, total: bool = True) -> tuple[Any, Pull]:
    """The rule of `rnn`, `gru` and `lstm`; with `total` False, partial derivatives: no way back through the units."""
    call = prepared(kind_of(arguments), arguments)
    runs = call.run(taped=True)
    value = call.value(runs)
    if call.lengths is not None:
        runs.forget(call.lengths)
    shapes = {name: np.shape(value) for name, value in arguments.items()}

    def pull(dy: Array, dstate: Any) -> Named:
        dh, dc = dstate if isinstance(dstate, tuple) else (dstate, np.zeros_like(dstate))
        return pulled(call, runs, shapes, dy, dh, dc, total)

    return value, pull


def layer_by_blocks(arguments: Named, size: int) -> tuple[Any, Pull]:
    """The same, `size` steps at a time: only the states between blocks are kept, and each block is run again."""
    call = prepared(kind_of(arguments), arguments)
    steps, batch = call.x.shape[:2]
    shapes = {name: np.shape(value) for name, value in arguments.items()}
    ends = np.full(batch, steps) if call.lengths is None else call.lengths
    parts = [slice(i, min(i + size, steps)) for i in range(0, steps, size)] or [slice(0, 0)]
    h = np.empty((batch, steps, call.layer.hidden), call.layer.dtype)
    state, final = (call.h0, call.c0), (call.h0.copy(), call.c0.copy())
    states = []
    for part in parts:
        states.append(state)
        runs = Runs(call.layer, call.x[part], *state, taped=False)
        h[:, part], state = runs.h, runs.states(None)
        here = (ends > part.start) & (ends <= part.stop)
        if here.any():  # those that end within the block are run again up to there
            last = state if (ends[here] == part.stop).all() else inner_states(call, part, states[-1], ends)
            for whole, new in zip(final, last, strict=True):
                whole[here] = new[here]

    def pull(dy: Array, dstate: Any) -> Named:
        dh, dc = dstate if isinstance(dstate, tuple) else (dstate, np.zeros_like(dstate))
        dy, dh, dc = (g[None] if call.alone else g for g in (dy, dh, dc))
        along = np.ascontiguousarray(dy.transpose(1, 0, 2), call.layer.dtype)
        along[np.arange(steps)[:, None] >= ends] = 0.0
        total: Named = {}
        later = np.zeros_like(dh), np.zeros_like(dc)  # of the state between this block and the next
        for part, before in zip(reversed(parts), reversed(states), strict=True):
            over, here = ends > part.stop, (ends > part.start) & (ends <= part.stop)
            if not part.start:
                here |= ends == 0
            given_h, given_c = (
                np.where(over[:, None], g, np.where(here[:, None], own, 0.0)).astype(call.layer.dtype)
                for g, own in zip(later, (dh, dc), strict=True)
            )
            runs = Runs(call.layer, call.x[part], *before, taped=True)
            until = np.clip(ends - part.start, 0, part.stop - part.start)
            runs.forget(until)
            found = runs.back(along[part], given_h, given_c, until, total=True)
            later = found.pop("h0"), found.pop("c0")
            for name, g in found.items():
                if name in ("x", EXCITATION):
                    total.setdefault(name, np.empty((steps, *g.shape[1:]), g.dtype))[part] = g
                else:
                    total[name] = total[name] + g if name in total else g
        return presented(call, shapes, {**total, "h0": later[0], "c0": later[1]})

    return call.shown(h, *final), pull


def inner_states(call: Call, part: slice, before: tuple[Array, Array], ends: Array) -> tuple[Array, Array]:
    """States after `ends` steps of the signal, within a block."""
    runs = Runs(call.layer, call.x[part], *before, taped=True)
    return runs.states(np.clip(ends - part.start, 0, part.stop - part.start))


def layer_partial(arguments: Named) -> tuple[Any, Pull]:
    return layer_vjp(arguments, total=False)


def pulled(call: Call, runs: Any, shapes: Named, dy: Array, dh: Array, dc: Array, total: bool) -> Named:
    batch, dtype = call.x.shape[1], call.layer.dtype
    dy, dh, dc = (g[None] if call.alone else g for g in (dy, dh, dc))
    ends = np.full(batch, len(call.x)) if call.lengths is None else call.lengths
    steps = np.ascontiguousarray(dy.transpose(1, 0, 2), dtype)
    if call.lengths is not None:  # what comes after is zero whatever the units are
        steps[np.arange(len(steps))[:, None] >= ends] = 0.0
    return presented(call, shapes, runs.back(steps, dh, dc, ends, total))


def presented(call: Call, shapes: Named, found: Named) -> Named:
    """Gradients in the user's layout."""
    found["x"] = found["x"].transpose(1, 0, 2)
    if EXCITATION in found:
        found[EXCITATION] = found[EXCITATION].transpose(1, 0, 2)
    alone = ("x", "h0", "c0", EXCITATION) if call.alone else ()
    return {name: g[0] if name in alone else g.reshape(shapes.get(name) or g.shape) for name, g in found.items()}


def dense_vjp(arguments: Named) -> tuple[Any, Pull]:
    x, v, bias, activation = (arguments[name] for name in ("x", "v", "bias", "activation"))
    activation, dtype = known(activation), common({"x": x, "v": v, "bias": bias})
    kept_x, kept_v = np.array(x, dtype), np.array(v, dtype)
    e = weighed(x, v, bias)
    z = dense(x, v, bias, activation=activation)
    by = (z if slope_of_output(activation) else e).astype(F8)
    slope = respond(activation, by, slope=True)
    outputs = v.shape[0]

    def pull(dz: Array) -> Named:
        d = slope * dz
        inputs = kept_x.shape[-1]
        flat = d.reshape(-1, outputs) if outputs else np.zeros((kept_x.size // max(inputs, 1), 0))
        return {
            "x": d @ kept_v,
            "v": flat.T @ kept_x.reshape(-1, inputs).astype(F8) if inputs else np.zeros(kept_v.shape),
            "bias": None if bias is None else summed(flat, np.shape(bias)),
            EXCITATION: d.astype(dtype, copy=False),
        }

    return z, pull


def dense_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    x, v, bias, activation = (arguments[name] for name in ("x", "v", "bias", "activation"))
    activation = known(activation)
    e, z = weighed(x, v, bias).astype(F8), dense(x, v, bias, activation=activation)
    slope = respond(activation, z.astype(F8) if slope_of_output(activation) else e, slope=True)
    de = np.zeros(e.shape)
    if "x" in tangents:
        de = de + tangents["x"] @ np.asarray(v).T
    if "v" in tangents:
        de = de + np.asarray(x) @ tangents["v"].T
    return z, (slope * (de + tangents.get("bias", 0.0))).astype(z.dtype, copy=False)


def layer_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    """Forward mode, step after step in NumPy: tangents have no kernel of their own."""
    call = prepared(kind_of(arguments), arguments)
    layer, steps, batch = call.layer, len(call.x), call.x.shape[1]
    outputs, run = call.run_whole()
    hidden = layer.hidden
    still = {
        name: np.zeros(np.shape(value)) for name, value in arguments.items() if name in ARRAYS and value is not None
    }
    change = prepared(layer.kind, {**arguments, **still, **tangents})
    s, c, tape = run.s[:, :batch].astype(F8), run.c[:, :batch].astype(F8), run.tape[:, :batch].astype(F8)
    ds, dc = np.zeros(s.shape), np.zeros(c.shape)
    ds[:-1, :, : layer.inputs] = change.x
    ds[0, :, layer.first : layer.first + hidden], dc[0, :, :hidden] = change.h0, change.c0
    if not layer.memory:  # then there is nothing in c, and not for each step
        c, dc = np.broadcast_to(c[:1], (steps + 1, *c.shape[1:])), np.zeros((steps + 1, *c.shape[1:]))
    peepholes = layer.peepholes.astype(F8), change.layer.peepholes.astype(F8)
    move = MOVES.get(layer.kind) if isinstance(layer.kind, str) else None
    for t in range(steps):
        da = np.einsum("bs,qus->qbu", s[t], change.layer.whole) + np.einsum("bs,qus->qbu", ds[t], layer.whole)
        a, h, dh = tape[t].transpose(1, 0, 2), s[t, :, layer.first :], ds[t, :, layer.first :]
        if layer.kind == "gru_before":
            r, dr = a[0], a[0] * (1 - a[0]) * da[0]
            da[2] += (r * h) @ change.layer.gated.T + (dr * h + r * dh) @ layer.gated.T
        if move is None:
            ds[t + 1, :, layer.first :] = da[0] * respond(layer.kind, np.array(a[0]), slope=True)
        else:
            ds[t + 1, :, layer.first :], dc[t + 1] = move(a, da, h, dh, c[t], c[t + 1], dc[t], *peepholes)
        ds[t + 1, :, layer.first + hidden :] = dc[t + 1, :, hidden:] = 0.0  # units that are not there
    moved = Run(ds.astype(layer.dtype), dc.astype(layer.dtype), run.tape)
    ends = call.lengths
    dh = np.ascontiguousarray(moved.s[1:, :, layer.first : layer.first + hidden].transpose(1, 0, 2))
    return call.shown(outputs, *layer.state(run, batch, ends)), call.shown(dh, *layer.state(moved, batch, ends))


ARRAYS = "x", "w_ih", "w_hh", "b_ih", "b_hh", "peephole", "h0", "c0"


def lstm_tangent(
    a: Array, da: Array, h: Array, dh: Array, c0: Array, c: Array, dc0: Array, p: Array, dp: Array
) -> tuple[Array, Array]:
    i, f, g, o = a
    t = np.tanh(c)
    di = i * (1 - i) * (da[0] + p[0] * dc0 + dp[0] * c0)
    df = f * (1 - f) * (da[1] + p[1] * dc0 + dp[1] * c0)
    dc = df * c0 + f * dc0 + di * g + i * (1 - g * g) * da[2]
    do = o * (1 - o) * (da[3] + p[2] * dc + dp[2] * c)
    return do * t + o * (1 - t * t) * dc, dc


def gru_tangent(
    a: Array, da: Array, h: Array, dh: Array, c0: Array, c: Array, dc0: Array, p: Array, dp: Array
) -> tuple[Array, Array]:
    r, z, n, s = a
    dn = (1 - n * n) * (da[2] + r * (1 - r) * da[0] * s + r * da[3])
    return (1 - z) * dn + z * (1 - z) * da[1] * (h - n) + z * dh, dc0


def gru_before_tangent(
    a: Array, da: Array, h: Array, dh: Array, c0: Array, c: Array, dc0: Array, p: Array, dp: Array
) -> tuple[Array, Array]:
    _, z, n = a
    return (1 - z) * (1 - n * n) * da[2] + z * (1 - z) * da[1] * (h - n) + z * dh, dc0


MOVES = {"lstm": lstm_tangent, "peephole": lstm_tangent, "gru": gru_tangent, "gru_before": gru_before_tangent}
