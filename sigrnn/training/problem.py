"""The error of a model over data, as a function of the trainer's vector: value, gradient, residuals, Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array

from .data import Batch, Data
from .divergence import diverged
from .losses import Loss, Named

LONG, STRETCH = 1 << 20, 4096  # numbers of input from which on only every so many-th state is kept for the way back


class Problem:
    """
    Error of the outputs, and a penalty on the vector: E = sum of losses / sum of weights + regularization |theta|^2.

    Parameters
    ----------
    model : Model
        It gets the vector set in whatever is asked.
    data : Data
        In the model's precision.
    loss : Loss
        What is summed.
    regularization : float
        Weight of the penalty.
    """

    def __init__(self, model: Any, data: Data, loss: Loss, regularization: float = 0.0) -> None:
        self.model, self.data, self.loss, self.regularization = model, data, loss, regularization
        self.batches = data.batches(causal(model))
        self.total = sum(float(batch.w.sum(dtype=F8)) for batch in self.batches)

    def value(self, theta: Array) -> float:
        """Return the loss alone, without the penalty."""
        self.model.from_vector(theta)
        with np.errstate(all="ignore"):
            return sum(self.loss(self.model(b.x), b.t, b.w)[0] for b in self.batches) / self.total

    def penalty(self, theta: Array) -> float:
        """Return the penalty alone."""
        return self.regularization * float(theta @ theta) if self.regularization else 0.0

    def gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the loss without the penalty, and the gradient of both."""
        self.model.from_vector(theta)
        total, slope = 0.0, 2.0 * self.regularization * theta
        for batch in self.batches:
            value, part, _, _ = self.pulled(batch, None)
            total += value / self.total
            slope = slope + part / self.total
        return total, slope

    def pulled(self, batch: Batch, state: Any) -> tuple[float, Array, Array, Any]:
        """Return the sum of losses over a batch from a state on, its gradient, the outputs, and the next state."""
        keywords = {"checkpoint": STRETCH} if batch.x.shape[0] * batch.x.shape[1] > LONG else {}
        with np.errstate(all="ignore"):
            (y, state), pullback = self.model.vjp(batch.x, state, **keywords)
            value, dy = self.loss(y, batch.t, batch.w)
            slope = self.model.vector_gradient(pullback(dy)[0])
        return value, np.asarray(slope, F8), y, state

    def check(self, theta: Array, before: dict[str, Array] | None = None, iteration: int = 0) -> None:
        """Raise a DivergenceError if the error or its gradient at theta is not finite."""
        self.model.from_vector(theta)
        for batch in self.batches:
            value, slope, y, _ = self.pulled(batch, None)
            if not (np.isfinite(value) and np.isfinite(slope).all()):
                raise diverged(self.model, batch, y, before, iteration)

    def residuals(self, theta: Array) -> Array:
        """Return the errors of all samples that count, one after the other, not weighted."""
        self.model.from_vector(theta)
        with np.errstate(all="ignore"):
            return np.concatenate([(self.model(b.x) - b.t)[b.w > 0] for b in self.batches]).astype(F8, copy=False)

    def jacobian(self, theta: Array) -> Array:
        """Return the derivative of the residuals, a column for each entry of theta."""
        self.model.from_vector(theta)
        found = []
        with np.errstate(all="ignore"):
            for batch in self.batches:
                _, rows = self.model.sensitivities(batch.x)
                rows = np.asarray(self.model.vector_sensitivities(rows), F8)
                found.append(rows[:, batch.w > 0].T)
        return np.concatenate(found)

    @property
    def weights(self) -> Array:
        """Weights of the residuals, in their order, such that the weighted sum of their losses is the loss."""
        assert isinstance(self.loss, Named)
        return np.concatenate([b.w[b.w > 0] for b in self.batches]).astype(F8) * (self.loss.scale / self.total)


def causal(model: Any) -> bool:
    """Whether zeros after the end of a sequence change nothing before it."""
    return type(model).__name__ != "Bidirectional" and all(causal(part) for part in getattr(model, "parts", ()))


def has_sensitivities(model: Any, batch: Batch) -> bool:
    """Whether the model knows its derivatives forward; tried out on one sample."""
    try:
        model.sensitivities(batch.x[:1, :1])
    except (TypeError, NotImplementedError):
        return False
    return True
