"""Short runs: the loss of a start after a few iterations, on a part of the data."""

from __future__ import annotations

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._utils.errors import DivergenceError
from sigrnn._utils.progress import Silent

from . import lbfgs, least_squares
from .data import Data
from .problem import Problem
from .watch import Stopped, Watch

SETTLING = 500  # samples at the beginning of a part, where its filters are not yet in their state


def descended(problem: Problem, theta: Array, solver: str, iterations: int) -> tuple[Array, float]:
    """The best vector that a solver finds from theta in a few iterations, and its loss with the penalty."""
    problem.model.from_vector(theta)
    watch = Watch(theta, problem, None, iterations, None, Silent())
    try:
        (least_squares if solver == "lm" else lbfgs).solve(problem, watch, iterations)
    except Stopped:
        pass
    except (DivergenceError, np.linalg.LinAlgError):
        if not watch.iterations:
            return theta, np.inf
    problem.model.from_vector(watch.best)
    return watch.best, scored(problem, watch.best)


def scored(problem: Problem, theta: Array) -> float:
    """Loss with the penalty; inf where it is not finite."""
    value = problem.value(theta) + problem.penalty(theta)
    return value if np.isfinite(value) else np.inf


def shortened(data: Data, most: int) -> Data:
    """Up to `most` samples: whole sequences, or the stretch of a single one in which the target has most power."""
    if sum(map(len, data.x)) <= most:
        return data
    if len(data.x) > 1 and len(data.x[0]) <= most:
        ends = np.cumsum([len(x) for x in data.x])
        return data.taken(range(max(int(np.searchsorted(ends, most, "right")), 1)))
    x, t, w = data.x[0], data.t[0], data.w[0]
    power = np.cumsum(np.where(w > 0, t, 0.0).astype(F8) ** 2 @ np.ones(t.shape[1]))
    power = np.concatenate([[0.0], power])
    first = int(np.argmax(power[most:] - power[: len(power) - most]))
    span = slice(first, first + most)
    part = Data([x[span]], [t[span]], [w[span]], data.flat, data.rows[:1], [data.starts[0] + first])
    return part.without(min(SETTLING, most // 8)) if first else part
