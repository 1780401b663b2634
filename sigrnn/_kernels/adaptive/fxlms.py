"""Filtered-x LMS: a filter whose output passes through a secondary path before the error is measured.

`lines` holds three signals, their newest sample at counts[AT]: the reference x, x filtered by the estimate of the path,
and the output u of the filter. In weights and paths the tap of the oldest sample comes first.
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.adaptive.divergence import admitted, judged, observe
from sigrnn._kernels.adaptive.numbers import conjugate, finite, real, square
from sigrnn._kernels.adaptive.sizes import AT, CLEAN, EPS, KEEP, MU, PEAK, SEEN, STOP
from sigrnn._kernels.adaptive.taps import dot
from sigrnn._kernels.base.jit import kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import pointer


@routine
def filtered_at(weights, line, at):
    """The product of weights with the window that ends at `at`."""
    taps = weights.shape[0]
    return dot(pointer(weights), 0, pointer(line), at - taps + 1, taps)


@routine
def append(x, w, believed, lines, reach, counts, policy):
    """Append a sample of the reference; returns the output of the filter."""
    at = counts[AT] + 1
    if at == lines.shape[1]:
        for i in range(lines.shape[0]):
            for k in range(reach):
                lines[i, k] = lines[i, at - reach + k]
        at = reach
    counts[AT] = at
    lines[0, at] = admitted(x, policy)
    lines[1, at] = filtered_at(believed, lines[0], at)
    lines[2, at] = filtered_at(w, lines[0], at)
    return lines[2, at]


@routine
def correct(w, filtered, at, error, p):
    """w <- keep w + mu e conj(x') [ / (eps + |x'|^2) ]."""
    taps, power = w.shape[0], 0.0
    first = at - taps + 1
    if p[EPS] > 0.0:
        for k in range(taps):
            power += real(filtered[first + k] * conjugate(filtered[first + k]))
    step = (p[MU] / (p[EPS] + power) if p[EPS] > 0.0 else p[MU]) * error
    keep = p[KEEP]
    for k in range(taps):
        w[k] = keep * w[k] + step * conjugate(filtered[first + k])


@routine
def left_out_at(error, d, window, power, levels, counts, policy):
    """`judged`, called instead of inlined: inlined, it makes the loop a third slower."""
    return judged(error, d, window, power, levels, counts, policy)


def _simulate(x, d, y, e, u, history, w, believed, plant, lines, p, levels, counts, policy):
    """The loop with a simulated path; returns the sample at which it stopped, or N."""
    # x (N, 1)   d, y, e, u (N,)   w (T,)   believed, plant (S,)   lines (3, capacity)
    taps = w.shape[0]
    past = max(taps, plant.shape[0]) + believed.shape[0]
    reach = 0.0  # upper bound of the power after the path for |x| = |w| = 1
    for k in range(plant.shape[0]):
        reach += taps * plant.shape[0] * square(plant[k])
    for n in range(x.shape[0]):
        if history.shape[0]:
            for k in range(taps):
                history[n, k, 0] = w[taps - 1 - k]
        u[n] = append(x[n, 0], w, believed, lines, past, counts, policy)
        at = counts[AT]
        y[n] = filtered_at(plant, lines[2], at)
        e[n] = d[n] - y[n]
        observe(x, n, levels, counts)
        left_out = left_out_at(e[n], d[n], past, reach * levels[PEAK], levels, counts, policy)
        if counts[STOP]:
            counts[AT] = at - 1
            return n
        if not left_out:
            correct(w, lines[1], at, e[n], p)
        elif counts[CLEAN] < past:
            y[n] = e[n] = x[n, 0] * float("nan")
    return x.shape[0]


def _control(x, u, w, believed, plant, lines, waiting, levels, counts, policy):
    """Outputs for a block, with constant weights; the errors of `waiting` samples before it are not known yet."""
    past = max(w.shape[0], plant.shape[0]) + believed.shape[0] + waiting
    for n in range(x.shape[0]):
        u[n] = append(x[n, 0], w, believed, lines, past + n, counts, policy)
        observe(x, n, levels, counts)


def _adapt(e, w, believed, lines, waiting, p, levels, counts, policy):
    """Steps for the errors of the oldest waiting samples; returns the sample at which it stopped, or N."""
    taps = w.shape[0]
    for n in range(e.shape[0]):
        at = counts[AT] - waiting + 1 + n
        clean = counts[CLEAN]
        counts[CLEAN] = clean - (waiting - 1 - n)
        usual = lines[0, at]  # d is not known: errors are compared with the reference and with the first errors
        if counts[SEEN] < taps or not finite(e[n]):
            usual = e[n]
        counts[SEEN] += 1
        left_out = left_out_at(e[n], usual, taps + believed.shape[0], 0.0, levels, counts, policy)
        counts[CLEAN] = clean
        if counts[STOP]:
            return n
        if not left_out:
            correct(w, lines[1], at, e[n], p)
    return e.shape[0]


@once
def simulate(dtype: str) -> Any:
    """The compiled loop with a simulated path, for numbers of this type, 'd' or 'D'."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    signals = strided(dtype, 2, read=True), strided(dtype, 1, read=True), number, number, number, packed(dtype, 3)
    memory = number, number, number, numbers, packed("d", 1), packed("d", 1), packed("i8", 1), types.intp
    return kernel(_simulate, f"control_simulate_{dtype}", *signals, *memory)


@once
def control(dtype: str) -> Any:
    """The compiled loop of outputs."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    memory = number, number, number, numbers, types.intp, packed("d", 1), packed("i8", 1), types.intp
    return kernel(_control, f"control_output_{dtype}", strided(dtype, 2, read=True), number, *memory)


@once
def adapt(dtype: str) -> Any:
    """The compiled loop of steps."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    memory = number, number, numbers, types.intp, packed("d", 1), packed("d", 1), packed("i8", 1), types.intp
    return kernel(_adapt, f"control_adapt_{dtype}", strided(dtype, 1, read=True), *memory)
