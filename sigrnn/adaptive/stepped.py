"""Step size and leakage of gradient descent, sample by sample or block by block."""

from __future__ import annotations

from typing import Any

from sigrnn._arrays import number_of
from sigrnn._kernels.adaptive.sizes import KEEP, MU
from sigrnn.adaptive.base import AdaptiveFilter
from sigrnn.adaptive.parameters import not_negative


class SteppedFilter(AdaptiveFilter):
    """A filter with a step size `mu`, and ``leakage=0.0``, the share of the weights that each update loses, divided by `mu`."""

    mu = not_negative(MU)

    def __init__(self, n_taps: int, mu: float, **settings: Any) -> None:
        self._leakage = number_of("leakage", settings.pop("leakage", 0.0))
        super().__init__(n_taps, **settings)
        self.mu = mu
        if self._leakage:
            self._given["leakage"] = self._leakage

    def _changed(self, name: str) -> None:
        if not 0.0 <= self._leakage * self.mu <= 1.0:
            raise ValueError(f"mu times leakage must be between 0 and 1, got {self.mu} and {self._leakage}")
        self._p[KEEP] = 1.0 - self.mu * self._leakage

    @property
    def leakage(self) -> float:
        return self._leakage
