"""Files of guitar amplifiers: JSON of Automated-GuitarAmpModelling and Proteus, and `.nam` files of Neural Amp Modeler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sigrnn._arrays import Array, short
from sigrnn.models.exchange import torch
from sigrnn.models.exchange.layers import fill
from sigrnn.models.exchange.rtneural import document

Classes = Mapping[str, Callable[..., Any]]
MOST = 4096  # units, layers and channels that a file may ask for


def from_guitarml(source: Any, classes: Classes) -> Any:
    """A model from `model_data` and `state_dict`: recurrent layers, a dense one, and a path around both if `skip` is set."""
    given = document(source, "GuitarML")
    try:
        data, state = given["model_data"], given["state_dict"]
        kind, skip = data.get("unit_type", "LSTM"), data.get("skip", 0)
        sizes = [data["input_size"], data["hidden_size"], data.get("num_layers", 1), data.get("output_size", 1)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no model of GuitarML: {error} is missing or damaged") from None
    if kind not in ("LSTM", "GRU", "RNN"):
        raise ValueError(f"unit_type must be LSTM, GRU or RNN, got {short(kind)}")
    inputs, hidden, layers, outputs = (counted("GuitarML", size) for size in sizes)
    model = classes["Chain"](*[classes[kind](hidden) for _ in range(layers)], classes["Dense"](outputs)).init(
        inputs, rng=0
    )
    try:
        arrays = {str(name): np.array(value, float) for name, value in state.items()}
    except (AttributeError, TypeError, ValueError):
        raise ValueError("no model of GuitarML: state_dict is no dict of arrays of numbers") from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"no model of GuitarML: {name} has entries that are not finite")
    torch.read(model, arrays, ["rec"] * layers + ["lin"])
    return around(model, inputs, outputs, classes) if skip else model


def around(model: Any, inputs: int, outputs: int, classes: Classes) -> Any:
    """The model plus its first input: others are knobs."""
    if inputs == outputs == 1:
        return classes["Residual"](model)
    direct = classes["Dense"](outputs).init(inputs, rng=0)
    direct.params = {"v": np.eye(1, inputs).repeat(outputs, axis=0), "bias": np.zeros(outputs)}
    return classes["Parallel"](model, direct)


def from_nam(source: Any, classes: Classes) -> Any:
    """A chain of LSTM layers with first states of their own, and a dense one: all numbers are in one list."""
    given = document(source, "Neural Amp Modeler")
    try:
        kind, config, weights = given["architecture"], given["config"], np.array(given["weights"], float)
        sizes = [config.get("input_size", 1), config["hidden_size"], config.get("num_layers", 1)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"no model of Neural Amp Modeler: {error} is missing or damaged") from None
    if kind != "LSTM":
        raise ValueError(f"architecture must be 'LSTM', got {short(kind)}: other nets have no counterpart here")
    if weights.ndim != 1 or not np.isfinite(weights).all():
        raise ValueError("no model of Neural Amp Modeler: weights must be a list of finite numbers")
    inputs, hidden, layers = (counted("Neural Amp Modeler", size) for size in sizes)
    found: dict[str, Array] = {}
    rest, width = weights, inputs
    needed = sum(4 * hidden * (w + hidden + 1) + 2 * hidden for w in [inputs, *[hidden] * (layers - 1)]) + hidden + 1
    if len(weights) != needed:
        raise ValueError(f"weights has {len(weights)} numbers, {layers} layers of {hidden} units have {needed}")
    for k in range(layers):
        ends = np.cumsum([4 * hidden * (width + hidden), 4 * hidden, hidden, hidden])
        both, bias, h0, c0, rest = np.split(rest, ends)
        both = both.reshape(4 * hidden, -1)
        arrays = {"w_ih": both[:, :width], "w_hh": both[:, width:], "b_ih": bias, "b_hh": np.zeros(4 * hidden)}
        found |= {f"{k}.{name}": array for name, array in {**arrays, "h0": h0, "c0": c0}.items()}
        width = hidden
    found |= {f"{layers}.v": rest[None, :hidden], f"{layers}.bias": rest[hidden:]}
    model = classes["Chain"](*[classes["LSTM"](hidden, initial=True) for _ in range(layers)], classes["Dense"](1))
    return fill(model, found, inputs)


def counted(library: str, size: Any) -> int:
    """A number of units, layers or channels."""
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MOST:
        raise ValueError(f"no model of {library}: sizes are from 1 to {MOST}, got {short(size)}")
    return size
