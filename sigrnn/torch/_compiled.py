"""The functions as operators in the graphs of `torch.compile` and `torch.export`.

A graph holds tensors only, so the backward pass runs the function again instead of keeping its pull-back.
"""

from __future__ import annotations

import itertools
from ast import literal_eval
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

import sigrnn
from sigrnn.gradients import vjp
from sigrnn.gradients.bridges import Like, flat, nested, results
from sigrnn.torch import _bridge

SIGNALS = "x", "zi", "h0", "c0", "lengths"  # whose sizes may vary in a graph; it is recompiled for other weights
DTYPES = {np.dtype(kind): dtype for dtype, kind in _bridge.SERVED.items()}


def traced(function: str, given: dict[str, Any], options: dict[str, Any]) -> Any:
    """The call as an operator."""
    if not isinstance(options.get("activation", ""), str):
        raise TypeError(
            "torch.compile takes activations by name: wrap a call with your own activation in torch.compiler.disable"
        )
    tensors, dtype = _bridge.tensors_of(given)
    everything = {
        name: tensors[name] if name in tensors else constant(value, dtype)
        for name, value in given.items()
        if value is not None
    }
    lengths = options.pop("lengths", None)
    if lengths is not None:
        everything["lengths"] = torch.as_tensor(lengths)
    written = ", ".join([f"{name!r}: {value!r}" for name, value in options.items()])
    return nested(run(function, ",".join(everything), "{" + written + "}", list(everything.values())))


def constant(value: Any, dtype: torch.dtype) -> torch.Tensor:
    if not isinstance(value, _bridge.ARRAYS):
        return torch.as_tensor(value, dtype=dtype)
    tensor = torch.as_tensor(value)
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.to(dtype)


@torch.library.custom_op("sigrnn::run", mutates_args=())
def run(function: str, names: str, options: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Outputs in a row."""
    return own_memory(flat(getattr(sigrnn, function)(**arguments(names, options, tensors))))


@run.register_fake
def _(function: str, names: str, options: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    given, symbols = dict(zip(names.split(","), tensors, strict=True)), Symbols(tensors)
    try:
        found = expected(function, given, options, symbols.stand_in)
    except ValueError:  # sizes that must agree have symbols of their own: compile for these sizes alone
        found = expected(function, given, options, int)
    return [tensors[0].new_empty(list(map(symbols.restored, like.shape)), dtype=DTYPES[like.dtype]) for like in found]


def expected(
    function: str, given: dict[str, torch.Tensor], options: str, size: Callable[[Any], int]
) -> tuple[Like, ...]:
    likes = []
    for name, t in given.items():
        shape = tuple(map(size if name in SIGNALS else int, t.shape))
        likes.append((name, Like(shape, np.dtype(_bridge.SERVED.get(t.dtype, np.int64)))))
    return results(getattr(sigrnn, function), tuple(likes), tuple(literal_eval(options).items()))


class Symbols:
    """Sizes that a compiler knows by symbol only, and the numbers that stand in for them: found nowhere else."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        known = {n for t in tensors for n in t.shape if isinstance(n, int)}
        self.free = (n for n in itertools.count(1009) if not known & {n, n + 1})
        self.numbers: dict[str, int] = {}
        self.symbols: dict[int, Any] = {}

    def stand_in(self, size: Any) -> int:
        if isinstance(size, int):
            return size
        if str(size) not in self.numbers:
            self.numbers[str(size)] = next(self.free)
            self.symbols[self.numbers[str(size)]] = size
        return self.numbers[str(size)]

    def restored(self, size: int) -> Any:
        return self.symbols.get(size, size)


@torch.library.custom_op("sigrnn::pull", mutates_args=())
def pull(
    function: str, names: str, options: str, tensors: list[torch.Tensor], slopes: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Gradients of all tensors but lengths."""
    _, pullback = vjp(getattr(sigrnn, function), **arguments(names, options, tensors))
    return own_memory(pullback(nested([*map(_bridge.array_of, slopes)])))


@pull.register_fake
def _(
    function: str, names: str, options: str, tensors: list[torch.Tensor], slopes: list[torch.Tensor]
) -> list[torch.Tensor]:
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in differentiable(names, tensors)]


def save(ctx: Any, inputs: tuple[Any, ...], output: list[torch.Tensor]) -> None:
    function, names, options, tensors = inputs
    ctx.call = function, names, options
    ctx.save_for_backward(*tensors)
    ctx.outputs = [(o.shape, o.dtype) for o in output]


def backward(ctx: Any, slopes: list[torch.Tensor | None]) -> Any:
    tensors = list(ctx.saved_tensors)
    full = [
        tensors[0].new_zeros(shape, dtype=dtype) if slope is None else slope
        for slope, (shape, dtype) in zip(slopes, ctx.outputs, strict=True)
    ]
    found = pull(*ctx.call, tensors, full)
    return None, None, None, [*found, *[None] * (len(tensors) - len(found))]


run.register_autograd(backward, setup_context=save)


def arguments(names: str, options: str, tensors: list[torch.Tensor]) -> dict[str, Any]:
    return {**dict(zip(names.split(","), map(_bridge.array_of, tensors), strict=True)), **literal_eval(options)}


def differentiable(names: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return tensors[:-1] if names.endswith(",lengths") else tensors


def own_memory(parts: Iterable[Any]) -> list[torch.Tensor]:
    return [_bridge.tensor_of(np.ascontiguousarray(part)) for part in parts]
