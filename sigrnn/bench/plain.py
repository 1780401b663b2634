"""How SciPy and NumPy are asked for a result; where they have none, it is made here with SciPy or in plain Python.

That is so for gradients and nonlinear filters.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.signal

from .peers import HOLD, Array, Call, Inputs, with_sos


def numpy_fir(i: Inputs) -> Call:
    return lambda: np.convolve(i.x, i.b)[: i.x.size]


def overlap_add(i: Inputs) -> Call:
    return lambda: scipy.signal.oaconvolve(i.x, i.b)[: i.x.size]


def scipy_each_channel_ba(i: Inputs) -> Call:
    return lambda: np.stack([scipy.signal.lfilter(b, a, x) for b, a, x in zip(i.b, i.a, i.x, strict=True)])


def scipy_each_channel_sos(i: Inputs) -> Call:
    return lambda: np.stack([scipy.signal.sosfilt(sos, x) for sos, x in zip(i.sos, i.x, strict=True)])


def scipy_time_varying(i: Inputs) -> Call:
    def call() -> Array:
        y, zi = np.empty_like(i.x), np.zeros(i.a.shape[-1] - 1)
        for n in range(0, i.x.size, HOLD):
            y[n : n + HOLD], zi = scipy.signal.lfilter(i.b[n], i.a[n], i.x[n : n + HOLD], zi=zi)
        return y

    return call


def scipy_stream_ba(i: Inputs) -> Call:
    state = np.zeros(max(i.a.size, i.b.size) - 1)

    def call() -> Array:
        nonlocal state
        y: Array
        y, state = scipy.signal.lfilter(i.b, i.a, i.x, zi=state)
        return y

    return call


def scipy_stream_sos(i: Inputs) -> Call:
    state = np.zeros((i.sos.shape[0], 2))

    def call() -> Array:
        nonlocal state
        y: Array
        y, state = scipy.signal.sosfilt(i.sos, i.x, zi=state)
        return y

    return call


def sosfilt_package(i: Inputs) -> Call:
    # It wants a filter for each channel: one filter for many channels makes it read past the end.
    function = importlib.import_module("sosfilt.sosfilt").sosfilt
    channels = i.x.size // i.x.shape[i.axis]
    filters = i.sos if i.sos.ndim == 3 else np.repeat(i.sos[None], channels, 0)
    return with_sos(function)(replace(i, sos=filters, out=None))


def _back(function: Callable[..., Any], dy: Array) -> Array:
    return function(dy[..., ::-1])[..., ::-1]


def _products(v: Array, x: Array, lags: int) -> Array:
    # sum_n v[n+m] x[n] for each lag m, over all channels
    return np.array([np.sum(v[..., m:] * x[..., : x.shape[-1] - m]) for m in range(lags)])


def _lfilter_gradients(b: Array, a: Array, x: Array, dy: Array) -> tuple[Array, ...]:
    y = scipy.signal.lfilter(b, a, x)
    v = _back(partial(scipy.signal.lfilter, [1.0], a), dy)
    dx = _back(partial(scipy.signal.lfilter, b, a), dy)
    return y, _products(v, x, b.size), -_products(v, y, a.size), dx


def scipy_gradients_ba(i: Inputs) -> Call:
    return partial(_lfilter_gradients, i.b, i.a, i.x, i.dy)


def scipy_gradients_sos(i: Inputs) -> Call:
    # The chain rule, section by section.
    def call() -> tuple[Array, ...]:
        signals = [i.x]
        for section in i.sos:
            signals.append(scipy.signal.sosfilt(section[None], signals[-1]))
        dsos, slope = np.empty_like(i.sos), i.dy
        for k in range(len(i.sos))[::-1]:
            _, dsos[k, :3], dsos[k, 3:], slope = _lfilter_gradients(i.sos[k, :3], i.sos[k, 3:], signals[k], slope)
        return signals[-1], dsos, slope

    return call


def _python_tanh(b: Array, a: Array, x: Array) -> tuple[Array, Array]:
    # The recursion as it is written, a[0] = 1: excitations e and y = tanh(e) of one channel.
    feedback, order = a[1:].tolist(), a.size - 1
    e, y = np.convolve(x, b)[: x.size].tolist(), [0.0] * order
    for n in range(x.size):
        for m, weight in enumerate(feedback, 1):
            e[n] -= weight * y[n - m + order]
        y.append(math.tanh(e[n]))
    return np.array(e), np.array(y[order:])


def python_nlfilter(i: Inputs) -> Call:
    return lambda: np.reshape([_python_tanh(i.b, i.a, x)[1] for x in np.atleast_2d(i.x)], i.x.shape)


def python_nlfilter_gradients(i: Inputs) -> Call:
    # Back-propagation through time as it is written: delta[n] = g'(e[n]) (dy[n] - sum_m a[m] delta[n+m]).
    def call() -> tuple[Array, ...]:
        e, y = _python_tanh(i.b, i.a, i.x)
        delta = [*(1 - y**2), *np.zeros(i.a.size - 1)]
        for n in range(y.size)[::-1]:
            delta[n] *= i.dy[n] - sum(weight * delta[n + m] for m, weight in enumerate(i.a[1:], 1))
        v = np.array(delta[: y.size])
        da = -_products(v, y, i.a.size)
        da[0] = -np.sum(v * e)  # a[0] divides all of e
        return y, _products(v, i.x, i.b.size), da, _back(lambda v: np.convolve(v, i.b)[: v.size], v)

    return call


def libm_tanh(i: Inputs) -> Call:
    numba = importlib.import_module("numba")

    @numba.njit  # type: ignore[untyped-decorator]
    def tanh(x: Array) -> Array:
        y = np.empty_like(x)
        for n in range(x.size):
            y[n] = math.tanh(x[n])
        return y

    return partial(tanh, i.x.ravel())
