"""Gradients of recurrent layers: back-propagation through time.

For each step, from the last to the first, the cell gives the gradients d of its sums a = W [x, 1, h]; those of the units
before are W^T d, that of all weights is the sum of d [x, 1, h]^T: a product of matrices for many steps at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.activations import known, respond, slope_of_output
from sigrnn.gradients.linear import EXCITATION, Direct, Expected, Named, Pull, summed
from sigrnn.layers._cells import Cell, cell_of
from sigrnn.layers._layout import Given, Sums
from sigrnn.layers._prepare import Call, common, prepare
from sigrnn.layers._product import add_product, product
from sigrnn.layers._run import Gradients, Layer, run_of
from sigrnn.layers.recurrent import dense, weighed

ndarray, errstate = np.ndarray, np.errstate
F4 = np.dtype(np.float32)


def call_of(function: str, arguments: Named) -> Call:
    """A call of a layer from its arguments by name."""
    cell = cell_of(function, arguments)
    activation = known(arguments["activation"]) if cell.activation else None
    return prepare(cell, Given(*map(arguments.get, Given._fields)), arguments["lengths"], activation)


def layer_vjp(function: str, arguments: Named) -> tuple[Any, Pull]:
    """The rule of a recurrent layer."""
    return rule(call_of(function, arguments), total=True)


def layer_direct(cell: Cell, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...], Direct] | None:
    """Arrays of float32 or float64 alone, all of one dtype, by the default row of the function; None for others."""
    if not 1 + cell.recurrent < len(args) <= cell.places or type(args[0]) is not ndarray:
        return None
    dtype = args[0].dtype
    if dtype is not F8 and dtype is not F4:
        return None
    for each in args:
        if type(each) is not ndarray or each.dtype is not dtype:
            return None
    names = cell.arrays[: len(args)]
    given = Given(*args) if cell.recurrent else Given(**dict(zip(names, args, strict=True)))
    value, pull = rule(prepare(cell, given, None, "tanh" if cell.activation else None), total=True)

    def direct(slopes: Any) -> tuple[tuple[Array, ...], Any] | None:
        if type(slopes) is not tuple or len(slopes) != 2:
            return None
        dy, dstate = slopes
        each = (dy, *dstate) if cell.memory and type(dstate) is tuple else slopes
        if len(each) != len(shapes):
            return None
        for slope, shape in zip(each, shapes, strict=True):
            if type(slope) is not ndarray or slope.shape != shape or slope.dtype != dtype or not slope.flags.aligned:
                return None
        with errstate(all="ignore"):  # as in `Pullback`
            found = pull(*slopes)
        return tuple([found[name] for name in names]), found.get(EXCITATION)

    h, state = value
    last = state[0].shape if cell.memory else state.shape
    shapes = (h.shape, last, last) if cell.memory else (h.shape, last)
    of_last = Expected(last, dtype)
    return value, (Expected(h.shape, dtype), (of_last, of_last) if cell.memory else of_last), direct


def layer_partial(function: str, arguments: Named) -> tuple[Any, Pull]:
    """Partial derivatives: nothing goes back through the units."""
    arguments = {**arguments, "w_hh": np.array(arguments["w_hh"])}  # read in the pull-back
    return rule(call_of(function, arguments), total=False)


def rule(call: Call, total: bool) -> tuple[Any, Pull]:
    h, run = call.run(taped=True)
    value = call.restore_layout(h, *run.states(call.lengths))
    if call.lengths is not None:
        run.forget(call.lengths)

    def pull(dy: Array, dstate: Any) -> Named:
        dy, states = cotangents(call, dy, dstate)
        return restored(call, run.back(dy, states, call.lengths, total))

    return value, pull


def cotangents(call: Call, dy: Array, dstate: Any) -> tuple[Array, tuple[Array, Array | None]]:
    """Gradients of outputs (T, B, H), zero after the lengths, and of the final states (B, H)."""
    dh, dc = dstate if call.layout.memory else (dstate, None)
    if call.alone:
        dy, dh, dc = dy[None], dh[None], None if dc is None else dc[None]
    steps = dy.transpose(1, 0, 2)
    if call.lengths is not None:  # what comes after counts for nothing whatever it is
        steps = np.where((np.arange(len(steps))[:, None] < call.lengths)[..., None], steps, steps.dtype.type(0))
    return steps, (dh, dc)


def restored(call: Call, gradients: Gradients) -> Named:
    """Gradients by name, in the user's layout."""
    sums, dx, dh, dc, delta = gradients
    found = call.layout.weights_of(sums, call.given)
    found["x"], found["h0"], found["c0"] = (dx[:, 0], dh[0], dc[0]) if call.alone else (dx.transpose(1, 0, 2), dh, dc)
    if delta is not None:
        found[EXCITATION] = delta[:, 0] if call.alone else delta.transpose(1, 0, 2)
    return found


def layer_by_blocks(function: str, arguments: Named, size: int) -> tuple[Any, Pull]:
    """The same, `size` steps at a time: only the states between blocks are kept, and each block is run again."""
    call = call_of(function, arguments)
    layout, given = call.layout, call.given
    layer = Layer(layout, given, gradients=True)
    steps, batch = call.x.shape[:2]
    ends = np.full(batch, steps) if call.lengths is None else call.lengths
    parts = [slice(i, min(i + size, steps)) for i in range(0, steps, size)] or [slice(0, 0)]
    h = np.empty((batch, steps, layout.hidden), layout.dtype)
    state, final = call.states(), call.states()
    states = []
    for part in parts:
        states.append(state)
        state = run_of(layout, given, call.x[part], state, h[:, part], False, layer).states(None)
        here = (ends > part.start) & (ends <= part.stop)
        if here.any():  # those that end within the block are run again up to there
            last = state if (ends[here] == part.stop).all() else inner_states(call, layer, part, states[-1], ends)
            for whole, new in zip(final, last, strict=True):
                whole[here] = new[here]

    def pull(dy: Array, dstate: Any) -> Named:
        along, (dh, dc) = cotangents(call, dy, dstate)
        dc = np.zeros_like(dh) if dc is None else dc
        later = np.zeros_like(dh), np.zeros_like(dc)  # of the state between this block and the next
        sums: Sums | None = None
        dx, delta = np.empty(call.x.shape, layout.dtype), np.empty((steps, batch, layout.hidden), layout.dtype)
        for part, before in zip(reversed(parts), reversed(states), strict=True):
            over, here = ends > part.stop, (ends > part.start) & (ends <= part.stop)
            if not part.start:
                here |= ends == 0
            own_h, own_c = (
                np.where(over[:, None], g, np.where(here[:, None], own, 0.0)).astype(layout.dtype)
                for g, own in zip(later, (dh, dc), strict=True)
            )
            run = run_of(layout, given, call.x[part], before, np.empty_like(h[:, part]), True, layer)
            until = np.clip(ends - part.start, 0, part.stop - part.start)
            run.forget(until)
            found = run.back(along[part], (own_h, own_c), until)
            sums = found.sums if sums is None else sums + found.sums
            later = found.h0, found.c0 if layout.memory else later[1]
            dx[part] = found.x
            if found.excitation is not None:
                delta[part] = found.excitation
        assert sums is not None
        own_delta = delta if layout.sums == 1 else None
        return restored(call, Gradients(sums, dx, *later, own_delta))

    return call.restore_layout(h, *final), pull


def inner_states(
    call: Call, layer: Layer, part: slice, before: tuple[Array, Array], ends: Array
) -> tuple[Array, Array]:
    """States after `ends` steps of the signal, within a block."""
    layout, x = call.layout, call.x[part]
    h = np.empty((x.shape[1], len(x), layout.hidden), layout.dtype)
    return run_of(layout, call.given, x, before, h, True, layer).states(
        np.clip(ends - part.start, 0, part.stop - part.start)
    )


def dense_vjp(arguments: Named) -> tuple[Any, Pull]:
    return dense_pass(np.array(arguments["x"]), np.array(arguments["v"]), arguments["bias"], arguments["activation"])


def dense_pass(x: Array, v: Array, bias: Array | None, activation: Any) -> tuple[Any, Pull]:
    """The same without copies: x and v must not change before the pull-back is called."""
    activation, dtype = known(activation), common({"x": x, "v": v, "bias": bias})
    x, v = x.astype(dtype, copy=False), v.astype(dtype, copy=False)
    z, slope = weighed(x, v, bias, dtype), None
    if activation != "linear":
        e = z.astype(F8)
        z = respond(activation, e.copy()).astype(dtype, copy=False)
        slope = respond(activation, z.astype(F8) if slope_of_output(activation) else e, slope=True)
    outputs, inputs = v.shape

    def pull(dz: Array) -> Named:
        d = (dz if slope is None else slope * dz).astype(dtype, copy=False)
        flat = d.reshape(-1, outputs) if outputs else np.zeros((x.size // max(inputs, 1), 0), dtype)
        dv = np.zeros(v.shape)
        if inputs:
            add_product(dv, flat, x.reshape(-1, inputs))
        return {
            "x": product(d, v),
            "v": dv,
            "bias": None if bias is None else summed(np.asarray(flat.sum(axis=0, dtype=F8)), np.shape(bias)),
            EXCITATION: d,
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
