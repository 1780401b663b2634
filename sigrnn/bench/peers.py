"""How each library is asked for the same result: sigrnn, SciPy, NumPy, and others where they are installed.

Gradients and nonlinear filters are beside something else that is known, and their results are made here: with SciPy, or
in plain Python. Recurrent layers are beside PyTorch's.

A binding takes the inputs of a case and returns a call without arguments, so that what is timed is the library and not
the reading of fields, the conversion to tensors or the layout that a library wants.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.signal
from numpy.typing import NDArray

import sigrnn

Array = NDArray[Any]
Call = Callable[[], Any]
HOLD = 64  # samples for which a time-varying case keeps its coefficients, so that SciPy can follow block by block


@dataclass(frozen=True)
class Inputs:
    """What one case filters: the signal, the filter (`b` and `a`, or `sos`, or weights), and how; `dy` for gradients."""

    x: Array
    b: Array = field(default_factory=lambda: np.empty(0))
    a: Array = field(default_factory=lambda: np.empty(0))
    sos: Array = field(default_factory=lambda: np.empty(0))
    axis: int = -1
    zi: Array | None = None
    out: Array | None = None
    dy: Array = field(default_factory=lambda: np.empty(0))
    w_ih: Array = field(default_factory=lambda: np.empty(0))
    w_hh: Array = field(default_factory=lambda: np.empty(0))
    b_ih: Array = field(default_factory=lambda: np.empty(0))
    b_hh: Array = field(default_factory=lambda: np.empty(0))

    @property
    def weights(self) -> tuple[Array, ...]:
        """Those of a layer, in its order."""
        return self.w_ih, self.w_hh, self.b_ih, self.b_hh


Binding = Callable[[Inputs], Call]


class Peer(NamedTuple):
    """A library's binding, the module that must be there for it, and whether its result is to be ours.

    One with another result is a yardstick: how long something takes that readers know.
    """

    module: str
    bind: Binding
    same: bool = True

    def installed(self) -> bool:
        """Tell whether the module can be imported, without importing it."""
        return importlib.util.find_spec(self.module) is not None


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Hold sigrnn, BLAS and, where it is loaded, PyTorch to `n` threads.

    Parameters
    ----------
    n : int
        The number of threads for each.

    Yields
    ------
    None
        While they are held.
    """
    with ExitStack() as stack:
        stack.enter_context(sigrnn.set_workers(n))
        if importlib.util.find_spec("threadpoolctl") is not None:
            stack.enter_context(importlib.import_module("threadpoolctl").threadpool_limits(n))
        if torch := sys.modules.get("torch"):
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(n)
        yield


# --------------------------------------------------------------------------------------------- sigrnn, SciPy and NumPy


def _options(i: Inputs) -> dict[str, Any]:
    given = {"axis": i.axis, "zi": i.zi, "out": i.out}
    return {name: value for name, value in given.items() if value is not None}


def _with_ba(function: Callable[..., Any]) -> Binding:
    return lambda i: partial(function, i.b, i.a, i.x, **_options(i))


def _with_sos(function: Callable[..., Any]) -> Binding:
    return lambda i: partial(function, i.sos, i.x, **_options(i))


def _without_out(bind: Binding) -> Binding:
    # What has no `out` gets the rest.
    return lambda i: bind(replace(i, out=None))


def _numpy_fir(i: Inputs) -> Call:
    return lambda: np.convolve(i.x, i.b)[: i.x.size]


def _overlap_add(i: Inputs) -> Call:
    return lambda: scipy.signal.oaconvolve(i.x, i.b)[: i.x.size]


def _scipy_each_channel_ba(i: Inputs) -> Call:
    return lambda: np.stack([scipy.signal.lfilter(b, a, x) for b, a, x in zip(i.b, i.a, i.x, strict=True)])


def _scipy_each_channel_sos(i: Inputs) -> Call:
    return lambda: np.stack([scipy.signal.sosfilt(sos, x) for sos, x in zip(i.sos, i.x, strict=True)])


def _scipy_time_varying(i: Inputs) -> Call:
    def call() -> Array:
        y, zi = np.empty_like(i.x), np.zeros(i.a.shape[-1] - 1)
        for n in range(0, i.x.size, HOLD):
            y[n : n + HOLD], zi = scipy.signal.lfilter(i.b[n], i.a[n], i.x[n : n + HOLD], zi=zi)
        return y

    return call


def _scipy_stream_ba(i: Inputs) -> Call:
    state = np.zeros(max(i.a.size, i.b.size) - 1)

    def call() -> Array:
        nonlocal state
        y: Array
        y, state = scipy.signal.lfilter(i.b, i.a, i.x, zi=state)
        return y

    return call


def _scipy_stream_sos(i: Inputs) -> Call:
    state = np.zeros((i.sos.shape[0], 2))

    def call() -> Array:
        nonlocal state
        y: Array
        y, state = scipy.signal.sosfilt(i.sos, i.x, zi=state)
        return y

    return call


# ----------------------------------------------------------------------- gradients and nonlinear filters, without us


def _back(function: Callable[..., Any], dy: Array) -> Array:
    return function(dy[..., ::-1])[..., ::-1]


def _products(v: Array, x: Array, lags: int) -> Array:
    # sum_n v[n+m] x[n] for each lag m, over all channels
    return np.array([np.sum(v[..., m:] * x[..., : x.shape[-1] - m]) for m in range(lags)])


def _lfilter_gradients(b: Array, a: Array, x: Array, dy: Array) -> tuple[Array, ...]:
    y = scipy.signal.lfilter(b, a, x)
    v = _back(partial(scipy.signal.lfilter, [1.0], a), dy)
    dx = _back(partial(scipy.signal.lfilter, b, a), dy)
    return y, _products(v, x, b.size), -_products(v, y, a.size), dx


def _scipy_gradients_ba(i: Inputs) -> Call:
    return partial(_lfilter_gradients, i.b, i.a, i.x, i.dy)


def _scipy_gradients_sos(i: Inputs) -> Call:
    # The chain rule, section by section.
    def call() -> tuple[Array, ...]:
        signals = [i.x]
        for section in i.sos:
            signals.append(scipy.signal.sosfilt(section[None], signals[-1]))
        dsos, slope = np.empty_like(i.sos), i.dy
        for k in range(len(i.sos))[::-1]:
            _, dsos[k, :3], dsos[k, 3:], slope = _lfilter_gradients(i.sos[k, :3], i.sos[k, 3:], signals[k], slope)
        return signals[-1], dsos, slope

    return call


def _python_tanh(b: Array, a: Array, x: Array) -> tuple[Array, Array]:
    # The recursion as it is written, a[0] = 1: excitations e and y = tanh(e) of one channel.
    feedback, order = a[1:].tolist(), a.size - 1
    e, y = np.convolve(x, b)[: x.size].tolist(), [0.0] * order
    for n in range(x.size):
        for m, weight in enumerate(feedback, 1):
            e[n] -= weight * y[n - m + order]
        y.append(math.tanh(e[n]))
    return np.array(e), np.array(y[order:])


def _python_nlfilter(i: Inputs) -> Call:
    return lambda: np.reshape([_python_tanh(i.b, i.a, x)[1] for x in np.atleast_2d(i.x)], i.x.shape)


def _python_nlfilter_gradients(i: Inputs) -> Call:
    # Back-propagation through time as it is written: delta[n] = g'(e[n]) (dy[n] - sum_m a[m] delta[n+m]).
    def call() -> tuple[Array, ...]:
        e, y = _python_tanh(i.b, i.a, i.x)
        delta = [*(1 - y**2), *np.zeros(i.a.size - 1)]
        for n in range(y.size)[::-1]:
            delta[n] *= i.dy[n] - sum(weight * delta[n + m] for m, weight in enumerate(i.a[1:], 1))
        v = np.array(delta[: y.size])
        da = -_products(v, y, i.a.size)
        da[0] = -np.sum(v * e)  # a[0] divides all of e
        return y, _products(v, i.x, i.b.size), da, _back(lambda v: np.convolve(v, i.b)[: v.size], v)

    return call


def _without_value(bind: Binding) -> Binding:
    def bound(i: Inputs) -> Call:
        call = bind(i)
        return lambda: call()[1:]

    return bound


def _libm_tanh(i: Inputs) -> Call:
    numba = importlib.import_module("numba")

    @numba.njit  # type: ignore[untyped-decorator]
    def tanh(x: Array) -> Array:
        y = np.empty_like(x)
        for n in range(x.size):
            y[n] = math.tanh(x[n])
        return y

    return partial(tanh, i.x.ravel())


# ------------------------------------------------------------------------------- libraries that may be there: adapters


def _sosfilt_package(i: Inputs) -> Call:
    # It wants a filter for each channel: one filter for many channels makes it read past the end.
    function = importlib.import_module("sosfilt.sosfilt").sosfilt
    channels = i.x.size // i.x.shape[i.axis]
    filters = i.sos if i.sos.ndim == 3 else np.repeat(i.sos[None], channels, 0)
    return _with_sos(function)(replace(i, sos=filters, out=None))


class _Tensors:
    """Inputs as PyTorch libraries want them: one channel a row, a[0] = 1; and the way back."""

    def __init__(self, i: Inputs) -> None:
        self.axis, self.ndim = i.axis, i.x.ndim
        tensor = importlib.import_module("torch").from_numpy
        self.x = tensor(np.ascontiguousarray(np.moveaxis(np.atleast_2d(i.x), i.axis, -1)))
        self.zi = None if i.zi is None else tensor(i.zi[None])
        # torchaudio wants both of one length
        self.b, self.a = np.zeros((2, *i.a.shape[:-1], max(i.a.shape[-1], i.b.shape[-1])), i.x.real.dtype)
        self.b[..., : i.b.shape[-1]], self.a[..., : i.a.shape[-1]] = i.b / i.a[..., :1], i.a / i.a[..., :1]
        self.b, self.a = tensor(self.b), tensor(self.a)

    def back(self, y: Any) -> Any:
        """Return a result, or a result and a state, in the layout of the case."""
        if isinstance(y, tuple):
            return tuple(part.numpy()[0] for part in y)
        return y.numpy()[0] if self.ndim == 1 else np.moveaxis(y.numpy(), -1, self.axis)


def _torchaudio(i: Inputs) -> Call:
    if i.zi is not None:
        raise NotImplementedError("takes no initial state")
    lfilter = importlib.import_module("torchaudio.functional").lfilter
    t = _Tensors(i)
    return lambda: t.back(lfilter(t.x, t.a, t.b, clamp=False, batching=t.a.ndim == 2))


def _philtorch(i: Inputs) -> Call:
    lfilter = importlib.import_module("philtorch.lti").lfilter
    t = _Tensors(i)
    a = t.a[..., 1:].contiguous()
    return lambda: t.back(lfilter(t.b, a, t.x, zi=t.zi))


def _philtorch_time_varying(i: Inputs) -> Call:
    lfilter = importlib.import_module("philtorch.lpv").lfilter
    t = _Tensors(i)
    b, a = t.b[None], t.a[None, :, 1:].contiguous()
    return lambda: t.back(lfilter(b, a, t.x, form="tdf2"))


def _torchlpc(i: Inputs) -> Call:
    # All-pole filters only, with a row of coefficients for each sample: laid out before the clock starts.
    filter_by_rows = importlib.import_module("torchlpc").sample_wise_lpc
    t = _Tensors(i)
    rows = t.a[1:].expand(*t.x.shape, -1).contiguous()
    return lambda: t.back(filter_by_rows(t.x, rows))


def _torch_gradients(i: Inputs, filtered: Callable[[Any, Any, Any], Any]) -> Call:
    # Forward and backward of y = filtered(b, a, x): a row a channel, and all gradients.
    grad = importlib.import_module("torch.autograd").grad
    t, dy = _Tensors(i), _Tensors(replace(i, x=i.dy)).x
    given = [tensor.requires_grad_() for tensor in (t.b, t.a, t.x)]

    def call() -> tuple[Array, ...]:
        y = filtered(*given)
        db, da, dx = grad(y, given, dy)
        return t.back(y.detach()), db.numpy()[: i.b.size], da.numpy()[: i.a.size], t.back(dx)

    return call


def _torchaudio_gradients(i: Inputs) -> Call:
    lfilter = importlib.import_module("torchaudio.functional").lfilter
    return _torch_gradients(i, lambda b, a, x: lfilter(x, a, b, clamp=False, batching=False))


def _philtorch_gradients(i: Inputs) -> Call:
    lfilter = importlib.import_module("philtorch.lti").lfilter
    return _torch_gradients(i, lambda b, a, x: lfilter(b / a[0], a[1:] / a[0], x))


def _torch_loop(i: Inputs) -> Call:
    # What one writes where a library has no such filter: the recursion in Python, under autograd.
    torch = importlib.import_module("torch")

    def filtered(b: Any, a: Any, x: Any) -> Any:
        full = torch.nn.functional.conv1d(x[None], b.flip(0)[None, None] / a[0], padding=b.numel() - 1)
        weights, y = (a[1:] / a[0]).unbind(), list[Any]()
        for e in full[0, 0, : x.shape[-1]].unbind():
            for weight, past in zip(weights, reversed(y), strict=False):
                e = e - weight * past
            y.append(torch.tanh(e))
        return torch.stack(y)[None]

    return _torch_gradients(i, filtered)


def _turned(array: Array) -> Array:
    # One sequence (T, ...), or several (B, T, ...), with time first and then sequences.
    return np.ascontiguousarray(array.swapaxes(0, 1) if array.ndim == 3 else array[:, None])


def _torch_layer(kind: str, gradients: bool = False) -> Binding:
    # A layer of PyTorch's with the weights of a case. Time comes first, so that it has nothing to turn round.
    def bound(i: Inputs) -> Call:
        torch = importlib.import_module("torch")
        layer, alone = getattr(torch.nn, kind)(i.x.shape[-1], i.w_hh.shape[-1]), i.x.ndim == 2
        for parameter, weights in zip(layer.parameters(), i.weights, strict=True):
            parameter.data = torch.from_numpy(weights)
        x, dy = torch.from_numpy(_turned(i.x)).requires_grad_(), torch.from_numpy(_turned(i.dy))

        def back(steps: Any) -> Array:
            found: Array = steps.detach().numpy()
            return found[:, 0] if alone else found.swapaxes(0, 1)

        def value(h: Any, state: Any) -> tuple[Any, ...]:
            finals = [each.detach().numpy()[(0, 0) if alone else 0] for each in (state if kind == "LSTM" else [state])]
            return back(h), tuple(finals) if kind == "LSTM" else finals[0]

        def forward() -> tuple[Any, ...]:
            with torch.no_grad():
                return value(*layer(x))

        def both() -> tuple[Any, ...]:
            h, state = layer(x)
            dx, *others = torch.autograd.grad(h, [x, *layer.parameters()], dy)
            return value(h, state), back(dx), *(other.numpy() for other in others)

        return both if gradients else forward

    return bound


# ---------------------------------------------------------------------------------------------- who can do what: tables


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
    "lfilter": _ours("lfilter", _with_ba),
    "all-pole": _ours("lfilter", _with_ba),
    "fir": _ours("lfilter", _with_ba),
    "filtfilt": _ours("filtfilt", _with_ba),
    "sosfilt": _ours("sosfilt", _with_sos),
    "sosfiltfilt": _ours("sosfiltfilt", _with_sos),
    "lfilter batch": _ours("lfilter", _with_ba),
    "sosfilt batch": _ours("sosfilt", _with_sos),
    "lfilter_tv": _ours("lfilter_tv", _with_ba),
    "stream": _stream_ba,
    "stream sos": _stream_sos,
    **dict.fromkeys(("lfilter vjp", "torchaudio vjp", "philtorch vjp"), _our_gradients("lfilter", _with_ba)),
    "sosfilt vjp": _our_gradients("sosfilt", _with_sos),
    "nlfilter": _ours("nlfilter", _with_ba),
    "nlfilter vjp": _our_gradients("nlfilter", _with_ba),
    "nlfilter pull-back": _our_pullback,
    **{name: _our_layer(name) for name in _LAYERS},
    **{f"{name} vjp": _our_layer_gradients(name) for name in _LAYERS},
}

_SCIPY_LFILTER = Peer("scipy", _without_out(_with_ba(scipy.signal.lfilter)))
_TORCHAUDIO = Peer("torchaudio", _torchaudio)
_PHILTORCH = Peer("philtorch", _philtorch)
_SOSFILT = Peer("sosfilt", _sosfilt_package)
_TORCHAUDIO_GRADIENTS = Peer("torchaudio", _torchaudio_gradients)
_PHILTORCH_GRADIENTS = Peer("philtorch", _philtorch_gradients)

# The first is the reference: SciPy, but for gradients beside a library that has them, for nonlinear filters, and for
# layers. The filtfilt of torchaudio and of philtorch is left out: neither has SciPy's odd extension at the ends, so they
# compute something else. sosfilt's sosfiltfilt is SciPy's own.
PEERS: dict[str, dict[str, Peer]] = {
    "lfilter": {"SciPy": _SCIPY_LFILTER, "torchaudio": _TORCHAUDIO, "philtorch": _PHILTORCH},
    "all-pole": {
        "SciPy": _SCIPY_LFILTER,
        "torchaudio": _TORCHAUDIO,
        "philtorch": _PHILTORCH,
        "torchlpc": Peer("torchlpc", _torchlpc),
    },
    "fir": {
        "SciPy": _SCIPY_LFILTER,
        "NumPy convolve": Peer("numpy", _numpy_fir),
        "SciPy oaconvolve": Peer("scipy", _overlap_add),
    },
    "filtfilt": {"SciPy": Peer("scipy", _without_out(_with_ba(scipy.signal.filtfilt)))},
    "sosfilt": {
        "SciPy": Peer("scipy", _without_out(_with_sos(scipy.signal.sosfilt))),
        "sosfilt": _SOSFILT,
    },
    "sosfiltfilt": {"SciPy": Peer("scipy", _without_out(_with_sos(scipy.signal.sosfiltfilt)))},
    "lfilter batch": {
        "SciPy": Peer("scipy", _scipy_each_channel_ba),
        "torchaudio": _TORCHAUDIO,
        "philtorch": _PHILTORCH,
    },
    "sosfilt batch": {
        "SciPy": Peer("scipy", _scipy_each_channel_sos),
        "sosfilt": _SOSFILT,
    },
    "lfilter_tv": {
        "SciPy": Peer("scipy", _scipy_time_varying),
        "philtorch": Peer("philtorch", _philtorch_time_varying),
    },
    "stream": {"SciPy": Peer("scipy", _scipy_stream_ba)},
    "stream sos": {"SciPy": Peer("scipy", _scipy_stream_sos)},
    "lfilter vjp": {
        "SciPy": _SCIPY_LFILTER._replace(same=False),
        "torchaudio": _TORCHAUDIO_GRADIENTS,
        "philtorch": _PHILTORCH_GRADIENTS,
    },
    "torchaudio vjp": {"torchaudio": _TORCHAUDIO_GRADIENTS},
    "philtorch vjp": {"philtorch": _PHILTORCH_GRADIENTS},
    "sosfilt vjp": {"SciPy": Peer("scipy", _without_out(_with_sos(scipy.signal.sosfilt)), same=False)},
    "nlfilter": {
        "np.tanh": Peer("numpy", lambda i: partial(np.tanh, i.x), same=False),
        "libm tanh": Peer("numba", _libm_tanh, same=False),
    },
    "nlfilter vjp": {"torch loop": Peer("torch", _torch_loop)},
    "nlfilter pull-back": {"nlfilter forward": Peer("sigrnn", _ours("nlfilter", _with_ba), same=False)},
    **{name: {"torch": Peer("torch", _torch_layer(theirs))} for name, theirs in _LAYERS.items()},
    **{f"{name} vjp": {"torch": Peer("torch", _torch_layer(theirs, True))} for name, theirs in _LAYERS.items()},
}

# What results must be, where that is not what the reference returns.
EXPECTED: dict[str, Binding] = {
    **dict.fromkeys(("lfilter vjp", "torchaudio vjp", "philtorch vjp"), _scipy_gradients_ba),
    "sosfilt vjp": _scipy_gradients_sos,
    "nlfilter": _python_nlfilter,
    "nlfilter vjp": _python_nlfilter_gradients,
    "nlfilter pull-back": _without_value(_python_nlfilter_gradients),
}
