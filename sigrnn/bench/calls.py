"""The cost of a call: short signals and short blocks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import sigrnn
from sigrnn import adaptive

from . import plain
from .adaptive import Pair, padasip, pair
from .case import Binding, Call, Case, Peer
from .filters import FILTFILT, LFILTER, LFILTER_VJP, NLFILTER, SOSFILT
from .inputs import Inputs, Noise, ba, of_scipy, ours, sections, unit
from .layers import PASSES, Sequences
from .tensors import torch_layer

GROUP = "Microseconds a call"
SAMPLES, STEPS = 64, 16
RATES: dict[str, int] = {}
NOTES = {
    GROUP: (
        f"{SAMPLES} samples and filters of order 2, if the row does not say otherwise; layers of 16 units in float32, {STEPS} "
        "steps. `np.tanh` filters nothing: it shows what the tanh of as many samples costs. `Stream` and `NLMS` keep their "
        "state from call to call; SciPy is given the last state as `zi`."
    )
}


def _lists(samples: int, channels: int, rng: Any) -> Inputs:
    i = Noise(ba(2))(samples, channels, rng)
    return replace(i, x=i.x.tolist(), filter=tuple(array.tolist() for array in i.filter))


def _stream(i: Inputs) -> Call:
    return partial(sigrnn.Stream(*i.filter) if len(i.filter) == 2 else sigrnn.Stream(sos=i.filter[0]), i.x)


def _nlms(i: Pair) -> Call:
    adapt = adaptive.NLMS(i.n_taps, 0.5, 1e-3)
    return lambda: adapt(i.x, i.d).e


def _filters() -> list[Case]:
    case = partial(Case, group=GROUP, samples=SAMPLES)
    low = partial(Noise, ba(2))
    scipy_alone: dict[str, Any] = {"ours": ours("lfilter"), "peers": {"SciPy": of_scipy("lfilter")}}
    value = f"vjp lfilter, {SAMPLES} samples (SciPy: value alone)"
    return [
        case(f"lfilter, {SAMPLES} samples", make=low(), **LFILTER),
        case(f"lfilter, {SAMPLES} samples, out=", make=low(out=True), **scipy_alone),
        case(f"lfilter, {SAMPLES} samples, float32", make=low(dtype="float32"), tolerance=1e-5, **scipy_alone),
        case(f"lfilter, {SAMPLES} samples, int16", make=low(dtype="int16"), **scipy_alone),
        case(f"lfilter, {SAMPLES} x 2 samples, axis 0", make=low(axis=0), channels=2, **scipy_alone),
        case(f"lfilter, {SAMPLES} samples, lists", make=_lists, **scipy_alone),
        case(f"lfilter order 4, {SAMPLES} samples, zi", make=Noise(ba(4), zi=True), headline=True, **LFILTER),
        case(f"sosfilt 4 sections, {SAMPLES} samples", make=Noise(sections(4)), **SOSFILT),
        case(f"sosfilt 4 sections, {SAMPLES} samples, zi", make=Noise(sections(4), zi=True), headline=True, **SOSFILT),
        case(f"filtfilt order 4, {SAMPLES} samples", make=Noise(ba(4)), **FILTFILT),
        case(f"nlfilter tanh, {SAMPLES} samples", make=Noise(unit(3, True)), **NLFILTER),
        case(value, make=low(dy=True), **LFILTER_VJP),
        case(
            f"NLMS 32 taps, a block of {SAMPLES}",
            make=partial(pair, 32),
            ours=_nlms,
            peers={"padasip": padasip("NLMS", mu=0.5, eps=1e-3)},
            expected=plain.nlms(0.5),
        ),
    ]


def _layer(kind: str, which: str, bind: Binding, gradients: bool) -> Case:
    return Case(
        f"{kind} H16, {STEPS} steps: {which}",
        GROUP,
        Sequences(kind, 16),
        bind,
        {"torch": Peer(torch_layer(kind, gradients))},
        samples=STEPS,
        expected=plain.layer(kind.lower(), gradients),
        tolerance=1e-5,
        shortest=STEPS,
    )


CASES: tuple[Case, ...] = (
    *_filters(),
    *(_layer(kind, which, bind(kind), gradients) for kind in ("LSTM", "GRU") for which, bind, gradients in PASSES),
    *(
        Case(f"Stream {what}, a block of {n}", GROUP, Noise(design), _stream, {"SciPy": Peer(plain.stream)}, n, steps=3)
        for n in (1, 64, 512)
        for what, design in (("order 4", ba(4)), ("4 sections", sections(4)))
    ),
)
