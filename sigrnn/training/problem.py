"""The error of a model over data, as a function of the trainer's vector: value, gradient, residuals, Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array

from .data import Batch, Data
from .divergence import diverged
from .losses import Loss, Named

LONG, SEGMENT = 1 << 20, 4096  # numbers of input from which on the pull-back stores only every SEGMENT-th state


class Problem:
    """
    Error of the outputs, and a penalty on the vector: E = sum of losses / sum of weights + regularization |theta|^2.

    What does not change in a run is made here: signals side by side in the model's precision, which samples count. The
    model is called past its checks.

    Parameters
    ----------
    model : Model
        Each method sets its parameters from the vector.
    data : Data
        In the model's precision.
    loss : Loss
        The loss of each sample.
    regularization : float
        Weight of the penalty.
    """

    def __init__(self, model: Any, data: Data, loss: Loss, regularization: float = 0.0) -> None:
        self.model, self.data, self.loss, self.regularization = model, data, loss, regularization
        self.batches = data.batches(causal(model))
        self.total = sum(float(batch.w.sum(dtype=F8)) for batch in self.batches)
        self.counted = [None if (batch.w > 0).all() else batch.w > 0 for batch in self.batches]  # None: all samples

    def value(self, theta: Array) -> float:
        """Return the loss alone, without the penalty."""
        self.model._unpack(theta)
        with np.errstate(all="ignore"):
            return sum(self.loss(self.model._forward(b.x)[0], b.t, b.weights)[0] for b in self.batches) / self.total

    def penalty(self, theta: Array) -> float:
        """Return the penalty alone."""
        return self.regularization * float(theta @ theta) if self.regularization else 0.0

    def gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the loss without the penalty, and the gradient of both."""
        self.model._unpack(theta)
        total, slope = 0.0, None
        for batch, reverse in zip(self.batches, self.passes, strict=True):
            value, part, _, _ = self.pulled(batch, None, reverse)
            total += value / self.total
            part /= self.total
            slope = part if slope is None else slope + part
        assert slope is not None
        if self.regularization:
            slope = slope + 2.0 * self.regularization * theta
        return total, slope

    @cached_property
    def passes(self) -> list[Callable[[], Any]]:
        """The model run from rest over each batch."""
        return [self.model._repeated(batch.x, interval(batch)) for batch in self.batches]

    def pulled(
        self, batch: Batch, state: Any, reverse: Callable[[], Any] | None = None
    ) -> tuple[float, Array, Array, Any]:
        """
        Return the sum of losses over a batch from a state on, its gradient, the outputs, and the next state.

        reverse : the one of `passes` for the batch, from rest.
        """
        with np.errstate(all="ignore"):
            (y, state), pullback = (
                self.model._reverse(batch.x, state, interval(batch)) if reverse is None else reverse()
            )
            value, dy = self.loss(y, batch.t, batch.weights)
            slope = self.model._vector_gradient(pullback(dy)[0])
        return value, slope, y, state

    def check(self, theta: Array, before: dict[str, Array] | None = None, iteration: int = 0) -> None:
        """Raise a DivergenceError if the error or its gradient at theta is not finite."""
        self.model._unpack(theta)
        for batch in self.batches:
            value, slope, y, _ = self.pulled(batch, None)
            if not (np.isfinite(value) and np.isfinite(slope).all()):
                raise diverged(self.model, batch, y, before, iteration)

    def residuals(self, theta: Array) -> Array:
        """Return the errors of all samples that count, one after the other, not weighted."""
        self.model._unpack(theta)
        found = []
        with np.errstate(all="ignore"):
            for batch, counted in zip(self.batches, self.counted, strict=True):
                errors = self.model._forward(batch.x)[0] - batch.t
                found.append((errors.reshape(-1) if counted is None else errors[counted]).astype(F8, copy=False))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def jacobian(self, theta: Array) -> Array:
        """Return the derivative of the residuals, a column for each entry of theta, in Fortran's order."""
        self.model._unpack(theta)
        found = []
        with np.errstate(all="ignore"):
            for batch, counted in zip(self.batches, self.counted, strict=True):
                rows = self.model.vector_sensitivities(self.model._jacobian(batch.x)[1])
                rows = rows.reshape(len(rows), -1) if counted is None else rows[:, counted]
                found.append(rows.astype(F8, copy=False))
        return (found[0] if len(found) == 1 else np.concatenate(found, axis=1)).T

    @property
    def weights(self) -> Array:
        """Weights of the residuals, in their order, such that the weighted sum of their losses is the loss."""
        assert isinstance(self.loss, Named)
        return np.concatenate([b.w[b.w > 0] for b in self.batches]).astype(F8) * (self.loss.scale / self.total)


def interval(batch: Batch) -> int | None:
    """Samples between the states that a pull-back stores, None for short signals: it stores all."""
    return SEGMENT if batch.x.shape[0] * batch.x.shape[1] > LONG else None


def causal(model: Any) -> bool:
    """Whether zeros after the end of a sequence change nothing before it."""
    return type(model).__name__ != "Bidirectional" and all(causal(part) for part in getattr(model, "parts", ()))


def has_sensitivities(model: Any, batch: Batch) -> bool:
    """Whether the model has a forward mode; tried on one sample."""
    try:
        model._jacobian(batch.x[:1, :1])
    except (TypeError, NotImplementedError):
        return False
    return True
