"""Losses, by name or a pair of functions of the user's, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from sigrnn._arrays import F8, Array

from .data import Data

LOSSES = ("mse", "mae", "huber", "esr", "nmse")

Pair = tuple[Callable[[Array, Array], float], Callable[[Array, Array], Array]]


class Loss(Protocol):
    """From outputs, targets and weights (B, N, outputs), None for all 1, to the weighted *sum*, and its gradient."""

    def __call__(self, y: Array, t: Array, w: Array | None) -> tuple[float, Array]: ...


class Named(NamedTuple):
    """A function of each error alone, summed with the weights."""

    name: str
    scale: float  # 1, or 1 over the power of the target

    def __call__(self, y: Array, t: Array, w: Array | None) -> tuple[float, Array]:
        if w is None and self.name not in ("mae", "huber"):
            slope = y - t
            flat = slope.reshape(-1)
            wide = flat.astype(F8, copy=False)
            value = float(wide.dot(wide))
            slope *= 2.0 * self.scale
            return self.scale * value, slope
        # A sample of weight 0 may have any target, NaN too.
        e = y - t if w is None else np.where(w > 0, y - t, 0)
        if self.name == "mae":
            value, slope = np.abs(e), np.sign(e)
        elif self.name == "huber":
            small = np.abs(e) <= 1.0
            value, slope = np.where(small, 0.5 * e * e, np.abs(e) - 0.5), np.clip(e, -1.0, 1.0)
        else:
            value, slope = e * e, 2.0 * e
        if w is not None:
            value, slope = w * value, w * slope
        if self.scale != 1.0:
            slope = self.scale * slope
        return self.scale * float(np.sum(value, dtype=F8)), slope.astype(y.dtype, copy=False)


class Own(NamedTuple):
    """The user's functions: the mean over sequences, weighted by the number of samples that count."""

    functions: Pair
    flat: bool

    def __call__(self, y: Array, t: Array, w: Array | None) -> tuple[float, Array]:
        total, dy = 0.0, np.zeros_like(y)
        for k in range(len(y)):
            counted = np.arange(len(y[k])) if w is None else np.flatnonzero(w[k].any(axis=1))
            if not len(counted):
                continue
            span = slice(counted[0], counted[-1] + 1)
            pair = [a[k, span, 0] if self.flat else a[k, span] for a in (y, t)]
            size = pair[0].size
            total += size * float(self.functions[0](*pair))
            slope = np.asarray(self.functions[1](*pair))
            if slope.shape != pair[0].shape:
                raise ValueError(
                    f"the gradient of the loss has shape {slope.shape}, expected that of y {pair[0].shape}"
                )
            dy[k, span] = size * slope.reshape(dy[k, span].shape)
        return total, dy


def known(loss: Any, data: Data, weighted: bool = False) -> Loss:
    """The loss of that name, or of the user's functions; relative ones need the power of the target in the data."""
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, or a pair of functions, got {loss!r}")
        return Named(loss, 1.0 / _power(loss, data) if loss in ("esr", "nmse") else 1.0)
    if not (isinstance(loss, tuple | list) and len(loss) == 2 and all(map(callable, loss))):
        raise ValueError(
            f"loss must be one of {', '.join(LOSSES)}, or a pair (loss(y, t) -> float, gradient(y, t) -> array), "
            f"got {loss!r}"
        )
    if weighted:
        raise ValueError("weights are for losses by name: a pair of functions weighs samples itself")
    return Own((loss[0], loss[1]), data.flat)


def _power(loss: str, data: Data) -> float:
    """Weighted mean square of the target, for 'nmse' about its mean."""
    t, w = (np.concatenate([a.ravel() for a in each]).astype(F8) for each in (data.t, data.w))
    t, w = t[w > 0], w[w > 0]
    if loss == "nmse":
        t = t - np.average(t, weights=w)
    power = float(np.average(t * t, weights=w))
    if power == 0.0:
        what = "constant" if loss == "nmse" else "zero"
        raise ValueError(f"loss {loss!r} is relative to the power of t, which is {what} wherever it counts")
    return power
