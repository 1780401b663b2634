"""Filters that stay stable while they are trained: an unconstrained parametrisation of stable denominators.

A denominator is stable if and only if all its reflection coefficients k are between -1 and 1. They are
k = tanh(theta), and the step-up recursion makes the denominator of them:

    a_1..a_m:  a'[i] = a[i] + k_m a[m-i],  i = 1 ... m-1,   a'[m] = k_m

Then all poles are drawn towards the origin by a factor just below 1, so that rounding cannot push them out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.models.parameters import Fixed

RADIUS = 1.0 - 1e-6  # of the outermost poles there are
TIGHTER = 1.0 - 1e-3  # further in, where clustered poles are so sensitive that rounding pushes them out


def step_up(k: Any, join: Callable[..., Any] = np.concatenate) -> Any:
    """The coefficients a_1 ... a_P (..., P) of denominators from reflection coefficients (..., P).

    Arrays, or PyTorch tensors with ``join=torch.cat``; so is `step_down`, its inverse.
    """
    a = k[..., :1]
    for m in range(1, k.shape[-1]):
        last = k[..., m : m + 1]
        a = join([a + last * a[..., list(range(m - 1, -1, -1))], last], -1)
    return a


def step_down(a: Any, join: Callable[..., Any] = np.concatenate) -> Any:
    """Reflection coefficients (..., P) from a_1 ... a_P; those of unstable denominators are not all inside (-1, 1)."""
    k = a[..., :0]
    for m in range(a.shape[-1] - 1, -1, -1):
        rest, last = a[..., :m], a[..., m:]
        k = join([last, k], -1)
        a = (rest - last * rest[..., list(range(m - 1, -1, -1))]) / (1.0 - last * last)
    return k


def polynomial(k: Array) -> Array:
    """Denominators (..., P + 1) from reflection coefficients (..., P)."""
    return np.concatenate([np.ones((*k.shape[:-1], 1)), step_up(k)], -1)


def slopes(k: Array) -> Array:
    """The derivatives (..., P, P + 1) of `polynomial`, a row for each reflection coefficient."""
    order = k.shape[-1]
    a = np.zeros((*k.shape[:-1], order + 1))
    a[..., 0] = 1.0
    d = np.zeros((*k.shape, order + 1))
    for m in range(1, order + 1):
        turned = a[..., m - 1 :: -1].copy()
        d[..., 1 : m + 1] += k[..., m - 1, None, None] * d[..., m - 1 :: -1]
        d[..., m - 1, 1 : m + 1] = turned
        a[..., 1 : m + 1] += k[..., m - 1, None] * turned
    return d


def reflections(a: Array) -> Array:
    """Reflection coefficients (..., P) of denominators (..., P + 1)."""
    with np.errstate(all="ignore"):
        return np.asarray(step_down(np.asarray(a, F8)[..., 1:]))


def powers(order: int, radius: float = RADIUS) -> Array:
    return radius ** np.arange(order + 1.0)


def stable(a: Array) -> Array:
    """Which of the denominators are stable."""
    return np.asarray((np.abs(reflections(a)) < 1.0).all(axis=-1))


def denominator(theta: Array) -> Array:
    """Stable denominators (..., P + 1) from any numbers (..., P)."""
    order = theta.shape[-1]
    a = polynomial(np.tanh(theta)) * powers(order)
    for _ in range(100):
        out = ~stable(a) & np.isfinite(a).all(axis=-1)
        if not out.any():
            break
        a[out] *= powers(order, TIGHTER)
    return a


def numbers(a: Array) -> Array:
    """The inverse of `denominator`."""
    k = reflections(a / powers(a.shape[-1] - 1))
    if not (np.abs(k) < 1.0).all():
        radius = max(float(np.abs(np.roots(row)).max(initial=0.0)) for row in a.reshape(-1, a.shape[-1]))
        raise ValueError(f"a has a pole of radius {radius:.9g}: with stable=True poles are within {RADIUS}")
    return np.arctanh(k)


def derivative(a: Array) -> Array:
    """The derivatives (..., P, P) of a[1:] by the numbers, a row for each number, at the denominators a."""
    order = a.shape[-1] - 1
    k = reflections(a / powers(order))
    return (1.0 - k**2)[..., None] * slopes(k)[..., 1:] * powers(order)[1:]


class Stable(Fixed):
    """
    Denominators by numbers of which any are stable, on the last axis from `index` on; numerators before as they are.

    index : 0 for `a` of an IIR filter, 3 for sections (..., 6); the place of the coefficient that is 1.
    """

    def pack(self, array: Array) -> Array:
        both = array[..., : self.index], numbers(array[..., self.index :])
        return np.concatenate(both, axis=-1).reshape(-1).astype(F8)

    def unpack(self, vector: Array, array: Array) -> Array:
        each = np.asarray(vector, F8).reshape(*array.shape[:-1], -1)
        full = np.concatenate([each[..., : self.index], denominator(each[..., self.index :])], axis=-1)
        return full.astype(array.dtype, copy=False)

    def gradient(self, array: Array, gradient: Array) -> Array:
        gradient = np.asarray(gradient, F8)
        back = (derivative(array[..., self.index :]) @ gradient[..., self.index + 1 :, None])[..., 0]
        return np.concatenate([gradient[..., : self.index], back], axis=-1).reshape(-1)

    def rows(self, array: Array, rows: Array) -> Array:
        each = rows.reshape(-1, array.shape[-1] - 1, *rows.shape[1:]).copy()
        d = derivative(array[..., self.index :])
        for part, own in zip(each, d.reshape(-1, *d.shape[-2:]), strict=True):
            part[self.index :] = np.tensordot(own, part[self.index :], axes=1)
        return each.reshape(rows.shape)
