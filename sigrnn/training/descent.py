"""Gradient descent in small steps: 'sgd' and 'adam', over batches of sequences and segments of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array

from .data import Batch, Data
from .divergence import diverged
from .problem import Problem, causal
from .watch import Watch

RATES = {"adam": 5e-3, "sgd": 1e-2}
FLOOR = 0.01  # of the first learning rate: where its fall ends


@dataclass
class Plan:
    """
    The samples of each step, and its size.

    Parameters
    ----------
    epochs : int
        Passes through the data.
    batch : int or None
        Sequences side by side in a step; all if None.
    tbptt : int or None
        Samples after which a step is taken and the gradient cut off; whole sequences if None.
    clip : float or None
        Largest norm of a gradient.
    warmup : int
        Samples at the beginning of each sequence that do not count.
    rate : float, callable or None
        Learning rate, or a function of the completed epochs, a fraction included.
    """

    epochs: int
    batch: int | None
    tbptt: int | None
    clip: float | None
    warmup: int
    rate: float | Callable[[float], float] | None

    def takes_all(self, data: Data) -> bool:
        """Whether each batch has all sequences, and so all epochs the same batches."""
        return self.batch is None or self.batch >= len(data.x)

    def batches(self, data: Data, rng: np.random.Generator, pad: bool) -> Iterator[Batch]:
        """All sequences once, in a random order if there are several batches."""
        size = len(data.x) if self.batch is None else min(self.batch, len(data.x))
        order = rng.permutation(len(data.x)) if size < len(data.x) else np.arange(size)
        for first in range(0, len(order), size):
            picked = data.taken(order[first : first + size])
            yield from picked.batches(pad=False) if not pad else [picked.batch(range(len(picked.x)))]

    def segments(self, samples: int) -> Iterator[tuple[slice, bool]]:
        """Segments of time, and whether to take a step after them: segments of warm-up alone are only run."""
        if self.tbptt is None:
            yield slice(0, samples), True
            return
        lead = min(self.warmup, samples)
        if lead:
            yield slice(0, lead), False
        for first in range(lead, samples, self.tbptt):
            yield slice(first, min(first + self.tbptt, samples)), True

    def steps(self, data: Data) -> int:
        """Approximate number of steps in an epoch."""
        count = 1 if self.batch is None else -(-len(data.x) // self.batch)
        longest = max(map(len, data.x))
        return count * (1 if self.tbptt is None else max(-(-(longest - self.warmup) // self.tbptt), 1))

    def rate_at(self, solver: str, epoch: float) -> float:
        """Learning rate of a step: half a cosine falls over all epochs, if none is given."""
        if callable(self.rate):
            return float(self.rate(epoch))
        if self.rate is not None:
            return float(self.rate)
        fall = 0.5 * (1.0 + math.cos(math.pi * epoch / self.epochs))
        return RATES[solver] * (FLOOR + (1.0 - FLOOR) * fall)


class Adam:
    """Kingma and Ba's steps: about of the size of the learning rate, whatever the size of the gradient."""

    def __init__(self, size: int) -> None:
        # Means of the slope and of its square, in the rows of an array: one operation for both.
        self.means, self.terms = np.zeros((2, size)), np.empty((2, size))
        self.kept = np.repeat([[0.9], [0.999]], size, axis=1)
        self.mean, self.square = self.means
        self.slope, self.slope_squared = self.terms
        self.count = 0

    def __call__(self, slope: Array, rate: float) -> Array:
        self.count += 1
        np.multiply(slope, 0.1, self.slope)
        np.multiply(slope, slope, self.slope_squared)
        self.slope_squared *= 0.001
        self.means *= self.kept
        self.means += self.terms
        # The means are divided by 1 - 0.9^n and 1 - 0.999^n: as numbers that saves two passes.
        root = np.sqrt(self.square)
        root *= 1.0 / math.sqrt(1.0 - 0.999**self.count)
        root += 1e-8
        step = np.divide(self.mean, root, root)
        step *= -rate / (1.0 - 0.9**self.count)
        return step


class Sgd:
    """Plain gradient descent."""

    def __init__(self, size: int) -> None:
        pass

    def __call__(self, slope: Array, rate: float) -> Array:
        return -rate * slope


COLUMNS = "gradient_norm", "clipped", "rate"  # of the history
RULES: dict[str, type[Adam] | type[Sgd]] = {"adam": Adam, "sgd": Sgd}


def descend(solver: str, problem: Problem, watch: Watch, plan: Plan, rng: np.random.Generator) -> tuple[str, str]:
    """Minimise; returns the reason for the end, as a word and as a sentence."""
    descent = Descent(solver, problem, watch, plan)
    pad, whole = causal(problem.model), plan.tbptt is None and plan.batch is None
    same = [] if whole or not plan.takes_all(problem.data) else list(plan.batches(problem.data, rng, pad))
    most = plan.clip or math.inf
    for epoch in range(plan.epochs):
        start = descent.theta
        if whole:
            loss, norms = descent.whole(epoch)
            watch.bar.update()
        else:
            loss, norms = descent.pass_through(same or plan.batches(problem.data, rng, pad), epoch)
        # An epoch of one step has the loss at its start; the mean of many steps is about that of where they led to.
        where = start if len(norms) == 1 else descent.theta
        clipped = sum(norm > most for norm in norms)
        watch.note(where, loss, gradient_norm=sum(norms) / len(norms), clipped=clipped, rate=descent.rate)
    if plan.epochs and where is start:  # the last step has not been judged
        watch.offer(descent.theta)
    return "max_iter", f"{plan.epochs} epochs completed"


class Descent:
    """State of the descent: the vector, the rule with its memory, and sums over the epoch."""

    def __init__(self, solver: str, problem: Problem, watch: Watch, plan: Plan) -> None:
        self.solver, self.problem, self.watch, self.plan = solver, problem, watch, plan
        self.theta = watch.latest.copy()
        self.rule = RULES[solver](self.theta.size)
        self.per_epoch, self.sums, self.rate, self.taken = plan.steps(problem.data), [0.0, 0.0], 0.0, 0

    def pass_through(self, batches: Iterable[Batch], epoch: int) -> tuple[float, list[float]]:
        """Take the steps of all batches; returns the mean loss, and the norms of the gradients."""
        self.sums, norms = [0.0, 0.0], []
        for batch in batches:
            for norm in self.along(batch, epoch):
                norms.append(norm)
                self.watch.bar.update()
        return self.sums[0] / self.sums[1], norms

    def along(self, batch: Batch, epoch: int) -> Iterator[float]:
        """Take the steps of a batch, segment after segment; yields the norms of their gradients."""
        state: Any = None
        for span, learn in self.plan.segments(batch.x.shape[1]):
            part = batch.part(span)
            weight = float(part.w.sum(dtype=F8)) if learn else 0.0
            self.problem.model._unpack(self.theta)
            if weight == 0.0:
                state = self.problem.model._forward(part.x, state)[1]
                continue
            value, slope, y, state = self.problem.pulled(part, state)
            slope = slope / weight + 2.0 * self.problem.regularization * self.theta
            norm = math.sqrt(slope.dot(slope))
            if not (math.isfinite(value) and math.isfinite(norm)):
                raise diverged(self.problem.model, part, y, self.moved_from(), epoch + 1)
            self.sums[0] += value
            self.sums[1] += weight
            self.step(slope, norm, epoch)
            yield norm

    def whole(self, epoch: int) -> tuple[float, list[float]]:
        """The same with one step for all data."""
        loss, slope = self.problem.gradient(self.theta)
        norm = math.sqrt(slope.dot(slope))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.problem.check(self.theta, self.moved_from(), epoch + 1)
        self.step(slope, norm, epoch)
        return loss, [norm]

    def step(self, slope: Array, norm: float, epoch: int) -> None:
        """Take one step."""
        if self.plan.clip is not None and norm > self.plan.clip:
            slope = slope * (self.plan.clip / norm)
        self.rate = self.plan.rate_at(self.solver, min(self.taken / self.per_epoch, epoch + 1.0))
        self.before, self.theta = self.theta, self.theta + self.rule(slope, self.rate)
        self.watch.latest = self.before  # the newest known to have a finite loss
        self.taken += 1

    def moved_from(self) -> dict[str, Array] | None:
        """The parameters before the last step."""
        if not self.taken:
            return None
        self.problem.model._unpack(self.before)
        before = {name: np.array(value) for name, value in self.problem.model.params.items()}
        self.problem.model._unpack(self.theta)
        return before
