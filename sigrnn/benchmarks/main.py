"""`python -m sigrnn.benchmarks`: runs recipes, and prints a table of errors and times."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sigrnn.workers import set_workers

from .adapters import OFFICIAL, official
from .mirror import mirror
from .recipes import done
from .systems import SYSTEMS
from .task import Task, rmse

HEAD = "| benchmark | test record | error | aim | deviation | unit | training |\n|---|---|---|---|---|---|---|\n"


class Row(NamedTuple):
    """A line of the table: errors and seconds of each seed."""

    name: str
    record: str
    errors: list[float]
    aim: float | None
    deviation: float
    unit: str
    seconds: list[float]

    @property
    def reached(self) -> bool:
        """Whether the median of the errors is not above the aim."""
        return self.aim is None or float(np.median(self.errors)) <= self.aim

    def __str__(self) -> str:
        spread = f"{np.median(self.errors):.3g}"
        if len(self.errors) > 1:
            spread += f" ({min(self.errors):.3g} to {max(self.errors):.3g})"
        aim = "" if self.aim is None else f"{self.aim:g}" + (" (**missed**)" if not self.reached else "")
        took = f"{np.median(self.seconds):.0f} s"
        return f"| {self.name} | {self.record} | {spread} | {aim} | {self.deviation:.3g} | {self.unit} | {took} |\n"


def rows_of(make: Callable[[int], Task], seeds: Sequence[int], **options: Any) -> list[Row]:
    """The lines of a benchmark; `make` gives the task for a seed."""
    errors: dict[str, list[float]] = {}
    seconds: list[float] = []
    for seed in seeds:
        task = make(seed)
        outcome = done(task, seed, **options)
        seconds.append(round(outcome.seconds, 2))
        for name, error in outcome.errors.items():
            errors.setdefault(name, []).append(error)
    return [
        Row(
            task.name,
            name,
            each,
            task.aims.get(name),
            task.scale
            * rmse(np.broadcast_to(task.test[name].y.mean(axis=0), task.test[name].y.shape), task.test[name]),
            task.unit,
            seconds,
        )
        for name, each in errors.items()
    ]


def simulated(name: str, size: float, seed: int) -> Task:
    """A simulated system; the seed draws inputs and noise."""
    return SYSTEMS[name](np.random.default_rng(seed), size)


def of_package(name: str, seed: int) -> Task:
    """Official data: the same whatever the seed."""
    return official(name)


def of_mirror(folder: Path, level: str, seed: int) -> Task:
    """The mirror's data, every second realisation."""
    return mirror(folder, level, 2)


def chosen(args: argparse.Namespace) -> Iterator[Callable[[int], Task]]:
    """The benchmarks that were asked for: from a seed to a task."""
    for name in args.names or (OFFICIAL if args.official else SYSTEMS):
        yield partial(of_package, name) if args.official else partial(simulated, name, args.size)
    if args.mirror:
        for level in ("100mV", "300mV"):
            yield partial(of_mirror, args.mirror, level)


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    found = argparse.ArgumentParser(
        prog="python -m sigrnn.benchmarks",
        description="Train models of one line on benchmarks of system identification, and print errors on test records.",
    )
    found.add_argument("names", nargs="*", help=f"some of {', '.join(SYSTEMS)}; all by default")
    found.add_argument("--official", action="store_true", help="the official data, by the package nonlinear_benchmarks")
    found.add_argument("--mirror", metavar="DIR", type=Path, help="a folder with the Fine Steering Mirror data, too")
    found.add_argument("--seeds", type=int, default=1, help="runs of each benchmark; the median is given (default 1)")
    found.add_argument("--size", type=float, default=1.0, help="length of simulated records, relative (default 1)")
    found.add_argument("--json", metavar="FILE", type=Path, help="write all errors and times")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments; returns 0, or 1 if an aim was missed."""
    command = parser()
    args = command.parse_args(argv)
    unknown = sorted(set(args.names) - set(OFFICIAL if args.official else SYSTEMS))
    if unknown:
        command.error(f"names must be some of {', '.join(OFFICIAL if args.official else SYSTEMS)}, got {unknown[0]!r}")
    if args.seeds < 1 or not args.size > 0.0:
        command.error("--seeds and --size must be positive")
    found: list[Row] = []
    print(HEAD, end="", flush=True)
    with set_workers(1):
        for make in chosen(args):
            for row in rows_of(make, range(args.seeds)):
                found.append(row)
                print(row, end="", flush=True)
    if args.json:
        args.json.write_text(json.dumps([row._asdict() for row in found], indent=1) + "\n", "utf-8")
    return 0 if all(row.reached for row in found) else 1
