"""Adaptive filters, compared with padasip and adafilt, and long ones with the processor's bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sigrnn import adaptive, lfilter

from . import plain
from .case import Array, Call, Case, Peer

_ADAPTIVE, _LONG = "Adaptive filters", "Long adaptive filters, at 48 kHz"


@dataclass(frozen=True)
class Pair:
    """An input, and the output of a system to it, with some noise."""

    x: Array
    d: Array
    n_taps: int


def pair(n_taps: int, samples: int, channels: int, rng: Any) -> Pair:
    """White noise through a system of `n_taps`."""
    x = rng.standard_normal(samples)
    d = np.convolve(x, rng.standard_normal(n_taps) / n_taps**0.5)[:samples] + 0.1 * rng.standard_normal(samples)
    return Pair(x, d, n_taps)


def _ours(make: Callable[[int], Any]) -> Callable[[Pair], Call]:
    """A new filter in each call, as a filter continues from one call to the next."""

    def bind(i: Any) -> Call:
        return lambda: make(i.n_taps)(i.x, i.d).e

    return bind


def padasip(name: str, **settings: Any) -> Peer:
    """A filter of padasip's, which is given the windows."""

    def bind(i: Any) -> Call:
        filters = import_module("padasip").filters
        windows = sliding_window_view(np.concatenate([np.zeros(i.n_taps - 1), i.x]), i.n_taps)[:, ::-1]
        make = partial(getattr(filters, f"Filter{name}"), i.n_taps, w="zeros", **settings)
        return lambda: make().run(i.d, windows)[1]

    return Peer(bind)


def _adafilt(**settings: Any) -> Peer:
    def bind(i: Any) -> Call:
        make = import_module("adafilt").LMSFilter
        return lambda: make(i.n_taps, **settings)(i.x, i.d)[2]

    return Peer(bind)


def _products(i: Any) -> Call:
    """As many fused products and sums as an NLMS filter needs, two for each tap and sample, from registers."""
    from sigrnn._kernels.adaptive.loops import products

    compute = products()
    return lambda: compute(2 * i.n_taps * i.x.size)


def _blocks(n_taps: int, samples: int, channels: int, rng: Any) -> Pair:
    """Whole blocks of n_taps samples, and an echo that decays."""
    x = rng.standard_normal(-(-samples // n_taps) * n_taps)
    echo = rng.standard_normal(n_taps) * np.exp(-5.0 * np.arange(n_taps) / n_taps)
    return Pair(x, lfilter(echo, [1.0], x), n_taps)


def _fast_block(block: int, same: bool, **settings: Any) -> Peer:
    """adafilt's: one transform of the whole filter for each block; errors count repeatedly if blocks are shorter than it."""

    def bind(i: Any) -> Call:
        make = import_module("adafilt").FastBlockLMSFilter
        return lambda: make(i.n_taps, block, power_averaging=0.0, epsilon_power=1e-3, **settings)(i.x, i.d)[2]

    return Peer(bind, same)


def _long_cases() -> list[Case]:
    case = partial(Case, group=_LONG, tolerance=1e-6, samples=98_304)
    mu = 1e-6
    long = partial(
        case,
        make=partial(_blocks, 16_384),
        expected=_ours(lambda n: adaptive.BlockLMS(n, mu, 2048)),
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


def _cases() -> list[Case]:
    case = partial(Case, group=_ADAPTIVE, tolerance=1e-6, samples=100_000)
    short = partial(case, make=partial(pair, 32))
    nlms = _ours(lambda n: adaptive.NLMS(n, 0.5, 1e-3))
    return [
        short(
            "LMS, 32 taps",
            ours=_ours(lambda n: adaptive.LMS(n, 0.01)),
            peers={"padasip": padasip("LMS", mu=0.01), "adafilt": _adafilt(stepsize=0.01, normalized=False)},
        ),
        short(
            "NLMS, 32 taps",
            ours=nlms,
            peers={
                "padasip": padasip("NLMS", mu=0.5, eps=1e-3),
                "adafilt": _adafilt(stepsize=0.5, epsilon_power=1e-3),
            },
            headline=True,
        ),
        short(
            "RLS, 32 taps",
            ours=_ours(lambda n: adaptive.RLS(n, 0.99, 0.1)),
            peers={"padasip": padasip("RLS", mu=0.99, eps=0.1)},
            samples=20_000,
            headline=True,
        ),
        short(
            "affine projections of order 4, 32 taps",
            ours=_ours(lambda n: adaptive.AP(n, 0.5, 4, 1e-3)),
            peers={"padasip": padasip("AP", mu=0.5, order=4, ifc=1e-3)},
            samples=20_000,
        ),
        case(
            "NLMS, 1024 taps",
            make=partial(pair, 1024),
            ours=nlms,
            peers={"FMA bound": Peer(_products, same=False)},
            expected=plain.nlms(0.5),
            samples=5_000,
        ),
    ]


CASES: tuple[Case, ...] = (*_cases(), *_long_cases())
RATES = {_LONG: 48_000}
NOTES = {
    _ADAPTIVE: (
        "One channel of white noise, and the output of a system to it; errors are compared with those of padasip, which is "
        "given the windows ready made. *FMA bound* is the time that the products and sums of NLMS, two for each tap and "
        "sample, take one core from registers, with nothing to load or store: 0.6 means that 60 % of what the processor "
        "can compute is reached."
    ),
    _LONG: (
        "White noise and its echo. Blocks are of 1024 samples for FDAF, of 2048 for PBFDAF. There adafilt transforms the "
        "whole filter for each block, and counts errors more than once: it is another filter, and our results are compared "
        "with those of BlockLMS, the same in the time domain; loosely where the constraint is alternate. Ours come without "
        "latency, adafilt's when a block is complete."
    ),
}
