"""Volterra filters: weights of the products of samples, each product once."""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.adaptive.divergence import admitted, judged, observe
from sigrnn._kernels.adaptive.sizes import CLEAN, EPS, KEEP, PEAK, STEPS, STOP
from sigrnn._kernels.adaptive.taps import dot
from sigrnn._kernels.base.jit import kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import pointer


@routine
def expand(u, starts, taps):
    """All products of samples of the window, by order: sample i times a tail of the products of the previous order.

    u (Q,): the first M entries are the window   starts (K + 1, M or K): the first product that begins with sample i, a row
    for each order; row K holds the ends of the orders
    """
    orders = starts.shape[0] - 1
    for k in range(1, orders):
        end = starts[orders, k - 1]
        for i in range(taps):
            first, target = starts[k - 1, i], starts[k, i]
            for j in range(end - first):
                u[target + j] = u[i] * u[first + j]


def _volterra(x, d, y, e, history, w, u, starts, taps, p, levels, counts, policy):
    """w <- keep w + mu[k] e u for the products of order k; returns the sample at which it stopped, or N."""
    # x (N, 1)   d, y, e (N,)   w, u (Q,)   without normalisation if p[EPS] is 0
    orders, size = starts.shape[0] - 1, w.shape[0]
    for n in range(x.shape[0]):
        if history.shape[0]:
            for i in range(size):
                history[n, i, 0] = w[i]
        oldest = u[taps - 1]
        for i in range(taps - 1, 0, -1):
            u[i] = u[i - 1]
        u[0] = admitted(x[n, 0], policy)
        expand(u, starts, taps)
        y[n] = dot(pointer(w), 0, pointer(u), 0, size)
        e[n] = d[n] - y[n]
        observe(x, n, levels, counts)
        power = 0.0  # upper bound of |u|^2: there are fewer than taps^k products of order k
        for _ in range(orders):
            power = taps * levels[PEAK] * (1.0 + power)
        left_out = judged(e[n], d[n], taps, power, levels, counts, policy)
        if counts[STOP]:
            for i in range(taps - 1):
                u[i] = u[i + 1]
            u[taps - 1] = oldest
            return n
        if left_out:
            if counts[CLEAN] < taps:
                y[n] = e[n] = x[n, 0] * float("nan")
            continue
        error = e[n]
        if p[EPS] > 0.0:
            error /= p[EPS] + dot(pointer(u), 0, pointer(u), 0, size)
        keep, first = p[KEEP], 0
        for k in range(orders):
            step, end = p[STEPS + k] * error, starts[orders, k]
            for i in range(first, end):
                w[i] = keep * w[i] + step * u[i]
            first = end
    return x.shape[0]


@once
def volterra() -> Any:
    """The compiled loop, for float64."""
    number = packed("d", 1)
    signals = strided("d", 2, read=True), strided("d", 1, read=True), number, number, packed("d", 3)
    memory = number, number, packed("i8", 2), types.intp, number, number, packed("i8", 1), types.intp
    return kernel(_volterra, "volterra", *signals, *memory)
