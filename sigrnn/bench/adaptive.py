"""Adaptive filters: what is measured, beside padasip and adafilt, and the processor's bound for long filters."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sigrnn import adaptive, lfilter

from .peers import Array, Call, Peer
from .task import Task

_ADAPTIVE, _LONG = "Adaptive filters", "Long adaptive filters, at 48 kHz"


@dataclass(frozen=True)
class Pair:
    """An input, and what a system and some noise make of it."""

    x: Array
    d: Array
    n_taps: int


def _pair(n_taps: int, samples: int, channels: int, rng: Any) -> Pair:
    x = rng.standard_normal(samples)
    d = np.convolve(x, rng.standard_normal(n_taps) / n_taps**0.5)[:samples] + 0.1 * rng.standard_normal(samples)
    return Pair(x, d, n_taps)


def _ours(make: Callable[[int], Any]) -> Callable[[Pair], Call]:
    """A fresh filter in each call, as the others' go on from one to the next."""

    def bind(i: Any) -> Call:
        return lambda: make(i.n_taps)(i.x, i.d).e

    return bind


def _padasip(name: str, **settings: Any) -> Peer:
    def bind(i: Any) -> Call:
        filters = importlib.import_module("padasip").filters
        windows = sliding_window_view(np.concatenate([np.zeros(i.n_taps - 1), i.x]), i.n_taps)[:, ::-1]
        make = partial(getattr(filters, f"Filter{name}"), i.n_taps, w="zeros", **settings)
        return lambda: make().run(i.d, windows)[1]

    return Peer("padasip", bind)


def _adafilt(**settings: Any) -> Peer:
    def bind(i: Any) -> Call:
        make = importlib.import_module("adafilt").LMSFilter
        return lambda: make(i.n_taps, **settings)(i.x, i.d)[2]

    return Peer("adafilt", bind)


def _products(i: Any) -> Call:
    """As many fused products and sums as an NLMS filter needs, two for each tap and sample, from registers."""
    from sigrnn._kernels.adaptive.loops import products

    compute = products()
    return lambda: compute(2 * i.n_taps * i.x.size)


def _blocks(n_taps: int, samples: int, channels: int, rng: Any) -> Pair:
    """Whole blocks of n_taps samples, and a room that decays."""
    x = rng.standard_normal(-(-samples // n_taps) * n_taps)
    room = rng.standard_normal(n_taps) * np.exp(-5.0 * np.arange(n_taps) / n_taps)
    return Pair(x, lfilter(room, [1.0], x), n_taps)


def _fast_block(block: int, same: bool, **settings: Any) -> Peer:
    """adafilt's: one transform of the whole filter for each block, and errors counted again while blocks are shorter than it."""

    def bind(i: Any) -> Call:
        make = importlib.import_module("adafilt").FastBlockLMSFilter
        return lambda: make(i.n_taps, block, power_averaging=0.0, epsilon_power=1e-3, **settings)(i.x, i.d)[2]

    return Peer("adafilt", bind, same=same)


def _long_cases() -> list[Task]:
    case = partial(Task, group=_LONG, tolerance=1e-6, samples=98_304)
    mu = 1e-6
    long = partial(
        case,
        make=partial(_blocks, 16_384),
        made_by=_ours(lambda n: adaptive.BlockLMS(n, mu, 2048)),
        peers={"adafilt": _fast_block(2048, False, stepsize=mu, normalized=False)},
        shortest=16_384,
    )
    settings: dict[str, Any] = {"mu": mu, "block": 2048, "normalised": False}
    return [
        case(
            "FDAF, 1024 taps",
            make=partial(_blocks, 1024),
            ours=_ours(lambda n: adaptive.FDAF(n, 0.5, eps=1e-3, smoothing=0.0)),
            peers={"adafilt": _fast_block(1024, True, stepsize=0.5)},
            shortest=1024,
        ),
        long("PBFDAF, 16384 taps", ours=_ours(lambda n: adaptive.PBFDAF(n, **settings))),
        long(
            "PBFDAF, 16384 taps, in float32",
            ours=_ours(lambda n: adaptive.PBFDAF(n, dtype=np.float32, **settings)),
            tolerance=1e-3,
        ),
        long(
            "PBFDAF, 16384 taps, alternately constrained",
            ours=_ours(lambda n: adaptive.PBFDAF(n, constraint="alternate", **settings)),
            tolerance=1.0,
        ),
    ]


def _cases() -> list[Task]:
    case = partial(Task, group=_ADAPTIVE, tolerance=1e-6)
    short = partial(case, make=partial(_pair, 32))
    nlms = _ours(lambda n: adaptive.NLMS(n, 0.5, 1e-3))
    return [
        short(
            "LMS, 32 taps",
            ours=_ours(lambda n: adaptive.LMS(n, 0.01)),
            peers={"padasip": _padasip("LMS", mu=0.01), "adafilt": _adafilt(stepsize=0.01, normalized=False)},
            floor=50,
            aim=150,
        ),
        short(
            "NLMS, 32 taps",
            ours=nlms,
            peers={
                "padasip": _padasip("NLMS", mu=0.5, eps=1e-3),
                "adafilt": _adafilt(stepsize=0.5, epsilon_power=1e-3),
            },
            floor=50,
            aim=150,
            headline=True,
        ),
        short(
            "RLS, 32 taps",
            ours=_ours(lambda n: adaptive.RLS(n, 0.99, 0.1)),
            peers={"padasip": _padasip("RLS", mu=0.99, eps=0.1)},
            samples=20_000,
            floor=15,
            aim=40,
            headline=True,
        ),
        short(
            "affine projections of order 4, 32 taps",
            ours=_ours(lambda n: adaptive.AP(n, 0.5, 4, 1e-3)),
            peers={"padasip": _padasip("AP", mu=0.5, order=4, ifc=1e-3)},
            samples=20_000,
            floor=15,
            aim=40,
        ),
        case(
            "NLMS, 1024 taps",
            make=partial(_pair, 1024),
            ours=nlms,
            peers={"FMA bound": Peer("numba", _products, same=False)},
            made_by=_padasip("NLMS", mu=0.5, eps=1e-3).bind,
            samples=5_000,
            floor=0.3,
            aim=0.6,
        ),
    ]


CASES: tuple[Task, ...] = (*_cases(), *_long_cases())
RATES = {_LONG: 48_000}
NOTES = {
    _ADAPTIVE: (
        "One channel of white noise, and what a system makes of it; errors are compared with those of padasip, which is "
        "given the windows ready made. *FMA bound* is the time that the products and sums of NLMS, two for each tap and "
        "sample, take one core from registers, with nothing to load or store: 0.6 means that 60 % of what the processor "
        "can compute is reached."
    ),
    _LONG: (
        "White noise and its echo in a room that decays. A step is a sample, so *real time* says how many channels one core "
        "serves. Blocks are of 1024 samples for FDAF, of 2048 for PBFDAF. There adafilt transforms the whole filter for each "
        "block, and counts errors more than once: it is another filter, and our results are compared with those of BlockLMS, "
        "the same in the time domain; loosely so where the constraint is alternate. Ours come without latency, adafilt's "
        "when a block is complete."
    ),
}
