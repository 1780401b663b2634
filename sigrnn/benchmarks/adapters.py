"""Tasks from the packages `nonlinear_benchmarks`, which loads the official data sets, and `identibench`, which runs models on them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array

from .recipes import RECIPES, Recipe, predicted, trained
from .task import Record, Task


class Official(NamedTuple):
    """An official data set: its function in `nonlinear_benchmarks`, what errors are reported in, and what is aimed at."""

    function: str
    title: str
    unit: str
    scale: float
    aim: dict[int, float]  # by the number of the test record


OFFICIAL: dict[str, Official] = {
    "wiener-hammerstein": Official("WienerHammerBenchMark", "Wiener-Hammerstein", "mV", 1e3, {0: 0.4}),
    "silverbox": Official("Silverbox", "Silverbox", "mV", 1e3, {0: 0.5, 1: 0.5}),
    "cascaded-tanks": Official("Cascaded_Tanks", "Cascaded tanks", "V", 1.0, {0: 0.35}),
    "emps": Official("EMPS", "EMPS", "mm", 1e3, {0: 5.0}),
    "f-16": Official("F16", "F-16", "m/s2", 1.0, {}),
    "coupled-drives": Official("CED", "Coupled electric drives", "ticks/s", 1.0, {}),
    "parallel-wiener-hammerstein": Official("ParWH", "Parallel Wiener-Hammerstein", "mV", 1e3, {}),
}

# Recipes of identibench's benchmarks, by the beginning of their names after "Benchmark"
IDENTIBENCH = {"WH": "wiener-hammerstein", "Silverbox": "silverbox", "CascadedTanks": "cascaded-tanks", "EMPS": "emps"}


def official(name: str, package: Any = None) -> Task:
    """
    An official data set, with its own split; it is downloaded where the package does not have it yet.

    name : one of `OFFICIAL`. package : `nonlinear_benchmarks`, imported by default.
    """
    if name not in OFFICIAL:
        raise ValueError(f"name must be one of {', '.join(OFFICIAL)}, got {name!r}")
    known = OFFICIAL[name]
    if package is None:
        package = import_module("nonlinear_benchmarks")
    train, test = getattr(package, known.function)(always_return_tuples_of_datasets=True)
    tests = [record(each) for each in listed(test)]
    settling = max((each.settling for each in tests), default=0)
    names = [getattr(each, "name", "") or f"test {k + 1}" for k, each in enumerate(listed(test))]
    aims = {names[k]: aim for k, aim in known.aim.items() if k < len(names)}
    return Task(
        f"{known.title} (official)",
        name if name in RECIPES else "other",
        [record(each)._replace(settling=settling) for each in listed(train)],
        dict(zip(names, tests, strict=True)),
        known.unit,
        known.scale,
        aims,
    )


def listed(data: Any) -> list[Any]:
    """Data sets as a list: the package returns one, or a tuple of them."""
    return list(data) if isinstance(data, list | tuple) else [data]


def record(data: Any) -> Record:
    """A data set of the package: u, y, and the window in which a model may find its state."""
    window = getattr(data, "state_initialization_window_length", None)
    return Record(np.asarray(data.u, float), np.asarray(data.y, float), int(window or 0))


def build_model(context: Any) -> Callable[[Array, Array, Any], Array]:
    """
    Train a model for `identibench.run_benchmark`.

    Parameters
    ----------
    context : identibench.TrainingContext
        The benchmark, hyperparameters and a seed. Hyperparameters are arguments of `fit`, and ``recipe``, the name of one of
        `sigrnn.benchmarks.recipes.RECIPES`; by default the one for the benchmark, or 'other'.

    Returns
    -------
    callable
        ``model(u, y_init, attrs)``, the outputs for inputs (N, I) whose first outputs are given.
    """
    spec, options = context.spec, dict(context.hyperparameters or {})
    recipe = recipe_of(spec.name, options.pop("recipe", None))
    whole = getattr(spec, "train_valid", None) is not None
    settling = int(getattr(spec.task, "init_window", 0) or 0)
    records = [
        Record(flat(each.u), flat(each.y), settling)
        for each in (context.get_train_valid_sequences() if whole else context.get_train_sequences())
    ]
    found = trained(recipe, records, 0 if context.seed is None else context.seed, **options).model

    def model(u: Array, y_init: Array, attrs: Any) -> Array:
        y = predicted(recipe, found, flat(u), flat(y_init))
        return y.reshape(len(u), -1)

    return model


def recipe_of(name: str, asked: str | None) -> Recipe:
    """The recipe asked for, or that of a benchmark of this name."""
    if asked is not None:
        if asked not in RECIPES:
            raise ValueError(f"recipe must be one of {', '.join(RECIPES)}, got {asked!r}")
        return RECIPES[asked]
    kind = name.removeprefix("Benchmark").partition("_")[0]
    return RECIPES[IDENTIBENCH.get(kind, "other")]


def flat(signal: Array) -> Array:
    """A signal of one channel without an axis for it."""
    signal = np.asarray(signal, float)
    return signal[:, 0] if signal.ndim == 2 and signal.shape[1] == 1 else signal
