"""Stopping rules of adaptive filters: divergence (an error 1e8 times all that was seen), and numbers that are not finite."""

from __future__ import annotations

import math

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
from sigrnn._kernels.adaptive.taps import finite, square
from sigrnn._kernels.base.jit import part, routine

MARGIN = 1e16  # the square of how many times larger than all that was seen an error may become


@part
def allow(power, levels):
    """Raise the limit to what signals of this power allow."""
    bound = MARGIN * power
    if levels[LIMIT] < bound < math.inf:
        levels[LIMIT] = bound


@part
def within(error, d, levels):
    """Whether an error is within the limit that the largest |d| so far sets; the quick test, before `leaves_out`."""
    allow(square(d), levels)
    return square(error) <= levels[LIMIT]


@routine
def leaves_out(error, known, power, levels, counts, policy):
    """Judge a sample that is not `within`: whether it is left out of what is learnt; counts[STOP] is why to stop here (0: go on).

    known: whether all that the error is made of is finite   power: |u|^2 of the window, or what it is at most. The weights
    that the filter started from give out no more than levels[GAIN] |u|^2, so such an error is no divergence.
    """
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
    known, power = finite(d), 0.0
    for c in range(line.shape[0]):
        for i in range(at - taps + 1, at + 1):
            known = known and finite(line[c, i])
            power += square(line[c, i])
    return known, power


@part
def observe(x, n, levels, counts):
    """Count the samples of x since the last that was not finite, and keep the largest |x|^2."""
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
    """A sample of x as it enters the past: where steps that see NaN are omitted, one that is not finite counts as silence."""
    return 0.0 if policy & OMIT and not finite(x) else x


@part
def judged(error, d, window, power, levels, counts, policy):
    """As `leaves_out`, for a filter that calls `observe` for each sample of x; window: how many of its samples the error is made of."""
    known = counts[CLEAN] >= window and finite(d)
    if within(error, d, levels) and known:
        counts[STOP] = 0
        return False
    return leaves_out(error, known, power, levels, counts, policy)
