"""Signals of models: from the user's (N,), (N, I) or (B, N, I) to (B, N, I) and back; checks of simple arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, array, whole

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}


def sequences(x: ArrayLike, inputs: int | None, dtype: np.dtype[Any] | None) -> tuple[Array, int]:
    """x as (B, N, I), and how many axes it had. `dtype` None: any float will do."""
    given = array("x", x)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"x has dtype {given.dtype}: models are for real signals")
    kind = given.dtype if given.dtype in FLOATS else F8
    found = given.astype(kind if dtype is None else dtype, copy=False)
    if found.ndim not in (1, 2, 3):
        raise ValueError(f"x has shape {found.shape}, expected (N,), (N, I) or (B, N, I)")
    full = found[None, :, None] if found.ndim == 1 else found[None] if found.ndim == 2 else found
    if inputs is not None and full.shape[-1] != inputs:
        expected = f"(N,), (N, {inputs}) or (B, N, {inputs})" if inputs == 1 else f"(N, {inputs}) or (B, N, {inputs})"
        raise ValueError(f"x has shape {found.shape}, expected {expected}: the model has {inputs} input(s)")
    return full, found.ndim


def presented(y: Array, ndim: int) -> Array:
    """(..., B, N, O) for a user whose x had so many axes; more axes in front stay."""
    if ndim == 3:
        return y
    y = y[..., 0, :, :]
    return y[..., 0] if ndim == 1 and y.shape[-1] == 1 else y


def alike(name: str, given: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of this shape, as this dtype."""
    found = array(name, given)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got dtype {found.dtype}")
    if found.shape != shape:
        raise ValueError(f"{name} has shape {found.shape}, expected {shape}")
    return found.astype(dtype, copy=False)


def count(name: str, given: Any, least: int = 1) -> int:
    """A whole number, as an argument of a model."""
    return whole(name, given, least)


def precision(dtype: Any) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in FLOATS:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return found
