"""Recurrent layers block by block, from a state that is kept, beside PyTorch's modules called with theirs."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np

from sigrnn.layers.streams import LayerStream

from .peers import Array, Call, Peer
from .task import Task

GROUP = "Recurrent layers, block by block"
STEPS = 64  # a usual block of a sound card

NOTES = {
    GROUP: (
        "`LayerStream` in float32, one input, one sequence: each call takes the next block from the state reached. "
        "PyTorch's module (*torch*) is called with the state it returned, without gradients."
    )
}
RATES = {GROUP: 48_000}


class Inputs(NamedTuple):
    """A block, and the layer that takes it."""

    x: Array
    weights: list[Array]
    kind: str


def _make(kind: str, gates: int, hidden: int) -> Any:
    def make(samples: int, channels: int, rng: Any) -> Inputs:
        rows = gates * hidden
        shapes = ((rows, 1), (rows, hidden), (rows,), (rows,))
        weights = [(rng.uniform(-1, 1, shape) / np.sqrt(hidden)).astype(np.float32) for shape in shapes]
        return Inputs(rng.standard_normal((samples, 1)).astype(np.float32), weights, kind)

    return make


def _ours(i: Inputs) -> Call:
    stream = LayerStream(i.kind.lower(), *i.weights)
    return lambda: stream(i.x)


def _torch(i: Any) -> Call:
    torch = importlib.import_module("torch")
    layer = getattr(torch.nn, i.kind)(1, i.weights[1].shape[1])
    for parameter, weights in zip(layer.parameters(), i.weights, strict=True):
        parameter.data = torch.from_numpy(weights)
    x, state = torch.from_numpy(i.x), None

    def call() -> Array:
        nonlocal state
        with torch.no_grad():
            h, state = layer(x, state)
        found: Array = h.numpy()
        return found

    return call


CASES = tuple(
    Task(
        f"{kind} H{hidden}, blocks of {steps}",
        GROUP,
        _make(kind, gates, hidden),
        _ours,
        {"torch": Peer("torch", _torch)},
        samples=steps,
        dtype="float32",
        tolerance=1e-5,
        steps=3,
        shortest=1,
    )
    for kind, gates, hidden in (("LSTM", 4, 16), ("GRU", 3, 8), ("RNN", 1, 16))
    for steps in (1, STEPS)
)
