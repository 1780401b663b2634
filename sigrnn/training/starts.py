"""The automatic start of `fit`: which starts a model has, short runs of them, and the best one to continue from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._utils.errors import DivergenceError
from sigrnn._utils.progress import Silent
from sigrnn.models import StateSpace
from sigrnn.models.composition import leaves_of
from sigrnn.workers import share

from . import blocks, delays, descent, realization, start
from .problem import Problem
from .short import descended, scored, shortened
from .watch import Watch

SHORT_RUN = 25  # iterations
SHORT_DATA = 10_000  # samples, of block-oriented models
FURTHER = 3  # of them that run on
OF_STATES = 5  # starts of a state space
BY_DEFAULT = 8  # starts of a block-oriented model


class Start(NamedTuple):
    """A start that was tried: what it is, and its loss after a short run."""

    name: str
    loss: float


def found(
    problem: Problem, theta: Array, solver: str, plan: descent.Plan, count: int | None, fresh: bool, rng: Any, bar: Any
) -> tuple[Array, list[Start]]:
    """
    The vector to begin with, and the starts that were tried; the model has the parameters of the best.

    A delay at the input is found first. theta : of the model as it is, always one of the starts. plan : of small steps. count : of starts, None for as many as
    usual for the model. fresh : whether those of block-oriented models are to be found if `count` does not say so.
    """
    model = problem.model
    if (parts := delays.parted(model)) is not None:
        delay, rest = parts
        if fresh or count is not None:
            delay.params = {"samples": delays.found(problem.data, delay.longest, rest)}
        inner = Problem(rest, delays.after(delay, problem.data), problem.loss, problem.regularization)
        return found(inner, theta, solver, plan, count, fresh, rng, bar)
    if start.served(problem) and solver not in descent.RULES:
        tried = start.better_start(problem, theta, solver)
        best = min(tried, key=lambda each: each[1])
        model.from_vector(best[2])
        return best[2], [Start(name, loss) for name, loss, _ in tried]
    wanted = fresh or count is not None
    blocked = blocks.is_block_oriented(model) and wanted
    states = isinstance(model, StateSpace) and wanted and solver not in descent.RULES
    total = count or (BY_DEFAULT if blocked else OF_STATES if states else 1)
    if total == 1:
        return theta, []
    models = [("as it is", model.copy())]
    if blocked:
        models += blocks.starts(problem, total - 1, rng)
    elif states:
        models += realization.starts(problem, total - 1, rng)
    else:
        models += seeds(problem, total - 1, rng)
    runs = [Run(name, np.inf, copy, np.array(copy.to_vector(), F8)) for name, copy in models]
    data = shortened(problem.data, SHORT_DATA) if blocked or states else problem.data

    def one(k: int) -> None:
        name, _, copy, vector = runs[k]
        vector = short_run(Problem(copy, data, problem.loss, problem.regularization), vector, solver, plan)
        loss = scored(Problem(copy, problem.data, problem.loss, problem.regularization), vector)
        runs[k] = Run(name, loss, copy, vector)
        bar.update()

    share([partial(one, k) for k in range(len(runs))], np.inf)
    if blocked:
        share([partial(one, k) for k in sorted(range(len(runs)), key=lambda k: runs[k].loss)[:FURTHER]], np.inf)
    lowest = min(runs, key=lambda run: run.loss)
    for mine, theirs in zip(leaves_of(model), leaves_of(lowest.model), strict=True):
        mine._values = theirs._values  # those that are not trained, too
    model.from_vector(lowest.vector)
    return lowest.vector, [Start(run.name, run.loss) for run in runs]


class Run(NamedTuple):
    """A start, its loss so far, its model, and the vector it has come to."""

    name: str
    loss: float
    model: Any
    vector: Array


def seeds(problem: Problem, count: int, rng: Any) -> list[tuple[str, Any]]:
    """Models with other parameters."""
    inputs = problem.data.inputs
    return [(f"drawn, {k}", problem.model.copy().init(inputs, rng)) for k in range(1, count + 1)]


def short_run(problem: Problem, theta: Array, solver: str, plan: descent.Plan) -> Array:
    """The best vector of a few iterations, or of a part of the epochs."""
    problem.model.from_vector(theta)
    if solver not in descent.RULES:
        return descended(problem, theta, solver, SHORT_RUN)[0]
    watch = Watch(theta, problem, None, plan.epochs, None, Silent(), descent.COLUMNS)
    part = replace(plan, epochs=max(plan.epochs // 20, 1))
    with suppress(DivergenceError):
        descent.descend(solver, problem, watch, part, np.random.default_rng(0))
    problem.model.from_vector(watch.best)
    return watch.best
