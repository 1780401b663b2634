"""Filters of several inputs: one for each input, their outputs added. Shapes, delays and first coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.gradients.nonlinear import feed_back


def lines(x: Array) -> Array:
    """(..., N, I) with time last: (..., N) of one input, (..., I, N) of more."""
    return x[..., 0] if x.shape[-1] == 1 else x.swapaxes(-1, -2)


def added(y: Array, inputs: int) -> Array:
    """The filtered lines as one output (..., N, 1)."""
    return y[..., None] if inputs == 1 else y.sum(axis=-2)[..., None]


def spread(dy: Array, inputs: int) -> Array:
    """The gradient of each line, from that of the output."""
    line = dy[..., 0]
    return line if inputs == 1 else np.broadcast_to(line[..., None, :], (*line.shape[:-1], inputs, line.shape[-1]))


def unlined(dx: Array, inputs: int) -> Array:
    """Lines as (..., N, I)."""
    return dx[..., None] if inputs == 1 else dx.swapaxes(-1, -2)


def line(v: Array, i: int, inputs: int) -> Array:
    """The line of one input, (..., N)."""
    return v if inputs == 1 else v[..., i, :]


def delay(rows: Array, row: int, v: Array, m: int) -> None:
    """Put v (B, N), m samples late, into a row of sensitivities (R, B, N), which is zero before."""
    samples = v.shape[-1]
    rows[row, :, m:] = v[:, : max(samples - m, 0)]


def fed_back(a: Array, slope: Array, u: Array) -> Array:
    """Tangents dy = slope (u - sum_m a[m] dy[n-m]) for rows u (R, B, N) and one slope (B, N) for all."""
    order = len(a) - 1
    if not order or not u.size:
        return slope * u
    flat = u.reshape(-1, u.shape[-1])
    dy = np.zeros((len(flat), order + u.shape[-1]))
    each = np.broadcast_to(slope, u.shape)
    feed_back(a[None], each.reshape(flat.shape), np.ascontiguousarray(flat, F8), dy)
    return dy[:, order:].reshape(u.shape)


def first_taps(rng: np.random.Generator, inputs: int, taps: int) -> Array:
    """About an impulse for each input, shared out between them; (taps,) of one input."""
    b = 0.1 / np.sqrt(taps) * rng.standard_normal((inputs, taps))
    b[:, 0] += 1.0
    b /= inputs
    return b[0] if inputs == 1 else b


def first_poles(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Pairs of poles (..., 2 coefficients a1, a2) within radius 0.5."""
    radius, angle = 0.5 * np.sqrt(rng.uniform(size=shape)), rng.uniform(0.0, np.pi, shape)
    return np.stack([-2.0 * radius * np.cos(angle), radius**2], axis=-1)


def first_feedback(rng: np.random.Generator, order: int) -> Array:
    """A denominator whose poles are within radius 0.5."""
    a = np.ones(1)
    for pair in first_poles(rng, (order // 2,)):
        a = np.convolve(a, np.append(1.0, pair))
    return np.convolve(a, [1.0, rng.uniform(-0.5, 0.5)]) if order % 2 else a


def inputs_of(b: Any, own: int = 1) -> int:
    """How many inputs a parameter with an axis for them in front speaks of, if there are several."""
    array = np.asarray(b)
    return 1 if array.ndim <= own else array.shape[0]
