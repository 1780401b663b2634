"""Changes of the sampling rate, smoothing, and linear systems in state space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.signal

import sigrnn

from .case import Array, Call, Case, Peer

_RATES = "Sampling rates, a million samples"
_SYSTEMS = "Linear systems in state space"

RATES: dict[str, int] = {}
NOTES = {
    _RATES: "SciPy's own functions with the same arguments. `decimate` filters forward and backward unless FIR is named.",
    _SYSTEMS: "SciPy's functions are loops in Python. Both convert the system to state space with SciPy.",
}


@dataclass(frozen=True)
class Arguments:
    """Signal or inputs, and all arguments of the function."""

    x: Array
    args: tuple[Any, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Signal:
    """Makes the arguments from noise: (samples,), or (samples, channels)."""

    arguments: Callable[[Array], tuple[Any, ...]]
    options: dict[str, Any]
    dtype: str = "float64"

    def __call__(self, samples: int, channels: int, rng: np.random.Generator) -> Arguments:
        x = rng.standard_normal((samples,) if channels == 1 else (samples, channels)).astype(self.dtype)
        return Arguments(x, self.arguments(x), self.options)


def _call(library: Any, name: str, i: Arguments) -> Call:
    return partial(getattr(library, name), *i.args, **i.options)


def _case(name: str, function: str, arguments: Callable[[Array], tuple[Any, ...]], **more: Any) -> Case:
    make = Signal(arguments, more.pop("options", {}), more.pop("dtype", "float64"))
    fields: dict[str, Any] = {"group": _RATES, "tolerance": 1e-7, **more}
    peers = {"SciPy": Peer(partial(_call, scipy.signal, function))}
    return Case(name, make=make, ours=partial(_call, sigrnn, function), peers=peers, **fields)


def _system(states: int) -> tuple[Array, ...]:
    """A stable system with two inputs and two outputs."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((states, states))
    a *= 0.9 / np.abs(np.linalg.eigvals(a)).max()
    return a, rng.standard_normal((states, 2)), rng.standard_normal((2, states)), rng.standard_normal((2, 2))


def _continuous(x: Array) -> tuple[Any, ...]:
    return scipy.signal.butter(4, 1.0, analog=True), x, 0.1 * np.arange(len(x))


_WIDE = {"samples": 16_384, "channels": 64}
_STEPS: dict[str, Any] = {"group": _SYSTEMS, "samples": 10_000}

CASES: tuple[Case, ...] = (
    _case("resample_poly 160/147", "resample_poly", lambda x: (x, 160, 147), headline=True),
    _case("resample_poly 2/1", "resample_poly", lambda x: (x, 2, 1)),
    _case("resample_poly 1/2, float32", "resample_poly", lambda x: (x, 1, 2), dtype="float32", tolerance=1e-5),
    _case("resample_poly 3/2, 16k x 64 channels, axis 0", "resample_poly", lambda x: (x, 3, 2), **_WIDE),
    _case("upfirdn 31 taps, 1/1", "upfirdn", lambda x: (scipy.signal.firwin(31, 0.2), x)),
    _case("decimate by 10, FIR", "decimate", lambda x: (x, 10), options={"ftype": "fir"}, headline=True),
    _case("decimate by 10", "decimate", lambda x: (x, 10)),
    _case("decimate by 5, 16k x 64 channels, axis 0", "decimate", lambda x: (x, 5), options={"axis": 0}, **_WIDE),
    _case("decimate by 5, a thousand samples", "decimate", lambda x: (x, 5), samples=1000),
    _case("savgol_filter 11 taps", "savgol_filter", lambda x: (x, 11, 3)),
    _case("savgol_filter 51 taps", "savgol_filter", lambda x: (x, 51, 3)),
    _case("deconvolve by 20 taps", "deconvolve", lambda x: (x, 0.8 ** np.arange(20)), samples=10_000),
    _case("dlsim, 8 states, SISO", "dlsim", lambda x: ((*scipy.signal.butter(8, 0.2), 1.0), x), **_STEPS),
    _case("dlsim, 4 states, 2 x 2", "dlsim", lambda x: ((*_system(4), 1.0), x), channels=2, headline=True, **_STEPS),
    _case("dlsim, 32 states, 2 x 2", "dlsim", lambda x: ((*_system(32), 1.0), x), channels=2, **_STEPS),
    _case("lsim, 4 states", "lsim", _continuous, **_STEPS),
)
