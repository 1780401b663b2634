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


class Channel:
    """One channel x (N,), which is copied, through a filter of some order and back: each run has coefficients of its own."""

    def __init__(self, x: Array, order: int) -> None:
        self.order, self.c, self.kept = order, np.empty((2, 1, order + 1)), np.empty((2, len(x)))
        (self.b,), (self.a,) = self.c
        self.x, self.y = self.kept
        self.x[...] = x
        self.loop = sample_by_sample(order)
        self.back, more = pulled_short(order)
        self.scratch = len(x) + more

    def run(self, b: Array, a: Array, zi: Array | None) -> Array:
        """Fill y (N,); returns the final state (P,). a[0] is 1."""
        self.b[...], self.a[...] = b, a
        z = np.zeros(self.order) if zi is None else np.array(zi, F8)
        self.loop(self.c, self.x, self.y, z)
        return z

    def memory(self) -> tuple[Array, Array, Array]:
        """What `pull` fills: dx, scratch, and the gradients of b and a."""
        return np.empty(len(self.x)), np.empty(self.scratch), np.empty((2, self.order + 1))

    def pull(self, dy: Array, memory: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """Gradients of b, a and x from dy (N,); the state has none."""
        dx, scratch, sums = memory
        self.back(self.c, 1.0, self.kept, dy, dx, scratch, sums)
        sums[1, 0] = 0.0
        return sums[0], sums[1], dx


def filtered(
    b: Array, a: Array, x: Array, zi: Array | None
) -> tuple[Array, Array, Callable[[Array], tuple[Array, ...]]]:
    """
    The output y (N,), the final state (P,), and from dy to gradients of b, a and x; the state has none.

    a[0] is 1. Arrays may change before the pull-back is called.
    """
    channel = Channel(x, len(a) - 1)
    z = channel.run(b, a, zi)
    return channel.y.copy(), z, lambda dy: channel.pull(dy, channel.memory())


@cache
def sample_by_sample(order: int) -> Any:
    """The plain recurrence of one section."""
    return loop_of("sequential", "direct", order, 1, 0, "d")
