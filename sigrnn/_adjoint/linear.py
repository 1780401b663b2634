"""Gradients of linear filters: filters over reversed time.

With A y = B x, coefficients divided by a[0], the gradient dy of the output runs through 1/A from the end to the start:

    v[n] = dy[n] - sum_{m>0} A[m] v[n+m],    v[N+p] = dzf[p]

and all else is a sum of products with v:

    dx[n] = sum_m B[m] v[n+m],  dB[m] = sum_n x[n] v[n+m],  dA[m] = -sum_n y[n] v[n+m],  dzi[p] = v[p]

since a state zi of the transposed form is an input at samples 0, 1, ... Of complex factors the conjugates are taken.

A rule `*_vjp(arguments)` gives the value and a function from gradients of the value to those of the arguments, by name;
`*_jvp(arguments, tangents)` the value and its tangent. Only `gradients.py` calls them, and checks what users give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from sigrnn import _cascade
from sigrnn._adjoint.memory import PIECE, pool, room
from sigrnn._apply import inner, matched, state_given, state_layout, state_rows
from sigrnn._arrays import F8, Array, signal, time_axis, time_back, time_last
from sigrnn._cascade import MANY, Cascade
from sigrnn.linear import (
    coefficients,
    known_recursion,
    lfilter,
    lfilter_tv,
    normalised,
)

Named = dict[str, Any]
Pull = Callable[..., Named]

LEAST = 128  # samples of a channel, however many channels there are


class Rows:
    """A signal as (channels, samples), either of them contiguous in memory, and back.

    A signal with time along its first axis stays as it lies if `beside` allows it; others have time last, copied if
    need be.
    """

    def __init__(self, shape: tuple[int, ...], axis: int, beside: bool) -> None:
        self.shape, self.axis, self.samples = shape, axis, shape[axis]
        self.channels = math.prod(shape[:axis] + shape[axis + 1 :])
        self.beside = beside and math.prod(shape[:axis]) == 1 and self.channels >= MANY

    def of(self, x: Array) -> Array:
        """A signal as rows, a view if possible."""
        if self.beside:
            return np.ascontiguousarray(x).reshape(self.samples, self.channels).T
        return np.ascontiguousarray(time_last(x, self.axis)).reshape(self.channels, self.samples)

    def copies(self, signals: Sequence[Array], dtype: np.dtype[Any]) -> list[Array]:
        """Signals as rows of their own, in one piece of memory."""
        channels = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        kept = pool.borrow((len(signals), *(self.shape if self.beside else (*channels, self.samples))), dtype)
        for copy, x in zip(kept, signals, strict=True):
            full = x if x.shape == self.shape else np.broadcast_to(x, self.shape)
            copy[...] = full if self.beside else time_last(full, self.axis)
        if self.beside:
            return [copy.reshape(self.samples, self.channels).T for copy in kept]
        return [copy.reshape(self.channels, self.samples) for copy in kept]

    def empty(self, samples: int, dtype: np.dtype[Any]) -> Array:
        return (
            pool.borrow((samples, self.channels), dtype).T
            if self.beside
            else pool.borrow((self.channels, samples), dtype)
        )

    def scratch(self, slot: int, samples: int, dtype: np.dtype[Any]) -> Array:
        """Rows in memory that the next caller with this slot overwrites."""
        memory = room(slot, self.channels * samples * (dtype.itemsize // 8)).view(dtype)
        return memory.reshape(samples, self.channels).T if self.beside else memory.reshape(self.channels, samples)

    def back(self, rows: Array) -> Array:
        """Rows as a signal."""
        if self.beside:
            return rows.T.reshape(self.shape)
        channels = self.shape[: self.axis] + self.shape[self.axis + 1 :]
        return time_back(rows.reshape(*channels, self.samples), self.axis)

    def pieces(self, *cascades: Cascade) -> list[slice]:
        """Stretches of time to take one after the other, long enough for blocks if the filters have any."""
        if not self.samples:
            return []
        size = max(LEAST, PIECE // max(self.channels, 1))
        if self.samples > size and self.channels < MANY:
            lanes = _cascade.loops().LANES
            blocks = [c.block(size) or c.block(self.samples) for c in cascades]
            size = max([size, *(4 * lanes * block.length for block in blocks if block is not None)])
        count = -(-self.samples // size)
        size = -(-self.samples // count)
        return [slice(i, min(i + size, self.samples)) for i in range(0, self.samples, size)]


class Reverse:
    """One filter over reversed time, from piece to piece, and the sums for its coefficients.

    b, a : (K + 1,) or (C, K + 1), normalised. tail : (C, K), what v is after the last sample.
    """

    def __init__(self, b: Array, a: Array, tail: Array, rows: Rows, size: int, method: str) -> None:
        self.rows, self.method = rows, "auto" if method == "fft" else method
        kind = tail.dtype
        self.b, a = np.ascontiguousarray(np.atleast_2d(b.conj())), a.conj()
        self.db, self.da = np.zeros(self.b.shape, kind), np.zeros(self.b.shape, kind)
        self.v = rows.scratch(0, size + tail.shape[1], kind)
        self.poles = poles(a)
        self.a = a
        self.resume(tail)

    def resume(self, tail: Array) -> None:
        """Go on with this v after the next piece."""
        self.tail = tail
        self.state: Array | None = None  # what it means to the recursion, found when that runs

    def _state(self) -> Array:
        order = self.tail.shape[1]
        state = np.zeros((len(self.tail), 1, order), self.tail.dtype)
        for p in range(order):
            state[:, 0, p] = -(self.a[..., p + 1 :] * self.tail[:, : order - p]).sum(axis=1)
        return state

    def run(self, x: Array, y: Array, dy: Array, dx: Array) -> None:
        """Fill dx, which may be dy, for a piece that ends where the last one began."""
        samples, order = dy.shape[1], self.tail.shape[1]
        v = self.v[:, : samples + order]
        v[:, samples:] = self.tail
        now, last = v[:, :samples][:, ::-1], dy[:, ::-1]
        if self.poles is None or dy.dtype != v.dtype:
            now[...] = last
            last = now
        if self.poles is not None:
            self.state = self._state() if self.state is None else self.state
            _cascade.run(self.poles, last, now, self.state, self.method)
        self.tail = v[:, :order].copy()
        self.sums(v, x, y, dx)

    def sums(self, v: Array, x: Array, y: Array, dx: Array) -> None:
        """Fill dx, and add to db and da, for a piece of v with what follows it."""
        if v.dtype != F8:
            self._complex_sums(v, x, y, dx)
            return
        hop = 1
        if self.rows.beside:  # channels beside each other are one long row, its samples a hop apart
            hop = len(v)
            v, x, y, dx = (c.T.reshape(1, -1) for c in (v, x, y, dx))
        kernel, scratch = correlate()
        kernel(dx.dtype.char)(v, x, y, self.b, dx, self.db, self.da, hop, scratch(self.b.shape[1]))

    def _complex_sums(self, v: Array, x: Array, y: Array, dx: Array) -> None:
        samples, axis = x.shape[1], None if len(self.b) == 1 else 1
        slope = np.zeros(x.shape, v.dtype)
        for m in range(self.b.shape[1]):
            late = v[:, m : m + samples]
            slope += self.b[:, m : m + 1] * late
            self.db[:, m] += (x.conj() * late).sum(axis=axis)
            self.da[:, m] -= (y.conj() * late).sum(axis=axis)
        dx[...] = slope


@cache
def correlate() -> Any:
    """The compiled sums; Numba is imported here, at the first call that needs it."""
    from sigrnn._kernels import correlations

    return correlations.correlate, correlations.scratch


def poles(a: Array) -> Cascade | None:
    """1/A for all channels (K + 1,) or each (C, K + 1), ready to run; None if there is no feedback."""
    if not a[..., 1:].any():
        return None
    if a.ndim == 1 and a.dtype == F8:
        return known_recursion(np.ones(1).tobytes(), a.tobytes())
    one = np.zeros_like(a)
    one[..., 0] = 1.0
    return Cascade(one[..., None, :], np.ascontiguousarray(a)[..., None, :], "direct")


def lfilter_vjp(arguments: Named) -> tuple[Any, Pull]:
    b, a = (coefficients(np.array(arguments[name]), name) for name in ("b", "a"))  # copies: the user may change theirs
    x = signal(arguments["x"])
    zi, method = arguments["zi"], arguments["method"]
    value = lfilter(b, a, x, arguments["axis"], zi, method=method)
    y = value if zi is None else value[0]
    axis, dtype, kind, shape = time_axis(arguments["axis"], y), y.dtype, inner(y.dtype), y.shape
    normal = normalised(b, a, dtype, fir=False)
    (bb, aa), _ = matched({"b": normal[0], "a": normal[1]}, 1, x, axis)
    rows = Rows(shape, axis, bb.ndim == 1)
    fir = a.shape[-1] == 1  # then nothing asks for y
    kept = rows.copies([x] if fir else [x, y], dtype)
    kept_x, kept_y = kept[0], kept[-1]
    own = bb.shape[-1:]
    state = own[0] - 1

    def pull(dy: Array, dzf: Array | None = None) -> Named:
        tail = tail_of(dzf, (state,), shape, axis, kind)
        pole = poles(aa)
        parts = rows.pieces(*[] if pole is None else [pole])
        reverse = Reverse(bb, aa, tail, rows, max((p.stop - p.start for p in parts), default=0), method)
        dy, dx = rows.of(dy), rows.empty(rows.samples, dtype)
        for part in reversed(parts):
            reverse.run(kept_x[:, part], kept_y[:, part], dy[:, part], dx[:, part])
        db, da = of_channels((reverse.db, reverse.da), bb.ndim, shape, axis)
        db, da = denormalised(db, da, *normal, a[..., :1])
        dzi = state_given(reverse.tail, (state,), shape, axis)
        return {
            "b": summed(db[..., : b.shape[-1]], b.shape),
            "a": summed(da[..., : a.shape[-1]], a.shape),
            "x": summed(rows.back(dx), x.shape),
            "zi": None if zi is None else of_state(dzi, zi, (state,), shape, axis),
        }

    return value, pull


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
    terms = []
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
