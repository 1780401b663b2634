"""Stopping rules of adaptive filters: divergence (an error of 1e8 times the largest signal) and non-finite numbers."""

from __future__ import annotations

import math

from sigrnn._kernels.adaptive.numbers import finite, square
from sigrnn._kernels.adaptive.sizes import (
    CLEAN,
    DIVERGED,
    GAIN,
    LIMIT,
    NOT_A_NUMBER,
    OMIT,
    PEAK,
    POISONED,
    RAISE,
    STOP,
    UNGUARDED,
)
from sigrnn._kernels.base.calls import small
from sigrnn._kernels.base.jit import part, routine

MARGIN = 1e16  # the largest squared error, relative to the largest square of the signals so far


@part
def allow(power, levels):
    """Raise the limit according to the power of a signal."""
    bound = MARGIN * power
    if levels[LIMIT] < bound < math.inf:
        levels[LIMIT] = bound


@part
def within(error, d, levels):
    """Whether an error is within the limit set by the largest |d| so far; the fast test before `leaves_out`."""
    allow(square(d), levels)
    return square(error) <= levels[LIMIT]


@routine
def leaves_out(error, known, power, levels, counts, policy):
    """Whether to skip the step of a sample that is not `within`; sets counts[STOP] to the reason to stop, or to 0.

    known: whether all inputs of the error are finite   power: |u|^2 of the window, or an upper bound. The output of the
    initial weights is at most levels[GAIN] |u|^2 in power, so an error of that size does not count as divergence.
    """
    small()
    counts[STOP] = 0
    if known:
        allow(levels[GAIN] * power, levels)
        squared = square(error)
        apart = not squared <= levels[LIMIT] and (levels[LIMIT] > 0.0 or not squared < math.inf)
        if apart and not counts[POISONED] and not policy & UNGUARDED:
            counts[STOP] = DIVERGED
        return False
    if policy & RAISE:
        counts[STOP] = NOT_A_NUMBER
    elif not policy & OMIT:
        counts[POISONED] = 1
    return policy & OMIT != 0


@routine
def inspect(line, at, taps, d):
    """Whether the window of a sample and its d are finite, and the power of the window."""
    small()
    known, power = finite(d), 0.0
    for c in range(line.shape[0]):
        for i in range(at - taps + 1, at + 1):
            known = known and finite(line[c, i])
            power += square(line[c, i])
    return known, power


@part
def observe(x, n, levels, counts):
    """Count the samples of x since the last non-finite one, and update the largest |x|^2."""
    counts[CLEAN] += 1
    power = 0.0
    for c in range(x.shape[1]):
        power += square(x[n, c])
        if not finite(x[n, c]):
            counts[CLEAN] = 0
    if levels[PEAK] < power < math.inf:
        levels[PEAK] = power


@part
def admitted(x, policy):
    """A sample of x as it enters the window: with OMIT, a non-finite one is replaced by 0."""
    return 0.0 if policy & OMIT and not finite(x) else x


@part
def judged(error, d, window, power, levels, counts, policy):
    """As `leaves_out`, for filters that `observe` each sample; the error depends on the last `window` samples of x."""
    known = counts[CLEAN] >= window and finite(d)
    if within(error, d, levels) and known:
        counts[STOP] = 0
        return False
    return leaves_out(error, known, power, levels, counts, policy)
