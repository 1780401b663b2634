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
_STEPS = "Training, 200 iterations"
SEGMENT, RATE, EPOCHS, ITERATIONS = 1024, 1e-3, 4, 200

NOTES = {
    _GROUP: (
        f"Four epochs of `fit` with 'adam', and the loss after the last, on one recording or 16: a step after every {SEGMENT} "
        "samples, the state carried on; a layer of H units and a dense one, float32. PyTorch does the same with its own "
        "layers and Adam. The losses of the epochs and all weights at the end are compared."
    ),
    _STEPS: (
        f"{ITERATIONS} iterations of `fit` with 'adam' on a filter of order 2 and a short signal. SciPy's filters give the same "
        "gradients as its sensitivities, from the input and the output filtered once more; NumPy takes the steps. The losses "
        "and the coefficients at the end are compared."
    ),
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


class Filtered(NamedTuple):
    """A signal (N,), and what a filter made of it."""

    x: Array
    t: Array


def _make_filtered(samples: int, channels: int, rng: np.random.Generator) -> Filtered:
    x = rng.standard_normal(samples)
    t = sigrnn.lfilter([1.0, 0.5, 0.0], [1.0, -1.2, 0.7], x)
    return Filtered(x, t + 0.01 * rng.standard_normal(samples))


def _first() -> Any:
    return sigrnn.IIR(2).init(1, rng=0)


def _ours_filtered(i: Filtered) -> Call:
    given: dict[str, Any] = {"solver": "adam", "learning_rate": RATE, "max_iter": ITERATIONS, "progress": False}

    def iterations() -> tuple[Array, Array]:
        result = sigrnn.fit(_first(), i.x, i.t, **given)
        return np.array(result.history), result.model.to_vector()

    return iterations


def _scipy_filtered(i: Filtered) -> Call:
    from scipy.signal import lfilter

    def iterations() -> tuple[Array, Array]:
        theta, losses, one = _first().to_vector(), np.empty(ITERATIONS), np.ones(1)
        mean, square, rows = np.zeros(5), np.zeros(5), np.zeros((5, len(i.x)))
        for n in range(ITERATIONS):
            a = np.append(1.0, theta[3:])
            y = lfilter(theta[:3], a, i.x)
            v, w = lfilter(one, a, i.x), lfilter(one, a, y)
            for m in range(3):
                rows[m, m:] = v[: len(v) - m]
            for m in range(1, 3):
                rows[2 + m, m:] = -w[: len(w) - m]
            e = y - i.t
            losses[n] = e @ e / len(e)
            slope = rows @ e * (2.0 / len(e))
            mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
            root = np.sqrt(square / (1.0 - 0.999 ** (n + 1))) + 1e-8
            theta = theta - RATE * mean / (1.0 - 0.9 ** (n + 1)) / root
        return losses, theta

    return iterations


CASES: tuple[Case, ...] = (
    Case(
        f"fit IIR(2), {ITERATIONS} iterations",
        _STEPS,
        _make_filtered,
        _ours_filtered,
        {"scipy": Peer(_scipy_filtered)},
        samples=2000,
        tolerance=1e-9,
    ),
    Case(
        "fit GRU H8, 2000 samples, four epochs",
        _GROUP,
        partial(_make, "GRU", 8),
        _ours,
        {"torch": Peer(partial(_torch, "GRU", 8))},
        samples=2000,
        tolerance=1e-3,
    ),
    Case(
        "fit LSTM H32 B32, 64 steps, four epochs",
        _GROUP,
        partial(_make, "LSTM", 32),
        _ours,
        {"torch": Peer(partial(_torch, "LSTM", 32))},
        samples=64,
        channels=32,
        tolerance=1e-3,
    ),
    *(
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
    ),
)
