"""Expected results: made with SciPy or in plain Python where no other library computes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.signal

from .case import Array, Call
from .inputs import HOLD, Inputs


def each_channel(name: str) -> Callable[[Inputs], Call]:
    """SciPy over channels that have a filter each."""
    function = getattr(scipy.signal, name)
    return lambda i: lambda: np.stack([function(*own, x) for *own, x in zip(*i.filter, i.x, strict=True)])


def time_varying(i: Inputs) -> Call:
    """SciPy over blocks in which the coefficients stay the same."""
    b, a = i.filter

    def call() -> Array:
        y, zi = np.empty_like(i.x), np.zeros(a.shape[-1] - 1)
        for n in range(0, i.x.size, HOLD):
            y[n : n + HOLD], zi = scipy.signal.lfilter(b[n], a[n], i.x[n : n + HOLD], zi=zi)
        return y

    return call


def rounded(name: str) -> Callable[[Inputs], Call]:
    """SciPy over integers, by way of floats, rounded and saturated by NumPy."""

    def bind(i: Inputs) -> Call:
        info, options = np.iinfo(i.x.dtype), i.without_out().options

        def call() -> Array:
            y = getattr(scipy.signal, name)(*i.filter, i.x.astype(float), **options)
            return np.clip(np.rint(y, out=y), info.min, info.max, out=y).astype(i.x.dtype)

        return call

    return bind


def reversed_time(name: str) -> Callable[[Inputs], Call]:
    """SciPy over a signal seen from its end."""
    return lambda i: lambda: np.ascontiguousarray(getattr(scipy.signal, name)(*i.filter, i.x[::-1])[::-1])


def stream(i: Inputs) -> Call:
    """SciPy block by block: each call takes the next block from the state reached."""
    function = scipy.signal.lfilter if len(i.filter) == 2 else scipy.signal.sosfilt
    state = np.zeros(len(i.filter[1]) - 1 if len(i.filter) == 2 else (len(i.filter[0]), 2))

    def call() -> Array:
        nonlocal state
        y: Array
        y, state = function(*i.filter, i.x, zi=state)
        return y

    return call


# ----------------------------------------------------------------------------------------------------------- gradients


def _backward(function: Callable[[Array], Any], dy: Array) -> Array:
    return function(dy[..., ::-1])[..., ::-1]


def _products(v: Array, x: Array, lags: int) -> Array:
    # sum_n v[n+m] x[n] for each lag m, over all channels
    return np.array([np.sum(v[..., m:] * x[..., : x.shape[-1] - m]) for m in range(lags)])


def _lfilter_gradients(filter_: tuple[Array, ...], x: Array, dy: Array) -> tuple[Array, ...]:
    b, a = filter_
    y = scipy.signal.lfilter(b, a, x)
    v = _backward(partial(scipy.signal.lfilter, [1.0], a), dy)
    dx = _backward(partial(scipy.signal.lfilter, b, a), dy)
    return y, _products(v, x, b.size), -_products(v, y, a.size), dx


def lfilter_gradients(i: Inputs) -> Call:
    """Value and gradients of `lfilter`, by SciPy's filter over reversed time."""
    return partial(_lfilter_gradients, i.filter, i.x, i.dy)


def sosfilt_gradients(i: Inputs) -> Call:
    """Value and gradients of `sosfilt`, by the chain rule, section by section."""
    (sos,) = i.filter

    def call() -> tuple[Array, ...]:
        signals = [i.x]
        for section in sos:
            signals.append(scipy.signal.sosfilt(section[None], signals[-1]))
        dsos, slope = np.empty_like(sos), i.dy
        for k in range(len(sos))[::-1]:
            section = sos[k, :3], sos[k, 3:]
            _, dsos[k, :3], dsos[k, 3:], slope = _lfilter_gradients(section, signals[k], slope)
        return signals[-1], dsos, slope

    return call


# ----------------------------------------------------------------------------------------------------------- nonlinear


def _tanh_recursion(filter_: tuple[Array, ...], x: Array) -> tuple[Array, Array]:
    # Excitations e and y = tanh(e) of one channel, a[0] = 1.
    b, a = filter_
    feedback, order = a[1:].tolist(), a.size - 1
    e, y = np.convolve(x, b)[: x.size].tolist(), [0.0] * order
    for n in range(x.size):
        for m, weight in enumerate(feedback, 1):
            e[n] -= weight * y[n - m + order]
        y.append(math.tanh(e[n]))
    return np.array(e), np.array(y[order:])


def nlfilter(i: Inputs) -> Call:
    """`nlfilter` with tanh as a loop in Python."""
    return lambda: np.reshape([_tanh_recursion(i.filter, x)[1] for x in np.atleast_2d(i.x)], i.x.shape)


def nlfilter_gradients(i: Inputs) -> Call:
    """Back-propagation through time: delta[n] = g'(e[n]) (dy[n] - sum_m a[m] delta[n+m])."""
    b, a = i.filter

    def call() -> tuple[Array, ...]:
        e, y = _tanh_recursion(i.filter, i.x)
        delta = [*(1 - y**2), *np.zeros(a.size - 1)]
        for n in range(y.size)[::-1]:
            delta[n] *= i.dy[n] - sum(weight * delta[n + m] for m, weight in enumerate(a[1:], 1))
        v = np.array(delta[: y.size])
        da = -_products(v, y, a.size)
        da[0] = -np.sum(v * e)  # a[0] divides all of e
        return y, _products(v, i.x, b.size), da, _backward(lambda v: np.convolve(v, b)[: v.size], v)

    return call


# -------------------------------------------------------------------------------------------------------------- layers


def _sigmoid(e: Array) -> Array:
    return 1 / (1 + np.exp(-e))


def _gru_step(gx: Array, gh: Array, h: Array, c: Array) -> tuple[Array, Array]:
    r, z = _sigmoid(gx[0] + gh[0]), _sigmoid(gx[1] + gh[1])
    return (1 - z) * np.tanh(gx[2] + r * gh[2]) + z * h, c


def _lstm_step(gx: Array, gh: Array, h: Array, c: Array) -> tuple[Array, Array]:
    i, f, g, o = gx + gh
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


_STEPS = {"gru": _gru_step, "lstm": _lstm_step}


def _layer(kind: str, x: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array) -> tuple[Array, Any]:
    units, rows = w_hh.shape[1], []
    h = c = np.zeros(units)
    for n in range(len(x)):
        gx, gh = (w_ih @ x[n] + b_ih).reshape(-1, units), (w_hh @ h + b_hh).reshape(-1, units)
        h, c = _STEPS[kind](gx, gh, h, c)
        rows.append(h)
    return np.array(rows), (h, c) if kind == "lstm" else h


def layer(kind: str, gradients: bool = False) -> Callable[[Any], Call]:
    """A layer over one sequence as its equations stand, and its gradients by complex steps."""

    def bind(i: Any) -> Call:
        arrays = [np.asarray(array, float) for array in (i.x, *i.weights)]

        def slope(k: int) -> Array:
            found, given = np.empty_like(arrays[k]), [array.astype(complex) for array in arrays]
            for at in np.ndindex(found.shape):
                given[k][at] += 1e-30j
                found[at] = np.sum(_layer(kind, *given)[0].imag * i.dy) * 1e30
                given[k][at] -= 1e-30j
            return found.astype(i.x.dtype)

        def call() -> Any:
            h, state = _layer(kind, *arrays)
            finals = tuple(each.astype(i.x.dtype) for each in state) if kind == "lstm" else state.astype(i.x.dtype)
            value = h.astype(i.x.dtype), finals
            return (value, *map(slope, range(5))) if gradients else value

        return call

    return bind


# ------------------------------------------------------------------------------------------------------------ adaptive


def nlms(mu: float, eps: float = 1e-3) -> Callable[[Any], Call]:
    """Errors of NLMS from zero weights, as a loop over samples."""

    def bind(i: Any) -> Call:
        def call() -> Array:
            w, window, e = np.zeros(i.n_taps), np.zeros(i.n_taps), np.empty(i.x.size)
            for n in range(i.x.size):
                window = np.concatenate([i.x[n : n + 1], window[:-1]])
                e[n] = i.d[n] - w @ window
                w += mu * e[n] * window / (eps + window @ window)
            return e

        return call

    return bind
