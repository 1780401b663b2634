"""Filters and their gradients over whole signals."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import scipy.signal

import sigrnn

from . import plain, tensors
from .case import Array, Call, Case, Peer
from .inputs import (
    Inputs,
    Noise,
    ba,
    of_scipy,
    one_each,
    ours,
    ours_vjp,
    sections,
    sections_each,
    sweep,
    taps,
    unit,
)  # fmt: skip

_ONE = "One channel, a million samples"
_MANY = "Many channels"
_FIR = "FIR filters, a million samples"
_MORE = "More filters"
_GRADIENTS = "Gradients"
_NONLINEAR = "Nonlinear filters"
VALUE_ALONE = "value and all gradients (SciPy: value alone)"

RATES: dict[str, int] = {}
NOTES = {
    _GRADIENTS: (
        "`vjp` from the first sample to the last gradient: value, `db`, `da` (or `dsos`) and `dx`. SciPy has no "
        "gradients; its time is that of its filter alone. torchaudio's and philtorch's is that of their forward and "
        "backward passes. All gradients are compared with those made of SciPy's filters over reversed time."
    ),
    _NONLINEAR: (
        "`nlfilter` with 'tanh', compared with a loop in plain Python. `np.tanh` and the C library's tanh (*libm*, in a "
        "compiled loop) run over the same array and filter nothing: they show what one tanh costs. With AVX-512 NumPy's "
        "tanh takes about 1 ns, elsewhere about 14 ns. *Pull-back* is the backward pass alone, compared with the forward "
        "pass. The *torch loop* is the same recursion in Python under PyTorch's autograd, forward and backward."
    ),
}


def _numpy_fir(i: Inputs) -> Call:
    return lambda: np.convolve(i.x, i.filter[0])[: i.x.size]


def _overlap_add(i: Inputs) -> Call:
    return lambda: scipy.signal.oaconvolve(i.x, i.filter[0])[: i.x.size]


def _sosfilt_package(i: Inputs) -> Call:
    # It wants a filter for each channel: with one filter for many channels it reads past the end.
    function, (sos,) = import_module("sosfilt.sosfilt").sosfilt, i.filter
    own = sos if sos.ndim == 3 else np.repeat(sos[None], i.x.size // i.x.shape[i.axis], 0)
    return partial(function, own, i.x, **i.without_out().options)


def _libm_tanh(i: Inputs) -> Call:
    import math

    numba = import_module("numba")

    @numba.njit  # type: ignore[untyped-decorator]
    def tanh(x: Array) -> Array:
        y = np.empty_like(x)
        for n in range(x.size):
            y[n] = math.tanh(x[n])
        return y

    return partial(tanh, i.x.ravel())


def _backward(i: Inputs) -> Call:
    b, a = i.filter
    return partial(sigrnn.lfilter, b, a, i.x, direction="backward")


def _pullback(i: Inputs) -> Call:
    return partial(sigrnn.vjp(sigrnn.nlfilter, *i.filter, i.x)[1], i.dy)


def _pulled_back(i: Inputs) -> Call:
    call = plain.nlfilter_gradients(i)
    return lambda: call()[1:]


# filtfilt of torchaudio and philtorch is left out: without SciPy's odd extension at the ends they compute something else.
# sosfilt's sosfiltfilt is SciPy's own.
TORCH = {"torchaudio": Peer(tensors.torchaudio), "philtorch": Peer(tensors.philtorch)}
LFILTER: dict[str, Any] = {"ours": ours("lfilter"), "peers": {"SciPy": of_scipy("lfilter"), **TORCH}}
SOSFILT: dict[str, Any] = {
    "ours": ours("sosfilt"),
    "peers": {"SciPy": of_scipy("sosfilt"), "sosfilt": Peer(_sosfilt_package)},
}
FILTFILT: dict[str, Any] = {"ours": ours("filtfilt"), "peers": {"SciPy": of_scipy("filtfilt")}}
SOSFILTFILT: dict[str, Any] = {"ours": ours("sosfiltfilt"), "peers": {"SciPy": of_scipy("sosfiltfilt")}}
FIR: dict[str, Any] = {
    "ours": ours("lfilter"),
    "peers": {"SciPy": of_scipy("lfilter"), "NumPy convolve": Peer(_numpy_fir), "oaconvolve": Peer(_overlap_add)},
}
LFILTER_VJP: dict[str, Any] = {
    "ours": ours_vjp("lfilter"),
    "peers": {
        "SciPy": of_scipy("lfilter", same=False),
        "torchaudio": Peer(tensors.torchaudio_gradients),
        "philtorch": Peer(tensors.philtorch_gradients),
    },
    "expected": plain.lfilter_gradients,
}
NLFILTER: dict[str, Any] = {
    "ours": ours("nlfilter"),
    "peers": {"np.tanh": Peer(lambda i: partial(np.tanh, i.x), False), "libm tanh": Peer(_libm_tanh, False)},
    "expected": plain.nlfilter,
}
NLFILTER_VJP: dict[str, Any] = {
    "ours": ours_vjp("nlfilter"),
    "peers": {"torch loop": Peer(tensors.torch_loop)},
    "expected": plain.nlfilter_gradients,
}


def _one_channel() -> list[Case]:
    case = partial(Case, group=_ONE)
    single = Noise(ba(2), dtype="float32")  # SciPy's float32 arithmetic limits agreement: 5e-7 at this order
    return [
        *(case(f"lfilter order {n}", make=Noise(ba(n)), headline=n == 8, **LFILTER) for n in (1, 2, 4, 8)),
        case("lfilter order 2, cut-off 0.001", make=Noise(ba(2, 0.001)), **LFILTER),
        case("lfilter order 2, float32", make=single, tolerance=1e-5, **LFILTER),
        case("sosfilt 4 sections", make=Noise(sections(4)), **SOSFILT),
        case("filtfilt order 4", make=Noise(ba(4)), **FILTFILT),
    ]


def _many_channels() -> list[Case]:
    wide = partial(Case, group=_MANY, samples=16_384, channels=64)
    # Ten seconds from a probe in the brain, as spike sorting filters them: about 1 GB an array.
    probe = partial(Case, group=_MANY, samples=300_000, channels=384, workers=2, headline=True)
    own = {**LFILTER, "peers": {"SciPy": Peer(plain.each_channel("lfilter")), **TORCH}}
    own_sections = {**SOSFILT, "peers": {**SOSFILT["peers"], "SciPy": Peer(plain.each_channel("sosfilt"))}}
    return [
        wide("lfilter order 4, 64 channels x 16k, axis -1", make=Noise(ba(4)), **LFILTER),
        wide("lfilter order 4, 16k x 64 channels, axis 0", make=Noise(ba(4), 0), headline=True, **LFILTER),
        wide("sosfilt 4 sections, 16k x 64 channels, axis 0", make=Noise(sections(4), 0), **SOSFILT),
        probe(
            "sosfilt 2 sections, 384 channels x 30 kHz x 10 s, axis -1", make=Noise(sections(2), out=True), **SOSFILT
        ),
        probe(
            "sosfilt 2 sections, 30 kHz x 10 s x 384 channels, axis 0", make=Noise(sections(2), 0, out=True), **SOSFILT
        ),
        wide("lfilter, a filter for each of 64 channels", make=Noise(one_each), **own),
        wide("sosfilt, a filter for each of 64 channels", make=Noise(sections_each), **own_sections),
    ]


def _fir() -> list[Case]:
    return [
        Case(f"FIR {n} taps", _FIR, Noise(taps(n)), headline=n == 4096, **FIR) for n in (8, 32, 128, 512, 4096)
    ]  # fmt: skip


def _more() -> list[Case]:
    case = partial(Case, group=_MORE)
    all_pole = {**LFILTER, "peers": {**LFILTER["peers"], "torchlpc": Peer(tensors.torchlpc)}}
    varying = {"SciPy": Peer(plain.time_varying), "philtorch": Peer(tensors.philtorch_time_varying)}
    single, probe = Noise(sections(4), dtype="float32"), Noise(sections(2), dtype="int16", out=True)
    rounded: dict[str, Any] = {  # one apart where rounding errors decide
        "ours": ours("sosfilt"),
        "peers": {"NumPy + SciPy": Peer(plain.rounded("sosfilt"))},
        "tolerance": 1e-3,
    }
    reversed_time = {"SciPy": Peer(plain.reversed_time("lfilter"))}
    return [
        case("lfilter elliptic order 6", make=Noise(lambda *_: scipy.signal.ellip(6, 0.1, 80, 0.3)), **LFILTER),
        case("lfilter band-pass order 8", make=Noise(ba(4, (0.1, 0.2), "bandpass")), **LFILTER),
        case("lfilter order 4, complex", make=Noise(ba(4), dtype="complex128"), **LFILTER),
        case("lfilter all-pole order 4", make=Noise(lambda *_: (np.ones(1), ba(4)(0, 0)[1])), **all_pole),
        case("lfilter_tv order 2", make=Noise(sweep), ours=ours("lfilter_tv"), peers=varying),
        case("sosfilt 4 sections, float32", make=single, tolerance=1e-5, **SOSFILT),
        case("sosfiltfilt 4 sections", make=Noise(sections(4)), **SOSFILTFILT),
        case(
            "sosfilt 2 sections, int16 in and out, 64 channels x 16k",
            make=probe,
            samples=16_384,
            channels=64,
            **rounded,
        ),
        case("lfilter order 4, backward", make=Noise(ba(4)), ours=_backward, peers=reversed_time),
    ]


def _gradients() -> list[Case]:
    case = partial(Case, group=_GRADIENTS)
    whole = partial(case, **LFILTER_VJP)
    return [
        *(whole(f"vjp lfilter order {n}: {VALUE_ALONE}", make=Noise(ba(n), dy=True)) for n in (1, 2, 4, 8)),
        whole(
            f"vjp lfilter order 2, 32 channels: {VALUE_ALONE}",
            make=Noise(ba(2), dy=True),
            samples=32_768,
            channels=32,
        ),
        case(
            f"vjp sosfilt 4 sections: {VALUE_ALONE}",
            make=Noise(sections(4), dy=True),
            ours=ours_vjp("sosfilt"),
            peers={"SciPy": of_scipy("sosfilt", same=False)},
            expected=plain.sosfilt_gradients,
            headline=True,
        ),
    ]


def _nonlinear() -> list[Case]:
    case = partial(Case, group=_NONLINEAR, samples=100_000)
    recursive, forward = Noise(unit(3, True)), {"nlfilter forward": Peer(ours("nlfilter"), False)}
    given = Noise(unit(3, True), dy=True)
    return [
        case("nlfilter tanh order 2", make=recursive, **NLFILTER),
        case("nlfilter tanh order 2, 16 channels", make=recursive, **NLFILTER | {"samples": 16_384, "channels": 16}),
        case("nlfilter tanh, FIR 5 taps", make=Noise(unit(5, False)), **NLFILTER),
        case("nlfilter tanh order 2, pull-back", make=given, ours=_pullback, peers=forward, expected=_pulled_back),
        case("nlfilter tanh order 2, value and all gradients", make=given, **NLFILTER_VJP | {"samples": 20_000}),
    ]


CASES: tuple[Case, ...] = (*_one_channel(), *_many_channels(), *_fir(), *_more(), *_gradients(), *_nonlinear())
