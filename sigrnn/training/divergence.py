"""Where training diverged: the report when outputs, errors or gradients are no longer finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import Array
from sigrnn._utils.errors import DivergenceError

from .data import Batch


def diverged(
    model: Any, batch: Batch, y: Array, before: dict[str, Array] | None = None, iteration: int = 0
) -> DivergenceError:
    """Make the report, from the outputs for a batch and the parameters before the last step."""
    sequence, sample, what = _place(batch, y)
    parameter, why = _parameter(model, batch, before)
    when = f"in iteration {iteration}" if iteration else "before the first step"
    text = f"training diverged {when}: {what} is not finite from sample {sample} of sequence {sequence} on"
    if sample is None:
        text = f"training diverged {when}: the gradient of the loss is not finite"
    details = {"sequence": sequence, "sample": sample, "parameter": parameter, "iteration": iteration}
    return DivergenceError(f"{text}; {why}" if why else text, **details)


def _place(batch: Batch, y: Array) -> tuple[int | None, int | None, str]:
    """The first sample in time of input, target or output that is not finite, or whose error is too large."""
    counted = batch.w > 0
    with np.errstate(all="ignore"):
        suspects = {
            "x": batch.x,
            "t": np.where(counted, batch.t, 0),
            "the output": y,
            "the error": np.where(counted, y - batch.t, 0) ** 2,
        }
    for what, values in suspects.items():
        bad = ~np.isfinite(values).all(axis=2)
        if bad.any():
            first = np.where(bad.any(axis=1), bad.argmax(axis=1), values.shape[1])
            row = int(first.argmin())
            return batch.rows[row], int(first[row]) + batch.starts[row], what
    return None, None, ""


def _parameter(model: Any, batch: Batch, before: dict[str, Array] | None) -> tuple[str | None, str]:
    params = model.params
    for name, value in params.items():
        if not np.isfinite(value).all():
            where = _entry(name, value, ~np.isfinite(value))
            return where, f"{where} is {value[~np.isfinite(value)][0]}"
    if before is not None:
        moved = {name: np.abs(value - before[name]) / (np.abs(before[name]) + 1e-3) for name, value in params.items()}
        name = max(moved, key=lambda name: moved[name].max(initial=0.0))
        if moved[name].max(initial=0.0) > 0:
            where = _entry(name, params[name], moved[name] == moved[name].max())
            return where, f"{where} moved furthest in the last step: lower learning_rate, or set clip"
    with np.errstate(all="ignore"):
        grads = model.vjp(batch.x)[1](np.where(batch.w > 0, 1.0, 0.0).astype(batch.x.dtype))[0]
    for name, value in grads.items():
        if not np.isfinite(value).all():
            where = _entry(name, np.asarray(value), ~np.isfinite(value))
            return where, f"the output has no finite derivative by {where}"
    return None, ""


def _entry(name: str, value: Array, where: Array) -> str:
    at = np.argwhere(where)[0]
    return f"{name}[{', '.join(map(str, at))}]" if value.ndim else name
