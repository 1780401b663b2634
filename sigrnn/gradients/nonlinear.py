"""Gradients of the nonlinear filter: back-propagation through time, a filter whose gain changes at every sample.

With y = g(e), A and B divided by a[0], the gradient dy of the output runs from the end to the start through

    delta[n] = g'(e[n]) (dy[n] - sum_{m>0} A[m] delta[n+m]),    delta[N+p] = dzf[p]

the lecture's total derivative dE/de[n]; its partial derivative eps[n] = g'(e[n]) dy[n] leaves the sum out. Everything
else is as in `linear`, with delta for v. Forward in time, the same recursion over the excitation's tangent gives that of
y. g' follows from y, or else from e, which follows from x and y.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, signal, time_axis
from sigrnn._kernels.sizes import LANES, LANES_ORDER, UNROLLED_ORDER
from sigrnn._lookup import Kernels
from sigrnn.activations import known, respond, slope_of_output
from sigrnn.filters import _fixed_point
from sigrnn.filters._call import matched, state_given
from sigrnn.filters._coefficients import coefficients, inner, normalised
from sigrnn.filters._recursive import MANY, in_lanes
from sigrnn.filters.linear import lfilter
from sigrnn.filters.nonlinear import nlfilter
from sigrnn.gradients.linear import (
    EXCITATION,
    Named,
    Pull,
    denormalised,
    normal_tangents,
    of_channels,
    of_state,
    summed,
    tail_of,
)
from sigrnn.gradients.reverse import Reverse, Rows, state_after

fixed_point, nonlinear_adjoint = Kernels("filters.fixed_point"), Kernels("filters.nonlinear_adjoint")


def nlfilter_vjp(arguments: Named, total: bool = True) -> tuple[Any, Pull]:
    """The value and the pull-back; with `total` False, that of the partial derivatives."""
    # Copies: the user may change his arrays before the pull-back.
    b, a = (np.array(coefficients(arguments[name], name)) for name in ("b", "a"))
    x, zi, bias, activation = signal(arguments["x"]), arguments["zi"], arguments["bias"], known(arguments["activation"])
    value = nlfilter(b, a, x, arguments["axis"], zi, activation=activation, bias=bias)
    y = value if zi is None else value[0]
    real(y)
    axis, dtype, shape = time_axis(arguments["axis"], y), y.dtype, y.shape
    normal = normalised(b, a, dtype, fir=False)
    (bb, aa), _ = matched({"b": normal[0], "a": normal[1]}, 1, x, axis)
    rows = Rows(shape, axis, bb.ndim == 1)
    kept_x, kept_y = rows.copies([x, y], dtype)
    e = None if slope_of_output(activation) else rows.copies([excitation(*normal, arguments, x, y)], F8)[0]
    state = bb.shape[-1] - 1

    def pull(dy: Array, dzf: Array | None = None) -> Named:
        reverse = Returned(bb, aa, tail_of(dzf, (state,), shape, axis, F8), rows, total)
        dy, dx, known_by = rows.of(dy), rows.empty(rows.samples, dtype), kept_y if e is None else e
        for part in reversed(rows.pieces(0, rows.samples)):
            slope = rows.scratch(part.stop - part.start, F8)
            slope[...] = known_by[:, part]
            slope = respond(activation, slope, slope=True)
            reverse.back(kept_x[:, part], kept_y[:, part], slope, dy[:, part], dx[:, part], part)
        delta = reverse.v[:, : rows.samples].astype(dtype, copy=False)
        db, da = of_channels((reverse.db, reverse.da), bb.ndim, shape, axis)
        db, da = denormalised(db, da, *normal, a[..., :1])
        dzi = state_given(reverse.tail, (state,), shape, axis)
        channels = shape[:axis] + shape[axis + 1 :]
        return {
            "b": summed(db[..., : b.shape[-1]], b.shape),
            "a": summed(da[..., : a.shape[-1]], a.shape),
            "x": summed(rows.back(dx), x.shape),
            "zi": None if zi is None else of_state(dzi, zi, (state,), shape, axis),
            "bias": summed(reverse.total.reshape(channels), np.shape(bias)),
            EXCITATION: rows.back(delta),
        }

    return value, pull


def nlfilter_partial(arguments: Named) -> tuple[Any, Pull]:
    return nlfilter_vjp(arguments, total=False)


class Returned(Reverse):
    """The transposed nonlinear filter, from piece to piece, and the sums for its coefficients and bias."""

    def __init__(self, b: Array, a: Array, tail: Array, rows: Rows, feedback: bool) -> None:
        a = np.atleast_2d(a)
        super().__init__(b, np.zeros_like(a), tail, rows, "auto")
        self.feedback = a if feedback and a[:, 1:].any() else None
        self.total = np.zeros(len(tail))
        self.v = rows.empty(rows.samples + tail.shape[1], F8)  # delta, and what follows it
        self.v[:, rows.samples :] = tail

    def back(self, x: Array, y: Array, slope: Array, dy: Array, dx: Array, part: slice) -> None:
        """Fill dx, and delta, for a piece that ends where the last one began."""
        samples, order = dy.shape[1], self.tail.shape[1]
        v = self.v[:, part.start : part.stop + order]
        if self.feedback is None:
            np.multiply(slope, dy, out=v[:, :samples])
        else:
            feed_back(self.feedback, slope[:, ::-1], dy.astype(F8, copy=False)[:, ::-1], v[:, ::-1])
        self.tail = v[:, :order].copy()  # the user gets it, and delta too
        self.total += v[:, :samples].sum(axis=1)
        self.sums(v, x, y, dx)


def feed_back(a: Array, slope: Array, u: Array, v: Array) -> None:
    """v[:, P+n] = slope[:, n] (u[:, n] - sum_m a[m] v[:, P+n-m]) with the first P of v given; a (1 or C, P + 1)."""
    order = a.shape[1] - 1
    long = len(u) < MANY and u.shape[1] >= _fixed_point.LONG and order <= UNROLLED_ORDER
    if long or len(u) == 1 or order > LANES_ORDER:
        run = feed_back_long if long else nonlinear_adjoint.one()
        for c in range(len(u)):
            run(a[c : c + 1] if len(a) > 1 else a, slope[c], u[c], v[c])
        return
    groups = -(-len(u) // LANES)
    shared = np.repeat(a, LANES, axis=0) if len(a) == 1 else a
    beside = in_lanes(shared[:, None], groups if len(a) > 1 else 1, LANES)
    nonlinear_adjoint.many()(nonlinear_adjoint.functions(), beside, slope, u, v)


def feed_back_long(a: Array, slope: Array, u: Array, v: Array) -> None:
    """The same for one channel, cut into blocks of time; a (1, P + 1)."""
    order = a.shape[1] - 1
    kernel, plain = fixed_point.backward(order), nonlinear_adjoint.one()

    def guess(part: slice, length: int, scratch: Array) -> int:
        state = state_after(a, v[None, part.start : part.start + order][:, ::-1])[0]
        return int(kernel(a[0], a[0], (u[part], slope[part]), v[order:][part], state, length, scratch))

    def one_by_one(part: slice) -> None:
        plain(a, slope[part], u[part], v[part.start : part.stop + order])

    _fixed_point.run(len(u), guess, one_by_one)


def excitation(b: Array, a: Array, arguments: Named, x: Array, y: Array) -> Array:
    """e of all samples: two filters without feedback."""
    axis, zi = time_axis(arguments["axis"], y), arguments["zi"]
    e = lfilter(b, [1.0], repeated(x, y), axis, 0.0 if zi is None else zi)[0]
    e += lfilter(without_first(-a), [1.0], y.astype(F8), axis)
    return e + beside(arguments["bias"], y, axis)


def repeated(x: Array, y: Array) -> Array:
    """x in float64, its channels repeated to those of y."""
    return np.broadcast_to(x, y.shape).astype(F8)


def beside(bias: Any, y: Array, axis: int) -> Array:
    """What broadcasts against the channels of y, so that it broadcasts against y."""
    bias = np.asarray(bias, F8)
    return np.expand_dims(bias.reshape((1,) * (y.ndim - 1 - bias.ndim) + bias.shape), axis)


def without_first(a: Array) -> Array:
    """Coefficients whose first is zero."""
    a = a.copy()
    a[..., 0] = 0.0
    return a


def nlfilter_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    b, a, x = coefficients(arguments["b"], "b"), coefficients(arguments["a"], "a"), signal(arguments["x"])
    axis, zi, bias, activation = arguments["axis"], arguments["zi"], arguments["bias"], known(arguments["activation"])
    value = nlfilter(b, a, x, axis, zi, activation=activation, bias=bias)
    y = value if zi is None else value[0]
    real(y)
    axis = time_axis(axis, y)
    bb, aa = normalised(b, a, y.dtype, fir=False)
    db, da = normal_tangents(bb, aa, a[..., :1], tangents)
    e = y if slope_of_output(activation) else excitation(bb, aa, arguments, x, y)
    slope = respond(activation, np.array(e, F8), slope=True)
    full = repeated(x, y)

    def moving(c: Array, x: Array, zi: Any = 0.0) -> Any:
        return lfilter(c, [1.0], x, axis, zi)

    u, dzf = moving(np.zeros_like(bb), full, tangents.get("zi", 0.0))
    terms = [] if "x" not in tangents else [moving(bb, repeated(tangents["x"], y))]
    terms += [] if db is None else [moving(db, full)]
    terms += [] if da is None else [moving(without_first(-da), y.astype(F8))]
    for more, state in terms:
        u, dzf = u + more, dzf + state
    u = u + beside(tangents.get("bias", 0.0), y, axis)
    dy = forward(aa, slope, u, axis)
    if zi is None:
        return value, dy.astype(y.dtype, copy=False)
    dzf = dzf + moving(without_first(-aa), dy)[1]
    return value, (dy.astype(y.dtype, copy=False), dzf.astype(value[1].dtype, copy=False))


def forward(a: Array, slope: Array, u: Array, axis: int) -> Array:
    """dy[n] = slope[n] (u[n] - sum_m a[m] dy[n-m])."""
    (a,), _ = matched({"a": a}, 1, u, axis)
    rows, order = Rows(u.shape, axis, False), a.shape[-1] - 1
    if not order:
        return slope * u
    dy = np.zeros((rows.channels, order + rows.samples))
    feed_back(np.atleast_2d(a), rows.of(slope), rows.of(u), dy)
    return rows.back(np.ascontiguousarray(dy[:, order:]))


def real(y: Array) -> None:
    if y.dtype != inner(y.dtype) and y.dtype.char != "f":
        raise NotImplementedError(f"gradients of nlfilter are for float32 and float64, not {y.dtype}")
    if y.dtype.kind == "c":
        raise NotImplementedError("gradients of nlfilter are for real signals: lfilter has those of complex ones")
