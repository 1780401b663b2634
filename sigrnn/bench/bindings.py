"""Who can do what: sigrnn's bindings, its peers' and what results are compared with, by name of function.

Gradients and nonlinear filters are beside something else that is known. Recurrent layers are beside PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.signal

import sigrnn

from .peers import Array, Binding, Call, Inputs, Peer, with_ba, with_sos, without_out
from .plain import (
    libm_tanh,
    numpy_fir,
    overlap_add,
    python_nlfilter,
    python_nlfilter_gradients,
    scipy_each_channel_ba,
    scipy_each_channel_sos,
    scipy_gradients_ba,
    scipy_gradients_sos,
    scipy_stream_ba,
    scipy_stream_sos,
    scipy_time_varying,
    sosfilt_package,
)
from .tensors import (
    philtorch,
    philtorch_gradients,
    philtorch_time_varying,
    torch_layer,
    torch_loop,
    torchaudio,
    torchaudio_gradients,
    torchlpc,
)


def _without_value(bind: Binding) -> Binding:
    def bound(i: Inputs) -> Call:
        call = bind(i)
        return lambda: call()[1:]

    return bound


def _stream_ba(i: Inputs) -> Call:
    return partial(sigrnn.Stream(i.b, i.a), i.x)


def _stream_sos(i: Inputs) -> Call:
    return partial(sigrnn.Stream(sos=i.sos), i.x)


def _ours(name: str, bind: Callable[[Callable[..., Any]], Binding]) -> Binding:
    # The function is looked up when a case is bound, as `sigrnn` may still be on its way in when this file is read.
    return lambda i: bind(getattr(sigrnn, name))(i)


def _our_gradients(name: str, bind: Callable[[Callable[..., Any]], Binding]) -> Binding:
    def bound(i: Inputs) -> Call:
        forward = bind(partial(sigrnn.vjp, getattr(sigrnn, name)))(i)

        def call() -> tuple[Array, ...]:
            y, pullback = forward()
            return y, *pullback(i.dy)

        return call

    return bound


def _our_pullback(i: Inputs) -> Call:
    return partial(sigrnn.vjp(sigrnn.nlfilter, i.b, i.a, i.x)[1], i.dy)


def _our_layer(name: str) -> Binding:
    return lambda i: partial(getattr(sigrnn, name), i.x, *i.weights)


def _our_layer_gradients(name: str) -> Binding:
    def bound(i: Inputs) -> Call:
        forward = partial(sigrnn.vjp, getattr(sigrnn, name), i.x, *i.weights)

        def call() -> tuple[Any, ...]:
            value, pullback = forward()
            return value, *pullback((i.dy, None))

        return call

    return bound


_LAYERS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}  # PyTorch's names

OURS: dict[str, Binding] = {
    "lfilter": _ours("lfilter", with_ba),
    "all-pole": _ours("lfilter", with_ba),
    "fir": _ours("lfilter", with_ba),
    "filtfilt": _ours("filtfilt", with_ba),
    "sosfilt": _ours("sosfilt", with_sos),
    "sosfiltfilt": _ours("sosfiltfilt", with_sos),
    "lfilter batch": _ours("lfilter", with_ba),
    "sosfilt batch": _ours("sosfilt", with_sos),
    "lfilter_tv": _ours("lfilter_tv", with_ba),
    "stream": _stream_ba,
    "stream sos": _stream_sos,
    **dict.fromkeys(("lfilter vjp", "torchaudio vjp", "philtorch vjp"), _our_gradients("lfilter", with_ba)),
    "sosfilt vjp": _our_gradients("sosfilt", with_sos),
    "nlfilter": _ours("nlfilter", with_ba),
    "nlfilter vjp": _our_gradients("nlfilter", with_ba),
    "nlfilter pull-back": _our_pullback,
    **{name: _our_layer(name) for name in _LAYERS},
    **{f"{name} vjp": _our_layer_gradients(name) for name in _LAYERS},
}

_SCIPY_LFILTER = Peer("scipy", without_out(with_ba(scipy.signal.lfilter)))
_TORCHAUDIO = Peer("torchaudio", torchaudio)
_PHILTORCH = Peer("philtorch", philtorch)
_SOSFILT = Peer("sosfilt", sosfilt_package)
_TORCHAUDIO_GRADIENTS = Peer("torchaudio", torchaudio_gradients)
_PHILTORCH_GRADIENTS = Peer("philtorch", philtorch_gradients)

# The first is the reference: SciPy, but for gradients beside a library that has them, for nonlinear filters, and for
# layers. The filtfilt of torchaudio and of philtorch is left out: neither has SciPy's odd extension at the ends, so they
# compute something else. sosfilt's sosfiltfilt is SciPy's own.
PEERS: dict[str, dict[str, Peer]] = {
    "lfilter": {"SciPy": _SCIPY_LFILTER, "torchaudio": _TORCHAUDIO, "philtorch": _PHILTORCH},
    "all-pole": {
        "SciPy": _SCIPY_LFILTER,
        "torchaudio": _TORCHAUDIO,
        "philtorch": _PHILTORCH,
        "torchlpc": Peer("torchlpc", torchlpc),
    },
    "fir": {
        "SciPy": _SCIPY_LFILTER,
        "NumPy convolve": Peer("numpy", numpy_fir),
        "SciPy oaconvolve": Peer("scipy", overlap_add),
    },
    "filtfilt": {"SciPy": Peer("scipy", without_out(with_ba(scipy.signal.filtfilt)))},
    "sosfilt": {
        "SciPy": Peer("scipy", without_out(with_sos(scipy.signal.sosfilt))),
        "sosfilt": _SOSFILT,
    },
    "sosfiltfilt": {"SciPy": Peer("scipy", without_out(with_sos(scipy.signal.sosfiltfilt)))},
    "lfilter batch": {
        "SciPy": Peer("scipy", scipy_each_channel_ba),
        "torchaudio": _TORCHAUDIO,
        "philtorch": _PHILTORCH,
    },
    "sosfilt batch": {
        "SciPy": Peer("scipy", scipy_each_channel_sos),
        "sosfilt": _SOSFILT,
    },
    "lfilter_tv": {
        "SciPy": Peer("scipy", scipy_time_varying),
        "philtorch": Peer("philtorch", philtorch_time_varying),
    },
    "stream": {"SciPy": Peer("scipy", scipy_stream_ba)},
    "stream sos": {"SciPy": Peer("scipy", scipy_stream_sos)},
    "lfilter vjp": {
        "SciPy": _SCIPY_LFILTER._replace(same=False),
        "torchaudio": _TORCHAUDIO_GRADIENTS,
        "philtorch": _PHILTORCH_GRADIENTS,
    },
    "torchaudio vjp": {"torchaudio": _TORCHAUDIO_GRADIENTS},
    "philtorch vjp": {"philtorch": _PHILTORCH_GRADIENTS},
    "sosfilt vjp": {"SciPy": Peer("scipy", without_out(with_sos(scipy.signal.sosfilt)), same=False)},
    "nlfilter": {
        "np.tanh": Peer("numpy", lambda i: partial(np.tanh, i.x), same=False),
        "libm tanh": Peer("numba", libm_tanh, same=False),
    },
    "nlfilter vjp": {"torch loop": Peer("torch", torch_loop)},
    "nlfilter pull-back": {"nlfilter forward": Peer("sigrnn", _ours("nlfilter", with_ba), same=False)},
    **{name: {"torch": Peer("torch", torch_layer(theirs))} for name, theirs in _LAYERS.items()},
    **{f"{name} vjp": {"torch": Peer("torch", torch_layer(theirs, True))} for name, theirs in _LAYERS.items()},
}

# What results must be, where that is not what the reference returns.
EXPECTED: dict[str, Binding] = {
    **dict.fromkeys(("lfilter vjp", "torchaudio vjp", "philtorch vjp"), scipy_gradients_ba),
    "sosfilt vjp": scipy_gradients_sos,
    "nlfilter": python_nlfilter,
    "nlfilter vjp": python_nlfilter_gradients,
    "nlfilter pull-back": _without_value(python_nlfilter_gradients),
}
