"""Gradients of linear filters: filters over reversed time.

With A y = B x, coefficients divided by a[0], the gradient dy of the output runs through 1/A from the end to the start:

    v[n] = dy[n] - sum_{m>0} A[m] v[n+m],    v[N+p] = dzf[p]

and the rest is a sum of products with v:

    dx[n] = sum_m B[m] v[n+m],  dB[m] = sum_n x[n] v[n+m],  dA[m] = -sum_n y[n] v[n+m],  dzi[p] = v[p]

since a state zi of the transposed form is an input at samples 0, 1, ... Of complex factors the conjugates are taken.

A rule `*_vjp(arguments)` gives the value and a function from gradients of the value to those of the arguments, by name;
`*_jvp(arguments, tangents)` the value and its tangent. Only `gradients.py` calls them, and checks what users give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array, signal, time_axis, time_back, time_last
from sigrnn.filters._call import matched, state_given, state_layout, state_rows
from sigrnn.filters._coefficients import (
    check_method,
    coefficients,
    inner,
    normalised,
    recall,
    recursive,
    weak,
)
from sigrnn.filters._kept import direct_forms
from sigrnn.filters._recursive import METHODS, RecursiveFilter
from sigrnn.filters.linear import lfilter
from sigrnn.filters.varying import lfilter_tv
from sigrnn.gradients.reverse import Reverse, Rows
from sigrnn.gradients.tape import (
    ChannelTape,
    LanesTape,
    SectionsTape,
    channel_tapes,
    denormalise,
    pulled_short,
)

ndarray, empty, zeros = np.ndarray, np.empty, np.zeros
DIRECT = 50_000  # samples up to which a plain pull-back without checks is faster than one in blocks
EXCITATION = "excitation"  # the key of the gradient of what goes into an activation, among those by argument
Named = dict[str, Any]
Pull = Callable[..., Named]
# From dy to the gradients by all arguments, and by an excitation; None where dy is not made of arrays as they have to be.
Direct = Callable[[Any], tuple[tuple[Array, ...], Any] | None]
Way = Callable[[Array, Array], tuple[Array, Reverse]]


def lfilter_vjp(arguments: Named) -> tuple[Any, Pull]:
    return _one_channel(**arguments) or _any_channels(arguments)


class Expected(NamedTuple):
    """The shape and dtype that the gradient of an array must have."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def lfilter_direct(args: tuple[Any, ...]) -> tuple[Array, Expected, Direct] | None:
    """A short channel through a filter that is kept already, from rest, all float64: what takes no checks. None for others."""
    if len(args) != 3:
        return None
    b, a, x = args
    if not (
        type(x) is type(b) is type(a) is ndarray
        and x.dtype is b.dtype is a.dtype is F8
        and x.ndim == b.ndim == a.ndim == 1
        and len(x) < DIRECT
        and isinstance(filter := direct_forms.get((b.tobytes(), a.tobytes())), RecursiveFilter)
    ):
        return None
    samples, first, taps_b, taps_a = len(x), float(a[0]), len(b), len(a)
    y, z, kept, (run, more) = empty(samples), zeros(filter.states), empty((2, samples)), pulled_short(filter.order)
    filter.one(x, y, z)
    kept[0], kept[1] = x, y

    shape = x.shape

    def pull(dy: Any) -> tuple[tuple[Array, Array, Array], None] | None:
        if type(dy) is not ndarray or dy.shape != shape or dy.dtype != F8 or not dy.flags.aligned:
            return None
        dx, sums = empty(samples), empty(filter.c.shape[::2])
        run(filter.c, first, kept, dy, dx, empty(samples + more), sums)
        db, da = sums
        return ((db, da, dx) if taps_b == taps_a else (db[:taps_b], da[:taps_a], dx)), None

    return y, Expected(shape, F8), pull


def _one_channel(b: Any, a: Any, x: Any, axis: Any, zi: Any, method: str) -> tuple[Any, Pull] | None:
    """A real filter with feedback over one channel; None for others."""
    if (
        type(x) is not np.ndarray
        or x.ndim != 1
        or type(axis) is not int
        or axis not in (0, -1)
        or method not in METHODS
        or method == "fft"
    ):
        return None
    known = recall(b, a, x)
    if known is None:
        return None
    filter, dtype = known
    if not isinstance(filter, RecursiveFilter) or filter.kind != "direct":
        return None
    if zi is not None and not (type(zi) is np.ndarray and zi.dtype is dtype and zi.shape == filter.shape):
        return None
    first, taps_b, taps_a = float(np.asarray(a).flat[0]), getattr(b, "size", 1), getattr(a, "size", 1)
    tape, y = ChannelTape(filter, len(x), method), np.empty(len(x), dtype)
    z = np.zeros(filter.states) if zi is None else zi.astype(F8)
    tape.forward(x.astype(dtype, copy=False), y, z)

    def pull(dy: Array, dzf: Array | None = None) -> Named:
        dx, (db, da) = np.empty(len(dy), dtype), np.zeros((2, filter.order + 1))
        tail = np.zeros(filter.order) if dzf is None else dzf.astype(F8)
        if tape.done:
            tape.pull(dy, dx, tail[None], db[None], da[None])
        else:
            tape.pull_plain(dy, dx, tail, db, da)
        denormalise()(*filter.pair, first, db, da)
        return {"b": db[:taps_b], "a": da[:taps_a], "x": dx, "zi": None if zi is None else tail}

    pull.compiled = True  # type: ignore[attr-defined]
    return y if zi is None else (y, z.astype(dtype, copy=False)), pull


def _any_channels(arguments: Named) -> tuple[Any, Pull]:
    b, a = (coefficients(np.array(arguments[name]), name) for name in ("b", "a"))  # copies: the user may change theirs
    x, zi = signal(arguments["x"]), arguments["zi"]
    value, way = through_again(b, a, x, arguments) or through_kept(b, a, x, arguments)
    y = value if zi is None else value[0]
    axis, kind, shape = time_axis(arguments["axis"], y), inner(y.dtype), y.shape
    normal = normalised(b, a, y.dtype, fir=False)
    state = normal[0].shape[-1] - 1

    def pull(dy: Array, dzf: Array | None = None) -> Named:
        dx, reverse = way(dy, tail_of(dzf, (state,), shape, axis, kind))
        db, da = of_channels((reverse.db, reverse.da), max(b.ndim, a.ndim), shape, axis)
        db, da = denormalised(db, da, *normal, a[..., :1])
        dzi = state_given(reverse.tail, (state,), shape, axis)
        return {
            "b": summed(db[..., : b.shape[-1]], b.shape),
            "a": summed(da[..., : a.shape[-1]], a.shape),
            "x": summed(dx, x.shape),
            "zi": None if zi is None else of_state(dzi, zi, (state,), shape, axis),
        }

    return value, pull


def through_kept(b: Array, a: Array, x: Array, arguments: Named) -> tuple[Any, Way]:
    """The filter, its input and output kept; from dy and v after the last sample to dx, and the filter's reverse."""
    axis, zi, method = arguments["axis"], arguments["zi"], arguments["method"]
    value = lfilter(b, a, x, axis, zi, method=method)
    y = value if zi is None else value[0]
    axis, dtype = time_axis(axis, y), y.dtype
    normal = normalised(b, a, dtype, fir=False)
    (bb, aa), _ = matched({"b": normal[0], "a": normal[1]}, 1, x, axis)
    rows = Rows(y.shape, axis, bb.ndim == 1)
    kept = rows.copies([x] if a.shape[-1] == 1 else [x, y], dtype)  # a filter without feedback does not ask for y

    def back(dy: Array, tail: Array) -> tuple[Array, Reverse]:
        reverse, dx = Reverse(bb, aa, tail, rows, method), rows.empty(rows.samples, dtype)
        reverse.whole(kept[0], kept[-1], rows.of(dy), dx)
        return rows.back(dx), reverse

    return value, back


def through_again(b: Array, a: Array, x: Array, arguments: Named) -> tuple[Any, Way] | None:
    """The same for long channels, and many of order 2, which find the output again: cheaper than to keep it."""
    zi, method = arguments["zi"], arguments["method"]
    dtype = np.result_type(b, a, x) if zi is None else np.result_type(b, a, x, weak(zi))
    if dtype.char not in "fd" or b.ndim != 1 or a.ndim != 1 or method == "sequential":
        return None
    if not a[1:].any() or not a[0]:
        return None
    check_method(method, False)
    axis = time_axis(arguments["axis"], x)
    whole = recursive(b.astype(F8).tobytes(), a.astype(F8).tobytes())
    rows = Rows(x.shape, axis, True)
    if whole is None:
        return None
    if not (LanesTape.serves(whole, dtype, rows, method) or channel_tapes(whole, dtype, rows, method)):
        return None
    own = (whole.order,)
    state = np.zeros((rows.channels, *own)) if zi is None else state_rows(zi, own, x, axis, F8)
    chain = SectionsTape(whole, whole.b, whole.a, dtype, rows, method)
    y = rows.empty(rows.samples, dtype)
    chain.forward(rows.of(x.astype(dtype, copy=False)), y, state[:, None])
    zf = state_given(state, own, x.shape, axis).astype(dtype, copy=False)

    def back(dy: Array, tail: Array) -> tuple[Array, Reverse]:
        dx = rows.empty(rows.samples, dtype)
        (reverse,) = chain.pull(rows.of(dy), dx, tail[:, None])
        return rows.back(dx), reverse

    return rows.back(y) if zi is None else (rows.back(y), zf), back


def lfilter_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    b, a, x = coefficients(arguments["b"], "b"), coefficients(arguments["a"], "a"), signal(arguments["x"])
    axis, zi, method = arguments["axis"], arguments["zi"], arguments["method"]
    value = lfilter(b, a, x, axis, zi, method=method)
    y = value if zi is None else value[0]
    bb, aa = normalised(b, a, y.dtype)
    db, da = normal_tangents(bb, aa, a[..., :1], tangents)

    def run(b: Array, a: Array, x: Array, zi: Any = 0.0) -> Any:
        return lfilter(b, a, x, axis, zi, method=method)

    terms = []
    if "x" in tangents or "zi" in tangents:
        dx = tangents.get("x", np.zeros_like(x))
        terms.append(run(bb, aa, dx, zi=tangents.get("zi", 0.0)))
    if db is not None:
        terms.append(run(db, aa, x))
    if da is not None and aa.shape[-1] > 1:
        da[..., 0] = 0.0
        terms.append(run(-da, aa, y))
    return value, added(value, terms)


def lfilter_tv_vjp(arguments: Named) -> tuple[Any, Pull]:
    b, a, x, zi = np.array(arguments["b"]), np.array(arguments["a"]), signal(arguments["x"]), arguments["zi"]
    value = lfilter_tv(b, a, x, arguments["axis"], zi)
    y = value if zi is None else value[0]
    axis, kind, shape = time_axis(arguments["axis"], y), inner(y.dtype), y.shape
    bb, aa = normalised(b, a, y.dtype, fir=False)
    order, samples = bb.shape[-1] - 1, shape[axis]
    kept_x, kept_y = (np.array(time_last(np.broadcast_to(c, shape), axis), kind) for c in (x, y))
    coef_b, coef_a = bb.conj(), aa.conj()
    together = tuple(range(kept_x.ndim - 1)) if bb.ndim == aa.ndim == 2 else ()  # channels that share the rows

    def pull(dy: Array, dzf: Array | None = None) -> Named:
        v = np.zeros((*kept_x.shape[:-1], samples + order), kind)
        if dzf is not None:
            v[..., samples:] = time_last(dzf, axis)
        v[..., :samples] = _reversed_varying(coef_a, time_last(dy, axis).astype(kind), v[..., samples:])
        dx, sums = np.zeros(kept_x.shape, kind), []
        for c, sign in ((kept_x, 1), (kept_y, -1)):
            late = (v[..., m : m + samples] for m in range(order + 1))
            sums.append(np.stack([sign * (c.conj() * w).sum(axis=together) for w in late], axis=-1))
        for m in range(order + 1):
            dx += coef_b[..., m] * v[..., m : m + samples]
        db, da = sums
        db, da = denormalised(db, da, bb, aa, a[..., :1])
        dzi = time_back(v[..., :order], axis)
        return {
            "b": summed(db[..., : b.shape[-1]], b.shape),
            "a": summed(da[..., : a.shape[-1]], a.shape),
            "x": summed(time_back(dx, axis), x.shape),
            "zi": None if zi is None else of_state(dzi, zi, (order,), shape, axis),
        }

    return value, pull


def _reversed_varying(a: Array, dy: Array, tail: Array) -> Array:
    """v for coefficients a (..., N, K + 1): `lfilter_tv` from the end, lag m of a sample taken from the row m before."""
    samples, order = dy.shape[-1], a.shape[-1] - 1
    skewed = np.zeros(a.shape, a.dtype)
    skewed[..., 0] = 1.0
    state = np.zeros(tail.shape, tail.dtype)
    for m in range(1, order + 1):
        if m < samples:
            skewed[..., : samples - m, m] = a[..., : samples - m, m][..., ::-1]
        for p in range(min(m, samples)):
            state[..., p] -= a[..., samples - 1 - p, m] * tail[..., m - 1 - p]
    one = np.ones((samples, 1))
    v, _ = lfilter_tv(one, skewed, dy[..., ::-1], zi=state)
    return v[..., ::-1]


def lfilter_tv_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    b, a, x = np.asarray(arguments["b"]), np.asarray(arguments["a"]), signal(arguments["x"])
    axis, zi = arguments["axis"], arguments["zi"]
    value = lfilter_tv(b, a, x, axis, zi)
    y = value if zi is None else value[0]
    bb, aa = normalised(b, a, y.dtype, fir=False)
    db, da = normal_tangents(bb, aa, a[..., :1], tangents)
    terms: list[Any] = []
    if "x" in tangents or "zi" in tangents:
        dx = tangents.get("x", np.zeros_like(x))
        terms.append(lfilter_tv(bb, aa, dx, axis, tangents.get("zi", 0.0)))
    if db is not None:
        terms.append(lfilter_tv(db, aa, x, axis, 0.0))
    if da is not None:
        da[..., 0] = 0.0
        terms.append(lfilter_tv(-da, aa, y, axis, 0.0))
    return value, added(value, terms)


def normal_tangents(b: Array, a: Array, first: Array, tangents: Named) -> tuple[Array | None, Array | None]:
    """Tangents of the normalised b and a, of their lengths; None where nothing changes."""
    db, da = tangents.get("b"), tangents.get("a")
    if db is None and da is None:
        return None, None
    db = widened(np.zeros(1) if db is None else np.atleast_1d(db), b.shape[-1])
    if da is None:
        return db / first, None
    da = widened(np.atleast_1d(da), a.shape[-1])
    return (db - b * da[..., :1]) / first, (da - a * da[..., :1]) / first


def widened(c: Array, length: int) -> Array:
    full = np.zeros((*c.shape[:-1], length), np.result_type(c, F8))
    full[..., : c.shape[-1]] = c
    return full


def added(value: Any, terms: list[Any]) -> Any:
    """The sum of tangents (dy, dzf), like the value: y or (y, zf)."""
    alone = not isinstance(value, tuple)
    parts = (value,) if alone else value
    totals = tuple(
        np.asarray(sum(term[i] for term in terms) if terms else np.zeros(part.shape)).astype(part.dtype, copy=False)
        for i, part in enumerate(parts)
    )
    return totals[0] if alone else totals


def denormalised(db: Array, da: Array, b: Array, a: Array, first: Array) -> tuple[Array, Array]:
    """From gradients of b / a[0] and a / a[0] to those of b and a; `first` is a[0], the other b and a normalised."""
    first = first.conj()
    whole = (b.conj() * db).sum(axis=-1) + (a[..., 1:].conj() * da[..., 1:]).sum(axis=-1)
    db, da = db / first, da / first
    da[..., 0] = -whole / first[..., 0]
    return db, da


def summed(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of what was broadcast from `shape`: summed over what was repeated."""
    if gradient.shape == shape:
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(k for k, n in enumerate(shape) if n == 1 != gradient.shape[k])
    return gradient.sum(axis=repeated, keepdims=True) if repeated else gradient


def of_state(gradient: Array, zi: Any, own: tuple[int, ...], shape: tuple[int, ...], axis: int) -> Array:
    """The gradient of the state as it was given: a scalar, ones for channels, that of a single channel."""
    given = np.shape(zi)
    if len(given) in (0, gradient.ndim):
        return summed(gradient, given)
    full, axes = state_layout(own, shape, axis)
    return summed(gradient, tuple(n if k in axes else 1 for k, n in enumerate(full))).reshape(given)


def tail_of(dzf: Array | None, own: tuple[int, ...], shape: tuple[int, ...], axis: int, kind: np.dtype[Any]) -> Array:
    """The gradient of the final state as (C, *own)."""
    if dzf is None:
        return np.zeros((math.prod(shape[:axis] + shape[axis + 1 :]), *own), kind)
    return state_rows(dzf, own, np.broadcast_to(0.0, shape), axis, kind)


def of_channels(sums: tuple[Array, Array], ndim: int, shape: tuple[int, ...], axis: int) -> Iterator[Array]:
    """Sums (1, K + 1) as (K + 1,), those of each channel (C, K + 1) as (..., K + 1)."""
    for c in sums:
        yield c[0] if ndim == 1 else c.reshape(*shape[:axis], *shape[axis + 1 :], c.shape[-1])
