"""The functions as operators that `torch.compile` and `torch.export` put into their graphs.

A graph holds tensors only, so the way back runs the function again instead of keeping its pull-back.
"""

from __future__ import annotations

from ast import literal_eval
from typing import Any

import numpy as np
import torch

import sigrnn
from sigrnn.gradients import vjp
from sigrnn.gradients.shapes import Like, results
from sigrnn.torch import _bridge

DTYPES = {np.dtype(kind): dtype for dtype, kind in _bridge.SERVED.items()}


def traced(function: str, given: dict[str, Any], options: dict[str, Any]) -> Any:
    """The call as an operator."""
    if not isinstance(options.get("activation", ""), str):
        raise TypeError(
            "torch.compile takes activations by name: call the function within torch.compiler.disable for one of your own"
        )
    tensors, dtype = _bridge.sorted_out(given)
    everything = {
        name: tensors[name] if name in tensors else constant(value, dtype)
        for name, value in given.items()
        if value is not None
    }
    lengths = options.pop("lengths", None)
    if lengths is not None:
        everything["lengths"] = torch.as_tensor(lengths)
    written = ", ".join([f"{name!r}: {value!r}" for name, value in options.items()])
    found = run(function, ",".join(everything), "{" + written + "}", list(everything.values()))
    if len(found) == 1:
        return found[0]
    return (found[0], tuple(found[1:])) if function == "lstm" else tuple(found)


def constant(value: Any, dtype: torch.dtype) -> torch.Tensor:
    if not isinstance(value, _bridge.ARRAYS):
        return torch.as_tensor(value, dtype=dtype)
    tensor = torch.as_tensor(value)
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.to(dtype)


@torch.library.custom_op("sigrnn::run", mutates_args=())
def run(function: str, names: str, options: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Outputs in a row."""
    return flat(getattr(sigrnn, function)(**arguments(names, options, tensors)))


@run.register_fake
def _(function: str, names: str, options: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    likes = {
        name: Like(tuple(t.shape), np.dtype(_bridge.SERVED.get(t.dtype, np.int64)))
        for name, t in zip(names.split(","), tensors, strict=True)
    }
    expected = results(function, likes, literal_eval(options))
    return [tensors[0].new_empty(like.shape, dtype=DTYPES[like.dtype]) for like in expected]


@torch.library.custom_op("sigrnn::pull", mutates_args=())
def pull(
    function: str, names: str, options: str, tensors: list[torch.Tensor], slopes: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Gradients of all tensors but lengths."""
    _, pullback = vjp(getattr(sigrnn, function), **arguments(names, options, tensors))
    dy, *states = map(_bridge.array_of, slopes)
    state = tuple(states) if function == "lstm" else states[0] if states else None
    found = pullback((dy, state) if states else dy)
    return [_bridge.tensor_of(np.ascontiguousarray(slope)) for slope in found]


@pull.register_fake
def _(
    function: str, names: str, options: str, tensors: list[torch.Tensor], slopes: list[torch.Tensor]
) -> list[torch.Tensor]:
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in differentiable(names, tensors)]


def keep(ctx: Any, inputs: tuple[Any, ...], output: list[torch.Tensor]) -> None:
    function, names, options, tensors = inputs
    ctx.call = function, names, options
    ctx.save_for_backward(*tensors)
    ctx.outputs = [(o.shape, o.dtype) for o in output]


def back(ctx: Any, slopes: list[torch.Tensor | None]) -> Any:
    tensors = list(ctx.saved_tensors)
    full = [
        tensors[0].new_zeros(shape, dtype=dtype) if slope is None else slope
        for slope, (shape, dtype) in zip(slopes, ctx.outputs, strict=True)
    ]
    found = pull(*ctx.call, tensors, full)
    return None, None, None, [*found, *[None] * (len(tensors) - len(found))]


run.register_autograd(back, setup_context=keep)


def arguments(names: str, options: str, tensors: list[torch.Tensor]) -> dict[str, Any]:
    return {**dict(zip(names.split(","), map(_bridge.array_of, tensors), strict=True)), **literal_eval(options)}


def differentiable(names: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return tensors[:-1] if names.endswith(",lengths") else tensors


def flat(value: Any) -> list[torch.Tensor]:
    if not isinstance(value, tuple):
        value = (value,)
    parts = [*value[:1], *(part for state in value[1:] for part in (state if isinstance(state, tuple) else (state,)))]
    return [_bridge.tensor_of(np.ascontiguousarray(part)) for part in parts]
