"""A model of one line for each benchmark, and the arguments of `fit`: the same for all seeds, and for simulated and official data."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array
from sigrnn.models import IIR, Chain, Model, StateSpace, TanhNetwork
from sigrnn.training import fit

from .initial import state_before
from .task import Record, Task, rmse


@dataclass(frozen=True)
class Recipe:
    """
    How a benchmark is done.

    Parameters
    ----------
    model : callable
        Makes the model for a number of outputs.
    options : dict
        Arguments of `fit`.
    lead : int
        Times the first input is repeated before a record, where a record does not begin at rest: the model comes to the state
        that belongs to that input.
    integrated : bool
        Whether the last part of the model is an integrator: the part before it is first trained with differences of the target.
    """

    model: Callable[[int], Model]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    lead: int = 0
    integrated: bool = False


RECIPES: dict[str, Recipe] = {
    "wiener-hammerstein": Recipe(lambda outputs: Chain(IIR(3), TanhNetwork(6), IIR(3)), {"max_iter": 100}),
    "silverbox": Recipe(lambda outputs: StateSpace(2, outputs, degree=3), {"max_iter": 60}),
    "cascaded-tanks": Recipe(lambda outputs: StateSpace(2, units=5), {"max_iter": 150, "validation": 0.25}, 250),
    "emps": Recipe(lambda outputs: Chain(StateSpace(1, units=3), IIR(1)), {"max_iter": 60}, integrated=True),
    "bouc-wen": Recipe(lambda outputs: StateSpace(3, units=8), {"max_iter": 60}),
    "f-16": Recipe(lambda outputs: StateSpace(4, units=6), {"max_iter": 60}),
    "mirror": Recipe(lambda outputs: StateSpace(28, outputs), {"max_iter": 100}),
    "other": Recipe(lambda outputs: StateSpace(4, outputs, units=8), {"max_iter": 100}),
}


class Outcome(NamedTuple):
    """A trained model, its errors on the test records in the task's unit, and the seconds it took."""

    model: Model
    errors: dict[str, float]
    seconds: float
    loss: float


def with_lead(u: Array, lead: int) -> Array:
    """An input with its first sample repeated before it."""
    return np.concatenate([np.repeat(u[:1], lead, axis=0), u]) if lead else u


def trained(recipe: Recipe, records: Sequence[Record], seed: int, **options: Any) -> Any:
    """The result of `fit` with some records; `options` replace those of the recipe."""
    outputs = 1 if records[0].y.ndim == 1 else records[0].y.shape[1]
    x, t = inputs_of(recipe, records)
    warmup = recipe.lead + max(record.settling for record in records)
    arguments = {"rng": seed, "progress": False, "warmup": warmup, **recipe.options, **options}
    model = recipe.model(outputs)
    if recipe.integrated:
        inner, last = model.parts
        each = [np.diff(y, axis=0, prepend=y[:1]) for y in t]
        size = float(np.mean([np.std(d) for d in each])) or 1.0
        fit(inner, x, [d / size for d in each], **arguments)
        last.init(1, rng=0).params = {"b": [size, 0.0], "a": [1.0, -1.0]}
        arguments["start"] = "given"
    with warnings.catch_warnings():
        if recipe.integrated:
            warnings.simplefilter("ignore", UserWarning)  # an integrator is not stable
        return fit(model, x, t, **arguments)


def inputs_of(recipe: Recipe, records: Sequence[Record]) -> tuple[list[Array], list[Array]]:
    """Inputs and targets of records, with the lead of the recipe."""
    x = [with_lead(record.u, recipe.lead) for record in records]
    return x, [with_lead(record.y, recipe.lead) for record in records]


def predicted(recipe: Recipe, model: Model, u: Array, first: Array) -> Array:
    """The model's output for the input of a record, whose first outputs are given."""
    if recipe.lead:
        return np.asarray(model(with_lead(u, recipe.lead))[recipe.lead :])
    return np.asarray(model.run(u, state_before(model, u[: len(first)], first))[0])


def done(task: Task, seed: int = 0, **options: Any) -> Outcome:
    """Train with a task's recipe, and test."""
    recipe, began = RECIPES[task.recipe], time.perf_counter()
    result = trained(recipe, task.train, seed, **options)
    seconds = time.perf_counter() - began
    errors = {
        name: task.scale * rmse(predicted(recipe, result.model, record.u, record.y[: record.settling]), record)
        for name, record in task.test.items()
    }
    return Outcome(result.model, errors, seconds, result.loss)
