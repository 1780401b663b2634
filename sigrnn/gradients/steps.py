"""One channel of a filter with feedback, for trainers: coefficients change with each call, and arrays were checked before.

`vjp` prepares a filter that will be called again: it divides by a[0], looks for one that is kept, copies x. Where each call
has coefficients of its own that takes longer than 2,000 samples through a filter of order 2 and back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import FIR_WIDTH
from sigrnn.filters._recursive import loop_of
from sigrnn.gradients.tape import pulled_plain

LONG = 4096  # samples from which time blocks pay for what they have to prepare


def serves(x: Array, b: Array, a: Array) -> bool:
    """Whether this is such a channel x (N,), b and a (P + 1,) being of one length."""
    return x.dtype is F8 and len(x) < LONG and b.shape == a.shape and len(a) > 1 and x.flags.carray


def filtered(
    b: Array, a: Array, x: Array, zi: Array | None
) -> tuple[Array, Array, Callable[[Array], tuple[Array, ...]]]:
    """
    The output y (N,), the final state (P,), and from dy to gradients of b, a and x; the state has none.

    a[0] is 1. x is not copied: it must not change before the pull-back is called.
    """
    order = len(a) - 1
    c = np.empty((2, 1, order + 1))
    c[0, 0], c[1, 0] = b, a
    y, z = np.empty(len(x)), np.zeros(order) if zi is None else np.array(zi, F8)
    sample_by_sample(order)(c, x, y, z)

    def pull(dy: Array) -> tuple[Array, Array, Array]:
        dx, sums = np.empty(len(x)), np.zeros((2, order + 1))
        room = np.empty(len(x) + order), np.empty((order + 1, 2, FIR_WIDTH))
        pulled_plain(order, "d")(c[0, 0], c[1, 0], x, y, dy, dx, np.zeros(order), sums[0], sums[1], *room)
        sums[1, 0] = 0.0
        return sums[0], sums[1], dx

    return y, z, pull


@cache
def sample_by_sample(order: int) -> Any:
    """The plain recurrence of one section."""
    return loop_of("sequential", "direct", order, 1, 0, "d")
