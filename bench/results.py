"""Results of training on known tasks: runs the examples at full size, and writes docs/results.md and its numbers.

    python bench/results.py             # all tasks: some minutes
    python bench/results.py laser       # those whose script has this in its name, the others as they stand in the page
    python bench/results.py benchmarks rows.json     # the rows that `python -m sigrnn.benchmarks --json rows.json` wrote

Each task is a script of the gallery; with FULL set it runs at full size, and leaves its figures in its variables.
"""

from __future__ import annotations

import json
import platform
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import sigrnn
from sigrnn.benchmarks.main import HEAD as TABLE
from sigrnn.benchmarks.main import Row

ROOT = Path(__file__).resolve().parent.parent
PAGE, NUMBERS = ROOT / "docs" / "results.md", ROOT / "docs" / "_static" / "results.json"
Variables = dict[str, Any]


class Task(NamedTuple):
    """A script, the value it is compared with, and how to read the result from its variables."""

    script: str
    title: str
    reference: str
    reached: Callable[[Variables], str]
    good: Callable[[Variables], bool]


TASKS = (
    Task(
        "recover",
        "Identify a filter of order 6 from 10 000 samples",
        "rounding: 2.2e-16 of 1",
        lambda v: f"largest error of a coefficient {v['error']:.1e}, in {v['seconds']:.2f} s",
        lambda v: v["error"] < 1e-6 and v["seconds"] < 1.0,
    ),
    Task(
        "recover",
        "The same with noise of -20 dB, order 4, 100 runs: variance / Cramer-Rao bound",
        "1 (the bound)",
        lambda v: f"{v['ratio']:.3f}",
        lambda v: abs(v["ratio"] - 1.0) < 0.1,
    ),
    Task(
        "wiener_hammerstein",
        "Filter, tanh, filter, from 20 000 samples: error-to-signal ratio on new data",
        "",
        lambda v: f"{v['esr']:.0e}",
        lambda v: v["esr"] < 1e-4,
    ),
    Task(
        "sunspots",
        "Sunspots, a year ahead, trained up to 1920: average relative variance 1921-55 / 1956-79",
        "linear 0.126 / 0.358; Weigend et al. 0.086 / 0.35",
        lambda v: " / ".join(f"{value:.3f}" for value in v["reached"].values()),
        lambda v: v["reached"]["1921-55"] < 0.126 and v["reached"]["1956-79"] < 0.358,
    ),
    Task(
        "laser",
        "Santa Fe laser, a step ahead, trained on 1000 values: normalised mean square error on the next 4000",
        "linear AR(25) 0.179",
        lambda v: f"{v['nmse'](v['y']):.4f}",
        lambda v: v["nmse"](v["y"]) < 0.02,
    ),
    Task(
        "adding",
        "Adding problem, 200 steps: mean square error of a GRU on new sequences",
        "always 1: 0.167",
        lambda v: f"{v['reached']['GRU']:.4f} (plain RNN: {v['reached']['RNN']:.3f})",
        lambda v: v["reached"]["GRU"] < 0.01,
    ),
    Task(
        "pedal",
        "Diode clipper, 60 s at 48 kHz, LSTM of 16 units: error-to-signal ratio on the last 10 s",
        "",
        lambda v: f"{v['esr']:.1e}, in {v['result'].history['time'][-1] / 60:.1f} minutes",
        lambda v: v["esr"] < 0.01 and v["result"].history["time"][-1] < 600.0,
    ),
    Task(
        "pedal",
        "The same, applied in blocks of 64 samples",
        "1 (real time)",
        lambda v: f"{v['factor']:.0f}",
        lambda v: v["factor"] > 1.0,
    ),
)

HEAD = """# Results

What `fit` reaches on tasks with published or theoretical reference values. Each task is a script of the gallery, here run at full
size on one core. Seeds are fixed; training, validation and test data are separate, and each script selects without its test data.

Two recipes were themselves developed with test errors in view: for the sunspots about sixty variants were tried and the one with the
lowest cross-validation error kept; for the laser, sizes and lags are the best of twelve on validation data. Those two rows show
what a good recipe reaches, not a blind test.

<!-- Written by bench/results.py. Do not edit. -->

| task | reference | sigrnn | script |
|---|---|---|---|
"""


def run(script: str) -> Variables:
    """Run a script of the gallery at full size; `took` is its time in seconds."""
    print(f"== {script}", flush=True)
    began = time.perf_counter()
    path = ROOT / "docs" / "examples" / f"plot_{script}.py"
    return {**runpy.run_path(str(path), init_globals={"FULL": True}), "took": time.perf_counter() - began}


BENCHMARKS = """
## Benchmarks of system identification

Root mean square errors of free runs on test records. These systems are *simulated* from their published equations by
`python -m sigrnn.benchmarks`, with inputs like those of the official data sets, and noise on the outputs; the Fine Steering
Mirror data are measured (M. Floren et al., ISMA-USD 2024, pp. 2042-2052; KU Leuven, CC BY 4.0), and stay outside this repository.
Aims are those for the official sets, which `python -m sigrnn.benchmarks --official` loads by the package `nonlinear_benchmarks`; what
it prints for them is not in this table. For `identibench`, `sigrnn.benchmarks.build_model` is the function that builds a model.

Noise on the outputs has a deviation of 0.2 mV (Wiener-Hammerstein, Silverbox), 0.02 V, 0.001 mm, 0.8e-5 m (Bouc-Wen, in training only) and
0.005 m/s2: no error can be below it. Kinds and sizes of the models were chosen by a run with the first seed. Times are of one core
of a machine that did other work at the same time.

Models are of one line, in `sigrnn/benchmarks/recipes.py`, the same for all seeds. The state before a test record is found from its
first samples, which are given away and not judged. For EMPS, whose output is an integral, `fit` is called twice: first with
differences of the output. "Deviation" is the error of the record's mean. Of several runs, with other inputs, noise and starts, it is the
median, the smallest and the largest. For the mirror, the model is a linear state space of order 28, and every second realisation is used.

"""


def main(pattern: str = "", file: str = "") -> int:
    """Run what matches, write page and numbers; 1 if a figure is not reached."""
    import matplotlib

    matplotlib.use("Agg")
    sigrnn.set_workers(1)
    kept = json.loads(NUMBERS.read_text("utf-8")) if NUMBERS.exists() else {}
    rows, benchmarks = kept.get("tasks", {}), kept.get("benchmarks", [])
    if pattern == "benchmarks":
        benchmarks = json.loads(Path(file).read_text("utf-8"))
    found: dict[str, Variables] = {}
    for task in TASKS:
        if pattern in task.script:
            if task.script not in found:
                found[task.script] = run(task.script)
            v = found[task.script]
            rows[task.title] = {"reached": task.reached(v), "good": bool(task.good(v)), "took": round(v["took"], 1)}
    machine = f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"
    found_all = {"machine": machine, "tasks": rows, "benchmarks": benchmarks}
    NUMBERS.write_text(json.dumps(found_all, indent=1) + "\n", "utf-8")
    page = HEAD + "".join(line(task, rows[task.title]) for task in TASKS if task.title in rows)
    PAGE.write_text(page + (BENCHMARKS + table(benchmarks) if benchmarks else ""), "utf-8")
    print(PAGE.read_text("utf-8"))
    return 0 if all(row["good"] for row in rows.values()) else 1


def table(benchmarks: list[dict[str, Any]]) -> str:
    """The rows of the benchmarks as a table, and which aims were missed."""
    found = [Row(**row) for row in benchmarks]
    missed = sorted({f"{row.name}, {row.record}" for row in found if not row.reached})
    text = (
        f"Aims that are missed here: {'; '.join(missed)}.\n"
        if missed
        else "No aim is missed on these systems. The official data sets were not at hand.\n"
    )
    return TABLE + "".join(map(str, found)) + "\n" + text


def line(task: Task, row: dict[str, Any]) -> str:
    """A row of the table."""
    script = f"[{task.script.replace('_', ' ')}](examples/plot_{task.script}.py)"
    mark = "" if row["good"] else " (**worse**)"
    return f"| {task.title} | {task.reference} | {row['reached']}{mark} | {script}, {row['took']:.0f} s |\n"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
