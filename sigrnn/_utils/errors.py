"""Errors that several packages raise."""

from __future__ import annotations

from typing import Any


class DivergenceError(FloatingPointError, ValueError):
    """
    Training, or an adaptive filter, diverged.

    Outputs, errors or gradients are no longer finite, or the error of an adaptive filter went out of bounds. A model is left
    with the best parameters before that; an adaptive filter as it was before the sample, its diverged weights included:
    ``reset()`` makes it usable again.

    Parameters
    ----------
    message : str
        What happened, where, and what helps.
    **details : Any
        Values of the attributes.

    Attributes
    ----------
    sample : int or None
        In training, the first sample at which the output, or the error, is not finite; in an adaptive filter, the
        sample of this block at which divergence was detected.
    sequence : int or None
        Training: the sequence of that sample.
    parameter : str or None
        Training: which parameter is not finite, or has no finite gradient, or moved furthest in the last step: 'a[1]'.
    iteration : int
        Training: in which iteration or epoch; 0 is before the first.
    algorithm : str or None
        Adaptive filters: name of the algorithm.
    step : str or None
        Adaptive filters: the setting that stability depends on, such as ``'mu=0.5'``.
    e : complex or None
        Adaptive filters: the error at that sample.
    """

    sample: int | None = None
    sequence: int | None = None
    parameter: str | None = None
    iteration: int = 0
    algorithm: str | None = None
    step: str | None = None
    e: complex | None = None

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.__dict__.update(details)


def overlapping(stream: Any) -> RuntimeError:
    """What a call raises if the state it began with is no longer that of its stream."""
    name = type(stream).__name__
    return RuntimeError(f"the state of this {name} changed during a call: each thread must have its own, see copy()")
