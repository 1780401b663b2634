"""Inputs of filter cases: white noise, the design of a filter, and how sigrnn and SciPy are called with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt
from typing import Any

import numpy as np
import scipy.signal

import sigrnn

from .case import Array, Binding, Call, Peer

HOLD = 64  # samples for which the time-varying filter keeps its coefficients, so that SciPy can follow block by block

# Returns (b, a) or (sos,) for a number of samples and channels.
Design = Callable[[int, int], tuple[Array, ...]]


@dataclass(frozen=True)
class Inputs:
    """A signal, the filter, (b, a) or (sos,), the keyword arguments, and the gradient `dy` of the output."""

    x: Array
    filter: tuple[Array, ...]
    options: dict[str, Any]
    dy: Any = None

    @property
    def axis(self) -> int:
        """Where time runs."""
        return int(self.options.get("axis", -1))

    def without_out(self) -> Inputs:
        """The same for a library that has no `out`."""
        return replace(self, options={name: value for name, value in self.options.items() if name != "out"})


@dataclass(frozen=True)
class Noise:
    """Makes inputs: white noise in one channel (samples,), or in several along `axis`.

    Parameters
    ----------
    design : callable
        Makes the filter.
    axis : int
        Where time runs: -1, or 0 for (samples, channels).
    dtype : str
        Of the signal; coefficients have its precision.
    zi, out, dy : bool
        Whether an initial state, an output array or a gradient of the output is given.
    """

    design: Design
    axis: int = -1
    dtype: str = "float64"
    zi: bool = False
    out: bool = False
    dy: bool = False

    def __call__(self, samples: int, channels: int, rng: np.random.Generator) -> Inputs:
        """Return the inputs."""
        shape = (samples,) if channels == 1 else (samples, channels) if self.axis == 0 else (channels, samples)
        dtype = np.dtype(self.dtype)
        x = rng.standard_normal(shape)
        x = x + 1j * rng.standard_normal(shape) if dtype.kind == "c" else 1000 * x if dtype.kind == "i" else x
        x = x.astype(dtype)
        coefficients = np.float32 if dtype == np.float32 else np.float64
        used = tuple(value.astype(coefficients) for value in self.design(samples, channels))
        options: dict[str, Any] = {"axis": 0} if self.axis == 0 else {}
        if self.zi:
            n = max(map(len, used)) - 1
            options["zi"] = rng.standard_normal((n,) if len(used) == 2 else (len(used[0]), 2))
        if self.out:
            options["out"] = np.empty_like(x)
        return Inputs(x, used, options, rng.standard_normal(shape) if self.dy else None)


# ------------------------------------------------------------------------------------------------------------- designs


def ba(order: int, cutoff: float | tuple[float, float] = 0.2, btype: str = "lowpass") -> Design:
    """Butterworth filters."""
    return lambda *_: scipy.signal.butter(order, cutoff, btype)


def sections(n: int) -> Design:
    """Butterworth low-passes of `n` sections."""
    return lambda *_: (scipy.signal.butter(2 * n, 0.2, output="sos"),)


def taps(n: int) -> Design:
    """Low-passes without feedback."""
    return lambda *_: (scipy.signal.firwin(n, 0.2), np.ones(1))


def unit(n_taps: int, feedback: bool) -> Design:
    """One unit of a network: it reaches into the curved part of tanh, and forgets within about ten samples."""
    return lambda *_: (0.5 ** np.arange(n_taps), np.array([1.0, -0.8, 0.3] if feedback else [1.0]))


def biquads(cutoffs: Array) -> tuple[Array, Array]:
    """Butterworth low-passes of order 2 in closed form, one a row: a million calls of `butter` take minutes."""
    k = np.tan(np.pi / 2 * cutoffs)
    scale = 1 / (1 + sqrt(2) * k + k * k)
    b = (k * k * scale)[:, None] * np.array([1.0, 2.0, 1.0])
    a = np.stack([np.ones_like(k), 2 * (k * k - 1) * scale, (1 - sqrt(2) * k + k * k) * scale], -1)
    return b, a


def one_each(samples: int, channels: int) -> tuple[Array, ...]:
    """A filter for each channel."""
    return biquads(np.linspace(0.05, 0.4, channels))


def sections_each(samples: int, channels: int) -> tuple[Array, ...]:
    """Two sections for each channel."""
    return (np.tile(np.concatenate(one_each(samples, channels), -1)[:, None], (1, 2, 1)),)


def sweep(samples: int, channels: int) -> tuple[Array, ...]:
    """Coefficients for each sample, constant over HOLD samples."""
    b, a = (np.repeat(rows, HOLD, 0)[:samples] for rows in biquads(np.linspace(0.05, 0.4, -(-samples // HOLD))))
    return b, a


# --------------------------------------------------------------------------------------------------------------- calls


def ours(name: str) -> Binding:
    """A function of sigrnn over the signal."""
    return lambda i: partial(getattr(sigrnn, name), *i.filter, i.x, **i.options)


def of_scipy(name: str, same: bool = True) -> Peer:
    """A function of `scipy.signal` over the signal."""
    return Peer(lambda i: partial(getattr(scipy.signal, name), *i.filter, i.x, **i.without_out().options), same)


def ours_vjp(name: str) -> Binding:
    """Value and all gradients of a function of sigrnn."""

    def bind(i: Inputs) -> Call:
        function = getattr(sigrnn, name)

        def call() -> tuple[Array, ...]:
            y, pullback = sigrnn.vjp(function, *i.filter, i.x)
            return y, *pullback(i.dy)

        return call

    return bind
