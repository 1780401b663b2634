"""Adaptive filters with feedback: y[n] = g(w . u[n]), where u[n] includes past outputs, and its recursive gradient."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload

from sigrnn._kernels.adaptive.divergence import admitted, judged, observe
from sigrnn._kernels.adaptive.numbers import conjugate, square
from sigrnn._kernels.adaptive.sizes import (
    AT,
    CLEAN,
    EPS,
    HELD,
    KEEP,
    KEEP_STABLE,
    MU,
    OF_TARGET,
    PEAK,
    RADIUS,
    RECURSIVE,
    STOP,
)
from sigrnn._kernels.base.activations import label, pair
from sigrnn._kernels.base.jit import device, kernel, once, packed, routine, strided


def slope_at(of_output: Any, slope: Any, e: Any, y: Any) -> Any:
    """g'(e), computed from y if `of_output`."""


@overload(slope_at, inline="always")
def _slope_at(of_output, slope, e, y):
    if isinstance(of_output, types.NoneType):
        return lambda of_output, slope, e, y: slope(e)
    return lambda of_output, slope, e, y: slope(y)


@routine
def inside(a, work, radius):
    """Whether all zeros of z^P + a[0] z^(P-1) + ... lie inside the unit circle, by the step-down recursion."""
    scale = 1.0
    for k in range(a.shape[0]):
        scale /= radius
        work[k] = a[k] * scale
    for order in range(a.shape[0], 0, -1):
        last = work[order - 1]
        rest = 1.0 - square(last)
        if not rest > 0.0:
            return False
        low, high = 0, order - 2
        while low <= high:
            one, other = work[low], work[high]
            work[low] = (one - last * conjugate(other)) / rest
            work[high] = (other - last * conjugate(one)) / rest
            low, high = low + 1, high - 1
    return True


@routine
def stepped(w, grad, g, keep, taps, order, trial, radius, hold):
    """w <- keep w + g conj(grad); False if the step of the feedback was skipped."""
    for i in range(w.shape[0]):
        trial[i] = keep * w[i] + g * conjugate(grad[i])
    fine = not hold or inside(trial[taps : taps + order], trial[w.shape[0] :], radius)
    for i in range(w.shape[0]):
        if fine or not taps <= i < taps + order:
            w[i] = trial[i]
    return fine


def scanner(g: Any, slope: Any, of_output: Any) -> Any:
    """The loop over time, with an activation."""

    def scan(x, d, y, e, history, w, u, memory, trial, taps, mode, p, levels, counts, policy):
        # x (N, 1)   d, y, e (N,)   w, u (Q,): taps of x, then of the feedback, then a bias if any
        # memory (P + 1, Q) gradients of the last P outputs, a ring buffer, newest in row counts[AT]   trial (Q + P,) scratch
        # without normalisation if p[EPS] is 0
        size, order = w.shape[0], memory.shape[0] - 1
        window = max(taps, order + 1) if mode & OF_TARGET else taps
        for n in range(x.shape[0]):
            if history.shape[0]:
                for i in range(size):
                    history[n, i, 0] = w[i]
            oldest = u[taps - 1]
            for i in range(taps - 1, 0, -1):
                u[i] = u[i - 1]
            u[0] = admitted(x[n, 0], policy)
            excitation = w[0] * u[0]
            for i in range(1, size):
                excitation += w[i] * u[i]
            out = g(excitation)
            error = d[n] - out
            y[n], e[n] = out, error
            observe(x, n, levels, counts)
            if mode & OF_TARGET and not square(d[n]) >= 0.0:
                counts[CLEAN] = 0
            left_out = judged(error, d[n], window, taps * levels[PEAK] + size - taps - order, levels, counts, policy)
            if counts[STOP]:
                for i in range(taps - 1):
                    u[i] = u[i + 1]
                u[taps - 1] = oldest
                return n
            if left_out and counts[CLEAN] < window:
                y[n] = e[n] = x[n, 0] * float("nan")
            row = counts[AT] + 1 if counts[AT] < order else 0
            grad = memory[row]
            rate = slope_at(of_output, slope, excitation, out)
            for i in range(size):
                grad[i] = u[i]
            if mode & RECURSIVE:
                for k in range(order):
                    past = memory[(row - 1 - k) % (order + 1)]
                    weight = w[taps + k]
                    for i in range(size):
                        grad[i] -= weight * past[i]
            power = 0.0
            for i in range(size):
                grad[i] = rate * grad[i]
                power += square(grad[i])
            counts[AT] = row
            if not left_out:
                step = p[MU] / (p[EPS] + power) if p[EPS] > 0.0 else p[MU]
                keep, hold = p[KEEP], mode & KEEP_STABLE != 0
                if not stepped(w, grad, step * error, keep, taps, order, trial, p[RADIUS], hold):
                    counts[HELD] += 1
            for i in range(taps + order - 1, taps, -1):
                u[i] = u[i - 1]
            if order:
                u[taps] = -(admitted(d[n], policy) if mode & OF_TARGET else out)
        return x.shape[0]

    return scan


@device
def same(e):
    """The activation of a linear filter, also for complex numbers."""
    return e


@device
def one(e):
    """Its slope."""
    return 1.0


@once
def feedback(kind: Any, dtype: str) -> Any:
    """The compiled loop with an activation, or None, for numbers of this type, 'd' or 'D'."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    signals = strided(dtype, 2, read=True), strided(dtype, 1, read=True), number, number, packed(dtype, 3)
    memory = number, number, numbers, number, types.intp, types.intp
    rest = packed("d", 1), packed("d", 1), packed("i8", 1), types.intp
    if kind is None:
        return kernel(scanner(same, one, True), f"feedback_{dtype}", *signals, *memory, *rest)
    chosen = pair(kind)
    scan = scanner(chosen.g, chosen.slope, True if chosen.of_output else None)
    return kernel(scan, f"feedback_{label(kind)}_{dtype}", *signals, *memory, *rest, keep=isinstance(kind, str))
