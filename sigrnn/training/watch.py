"""State of a run that all solvers share: losses so far, the best parameters, reasons to stop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array
from sigrnn._utils.progress import Silent
from sigrnn.models.composition import leaves_of

from .problem import Problem
from .units import Units, factor


class Iteration(NamedTuple):
    """The argument of a callback. The model has the parameters of that iteration."""

    iteration: int
    loss: float
    validation_loss: float | None
    model: Any


class History(Sequence[float]):
    """
    Losses by iteration: a sequence of numbers, with more columns by name.

    Parameters
    ----------
    columns : dict of list
        'loss', 'validation_loss', 'time' (s since the start) and those of the solver.
    """

    def __init__(self, columns: dict[str, list[float]] | None = None) -> None:
        self.columns: dict[str, list[float]] = columns or {"loss": []}

    def __len__(self) -> int:
        return len(self.columns["loss"])

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return np.array(self.columns[key])
        return np.array(self.columns["loss"])[key] if isinstance(key, slice) else self.columns["loss"][key]

    def keys(self) -> list[str]:
        """
        Return the names of the columns.

        Returns
        -------
        list of str
            'loss' is the first.
        """
        return list(self.columns)

    def __repr__(self) -> str:
        return f"<History of {len(self)} iterations: {', '.join(self.columns)}>"

    def add(self, *parts: dict[str, float]) -> None:
        """Add a row, in parts."""
        for numbers in parts:
            for name, number in numbers.items():
                self.columns.setdefault(name, []).append(number)


class Stopped(Exception):
    """Raised inside a solver to stop it: the reason as a word, and as a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class Watch:
    """
    Records the iterations of a solver.

    Parameters
    ----------
    start : ndarray
        The vector to begin with; the best one until there is another.
    problem, validation : Problem
        For the copy and the penalty; and whose loss decides which vector is the best, if it is given.
    patience : int
        Iterations without a better validation loss after which to stop.
    callback : callable, optional
        Called after each iteration.
    bar : object
        As from `sigrnn._utils.progress.bar`.
    columns : tuple of str
        More columns of the history.
    units : Units, optional
        Of scaled signals: what the user sees is for signals as they were given.
    model : Model, optional
        The user's. The solver works with a copy of it, which belongs to the problem; by default the problem's.
    """

    def __init__(
        self,
        start: Array,
        problem: Problem,
        validation: Problem | None,
        patience: int,
        callback: Callable[[Iteration], Any] | None,
        bar: Any,
        columns: tuple[str, ...] = (),
        units: Units | None = None,
        model: Any = None,
    ) -> None:
        self.model, self.problem, self.validation = problem.model if model is None else model, problem, validation
        self.patience, self.callback, self.bar = patience, callback, bar
        self.best, self.score, self.latest, self.since = start.copy(), np.inf, start, 0
        self.units, self.factor = units, factor(units, problem.loss)
        names = "loss", *["validation_loss"] * (validation is not None), *columns, "time"
        self.history, self.began = History({name: [] for name in names}), time.perf_counter()

    @property
    def iterations(self) -> int:
        """Number of iterations so far."""
        return len(self.history)

    def note(self, theta: Array, loss: float, **numbers: float) -> None:
        """Record an iteration: the vector it led to, and its loss without the penalty. Raises Stopped."""
        row, judged = {"loss": loss * self.factor}, None
        if self.validation is not None:
            judged = self.validation.value(theta)
            row["validation_loss"] = judged * self.factor
        self.history.add(row, numbers, {"time": time.perf_counter() - self.began})
        score = judged if judged is not None else loss + self.problem.penalty(theta)
        self.since += 1
        if score < self.score:
            self.best, self.score, self.since = theta.copy(), score, 0
        if type(self.bar) is not Silent:
            self.bar.set_postfix({name: f"{value:.3g}" for name, value in row.items()}, refresh=False)
        if self.callback is not None:
            self.call(self.callback, theta, loss, judged)
        if judged is not None and self.since >= self.patience:
            raise Stopped("early_stopping", f"the validation loss has not improved for {self.since} iterations")

    def offer(self, theta: Array) -> None:
        """Judge a vector that belongs to no iteration, and keep it if it is the best."""
        if self.validation is None:
            score = self.problem.value(theta) + self.problem.penalty(theta)
        else:
            score = self.validation.value(theta)
        if score < self.score:
            self.best, self.score = theta.copy(), score

    def show(self, theta: Array) -> None:
        """Give the user's model the parameters of a vector, all in one step: `map` and `setattr` cannot be interrupted."""
        found = self.problem.model.from_vector(theta)
        if self.units is not None:
            found = found.copy()
            self.units.leave(found)
        values = [dict(leaf._named()) for leaf in leaves_of(found)]
        deque(map(setattr, leaves_of(self.model), repeat("_values"), values), 0)
        self.model._touch()

    def call(self, callback: Callable[[Iteration], Any], theta: Array, loss: float, judged: float | None) -> None:
        """Call the user's callback; it stops the run by returning True or raising StopIteration."""
        self.show(theta)
        try:
            seen = None if judged is None else judged * self.factor
            stop = callback(Iteration(self.iterations, loss * self.factor, seen, self.model))
        except StopIteration:
            stop = True
        if stop is True:
            raise Stopped("callback", "the callback asked to stop")
