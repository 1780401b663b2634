"""Layouts of signals: from the user's to (B, N, I) and back; filters of several inputs, one for each, outputs added."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, array
from sigrnn.models.parameters import FLOATS, wrong_inputs

WIDE = 32  # columns from which a signal with at most a quarter as many rows probably has its axes swapped
CONVENTIONS = "in models time is the first axis, (N, inputs), and not the last as in lfilter"


def sequences(x: ArrayLike, inputs: int | None) -> tuple[Array, int]:
    """A signal (N,), (N, I) or (B, N, I) as (B, N, I) of float32 or float64, and the number of its axes."""
    given = array("x", x)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"x has dtype {given.dtype}: models are for real signals")
    found = given.astype(given.dtype if given.dtype in FLOATS else F8, copy=False)
    if found.ndim not in (1, 2, 3):
        raise ValueError(f"x has shape {found.shape}, expected (N,), (N, I) or (B, N, I)")
    full = found[None, :, None] if found.ndim == 1 else found[None] if found.ndim == 2 else found
    if inputs is not None and full.shape[-1] != inputs:
        hint = f"; {CONVENTIONS}" if found.ndim == 2 and wide(found.shape) else ""
        raise ValueError(wrong_inputs(found.shape, inputs) + hint)
    return full, found.ndim


def restore_layout(y: Array, ndim: int) -> Array:
    """(..., B, N, O) for a signal that had `ndim` axes; more axes in front stay."""
    if ndim == 3:
        return y
    y = y[..., 0, :, :]
    return y[..., 0] if ndim == 1 and y.shape[-1] == 1 else y


def wide(shape: tuple[int, ...]) -> bool:
    """Whether a signal (N, I) has far more columns than rows."""
    return shape[1] >= WIDE and shape[1] >= 4 * shape[0]


def warn_if_wide(shape: tuple[int, ...], kind: str) -> None:
    """Warn before a filter takes each sample of a signal for an input."""
    if wide(shape):
        message = (
            f"x has shape {shape}: {kind} takes it for {shape[0]} samples of {shape[1]} inputs, as {CONVENTIONS}. "
            "Give x.T if it has channels in rows, or x[..., None] to run them as sequences one by one"
        )
        warnings.warn(message, UserWarning, stacklevel=5)


def time_last(x: Array) -> Array:
    """(..., N, I) with time last: (..., N) of one input, (..., I, N) of more."""
    return x[..., 0] if x.shape[-1] == 1 else x.swapaxes(-1, -2)


def sum_inputs(y: Array, inputs: int) -> Array:
    """Filtered inputs, time last, as one output (..., N, 1)."""
    return y[..., None] if inputs == 1 else y.sum(axis=-2)[..., None]


def repeat_inputs(dy: Array, inputs: int) -> Array:
    """The gradient of the output (..., N, 1) as that of each filtered input, time last."""
    y = dy[..., 0]
    return y if inputs == 1 else np.broadcast_to(y[..., None, :], (*y.shape[:-1], inputs, y.shape[-1]))


def time_first(dx: Array, inputs: int) -> Array:
    """The inverse of `time_last`: (..., N, I)."""
    return dx[..., None] if inputs == 1 else dx.swapaxes(-1, -2)


def one_input(v: Array, i: int, inputs: int) -> Array:
    """One of the inputs of a signal with time last, (..., N)."""
    return v if inputs == 1 else v[..., i, :]


def delay(rows: Array, row: int, v: Array, m: int) -> None:
    """Put v (B, N) or (N,), delayed by m samples, into a row of sensitivities (R, B, N) that is zero before."""
    samples = v.shape[-1]
    rows[row, :, m:] = v[..., : max(samples - m, 0)]


def first_taps(rng: np.random.Generator, inputs: int, taps: int) -> Array:
    """Nearly an impulse of 1 / inputs for each input; (taps,) of one input."""
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
    """The number of inputs of a parameter that has an axis in front if there are several."""
    array = np.asarray(b)
    return 1 if array.ndim <= own else array.shape[0]


def of_inputs(inputs: int, *own: int) -> tuple[int, ...]:
    """The shape of a parameter that has an axis in front if there are several inputs."""
    return own if inputs == 1 else (inputs, *own)
