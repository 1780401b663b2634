"""The part of the demo that learns: the laser's next value from those before, by a small nonlinear model."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sigrnn.models import Chain, Dense, Model
from sigrnn.training import fit

Signal = npt.NDArray[np.float64]

TRAINED, TOLD = 1000, 1000  # samples to learn from, and fresh ones after them to be told in advance
UNITS, TAPS, SEED = 10, 8, 0  # each unit sees the last so many samples
LINEAR = 25  # that the linear filter beside it sees
SHOWN = 300  # samples in the picture


class Learnt(NamedTuple):
    """What was learnt, and what it is worth on fresh data."""

    parameters: int
    seconds: float
    target: Signal  # the fresh samples, in the recording's units
    told: Signal  # each as told from those before
    error: float  # mean squared error, of the variance
    linear: float  # the same of a linear filter


def learn(laser: Signal, quick: bool) -> Learnt:
    """Train on the first samples, and tell the next ones, one step ahead.

    Parameters
    ----------
    laser : ndarray, shape (N,)
        The recording.
    quick : bool
        Whether to stop early.

    Returns
    -------
    Learnt
        What came of it.
    """
    mean, scale = laser[:TRAINED].mean(), laser[:TRAINED].std()
    x = (laser[: TRAINED + TOLD + 1] - mean) / scale
    past = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(LINEAR - 1), x[:-1]]), LINEAR)[:, ::-1]
    net, plain = Chain(Dense(UNITS, "tanh"), Dense(1)).init(TAPS, rng=SEED), Dense(1)
    told, seconds = _trained(net, past[:, :TAPS], x, 10 if quick else 40)
    linear, _ = _trained(plain, past, x, 10)
    target = x[TRAINED + 1 :]
    errors = [float(np.mean((y - target) ** 2) / np.var(target)) for y in (told, linear)]
    return Learnt(net.n_parameters, seconds, mean + scale * target, mean + scale * told, errors[0], errors[1])


def _trained(model: Model, past: Signal, x: Signal, iterations: int) -> tuple[Signal, float]:
    """What a model tells of the fresh samples from the past of each, and the time that training took."""
    model(past[:1])  # compiles, before the clock starts
    start = time.perf_counter()
    last, following = past[:TRAINED], x[1 : TRAINED + 1, np.newaxis]
    fit(model, last, following, solver="lm", max_iter=iterations, warmup=LINEAR, progress=False)
    return model(past)[TRAINED:, 0], time.perf_counter() - start


def draw(axes: Any, learnt: Learnt, colours: tuple[str, str, str]) -> None:
    """Draw what was told beside what came.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    learnt : Learnt
        What was learnt.
    colours : tuple of str
        Of the recording, of what was told, and of the error.
    """
    raw, clean, mark = colours
    n = np.arange(TRAINED + 1, TRAINED + 1 + SHOWN)
    axes.plot(n, learnt.target[:SHOWN], color=raw, linewidth=2.5, label="intensity, not seen in training")
    label = f"told one step ahead: error {learnt.error:.1%} of the variance, {learnt.linear:.0%} by a linear filter"
    axes.plot(n, learnt.told[:SHOWN], color=clean, linewidth=1.2, label=label)
    axes.plot(n, (learnt.told - learnt.target)[:SHOWN], color=mark, linewidth=0.8, label="difference")
    title = f"Laser, learnt: {learnt.parameters} parameters, {TRAINED} samples, {learnt.seconds:.1f} s of training"
    axes.set(title=title, xlabel="sample", ylabel="8-bit units", ylim=(-60, 330), xlim=(n[0], n[-1]))
    axes.legend(loc="upper left", ncols=3)
