"""The recurrences: one step of each filter, linear or not, its transpose, and `sweep`, which runs a cascade over a tile.

A number is a scalar or a vector of lanes (`vec.py`); a step is written once for both. Shapes, with S sections of order P:
    b, a  (S, P + 1) shared by all lanes, or (S, P + 1, LANES)     a[:, 0] is 1 and not read
    z     (S, P), or (S, P, LANES)
    tile  one number a sample, `stride` elements apart, filtered in place
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from sigrnn._kernels.base.activations import pair
from sigrnn._kernels.base.calls import fetch_line, place
from sigrnn._kernels.base.jit import device, once
from sigrnn._kernels.base.vec import Vec, filled, load, pointer, read, spread, stack, store
from sigrnn._kernels.base.vec import width as width_of
from sigrnn._kernels.sizes import LANES, LANES_ORDER, SECTION_ORDER

LINE = 8  # samples of a cache line


def number(c: Any, s: int, p: int, like: Any) -> Any:
    """Entry p of section s as a number like `like`: shared by the lanes (S, P), or one for each lane (S, P, LANES)."""


@overload(number, inline="always")
def _number(c, s, p, like):
    if c.ndim == 2:
        return lambda c, s, p, like: spread(c[s, p], like)
    return lambda c, s, p, like: load(pointer(c[s, p]), 0, like)


@device
def direct_form(order, b, a, z, c, s, x):
    """Transposed direct form II: y = z[0] + b[0] x,  z[p] <- z[p+1] + b[p+1] x - a[p+1] y  with z[P] = 0.

    Terms are added in the order of SciPy's `lfilter`, so numbers that are not fused give the same bits. Coefficients
    begin at c, the state at s.
    """
    y = z[s] + b[c] * x
    for p in range(order - 1):
        z[s + p] = z[s + p + 1] + x * b[c + p + 1] - y * a[c + p + 1]
    z[s + order - 1] = x * b[c + order] - y * a[c + order]
    return y


@device
def biquad(order, b, a, z, c, s, x):
    """The same step for order 2, with terms added in the order of SciPy's `sosfilt`."""
    y = b[c] * x + z[s]
    z[s] = b[c + 1] * x - a[c + 1] * y + z[s + 1]
    z[s + 1] = b[c + 2] * x - a[c + 2] * y
    return y


@device
def feedforward(order, b, a, z, c, s, x):
    """Transposed form without feedback: y = z[0] + b[0] x,  z[p] <- z[p+1] + b[p+1] x; `a` is not read."""
    y = z[s] + b[c] * x
    for p in range(order - 1):
        z[s + p] = z[s + p + 1] + x * b[c + p + 1]
    z[s + order - 1] = x * b[c + order]
    return y


@device
def feedback(order, b, a, z, c, s, x):
    """Transposed form of 1/A: y = z[0] + x,  z[p] <- z[p+1] - a[p+1] y; `b` is not read."""
    y = z[s] + x
    for p in range(order - 1):
        z[s + p] = z[s + p + 1] - y * a[c + p + 1]
    z[s + order - 1] = (0.0 - a[c + order]) * y
    return y


def excited(g: Any) -> Any:
    """The direct form with an activation: e = z[0] + b[0] x + bias, y = g(e); `a[0]` holds the bias."""

    @device
    def step(order, b, a, z, c, s, x):
        y = g(z[s] + (b[c] * x + a[c]))
        for p in range(order - 1):
            z[s + p] = (z[s + p + 1] + x * b[c + p + 1]) - y * a[c + p + 1]
        z[s + order - 1] = x * b[c + order] - y * a[c + order]
        return y

    return step


@device
def returned(order, a, c, v, i, stride, s, dy, last):
    """The transpose of the step, over reversed time: delta[n] = g'(e[n]) (dy[n] - sum_m a[m] delta[n+m]).

    v holds delta[n+m] at i - m stride. delta[n+1] is `last`, in a register: a single product and sum depends on it.
    Run forward in time, with the tangent of the excitation for dy, it gives the tangent of y.
    """
    delta = s * dy
    for m in range(order, 1, -1):
        delta = delta - (s * number(a, c, m, dy)) * load(v, i - m * stride, dy)
    return delta - (s * number(a, c, 1, dy)) * last


@device
def gained(order, a, z, c, s, dy, gain):
    """The same with the sum as a state: delta = g' (dy + z[0]),  z[p] <- z[p+1] - a[p+1] delta."""
    delta = gain * (dy + z[s])
    for p in range(order - 1):
        z[s + p] = z[s + p + 1] - delta * a[c + p + 1]
    z[s + order - 1] = (0.0 - a[c + order]) * delta
    return delta


class Recurrence(NamedTuple):
    """A step, and whether products and sums may be fused, which changes bits relative to SciPy."""

    step: Any
    fused: bool = False


STEPS = {
    "direct": Recurrence(direct_form),
    "sections": Recurrence(biquad),
    "taps": Recurrence(feedforward),
    "poles": Recurrence(feedback),
}


@once
def recurrence(kind: Any) -> Recurrence:
    """A linear step by its name, or the step with an activation."""
    return STEPS[kind] if kind in STEPS else Recurrence(excited(pair(kind).g), fused=True)


@device
def copy(source, target):
    """Copy (P, Q) numbers; a slice assignment takes Numba a second to compile."""
    for p in range(source.shape[0]):
        for q in range(source.shape[1]):
            target[p, q] = source[p, q]


@device
def halves(x, first, length):
    """Both halves of `length` rows of lanes of a signal, from sample `first`, each for one `ask`.

    Each pass over a tile prefetches one half of a signal of the next tile, a cache line a row, as memory takes about as
    long as all passes together. A single pass that prefetches everything has to wait (lfilter order 2, a million
    samples from memory: 2.46 instead of 1.80 ms).
    """
    step = LINE * x.strides[0]
    at = place(pointer(x)) + first * x.strides[0]
    return (at, step), (at + length * step, step)


@intrinsic
def ask(typing: Any, coming: Any, n: Any) -> Any:
    """Prefetch row n of what is `coming` (addresses and steps in bytes): nothing for (), a line a row of one or two
    signals, two lines of three signals, or all lines of two tiles of a given size."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = [
            context.cast(builder, value, kind, types.intp)
            for value, kind in zip(cgutils.unpack_tuple(builder, args[0]), coming.types, strict=True)
        ]
        signals, size = list(zip(given[0::2], given[1::2], strict=False)), given[4] if len(given) == 5 else None
        rows = [builder.add(at, builder.mul(args[1], step)) for at, step in signals]
        for row, (_, step) in zip(rows, signals, strict=True):
            fetch_line(builder, row, near=size is not None)
            if size is not None:
                for i in range(1, LANES // LINE):
                    fetch_line(builder, builder.add(row, builder.mul(size, size.type(i))), near=True)
            elif len(signals) == 3:
                fetch_line(builder, builder.add(row, builder.ashr(step, step.type(1))), near=False)
        return context.get_dummy_value()

    return types.void(coming, types.intp), emit


@intrinsic(prefer_literal=True)
def coefficient(typing: Any, c: Any, i: Any, like: Any, each: Any) -> Any:
    """Coefficient i as a number like `like`; with `each` (a literal) there is one for each lane."""
    of_each_lane = bool(each.literal_value)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at, i = args[0], context.cast(builder, args[1], signature.args[1], types.intp)
        if not isinstance(like, Vec):
            return builder.load(builder.gep(at, [i]))
        if of_each_lane:
            return read(builder, builder.gep(at, [builder.mul(i, i.type(LANES))]), c.dtype, like.width, like.element)
        return filled(context, builder, builder.load(builder.gep(at, [i])), c.dtype, like)

    return (like if isinstance(like, Vec) else c.dtype)(c, types.intp, like, each), emit


def sweep(step: Any, order: int, depth: int, each: int = 0) -> Any:
    """Make the loop that runs `depth` sections of this order (0: any, up to LANES_ORDER) over a tile.

    Sections of one sample overlap with those of the next, which hides latency. If order and depth are literals,
    coefficients and states stay in registers. The loop prefetches what is `coming` next (16k x 64 samples along axis 0,
    4 sections: 1.12 instead of 1.32 ms).
    """
    known, capacity = order, depth * (order + 1) if order else LANES_ORDER + 1

    @device
    def run(b, a, z, order, tile, stride, count, like, coming):
        # b, a (depth, P + 1) numbers, or LANES each   z (depth, P)   tile: `count` numbers, `stride` elements apart
        order = known if known else order
        bb, aa, zz = stack(capacity, like), stack(capacity, like), stack(capacity, like)
        for i in range(depth * (order + 1)):
            bb[i], aa[i] = coefficient(b, i, like, each), coefficient(a, i, like, each)
        for i in range(depth * order):
            zz[i] = load(z, i * width_of(like), like)
        for n in range(count):
            x = load(tile, n * stride, like)
            ask(coming, n)
            for s in range(depth):
                x = step(order, bb, aa, zz, s * (order + 1), s * order, x)
            store(tile, n * stride, x)
        for i in range(depth * order):
            store(z, i * width_of(like), zz[i])

    return run


def short_sweep(order: int) -> Any:
    """The same for one linear section of order 1 or 2 whose sums may be fused, with the state in the direct form I meanwhile.

    An output waits for one product and sum with the output before it, not for two (order 2, time blocks: 0.11 instead of 0.17 ns
    a sample).
    """
    second = order == SECTION_ORDER

    @device
    def run(b, a, z, _, tile, stride, count, like, coming):
        b_0, b_1, a_1 = spread(b[0], like), spread(b[1], like), spread(a[1], like)
        b_2, a_2 = (spread(b[2], like), spread(a[2], like)) if second else (like, like)
        # t = b[1] x[n-1] + b[2] x[n-2] and t_next = b[2] x[n-1], with the state as what came before
        t, t_next = load(z, 0, like), load(z, width_of(like), like) if second else like
        y, y_before = like, like
        for n in range(count):
            x = load(tile, n * stride, like)
            ask(coming, n)
            t = t + b_0 * x
            if second:
                t = t - a_2 * y_before
                y_before = y
            y = t - a_1 * y
            store(tile, n * stride, y)
            t = t_next + b_1 * x if second else b_1 * x
            if second:
                t_next = b_2 * x
        if second:
            t = t - a_2 * y_before
            store(z, width_of(like), t_next - a_2 * y)
        store(z, 0, t - a_1 * y)

    return run


@device
def sweep_any(step, b, a, z, order, tile, count):
    """The same for a section of scalars and any order, with coefficients and state in memory."""
    for n in range(count):
        tile[n] = step(order, b, a, z, 0, 0, tile[n])


@device
def final_states(states, capacity, g, tile, stride, z, count, like, coming):
    """z[p] = sum_n g[n, p] tile[n]: the final state of the segment in each lane, if it begins at rest.

    Rows of the tile are `stride` elements apart; `capacity`, a literal, is at least `states`.
    """
    zz = stack(capacity, like)
    for p in range(states):
        zz[p] = like
    for n in range(count):
        x = load(tile, n * stride, like)
        ask(coming, n)
        for p in range(states):
            zz[p] = zz[p] + spread(g[n * states + p], like) * x
    for p in range(states):
        store(z, p * LANES, zz[p])
