"""Units of signals: models include a gain and an offset before their input, or after their output, in their
parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.models.base import Model
from sigrnn.models.composition import Chain
from sigrnn.models.delay import Delay
from sigrnn.models.feedback import Feedback
from sigrnn.models.layers import Dense, Recurrent
from sigrnn.models.linear import SOS, Linear
from sigrnn.models.nonlinear import Nonlinear
from sigrnn.models.parallel import Bidirectional, Parallel
from sigrnn.models.state_space import StateSpace
from sigrnn.models.static import PiecewiseLinear, Polynomial, TanhNetwork

NOTHING, GAIN, OFFSET = 0, 1, 2  # what a model can take: no change; a gain; a gain and an offset
HOMOGENEOUS = "linear", "relu", "leaky_relu"  # g(s e) = s g(e) for s > 0


def input_level(model: Model) -> int:
    """What can be taken in before the input, exactly."""
    if isinstance(model, Chain):
        first = after_delays(model)
        level = NOTHING if first is None else input_level(first)
        return level if first is model.parts[0] else min(level, GAIN)  # what comes before the first sample is 0
    if isinstance(model, Parallel | Bidirectional):
        return min(map(input_level, model.parts))
    if isinstance(model, Feedback):
        return loop_level(model)
    if isinstance(model, Linear | Nonlinear | Polynomial | StateSpace):
        return GAIN
    if isinstance(model, Recurrent):
        return OFFSET if "b_ih" in model._named() else GAIN
    return OFFSET if isinstance(model, Dense | PiecewiseLinear | TanhNetwork) else NOTHING


def output_level(model: Model) -> int:
    """What can be taken in after the output, exactly."""
    if isinstance(model, Chain):
        return output_level(model.parts[-1])
    if isinstance(model, Parallel | Bidirectional):
        levels = list(map(output_level, model.parts))
        added = isinstance(model, Parallel) and model.combine == "sum"
        return max(levels) if added and min(levels) >= GAIN else min(levels)
    if isinstance(model, Feedback):
        return loop_level(model)
    if isinstance(model, Linear | StateSpace):
        return GAIN
    if isinstance(model, Dense):
        return OFFSET if model.activation == "linear" else GAIN * (model.activation in HOMOGENEOUS)
    if isinstance(model, Nonlinear):
        return GAIN * (model.activation in HOMOGENEOUS)
    return OFFSET if isinstance(model, Polynomial | PiecewiseLinear | TanhNetwork) else NOTHING


def loop_level(model: Feedback) -> int:
    """A gain, if both ways can take one at both ends."""
    levels = [level(part) for part in model.parts for level in (input_level, output_level)]
    return GAIN if min(levels) >= GAIN else NOTHING


def after_delays(model: Chain) -> Model | None:
    """The first part that is no delay."""
    return next((part for part in model.parts if not isinstance(part, Delay)), None)


def take_input(model: Any, gain: Array, offset: Array) -> None:
    """Change the parameters of f so that it becomes f(gain x + offset), with a gain for each input."""
    p = {name: np.array(value, F8) for name, value in model._named().items()}
    if isinstance(model, Chain):
        take_input(after_delays(model), gain, offset)
    elif isinstance(model, Parallel | Bidirectional):
        for part in model.parts:
            take_input(part, gain, offset)
    elif isinstance(model, Feedback):
        forward, back = model.parts
        take_input(forward, gain, offset)
        take_output(back, 1.0 / gain, offset)
    elif isinstance(model, SOS):
        p["sos"][..., 0, :3] *= gain if model.inputs == 1 else gain[:, None]
        put(model, p)
    elif isinstance(model, Linear | Nonlinear):
        put(model, {"b": p["b"] * (gain if model.inputs == 1 else gain[:, None])})
    elif isinstance(model, StateSpace):
        moved = {"B": p["B"] * gain, "D": p["D"] * gain}
        if "W" in p:
            moved["W"] = p["W"] * np.append(np.ones(model.order), gain)
        elif "E" in p:
            each = np.prod(gain ** model._exponents(len(gain))[:, model.order :], axis=1)
            moved |= {"E": p["E"] * each, "F": p["F"] * each}
        put(model, moved)
    elif isinstance(model, Recurrent):
        moved = {"b_ih": p["b_ih"] + p["w_ih"] @ offset} if "b_ih" in p else {}
        put(model, {"w_ih": p["w_ih"] * gain, **moved})
    elif isinstance(model, Dense):
        put(model, {"v": p["v"] * gain, "bias": p["bias"] + p["v"] @ offset})
    elif isinstance(model, Polynomial):
        powers = gain[:, None] ** np.arange(model.degree + 1)
        put(model, {"c": p["c"] * powers.reshape(p["c"].shape)})
    elif isinstance(model, PiecewiseLinear):
        knots = (np.atleast_2d(p["knots"]) - offset[:, None]) / gain[:, None]
        put(model, {"knots": knots.reshape(p["knots"].shape)})
    elif isinstance(model, TanhNetwork):
        put(model, {"w": p["w"] * gain, "bias": p["bias"] + p["w"] @ offset})
        put(model, {"direct": p["direct"] * gain, "offset": p["offset"] + p["direct"] @ offset})


def take_output(model: Any, gain: Array, offset: Array) -> None:
    """Change the parameters of f so that it becomes gain f(x) + offset, with a gain for each output."""
    p = {name: np.array(value, F8) for name, value in model._named().items()}
    if isinstance(model, Chain):
        take_output(model.parts[-1], gain, offset)
    elif isinstance(model, Parallel) and model.combine == "sum":
        able = max(range(len(model.parts)), key=lambda i: output_level(model.parts[i]))
        for i, part in enumerate(model.parts):
            take_output(part, gain, offset if i == able else np.zeros_like(offset))
    elif isinstance(model, Parallel | Bidirectional):
        ends = np.cumsum([part.outputs or 0 for part in model.parts])[:-1]
        for part, g, o in zip(model.parts, np.split(gain, ends), np.split(offset, ends), strict=True):
            take_output(part, g, o)
    elif isinstance(model, Feedback):
        forward, back = model.parts
        take_output(forward, gain, offset)
        take_input(back, 1.0 / gain, offset)
    elif isinstance(model, SOS):
        p["sos"][..., 0, :3] *= gain[0]
        put(model, p)
    elif isinstance(model, Linear):
        put(model, {"b": p["b"] * gain[0]})
    elif isinstance(model, StateSpace):
        put(model, {name: p[name] * gain[:, None] for name in ("C", "D", "F") if name in p})
    elif isinstance(model, Nonlinear):
        put(model, {"b": p["b"] * gain[0], "bias": p["bias"] * gain[0]})
    elif isinstance(model, Dense):
        put(model, {"v": p["v"] * gain[:, None], "bias": p["bias"] * gain + offset})
    elif isinstance(model, Polynomial):
        c = np.atleast_2d(p["c"]) * gain[:, None]
        c[:, 0] += offset
        put(model, {"c": c.reshape(p["c"].shape)})
    elif isinstance(model, PiecewiseLinear):
        values = np.atleast_2d(p["values"]) * gain[:, None] + offset[:, None]
        put(model, {"values": values.reshape(p["values"].shape)})
    elif isinstance(model, TanhNetwork):
        put(model, {"v": p["v"] * gain[:, None], "direct": p["direct"] * gain[:, None]})
        put(model, {"offset": p["offset"] * gain + offset})


def put(model: Any, params: dict[str, Array]) -> None:
    for name, value in params.items():
        model._values[name] = value.astype(model._values[name].dtype)
