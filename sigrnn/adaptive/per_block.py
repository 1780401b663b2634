"""What the filters with loops of their own share: a step size, leakage, and counts of what was seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import Array, number_of
from sigrnn._kernels.sizes import BLOCK_COUNTS, CLEAN, POISONED, SEEN, STOP
from sigrnn.adaptive.base import AdaptiveFilter
from sigrnn.adaptive.parameters import Parameter

ALWAYS = 1 << 62  # samples since the last that was not finite, at the beginning


def counters(more: int = 0) -> Array:
    """The counts of a filter at rest, and room for more of its own."""
    counts = np.zeros(BLOCK_COUNTS + more, np.int64)
    counts[CLEAN] = ALWAYS
    return counts


class SteppedFilter(AdaptiveFilter):
    """
    A filter with a step size and leakage, whose state has `counts` and `s`, the square of the largest error allowed.

    Parameters
    ----------
    n_taps : int
        Weights of each channel.
    mu : float
        Step size.
    **settings
        ``leakage=0.0``, the share of the weights that leaks away at each update divided by `mu`; those of `AdaptiveFilter`.
    """

    mu = Parameter(0, "finite and not negative", lambda mu: 0.0 <= mu < np.inf)

    def __init__(self, n_taps: int, mu: float, **settings: Any) -> None:
        self._leakage = number_of("leakage", settings.pop("leakage", 0.0))
        super().__init__(n_taps, **settings)
        self.mu = mu
        if self._leakage:
            self._given["leakage"] = self._leakage

    def _changed(self, name: str) -> None:
        if not 0.0 <= self._leakage * self.mu < 1.0:
            raise ValueError(f"mu times leakage must be at least 0 and below 1, got {self.mu} and {self._leakage}")
        self._p[-1] = 1.0 - self.mu * self._leakage

    @property
    def leakage(self) -> float:
        return self._leakage

    def _restart(self, fresh: dict[str, Array]) -> None:
        self._state["w"][...] = fresh["w"]
        self._reassigned()

    def _reassigned(self) -> None:
        self._state["counts"][[SEEN, POISONED]] = 0
        self._state["s"][0] = 0.0

    def _stopped(self, n: int, d: Array) -> tuple[int, int]:
        """Where a loop stopped, and why."""
        return n, 0 if n == len(d) else int(self._state["counts"][STOP])
