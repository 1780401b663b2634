"""The state before a record, from the outputs of its first samples, which benchmarks give away and do not judge."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.models import Model

STEPS, TRIES = 12, 8  # of Levenberg and Marquardt; with more and more damping
FIRST, LEAST = 1e-6, 1e-12  # damping, relative to the mean curvature


def numbers(state: Any) -> Array:
    """All numbers of a state, which is an array, None, or a tuple of states."""
    if isinstance(state, tuple):
        return np.concatenate([np.empty(0), *map(numbers, state)])
    return np.empty(0) if state is None else np.ravel(np.asarray(state, F8))


def as_state(like: Any, values: Array) -> Any:
    """A state like another, with other numbers."""
    if isinstance(like, tuple):
        found, start = [], 0
        for each in like:
            stop = start + numbers(each).size
            found.append(as_state(each, values[start:stop]))
            start = stop
        return tuple(found)
    return None if like is None else values.reshape(np.shape(like)).astype(np.asarray(like).dtype)


def state_before(model: Model, u: Array, y: Array) -> Any:
    """
    The state from which the model's output is nearest to y, by Levenberg and Marquardt's method; None if none is nearer than rest.

    u, y : (N,) or (N, channels), the first samples of a record.
    """
    at_rest, like = model.run(u)  # a state like the one that is wanted
    theta = np.zeros(numbers(like).size)
    if not theta.size or not len(u):
        return None
    h = 1e-6 * max(float(np.abs(numbers(like)).max()), 1e-3)
    errors, damping, moved = np.ravel(at_rest - y), FIRST, False
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            tangents = [np.ravel(model.run(u, as_state(like, theta + h * unit))[0] - y) for unit in np.eye(theta.size)]
            J = (np.stack(tangents, axis=1) - errors[:, None]) / h
            square, slope = J.T @ J, J.T @ errors
            size = max(float(np.trace(square)) / len(square), 1e-300) * np.eye(len(square))
            if not np.isfinite(square).all():
                break
            for _ in range(TRIES):
                new = theta - np.linalg.solve(square + damping * size, slope)
                left = np.ravel(model.run(u, as_state(like, new))[0] - y)
                if left @ left < errors @ errors:
                    theta, errors, moved, damping = new, left, True, damping * 1e-2
                    break
                damping *= 10.0
            else:
                break
            damping = max(damping, LEAST)
    return as_state(like, theta) if moved else None
