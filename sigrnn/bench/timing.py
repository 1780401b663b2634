"""Comparison of results, then times: all libraries in turn in one process, the best of many rounds; and cold starts.

The libraries of a case run in the same rounds, so that other work on the machine slows all of them alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from random import Random
from time import perf_counter
from timeit import Timer
from typing import Any

import numpy as np

import sigrnn

from .case import Call, Case, threads

OURS = "sigrnn"
READING = 1e-3  # seconds that one reading of the clock should span at least
ROUNDS = 3, 100  # fewest and most


class ResultMismatch(Exception):
    """sigrnn's result is not the expected one: nothing is timed."""


class NotMeasured(Exception):
    """There is nothing to compare the results with, as a library is missing or failed."""


@dataclass(frozen=True)
class Measurement:
    """The times of one case.

    Parameters
    ----------
    name, group, samples, channels, workers, reference : str or int
        As in the case.
    seconds : dict
        By library, the shortest time of one call.
    difference : float
        Largest difference between sigrnn's and the expected result, as a fraction of the largest value.
    left_out : dict
        By library, why it was not timed.
    """

    name: str
    group: str
    samples: int
    channels: int
    workers: int
    reference: str | None
    seconds: dict[str, float]
    difference: float
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def ratios(self) -> dict[str, float]:
        """Times of the other libraries over sigrnn's: below 1 sigrnn is slower."""
        return {name: time / self.seconds[OURS] for name, time in self.seconds.items() if name != OURS}

    @property
    def ratio(self) -> float | None:
        """Time of the reference over sigrnn's, if it was timed."""
        return self.ratios.get(self.reference or "")


# ------------------------------------------------------------------------------------------------------------- results


def difference(y: Any, reference: Any) -> float:
    """Return the largest difference between two results, or of the parts of two tuples, as a fraction of the reference's
    largest value; infinite if there is a NaN in one alone. What is NaN in both is left out."""
    if isinstance(reference, tuple):
        return max(difference(*pair) for pair in zip(y, reference, strict=True))
    # A few rows at a time: another array of this size may not fit into memory.
    step = max(1, len(reference) // 64)
    parts = [slice(k, k + step) for k in range(0, len(reference), step)]
    pairs = ((y[part], reference[part]) for part in parts)
    worst, scale = 0.0, 0.0
    for mine, expected in pairs:
        missing = np.isnan(expected)
        if missing.any():
            if not np.array_equal(missing, np.isnan(mine)):
                return np.inf
            mine, expected = mine[~missing], expected[~missing]
        worst, scale = max(worst, _largest(mine - expected)), max(scale, _largest(expected))
    return 0.0 if worst == 0 else worst / scale if scale else np.inf


def _largest(values: Any) -> float:
    largest = float(np.max(np.abs(values), initial=0))
    return np.inf if np.isnan(largest) else largest


def _form(y: Any) -> str:
    return " and ".join(map(_form, y)) if isinstance(y, tuple) else f"{y.dtype} {y.shape}"


def check(y: Any, expected: Any, tolerance: float, name: str) -> float:
    """Return the difference between a result and the expected one, if shape and dtype agree and it is not too large."""
    if _form(y) != _form(expected):
        raise ResultMismatch(f"{name}: result must be {_form(expected)}, got {_form(y)}")
    found = difference(y, expected)
    if not found <= tolerance:
        raise ResultMismatch(f"{name}: result differs by {found:.1e} of its largest value, {tolerance:.0e} is allowed")
    return found


def bind(case: Case, inputs: Any, library: str, expected: list[Any]) -> tuple[Call, float]:
    """Bind one library to the inputs; return its call and the difference of its results, if they are to be the same."""
    call = (case.ours if library == OURS else case.peers[library].bind)(inputs)
    if library != OURS and not case.peers[library].same:
        call()
        return call, 0.0
    return call, max(check(call(), y, case.tolerance, f"{case.name}, {library}") for y in expected)


def bind_all(case: Case, inputs: Any) -> tuple[dict[str, Call], float, dict[str, str]]:
    """Bind all libraries that are installed and compare their results.

    Returns the calls by library, the difference between sigrnn's result and the expected one, and, by library that is
    installed but failed, the reason.
    """
    with threads(case.workers):
        try:
            expected = case.results(inputs)
        except Exception as error:  # of another library
            raise NotMeasured(f"{case.name}: {error}") from error
        ours, found = bind(case, inputs, OURS, expected)
        calls, left_out = {OURS: ours}, {}
        for name in case.peers:
            try:
                calls[name], _ = bind(case, inputs, name, expected)
            except ModuleNotFoundError:
                continue
            except Exception as error:  # another library's failure must not end the run
                left_out[name] = str(error)
    return calls, found, left_out


# -------------------------------------------------------------------------------------------------------------- rounds


def rounds(calls: Mapping[str, Call], budget: float) -> dict[str, float]:
    """Time calls in turn, round after round, until the budget of seconds is spent; return the best round of each."""
    once = {name: Timer(call).timeit(1) for name, call in calls.items()}  # Timer switches the garbage collector off
    numbers = {name: ceil(READING / max(seconds, 1e-7)) for name, seconds in once.items()}
    best, names = dict.fromkeys(calls, np.inf), list(calls)
    order, stop = Random(0), perf_counter() + budget
    for k in range(ROUNDS[1]):
        if k >= ROUNDS[0] and perf_counter() >= stop:
            break
        order.shuffle(names)  # effects of one library on the next, in caches and freed memory, are spread evenly
        for name in names:
            best[name] = min(best[name], Timer(calls[name]).timeit(numbers[name]) / numbers[name])
    return best


def measure(case: Case, budget: float = 2.0) -> Measurement:
    """Compare the results of one case, then time it, in rounds of `budget` seconds for all libraries together."""
    calls, found, left_out = bind_all(case, case.setup())
    with threads(case.workers):  # again, as a binding may have loaded a library that has threads
        seconds = rounds(calls, budget)
    return Measurement(
        case.name, case.group, case.samples, case.channels, case.workers, case.reference, seconds, found, left_out
    )


# --------------------------------------------------------------------------------------------------------- cold starts

_FILTER = "b, a = [0.0201, 0.0402, 0.0201], [1.0, -1.561, 0.6414]; {}.lfilter(b, a, numpy.ones(1000))"
FIRST = "import sigrnn, first lfilter"
STARTS = {
    "python": "pass",
    "import numpy": "import numpy",
    "import sigrnn": "import numpy, sigrnn",
    FIRST: "import numpy, sigrnn; " + _FILTER.format("sigrnn"),
    "import scipy.signal": "import numpy, scipy.signal",
    "import scipy.signal, first lfilter": "import numpy, scipy.signal; " + _FILTER.format("scipy.signal"),
}


def fresh(code: str, variables: Mapping[str, str]) -> float:
    """Run code in a fresh Python process, with these environment variables; return its seconds from start to end."""
    # At the end of its path, so that the package is found where it is not installed, and costs nothing where it is.
    code = f"import sys; sys.path.append({str(Path(sigrnn.__file__).parents[1])!r}); {code}"
    start = perf_counter()
    subprocess.run([sys.executable, "-P", "-c", code], env={**os.environ, **variables}, check=True)
    return perf_counter() - start


def cold_starts(repeats: int = 7) -> dict[str, float]:
    """Time fresh processes that import and filter once, and return the best of each kind.

    They run in turn; the one with an empty cache runs once and fills it for the others.
    """
    with tempfile.TemporaryDirectory() as folder:
        cache = {"NUMBA_CACHE_DIR": folder}
        seconds = {f"{FIRST}, empty cache": fresh(STARTS[FIRST], cache)} | dict.fromkeys(STARTS, np.inf)
        for _ in range(repeats):
            for name, code in STARTS.items():
                seconds[name] = min(seconds[name], fresh(code, cache))
    return seconds
