"""What an adaptive filter gives back, and the error it raises when its weights run away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array


class DivergenceError(FloatingPointError):
    """
    The error of an adaptive filter went out of bounds.

    Parameters
    ----------
    algorithm : str
        Name of the algorithm.
    step : str
        The setting that decides whether it stays stable, such as ``'mu=0.5'``.
    sample : int
        The sample of this block at which it was noticed.
    e : complex
        The error there.

    Notes
    -----
    The parameters are attributes. The filter stays as it was before the sample, its diverged weights included; ``reset()``
    makes it usable again.
    """

    def __init__(self, algorithm: str, step: str, sample: int, e: complex) -> None:
        self.algorithm, self.step, self.sample, self.e = algorithm, step, sample, e
        super().__init__(
            f"{algorithm} with {step} diverged at sample {sample}, where the error is {e:.3g}: "
            "take a smaller step (see suggest_mu), or on_divergence='reset'"
        )

    def __reduce__(self) -> Any:
        return type(self), (self.algorithm, self.step, self.sample, self.e)


def decibels(power: ArrayLike) -> Array:
    """Powers in dB; 0 becomes -inf."""
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(np.asarray(power))


@dataclass(slots=True)
class AdaptiveResult:
    """
    What an adaptive filter gives back for a block.

    Parameters
    ----------
    y : ndarray, shape (N,)
        Output, with the weights before the update at each sample.
    e : ndarray, shape (N,)
        Error d - y.
    w_final : ndarray, shape (n_taps,) or (n_taps, channels)
        Weights after the last sample, newest sample first.
    w : ndarray, shape (N, n_taps) or (N, n_taps, channels), or None
        The weights before the update at each sample; only with ``history=True``.
    resets : ndarray of int
        Samples at which a diverging filter was reset.
    """

    y: Array
    e: Array
    w_final: Array
    w: Array | None = None
    resets: Array = field(default_factory=lambda: np.empty(0, int))
