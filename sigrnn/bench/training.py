"""Training compared with PyTorch: epochs of Adam on the same network, data and start, in segments of time.

The losses of the epochs and all weights after the last are compared.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

import sigrnn

from .case import Array, Call, Case, Peer

_GROUP = "Training, four epochs"
SEGMENT, RATE, EPOCHS = 1024, 1e-3, 4

NOTES = {
    _GROUP: (
        f"Four epochs of `fit` with 'adam', and the loss after the last, on one recording or 16: a step after every {SEGMENT} "
        "samples, the state carried on; a layer of H units and a dense one, float32. PyTorch does the same with its own "
        "layers and Adam. The losses of the epochs and all weights at the end are compared."
    )
}
RATES: dict[str, int] = {}


class Inputs(NamedTuple):
    """Recordings (B, samples, 1), and an untrained network."""

    x: Array
    t: Array
    model: Any


def _make(kind: str, units: int, samples: int, channels: int, rng: np.random.Generator) -> Inputs:
    x = rng.standard_normal((channels, samples, 1)).astype("float32")
    t = np.tanh(sigrnn.lfilter([0.5, 0.3], [1.0, -0.6], x, axis=1)).astype("float32")
    layer, dense = getattr(sigrnn, kind)(units, dtype="float32"), sigrnn.Dense(1, dtype="float32")
    return Inputs(x, t, sigrnn.Chain(layer, dense).init(1, rng=0))


def _ours(i: Inputs) -> Call:
    model, start = i.model.copy(), i.model.to_vector()

    def epochs() -> tuple[Array, Array]:
        model.from_vector(start)
        given: dict[str, Any] = {"solver": "adam", "learning_rate": RATE, "tbptt": SEGMENT, "max_iter": EPOCHS}
        result = sigrnn.fit(model, i.x, i.t, progress=False, **given)
        return np.array(result.history), model.to_vector()

    return epochs


def _torch(kind: str, units: int, i: Inputs) -> Call:
    torch = import_module("torch")
    layer, dense = getattr(torch.nn, kind)(1, units, batch_first=True), torch.nn.Linear(units, 1)
    weights = [*layer.parameters(), *dense.parameters()]  # in the order of the model's
    start = [torch.from_numpy(np.array(value, "float32")) for value in i.model.params.values()]
    x, t = torch.from_numpy(i.x), torch.from_numpy(i.t)

    def epochs() -> tuple[Array, Array]:
        with torch.no_grad():
            for weight, first in zip(weights, start, strict=True):
                weight.copy_(first)
        adam = torch.optim.Adam(weights, lr=RATE)
        losses = [epoch(adam) for _ in range(EPOCHS)]
        return np.array(losses), np.concatenate([w.detach().numpy().ravel() for w in weights]).astype(float)

    def epoch(adam: Any) -> float:
        state, total = None, 0.0
        for first in range(0, x.shape[1], SEGMENT):
            part = slice(first, first + SEGMENT)
            h, state = layer(x[:, part], state)
            state = tuple(s.detach() for s in state) if kind == "LSTM" else state.detach()
            loss = torch.mean((dense(h) - t[:, part]) ** 2)
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += float(loss.detach()) * (min(first + SEGMENT, x.shape[1]) - first)  # the last may be shorter
        return total / x.shape[1]

    return epochs


CASES: tuple[Case, ...] = tuple(
    Case(
        f"fit {kind} H16{f' B{channels}' * (channels > 1)}, four epochs",
        _GROUP,
        partial(_make, kind, 16),
        _ours,
        {"torch": Peer(partial(_torch, kind, 16))},
        samples=segments * SEGMENT,
        channels=channels,
        tolerance=1e-3,
        shortest=SEGMENT,
    )
    for kind, channels, segments in (("LSTM", 1, 8), ("LSTM", 16, 4), ("GRU", 1, 2), ("GRU", 16, 2))
)
