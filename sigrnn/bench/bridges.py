"""In PyTorch: a training step of a layer, and a filter forward and backward, each beside what people use there now."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .peers import Array, Call, Peer
from .task import Task

_STEP = "Training in PyTorch"
_FILTER = "Filters in PyTorch"

RATES: dict[str, float] = {}

NOTES = {
    _STEP: (
        "One step of stochastic gradient descent on a layer of H units in float32, over B sequences of I inputs, one where "
        "the row does not say: forward, mean squared output, backward, update. `sigrnn.torch.GRU` and `LSTM` take the place "
        "of PyTorch's modules, all else is the same program. Outputs and gradients of three steps are compared."
    ),
    _FILTER: (
        "`sigrnn.torch.lfilter` of order 2 forward and backward, with gradients of b, a and x, beside torchaudio's and "
        "philtorch's filters in the same program."
    ),
}


@dataclass(frozen=True)
class Batch:
    """What a layer is trained on: sequences (B, T, I); its weights are drawn by `seed`."""

    x: Array
    hidden: int
    seed: int


def _batch(samples: int, channels: int, rng: Any, hidden: int, inputs: int) -> Batch:
    x = rng.standard_normal((channels, samples, inputs)).astype(np.float32)
    return Batch(x, hidden, int(rng.integers(1 << 30)))


def _trained(room: str, kind: str) -> Callable[[Any], Call]:
    # A step is timed from the inputs on; the net learns, so that call after call is another.
    def bound(i: Batch) -> Call:
        torch = importlib.import_module("torch")
        torch.manual_seed(i.seed)
        net = getattr(importlib.import_module(room), kind)(i.x.shape[-1], i.hidden, batch_first=True)
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


@dataclass(frozen=True)
class Filtering:
    """A signal, a filter, and the gradient of the output."""

    x: Array
    b: Array
    a: Array
    dy: Array


def _filtering(samples: int, channels: int, rng: Any) -> Filtering:
    x, dy = rng.standard_normal((2, channels, samples))
    return Filtering(x, np.array([0.2, 0.3, 0.1]), np.array([1.0, -0.9, 0.5]), dy)


def _differentiated(room: str, arranged: Callable[[Any, Any, Any, Any], Any]) -> Callable[[Any], Call]:
    def bound(i: Filtering) -> Call:
        torch, lfilter = importlib.import_module("torch"), importlib.import_module(room).lfilter
        b, a, x = (torch.from_numpy(each).requires_grad_() for each in (i.b, i.a, i.x))
        dy = torch.from_numpy(i.dy)

        def call() -> tuple[Array, ...]:
            y = arranged(lfilter, b, a, x)
            slopes = torch.autograd.grad(y, [b, a, x], dy)
            return y.detach().numpy(), *(slope.numpy() for slope in slopes)

        return call

    return bound


_OURS = _differentiated("sigrnn.torch", lambda lfilter, b, a, x: lfilter(b, a, x))
_THEIRS = {
    "torchaudio": Peer(
        "torchaudio",
        _differentiated(
            "torchaudio.functional", lambda lfilter, b, a, x: lfilter(x, a, b, clamp=False, batching=False)
        ),
    ),
    "philtorch": Peer(
        "philtorch",
        _differentiated("philtorch.lti", lambda lfilter, b, a, x: lfilter(b / a[0], a[1:] / a[0], x)),
    ),
}


def _steps() -> list[Task]:
    # Layer, units, sequences, inputs; floor and aim.
    promised = (
        ("GRU", 8, 1, 1, 20, 100),
        ("GRU", 32, 1, 1, 20, 100),
        ("GRU", 32, 16, 1, 5, 15),
        ("GRU", 64, 32, 16, 1.5, 4),
        ("LSTM", 8, 1, 1, 1.5, 4),
        ("LSTM", 32, 16, 1, 1.2, 3),
        ("LSTM", 64, 32, 16, 1, 2),
    )
    found = []
    for kind, hidden, sequences, inputs, floor, aim in promised:
        sizes = {"H": hidden, "I": inputs, "B": sequences}
        name = " ".join([kind, *(f"{letter}{size}" for letter, size in sizes.items() if size > 1)])
        found.append(
            Task(
                f"torch {name}: a training step",
                _STEP,
                partial(_batch, hidden=hidden, inputs=inputs),
                _trained("sigrnn.torch", kind),
                {"torch": Peer("torch", _trained("torch.nn", kind))},
                samples=1024,
                channels=sequences,
                dtype="float32",
                floor=floor,
                aim=aim,
                tolerance=1e-4,
                steps=3,
                headline=(kind, hidden, sequences) == ("GRU", 32, 16),
            )
        )
    return found


def _filters() -> list[Task]:
    return [
        Task(
            f"torch lfilter order 2{wide}: forward and backward, beside {who}",
            _FILTER,
            _filtering,
            _OURS,
            {who: peer},
            samples=samples,
            channels=channels,
            floor=5,
            aim=15,
        )
        for wide, samples, channels in (("", 100_000, 1), (", 32 channels", 16_384, 32))
        for who, peer in _THEIRS.items()
    ]


CASES: tuple[Task, ...] = (*_steps(), *_filters())
