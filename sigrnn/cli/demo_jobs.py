"""The work of the demo: recordings are filtered, compared with SciPy and timed against it; a model learns one of them.

The recordings come with packages that many have anyway: an ECG (PyWavelets), a pulse (heartpy), the sunspots
(statsmodels) and a laser (reservoirpy, which needs little: NumPy, SciPy and joblib).
"""

from __future__ import annotations

import time
import timeit
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import sigrnn

Signal = npt.NDArray[np.float64]

PACKAGES = {
    "heartpy": "heartpy",
    "matplotlib.figure": "matplotlib",
    "pywt.data": "PyWavelets",
    "reservoirpy.datasets": "reservoirpy",
    "statsmodels.datasets.sunspots": "statsmodels",
}
ECG_RATE = 360.0  # Hz: not documented, but the mains hum of 60 Hz lies at 1/6 of the rate
BLOCK = 64  # samples a block of the stream
SLOW = 25.0  # years: shorter periods are smoothed out
DELAY = 0.05  # s from one channel to the next, where many are made from one recording
TOLERANCE = 1e-9  # of the largest value: far above rounding, far below any mistake
TRAINED = 1000  # samples of the laser to learn from; as many after them are predicted
UNITS, TAPS, LINEAR_TAPS = 10, 8, 25  # of the model, and taps of the linear filter it is compared with


class DemoError(Exception):
    """Why there is no demo, in one line."""


class Recordings(NamedTuple):
    """What is filtered."""

    ecg: Signal
    pulse: Signal
    pulse_rate: float  # Hz
    years: Signal
    sunspots: Signal  # a year
    laser: Signal


class Step(NamedTuple):
    """One recording filtered."""

    title: str
    function: str
    raw: Signal
    result: Signal
    difference: float  # from SciPy's result, relative to its largest value
    scipy: float  # s
    sigrnn: float  # s


class Prediction(NamedTuple):
    """The laser predicted one sample ahead, where the model was not trained."""

    parameters: int
    seconds: float  # of training
    target: Signal
    predicted: Signal
    error: float  # mean squared error over the variance
    linear: float  # the same of a linear filter


def load() -> Recordings:
    """Read the recordings from the packages that carry them."""
    found = {}
    for name in PACKAGES:
        with suppress(ImportError):
            found[name] = import_module(name)
    missing = [package for name, package in PACKAGES.items() if name not in found]
    if missing:
        raise DemoError(f"{', '.join(missing)} missing: pip install {' '.join(missing)}")
    pulse, stamps = found["heartpy"].load_exampledata(2)
    first, last = (datetime.fromisoformat(str(stamps[at])) for at in (0, -1))
    sunspots = found["statsmodels.datasets.sunspots"].load().data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # reservoirpy leaves its file to the garbage collector
        laser = found["reservoirpy.datasets"].santafe_laser()
    return Recordings(
        ecg=np.asarray(found["pywt.data"].ecg(), float),
        pulse=np.asarray(pulse, float),
        pulse_rate=(len(pulse) - 1) / (last - first).total_seconds(),
        years=np.asarray(sunspots["YEAR"], float),
        sunspots=np.asarray(sunspots["SUNACTIVITY"], float),
        laser=np.asarray(laser, float)[:, 0],
    )


def filtered(recordings: Recordings, quick: bool) -> Iterator[Step]:
    """Filter the recordings: ECG, pulse, sunspots, many channels of the pulse, the strength of the laser's pulsation."""
    from scipy import signal

    rate = recordings.pulse_rate
    # Two sections each: with an empty cache one kernel is compiled for all of them.
    beats = signal.butter(2, [0.75, 2.5], "bandpass", output="sos", fs=rate)
    waves = signal.butter(2, [0.7, 40.0], "bandpass", output="sos", fs=ECG_RATE)
    slow = signal.butter(4, 0.02, output="sos", fs=1.0)
    strength = np.abs(recordings.laser - np.mean(recordings.laser))
    many = delayed(recordings, 8 if quick else 128, 4000 if quick else None)
    rounds, few = (2, 2) if quick else (40, 7)  # others use the machine, too
    yield run("ECG without drift and hum", "sosfiltfilt", [waves], recordings.ecg, rounds)
    yield run("pulse, one wave per beat", "sosfiltfilt", [beats], recordings.pulse, rounds)
    yield run("sunspots, slow part", "filtfilt", signal.butter(2, 1.0 / SLOW, fs=1.0), recordings.sunspots, rounds)
    yield run(f"pulse in {len(many)} channels", "sosfilt", [beats], many, few)
    yield run(f"laser, in blocks of {BLOCK}", "Stream", [slow], strength, rounds)


def delayed(recordings: Recordings, channels: int, length: int | None) -> Signal:
    """Return the pulse in many channels, delayed a little more in each."""
    delay = round(DELAY * recordings.pulse_rate)
    length = length or len(recordings.pulse) - delay * channels
    return np.stack([recordings.pulse[delay * k : delay * k + length] for k in reversed(range(channels))])


def run(title: str, function: str, coefficients: Any, x: Signal, rounds: int) -> Step:
    """Filter with sigrnn and with SciPy, compare the results, and time both in turns."""
    from scipy import signal

    if function == "Stream":
        calls = [partial(f, coefficients[0], x) for f in (in_blocks, scipy_in_blocks)]
        compare("the stream and the whole at once", calls[0](), sigrnn.sosfilt(coefficients[0], x))
    else:
        calls = [partial(getattr(library, function), *coefficients, x) for library in (sigrnn, signal)]
    result = calls[0]()
    difference = compare(title, result, calls[1]())
    ours, theirs = best_times(calls, rounds)
    return Step(title, function, x, result, difference, scipy=theirs, sigrnn=ours)


def in_blocks(sos: Signal, x: Signal) -> Signal:
    """Filter a signal as it comes in, with a stream."""
    stream = sigrnn.Stream(sos=sos)
    return np.concatenate([stream(x[at : at + BLOCK]) for at in range(0, len(x), BLOCK)])


def scipy_in_blocks(sos: Signal, x: Signal) -> Signal:
    """Filter a signal as it comes in, with SciPy."""
    from scipy import signal

    blocks, zi = [], np.zeros((len(sos), 2))
    for at in range(0, len(x), BLOCK):
        block, zi = signal.sosfilt(sos, x[at : at + BLOCK], zi=zi)
        blocks.append(block)
    return np.concatenate(blocks)


def compare(title: str, result: Signal, expected: Signal) -> float:
    """Return the largest difference, relative to the largest value expected; refuse one that is no rounding error."""
    difference = float(np.max(np.abs(result - expected)) / np.max(np.abs(expected)))
    if not difference <= TOLERANCE:
        raise DemoError(f"{title}: differs from the expected result by {difference:.1e} of the largest value")
    return difference


def best_times(calls: Sequence[Callable[[], Signal]], rounds: int) -> list[float]:
    """Time calls in turns, and return the best round of each (s)."""
    numbers = [max(1, int(5e-3 / timeit.timeit(call, number=1))) for call in calls]
    times = [[timeit.timeit(c, number=n) / n for c, n in zip(calls, numbers, strict=True)] for _ in range(rounds)]
    return [min(each) for each in zip(*times, strict=True)]


def find_beats(pulse: Signal, rate: float) -> npt.NDArray[np.intp]:
    """Return where the peaks of a filtered pulse are: above zero, and no two within 0.4 s."""
    from scipy import signal

    peaks: npt.NDArray[np.intp] = signal.find_peaks(pulse, height=0.0, distance=0.4 * rate)[0]
    return peaks


def heart_rate(pulse: Signal, rate: float) -> float:
    """Return the beats a minute of a filtered pulse, by the median time between two."""
    return float(60.0 * rate / np.median(np.diff(find_beats(pulse, rate))))


def predict(laser: Signal, quick: bool) -> Prediction:
    """Train a small model to predict the next sample of the laser, and a linear filter to compare it with."""
    mean, scale = laser[:TRAINED].mean(), laser[:TRAINED].std()
    x = (laser[: 2 * TRAINED + 1] - mean) / scale
    before = np.concatenate([np.zeros(LINEAR_TAPS - 1), x[:-1]])
    past = np.lib.stride_tricks.sliding_window_view(before, LINEAR_TAPS)[:, ::-1]
    model = sigrnn.Chain(sigrnn.Dense(UNITS, "tanh"), sigrnn.Dense(1)).init(TAPS, rng=0)
    predicted, seconds = train(model, past[:, :TAPS], x, 10 if quick else 40)
    linear, _ = train(sigrnn.Dense(1), past, x, 10)
    target = x[TRAINED + 1 :]
    errors = [float(np.mean((y - target) ** 2) / np.var(target)) for y in (predicted, linear)]
    return Prediction(model.n_parameters, seconds, mean + scale * target, mean + scale * predicted, *errors)


def train(model: sigrnn.Model, past: Signal, x: Signal, iterations: int) -> tuple[Signal, float]:
    """Train on the first samples; return the predictions of the others, and the time that training took (s)."""
    model(past[:1])  # compiles, before the clock starts
    start = time.perf_counter()
    target = x[1 : TRAINED + 1, np.newaxis]
    sigrnn.fit(model, past[:TRAINED], target, solver="lm", max_iter=iterations, warmup=LINEAR_TAPS, progress=False)
    return model(past)[TRAINED:, 0], time.perf_counter() - start
