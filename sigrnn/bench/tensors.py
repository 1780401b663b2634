"""Libraries that take tensors: PyTorch, torchaudio, philtorch, torchlpc."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from .case import Array, Binding, Call
from .inputs import Inputs


class _Tensors:
    """Inputs in the layout of these libraries, one channel a row and a[0] = 1, and results in the layout of the case."""

    def __init__(self, i: Inputs) -> None:
        self.axis, self.ndim = i.axis, i.x.ndim
        tensor, zi = import_module("torch").from_numpy, i.options.get("zi")
        self.x = tensor(np.ascontiguousarray(np.moveaxis(np.atleast_2d(i.x), i.axis, -1)))
        self.zi = None if zi is None else tensor(zi[None])
        b, a = i.filter
        self.b, self.a = np.zeros((2, *a.shape[:-1], max(a.shape[-1], b.shape[-1])), i.x.real.dtype)  # of one length
        self.b[..., : b.shape[-1]], self.a[..., : a.shape[-1]] = b / a[..., :1], a / a[..., :1]
        self.b, self.a = tensor(self.b), tensor(self.a)

    def result(self, y: Any) -> Any:
        """Return a result, or a result and a state, in the layout of the case."""
        if isinstance(y, tuple):
            return tuple(part.numpy()[0] for part in y)
        return y.numpy()[0] if self.ndim == 1 else np.moveaxis(y.numpy(), -1, self.axis)


def torchaudio(i: Inputs) -> Call:
    """torchaudio's `lfilter`."""
    lfilter = import_module("torchaudio.functional").lfilter
    if "zi" in i.options:
        raise NotImplementedError("takes no initial state")
    t = _Tensors(i)
    return lambda: t.result(lfilter(t.x, t.a, t.b, clamp=False, batching=t.a.ndim == 2))


def philtorch(i: Inputs) -> Call:
    """philtorch's `lfilter`."""
    lfilter = import_module("philtorch.lti").lfilter
    t = _Tensors(i)
    a = t.a[..., 1:].contiguous()
    return lambda: t.result(lfilter(t.b, a, t.x, zi=t.zi))


def philtorch_time_varying(i: Inputs) -> Call:
    """philtorch's `lfilter` with coefficients for each sample."""
    lfilter = import_module("philtorch.lpv").lfilter
    t = _Tensors(i)
    b, a = t.b[None], t.a[None, :, 1:].contiguous()
    return lambda: t.result(lfilter(b, a, t.x, form="tdf2"))


def torchlpc(i: Inputs) -> Call:
    """torchlpc's all-pole filter; it wants a row of coefficients for each sample."""
    filter_by_rows = import_module("torchlpc").sample_wise_lpc
    t = _Tensors(i)
    rows = t.a[1:].expand(*t.x.shape, -1).contiguous()
    return lambda: t.result(filter_by_rows(t.x, rows))


def _gradients(i: Inputs, function: Callable[[Any, Any, Any], Any]) -> Call:
    # Forward and backward passes of y = function(b, a, x).
    grad = import_module("torch.autograd").grad
    t, dy, (b, a) = _Tensors(i), _Tensors(replace(i, x=i.dy)).x, i.filter
    given = [tensor.requires_grad_() for tensor in (t.b, t.a, t.x)]

    def call() -> tuple[Array, ...]:
        y = function(*given)
        db, da, dx = grad(y, given, dy)
        return t.result(y.detach()), db.numpy()[: b.size], da.numpy()[: a.size], t.result(dx)

    return call


def torchaudio_gradients(i: Inputs) -> Call:
    """torchaudio's `lfilter`, forward and backward."""
    lfilter = import_module("torchaudio.functional").lfilter
    return _gradients(i, lambda b, a, x: lfilter(x, a, b, clamp=False, batching=False))


def philtorch_gradients(i: Inputs) -> Call:
    """philtorch's `lfilter`, forward and backward."""
    lfilter = import_module("philtorch.lti").lfilter
    return _gradients(i, lambda b, a, x: lfilter(b / a[0], a[1:] / a[0], x))


def torch_loop(i: Inputs) -> Call:
    """The tanh recursion in Python under PyTorch's autograd."""
    torch = import_module("torch")

    def function(b: Any, a: Any, x: Any) -> Any:
        full = torch.nn.functional.conv1d(x[None], b.flip(0)[None, None] / a[0], padding=b.numel() - 1)
        weights, y = (a[1:] / a[0]).unbind(), list[Any]()
        for e in full[0, 0, : x.shape[-1]].unbind():
            for weight, past in zip(weights, reversed(y), strict=False):
                e = e - weight * past
            y.append(torch.tanh(e))
        return torch.stack(y)[None]

    return _gradients(i, function)


def _time_first(array: Array) -> Array:
    # One sequence (T, ...), or several (B, T, ...), as (T, B, ...), PyTorch's own layout.
    return np.ascontiguousarray(array.swapaxes(0, 1) if array.ndim == 3 else array[:, None])


def set_weights(layer: Any, weights: Any) -> None:
    """Give a layer of PyTorch's the weights of a case."""
    for parameter, value in zip(layer.parameters(), weights, strict=True):
        parameter.data = import_module("torch").from_numpy(value)


def torch_layer(kind: str, gradients: bool = False) -> Binding:
    """A layer of PyTorch's, forward, or forward and backward."""

    def bind(i: Any) -> Call:
        torch = import_module("torch")
        layer, alone = getattr(torch.nn, kind)(i.x.shape[-1], i.weights[1].shape[-1]), i.x.ndim == 2
        set_weights(layer, i.weights)
        x, dy = torch.from_numpy(_time_first(i.x)).requires_grad_(), torch.from_numpy(_time_first(i.dy))

        def steps(h: Any) -> Array:
            found: Array = h.detach().numpy()
            return found[:, 0] if alone else found.swapaxes(0, 1)

        def value(h: Any, state: Any) -> tuple[Any, ...]:
            finals = [each.detach().numpy()[(0, 0) if alone else 0] for each in (state if kind == "LSTM" else [state])]
            return steps(h), tuple(finals) if kind == "LSTM" else finals[0]

        def forward() -> tuple[Any, ...]:
            with torch.no_grad():
                return value(*layer(x))

        def both() -> tuple[Any, ...]:
            h, state = layer(x)
            dx, *others = torch.autograd.grad(h, [x, *layer.parameters()], dy)
            return value(h, state), steps(dx), *(other.numpy() for other in others)

        return both if gradients else forward

    return bind
