"""Recurrent layers, whole sequences and block by block, compared with PyTorch's modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import sigrnn
from sigrnn.layers.streams import LayerStream

from .case import Array, Binding, Call, Case, Peer
from .tensors import set_weights, torch_layer

_WHOLE, _BLOCKS = "Recurrent layers", "Recurrent layers, block by block"
RATES = {_WHOLE: 48_000, _BLOCKS: 48_000}
NOTES = {
    _WHOLE: (
        "`lstm`, `gru` and `rnn` of H units in float32, over B sequences of I inputs (1 if not given), compared with the "
        "modules of PyTorch (*torch*) with the same weights. *Samples x channels* are steps and sequences. *Backward* gives "
        "the gradients of all weights, biases and inputs, by `vjp`. Outputs, final states and gradients are compared."
    ),
    _BLOCKS: (
        "`LayerStream` in float32, one input, one sequence: each call takes the next block from the state reached. "
        "PyTorch's module (*torch*) is called with the state it returned, without gradients."
    ),
}
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


@dataclass(frozen=True)
class Inputs:
    """Sequences (T, I) or (B, T, I), the weights of a layer, and the gradient of its outputs."""

    x: Array
    weights: tuple[Array, ...]
    dy: Array


@dataclass(frozen=True)
class Sequences:
    """Makes the inputs of a layer with weights as they are before training."""

    kind: str
    hidden: int
    inputs: int = 1

    def __call__(self, samples: int, channels: int, rng: np.random.Generator) -> Inputs:
        """Return the inputs."""
        rows, shape = _GATES[self.kind] * self.hidden, (channels, samples)[channels == 1 :]
        sizes = ((rows, self.inputs), (rows, self.hidden), (rows,), (rows,))
        weights = tuple((rng.uniform(-1, 1, size) / self.hidden**0.5).astype(np.float32) for size in sizes)
        x, dy = (rng.standard_normal((*shape, n), np.float32) for n in (self.inputs, self.hidden))
        return Inputs(x, weights, dy)


def ours(kind: str) -> Binding:
    """The layer, forward."""
    return lambda i: partial(getattr(sigrnn, kind.lower()), i.x, *i.weights)


def ours_vjp(kind: str) -> Binding:
    """The layer, forward and backward."""

    def bind(i: Inputs) -> Call:
        function = getattr(sigrnn, kind.lower())

        def call() -> tuple[Any, ...]:
            value, pullback = sigrnn.vjp(function, i.x, *i.weights)
            return value, *pullback((i.dy, None))

        return call

    return bind


def _stream(kind: str) -> Binding:
    return lambda i: partial(LayerStream(kind.lower(), *i.weights), i.x)


def _torch_stream(kind: str) -> Callable[[Inputs], Call]:
    def bind(i: Inputs) -> Call:
        torch = import_module("torch")
        layer = getattr(torch.nn, kind)(1, i.weights[1].shape[1])
        set_weights(layer, i.weights)
        x, state = torch.from_numpy(i.x), None

        def call() -> Array:
            nonlocal state
            with torch.no_grad():
                h, state = layer(x, state)
            found: Array = h.numpy()
            return found

        return call

    return bind


def label(kind: str, hidden: int, inputs: int = 1, sequences: int = 1) -> str:
    """Return the name of a layer, as "LSTM H64 I16 B32"."""
    return f"{kind} H{hidden}" + "".join(f" {c}{n}" for c, n in (("I", inputs), ("B", sequences)) if n > 1)


SIZES = (
    ("LSTM", 8, 1, 1), ("LSTM", 16, 1, 1), ("LSTM", 40, 1, 1), ("LSTM", 128, 1, 1), ("LSTM", 32, 1, 16),
    ("LSTM", 64, 64, 16), ("GRU", 8, 1, 1), ("GRU", 32, 1, 1), ("GRU", 32, 1, 16), ("RNN", 16, 1, 1),
)  # fmt: skip
PASSES = (("forward", ours, False), ("forward and backward", ours_vjp, True))
_case = partial(Case, tolerance=1e-5)
CASES: tuple[Case, ...] = (
    *(
        _case(
            f"{label(kind, hidden, inputs, sequences)}: {which}",
            _WHOLE,
            Sequences(kind, hidden, inputs),
            bind(kind),
            {"torch": Peer(torch_layer(kind, gradients))},
            samples=2048,
            channels=sequences,
        )
        for kind, hidden, inputs, sequences in SIZES
        for which, bind, gradients in PASSES
    ),
    *(
        _case(
            f"{kind} H{hidden}, blocks of {steps}",
            _BLOCKS,
            Sequences(kind, hidden),
            _stream(kind),
            {"torch": Peer(_torch_stream(kind))},
            samples=steps,
            steps=3,
            shortest=1,
        )
        for kind, hidden in (("LSTM", 16), ("GRU", 8), ("RNN", 16))
        for steps in (1, 64)
    ),
)
