"""PyTorch programs: a training step of a layer, and a filter forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import scipy.signal

from . import plain
from .case import Array, Binding, Call, Case, Peer
from .inputs import Design, Inputs, Noise, ba
from .layers import label

_STEP = "Training in PyTorch"
_FILTER = "Filters in PyTorch"
_AUDIO = "In torchaudio's place"

RATES: dict[str, int] = {}

NOTES = {
    _STEP: (
        "One step of stochastic gradient descent on a layer of H units in float32, over B sequences of I inputs (1 if "
        "not given): forward, mean squared output, backward, update. `sigrnn.torch.GRU` and `LSTM` take the place "
        "of PyTorch's modules, the rest of the program is the same. Outputs and gradients of three steps are compared."
    ),
    _FILTER: (
        "`sigrnn.torch.lfilter` of order 2 forward and backward, with gradients of b, a and x, compared with torchaudio's "
        "and philtorch's filters in the same program."
    ),
    _AUDIO: "`sigrnn.torch.functional` in the place of torchaudio's functions, on tensors, 16 channels of a second at 48 kHz.",
}


@dataclass(frozen=True)
class Batch:
    """Sequences (B, T, I) for a layer whose weights are drawn by `seed`."""

    x: Array
    hidden: int
    seed: int


def _batch(samples: int, channels: int, rng: Any, hidden: int, inputs: int) -> Batch:
    x = rng.standard_normal((channels, samples, inputs)).astype(np.float32)
    return Batch(x, hidden, int(rng.integers(1 << 30)))


def _trained(module: str, kind: str) -> Binding:
    # The net learns: each call is another step.
    def bound(i: Batch) -> Call:
        torch = import_module("torch")
        torch.manual_seed(i.seed)
        net = getattr(import_module(module), kind)(i.x.shape[-1], i.hidden, batch_first=True)
        optimiser, x = torch.optim.SGD(net.parameters(), 0.01), torch.from_numpy(i.x)

        def step() -> tuple[Array, ...]:
            optimiser.zero_grad()
            h, _ = net(x)
            h.square().mean().backward()
            slopes = tuple(p.grad.numpy() for p in net.parameters())
            optimiser.step()
            return h.detach().numpy(), *slopes

        return step

    return bound


def _differentiated(module: str, arrange: Callable[[Any, Any, Any, Any], Any]) -> Binding:
    def bound(i: Inputs) -> Call:
        torch, lfilter = import_module("torch"), import_module(module).lfilter
        b, a, x = (torch.from_numpy(each).requires_grad_() for each in (*i.filter, i.x))
        dy = torch.from_numpy(i.dy)

        def call() -> tuple[Array, ...]:
            y = arrange(lfilter, b, a, x)
            slopes = torch.autograd.grad(y, [b, a, x], dy)
            return y.detach().numpy(), *(slope.numpy() for slope in slopes)

        return call

    return bound


def _functional(module: str, name: str, *args: Any) -> Binding:
    """One of torchaudio's functions of a waveform."""

    def bound(i: Inputs) -> Call:
        function = getattr(import_module(module), name)
        x, coefficients = import_module("torch").from_numpy(i.x), args or _reversed(i)
        return lambda: function(x, *coefficients).numpy()

    return bound


def _reversed(i: Inputs) -> tuple[Any, ...]:
    """Coefficients in torchaudio's order, a before b."""
    from_numpy = import_module("torch").from_numpy
    b, a = i.filter
    return from_numpy(a), from_numpy(b)


def _of_torchaudio(name: str, design: Design, *args: Any, both: bool = False) -> Case:
    def expected(i: Inputs) -> Call:
        def call() -> Array:
            y = scipy.signal.lfilter(*i.filter, i.x)
            return np.clip(scipy.signal.lfilter(*i.filter, y[:, ::-1])[:, ::-1] if both else y, -1.0, 1.0)

        return call

    return Case(
        f"torch.functional.{name}",
        _AUDIO,
        Noise(design),
        _functional("sigrnn.torch.functional", name, *args),
        {"torchaudio": Peer(_functional("torchaudio.functional", name, *args))},
        expected=expected,
        samples=48_000,
        channels=16,
    )


def _low_pass(*_: int) -> tuple[Array, Array]:
    """The cookbook's low-pass at 1 kHz of 48 kHz, Q 0.707."""
    w = 2.0 * np.pi * 1000.0 / 48_000.0
    alpha, cos = np.sin(w) / (2.0 * 0.707), np.cos(w)
    return np.array([0.5, 1.0, 0.5]) * (1.0 - cos), np.array([1.0 + alpha, -2.0 * cos, 1.0 - alpha])


_PEERS = {
    "torchaudio": Peer(
        _differentiated("torchaudio.functional", lambda f, b, a, x: f(x, a, b, clamp=False, batching=False))
    ),
    "philtorch": Peer(_differentiated("philtorch.lti", lambda f, b, a, x: f(b / a[0], a[1:] / a[0], x))),
}
_SIZES = (
    ("GRU", 8, 1, 1), ("GRU", 32, 1, 1), ("GRU", 32, 1, 16), ("GRU", 64, 16, 32),
    ("LSTM", 8, 1, 1), ("LSTM", 32, 1, 16), ("LSTM", 64, 16, 32),
)  # fmt: skip
CASES: tuple[Case, ...] = (
    *(
        Case(
            f"torch {label(kind, hidden, inputs, sequences)}: a training step",
            _STEP,
            partial(_batch, hidden=hidden, inputs=inputs),
            _trained("sigrnn.torch", kind),
            {"torch": Peer(_trained("torch.nn", kind))},
            samples=1024,
            channels=sequences,
            tolerance=1e-4,
            steps=3,
            headline=(kind, hidden, sequences) == ("GRU", 32, 16),
        )
        for kind, hidden, inputs, sequences in _SIZES
    ),
    *(
        Case(
            f"torch lfilter order 2{wide}: forward and backward",
            _FILTER,
            Noise(ba(2), dy=True),
            _differentiated("sigrnn.torch", lambda lfilter, b, a, x: lfilter(b, a, x)),
            _PEERS,
            expected=plain.lfilter_gradients,
            samples=samples,
            channels=channels,
        )
        for wide, samples, channels in (("", 100_000, 1), (", 32 channels", 16_384, 32))
    ),
    _of_torchaudio("lfilter", ba(2)),
    _of_torchaudio("filtfilt", ba(2), both=True),
    _of_torchaudio("lowpass_biquad", _low_pass, 48_000, 1000.0),
)
