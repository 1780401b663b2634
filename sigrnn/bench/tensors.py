"""How PyTorch is asked, and the libraries that stand on it: torchaudio, philtorch, torchlpc."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .peers import Array, Binding, Call, Inputs


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


def torchaudio(i: Inputs) -> Call:
    if i.zi is not None:
        raise NotImplementedError("takes no initial state")
    lfilter = importlib.import_module("torchaudio.functional").lfilter
    t = _Tensors(i)
    return lambda: t.back(lfilter(t.x, t.a, t.b, clamp=False, batching=t.a.ndim == 2))


def philtorch(i: Inputs) -> Call:
    lfilter = importlib.import_module("philtorch.lti").lfilter
    t = _Tensors(i)
    a = t.a[..., 1:].contiguous()
    return lambda: t.back(lfilter(t.b, a, t.x, zi=t.zi))


def philtorch_time_varying(i: Inputs) -> Call:
    lfilter = importlib.import_module("philtorch.lpv").lfilter
    t = _Tensors(i)
    b, a = t.b[None], t.a[None, :, 1:].contiguous()
    return lambda: t.back(lfilter(b, a, t.x, form="tdf2"))


def torchlpc(i: Inputs) -> Call:
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


def torchaudio_gradients(i: Inputs) -> Call:
    lfilter = importlib.import_module("torchaudio.functional").lfilter
    return _torch_gradients(i, lambda b, a, x: lfilter(x, a, b, clamp=False, batching=False))


def philtorch_gradients(i: Inputs) -> Call:
    lfilter = importlib.import_module("philtorch.lti").lfilter
    return _torch_gradients(i, lambda b, a, x: lfilter(b / a[0], a[1:] / a[0], x))


def torch_loop(i: Inputs) -> Call:
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


def torch_layer(kind: str, gradients: bool = False) -> Binding:
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
