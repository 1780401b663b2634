"""How the clock is read: results compared first, libraries in turn, the best of many rounds; and cold starts.

All libraries of a case run in the same rounds, so that what else the machine does hits them alike, and the best round
of each is what it can do when nothing does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from random import Random
from time import perf_counter
from timeit import Timer
from typing import Any

import numpy as np

import sigrnn

from .measure import Measured
from .peers import Array, Call, threads

OURS, REFERENCE, COPY = "sigrnn", "SciPy", "copy"
SHORTEST = 2e-3  # seconds that one reading of the clock should span at least
ROUNDS = 3, 100  # fewest and most


class ResultMismatch(Exception):
    """A result that is not the expected one: there is nothing to time."""


class NoReference(Exception):
    """The library that the ratio is about is not installed, or failed: there is nothing to compare times with."""


@dataclass(frozen=True)
class Measurement:
    """What came out for one case.

    Parameters
    ----------
    name, group, samples, channels, dtype, workers, floor, aim : str, int or float
        As in the case.
    seconds : dict
        By library, the time of one call in every round; 'copy' is `numpy.copyto` over the same signal.
    difference : float
        Largest difference between sigrnn's and the expected result, as a share of the largest value.
    left_out : dict
        By library, why it was not timed.
    reference : str
        The library that the ratio, the floor and the aim are about.
    """

    name: str
    group: str
    samples: int
    channels: int
    dtype: str
    workers: int
    floor: float | None
    aim: float | None
    seconds: dict[str, list[float]]
    difference: float
    left_out: dict[str, str] = field(default_factory=dict)
    reference: str = REFERENCE

    def best(self, library: str = OURS) -> float:
        """Return the shortest time of one call, in seconds."""
        return min(self.seconds[library])

    def nanoseconds(self, library: str = OURS) -> float:
        """Return the time for one sample of one channel."""
        return self.best(library) / (self.samples * self.channels) * 1e9

    @property
    def ratio(self) -> float:
        """How many times faster than the reference."""
        return self.best(self.reference) / self.best()

    @property
    def copy_share(self) -> float:
        """Share of the speed of a plain copy of the signal, the bound that memory sets."""
        return self.best(COPY) / self.best()

    @property
    def others(self) -> dict[str, float]:
        """Times of the libraries that are neither ours nor the reference, over ours."""
        names = [name for name in self.seconds if name not in (OURS, self.reference, COPY)]
        return {name: self.best(name) / self.best() for name in names}

    @property
    def losers(self) -> list[str]:
        """Libraries that take no longer than sigrnn: cases that it loses."""
        return [name for name in self.seconds if name not in (OURS, COPY) and self.best(name) <= self.best()]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)


# -------------------------------------------------------------------------------------------------------------- checks


def difference(y: Any, reference: Any) -> float:
    """Return the largest difference between two results, as a share of the reference's largest value.

    Parameters
    ----------
    y, reference : ndarray or tuple of ndarray
        The results, of one shape; all parts of a tuple are compared, and the worst counts.

    Returns
    -------
    float
        Infinite if a NaN is in either.
    """
    if isinstance(reference, tuple):
        return max(difference(*pair) for pair in zip(y, reference, strict=True))
    # A few rows at a time: another array of this size may not fit into memory.
    step = max(1, len(reference) // 64)
    parts = [slice(k, k + step) for k in range(0, len(reference), step)]
    worst = max((_largest(y[part] - reference[part]) for part in parts), default=0.0)
    scale = max((_largest(reference[part]) for part in parts), default=0.0)
    return 0.0 if worst == 0 else worst / scale if scale else np.inf


def _largest(values: Array) -> float:
    largest = float(np.max(np.abs(values), initial=0))
    return np.inf if np.isnan(largest) else largest


def _form(y: Any) -> str:
    if isinstance(y, tuple):
        return " and ".join(_form(part) for part in y)
    return f"{y.dtype} {y.shape}"


def check(y: Any, reference: Any, tolerance: float, name: str) -> float:
    """Compare a result with the expected one.

    Parameters
    ----------
    y, reference : ndarray or tuple of ndarray
        The results.
    tolerance : float
        Largest difference allowed, as a share of the reference's largest value.
    name : str
        Whose result it is, for the message.

    Returns
    -------
    float
        The difference found.

    Raises
    ------
    ResultMismatch
        If it is above the tolerance, or the result is of another shape or type.
    """
    if _form(y) != _form(reference):
        raise ResultMismatch(f"{name}: {_form(y)} where {_form(reference)} is expected")
    found = difference(y, reference)
    if not found <= tolerance:
        raise ResultMismatch(
            f"{name}: {found:.1e} of the largest value away from what is expected ({tolerance:.0e} allowed)"
        )
    return found


def bind(case: Measured, inputs: Any, library: str, expected: Sequence[Any]) -> tuple[Call, float]:
    """Bind one library to the inputs, and compare its results, unless it is there for its time only.

    Parameters
    ----------
    case : Case or Task
        What is to be measured.
    inputs : Inputs or object
        Made by its `setup`.
    library : str
        "sigrnn", or one of the case's peers.
    expected : sequence
        What the first calls must return.

    Returns
    -------
    call : callable
        Without arguments.
    difference : float
        The largest found, as a share of the largest value.

    Raises
    ------
    ResultMismatch
        If a result is not the expected one.
    """
    call = (case.ours if library == OURS else case.peers[library].bind)(inputs)
    if library != OURS and not case.peers[library].same:
        call()
        return call, 0.0
    name = f"{case.name}, {library}"
    return call, max(check(call(), result, case.tolerance, name) for result in expected)


def expected_results(case: Measured, inputs: Any) -> list[Any]:
    """Return what is to be made of the inputs, in as many calls as the case compares.

    Parameters
    ----------
    case : Case or Task
        What is to be measured.
    inputs : Inputs or object
        Made by its `setup`.

    Returns
    -------
    list
        The results.
    """
    call = case.expected(inputs)
    return [call() for _ in range(case.steps)]


def bind_all(case: Measured, inputs: Any) -> tuple[dict[str, Call], float, dict[str, str]]:
    """Bind all libraries that are installed to the inputs, and compare their results.

    Parameters
    ----------
    case : Case or Task
        What is to be measured.
    inputs : Inputs or object
        Made by its `setup`.

    Returns
    -------
    calls : dict
        By library, a call without arguments.
    difference : float
        Between sigrnn's result and the expected one.
    left_out : dict
        By library, why it cannot be timed.

    Raises
    ------
    ResultMismatch
        If sigrnn's result is not the expected one.
    NoReference
        If the reference is not installed, or failed.
    """
    reference = case.peers[case.reference]
    if not reference.installed():
        raise NoReference(f"{reference.module} is not installed")
    expected = expected_results(case, inputs)
    with threads(case.workers):
        ours, found = bind(case, inputs, OURS, expected)
        calls, left_out = {OURS: ours}, {}
        for name, peer in case.peers.items():
            if not peer.installed():
                continue
            try:
                calls[name], _ = bind(case, inputs, name, expected)
            except Exception as error:  # another library's failure is a line in the report, not the end of it
                left_out[name] = str(error)
    if case.reference in left_out:
        raise NoReference(left_out[case.reference])
    return calls, found, left_out


# -------------------------------------------------------------------------------------------------------------- rounds


def _once(call: Call) -> float:
    return Timer(call).timeit(1)  # Timer switches the garbage collector off


def rounds(calls: Mapping[str, Call], budget: float) -> dict[str, list[float]]:
    """Time calls in turn, round after round, until the budget is spent.

    Parameters
    ----------
    calls : mapping
        By name, calls without arguments; they should have run once.
    budget : float
        Seconds for all; at least three rounds are made.

    Returns
    -------
    dict
        By name, seconds for one call in each round.
    """
    numbers = {name: max(1, ceil(SHORTEST / max(_once(call), 1e-7))) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names, order, stop = list(calls), Random(0), perf_counter() + budget
    for k in range(ROUNDS[1]):
        if k >= ROUNDS[0] and perf_counter() >= stop:
            break
        order.shuffle(names)  # what a neighbour leaves behind, in caches and in freed memory, meets all alike
        for name in names:
            seconds[name].append(Timer(calls[name]).timeit(numbers[name]) / numbers[name])
    return seconds


def measure(case: Measured, budget: float = 2.0, seed: int = 0) -> Measurement:
    """Compare and time one case.

    Parameters
    ----------
    case : Case or Task
        What to measure.
    budget : float
        Seconds for the rounds of all libraries together; a case takes more if three rounds do.
    seed : int
        Of the noise.

    Returns
    -------
    Measurement
        All times, and the difference between the results.

    Raises
    ------
    ResultMismatch
        If sigrnn's result is not the expected one.
    NoReference
        If the reference is not installed, or failed.
    """
    inputs = case.setup(seed)
    calls, found, left_out = bind_all(case, inputs)
    given = getattr(inputs, "out", None)
    target = np.empty_like(inputs.x) if given is None else given
    calls[COPY] = lambda: np.copyto(target, inputs.x)
    with threads(case.workers):
        seconds = rounds(calls, budget)
    return Measurement(
        case.name, case.group, case.samples, case.channels, case.dtype, case.workers,
        case.floor, case.aim, seconds, found, left_out, case.reference,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- cold starts

_FILTER = "b, a = [0.0201, 0.0402, 0.0201], [1.0, -1.561, 0.6414]; {}.lfilter(b, a, numpy.ones(1000))"
STARTS = {
    "python": "pass",
    "import numpy": "import numpy",
    "import sigrnn": "import numpy, sigrnn",
    "import sigrnn, first lfilter": "import numpy, sigrnn; " + _FILTER.format("sigrnn"),
    "import scipy.signal": "import numpy, scipy.signal",
    "import scipy.signal, first lfilter": "import numpy, scipy.signal; " + _FILTER.format("scipy.signal"),
}
EMPTY_CACHE = "import sigrnn, first lfilter, empty cache"


def fresh(code: str, variables: Mapping[str, str]) -> tuple[float, str]:
    """Run code in a fresh Python process.

    Parameters
    ----------
    code : str
        What it runs.
    variables : mapping
        Environment variables to set.

    Returns
    -------
    seconds : float
        From its start to its end.
    printed : str
        What it wrote to standard output.
    """
    # At the end of its path, so that the package is found where it is not installed, and costs nothing where it is.
    code = f"import sys; sys.path.append({str(Path(sigrnn.__file__).parents[1])!r}); {code}"
    command, environment = [sys.executable, "-c", code], {**os.environ, **variables}
    start = perf_counter()
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return perf_counter() - start, done.stdout


def cold_starts(repeats: int = 7) -> dict[str, list[float]]:
    """Time fresh processes that import and filter once.

    Parameters
    ----------
    repeats : int
        Processes of each kind, in turn; the one with an empty cache is started once, and fills it for the others.

    Returns
    -------
    dict
        By what they do, seconds of each process from start to end.
    """
    with tempfile.TemporaryDirectory() as folder:
        cache = {"NUMBA_CACHE_DIR": folder}
        seconds = {EMPTY_CACHE: [fresh(STARTS["import sigrnn, first lfilter"], cache)[0]]}
        seconds |= {name: [] for name in STARTS}
        for _ in range(repeats):
            for name, code in STARTS.items():
                seconds[name].append(fresh(code, cache)[0])
    return seconds
