"""One channel of a filter with feedback, for trainers: coefficients change with each call, and arrays were checked before.

`vjp` prepares a filter that will be called again: it divides by a[0], and looks for one that is kept. Where each call has its own
coefficients, that takes longer than 2,000 samples through a filter of order 2 and back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters._recursive import loop_of
from sigrnn.gradients.tape import pulled_short

LONG = 4096  # samples from which time blocks pay for what they have to prepare


def serves(x: Array, b: Array, a: Array) -> bool:
    """Whether this is such a channel x (N,), b and a (P + 1,) being of one length."""
    return x.dtype is F8 and len(x) < LONG and b.shape == a.shape and len(a) > 1


def filtered(
    b: Array, a: Array, x: Array, zi: Array | None
) -> tuple[Array, Array, Callable[[Array], tuple[Array, ...]]]:
    """
    The output y (N,), the final state (P,), and from dy to gradients of b, a and x; the state has none.

    a[0] is 1. Arrays may change before the pull-back is called.
    """
    order, samples = len(a) - 1, len(x)
    c, kept = np.empty((2, 1, order + 1)), np.empty((2, samples))
    c[0, 0], c[1, 0], kept[0] = b, a, x
    z = np.zeros(order) if zi is None else np.array(zi, F8)
    sample_by_sample(order)(c, *kept, z)
    run, scratch = pulled_short(order)

    def pull(dy: Array) -> tuple[Array, Array, Array]:
        dx, sums = np.empty(samples), np.empty((2, order + 1))
        run(c, 1.0, kept, dy, dx, np.empty(samples + scratch), sums)
        sums[1, 0] = 0.0
        return sums[0], sums[1], dx

    return kept[1].copy(), z, pull


@cache
def sample_by_sample(order: int) -> Any:
    """The plain recurrence of one section."""
    return loop_of("sequential", "direct", order, 1, 0, "d")
