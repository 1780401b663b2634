"""When an adaptive filter stops: at an error out of all proportion, or at a number that is none."""

from __future__ import annotations

import math

from sigrnn._kernels.adaptive.rules import LIMIT
from sigrnn._kernels.adaptive.taps import finite, square
from sigrnn._kernels.base.jit import routine
from sigrnn._kernels.sizes import CLEAN, DIVERGED, NOT_A_NUMBER, OMIT, POISONED, RAISE, SEEN, STOP, UNGUARDED


@routine
def heard(x, n, counts):
    """Count the samples of x since the last that was not finite."""
    counts[CLEAN] += 1
    for c in range(x.shape[1]):
        if not finite(x[n, c]):
            counts[CLEAN] = 0


@routine
def admitted(x, policy):
    """A sample of x as it enters the past: where steps that see NaN are omitted, one that is not finite counts as silence."""
    return 0.0 if policy & OMIT and not finite(x) else x


@routine
def judged(error, d, window, size, s, counts, policy):
    """Whether the sample is left out of what is learnt; counts[STOP] says why to stop here (0: go on).

    window: samples of x that the error was made of   size: number of weights; while fewer samples were seen, errors are a
    measure of what is usual, too   s[0]: square of the largest error allowed
    """
    e2, bound = square(error), LIMIT * square(d)
    if counts[SEEN] < size and e2 > bound:
        bound = LIMIT * e2
    if bound > s[0] and bound < math.inf:
        s[0] = bound
    counts[SEEN] += 1
    counts[STOP] = 0
    if counts[CLEAN] >= window and finite(d):
        apart = not e2 <= s[0] and (s[0] > 0.0 or not e2 < math.inf)
        if apart and not counts[POISONED] and not policy & UNGUARDED:
            counts[STOP] = DIVERGED
        return False
    if policy & RAISE:
        counts[STOP] = NOT_A_NUMBER
    elif not policy & OMIT:
        counts[POISONED] = 1
    return policy & OMIT != 0
