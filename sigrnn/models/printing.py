"""Models in words: `repr` in one line, `print` as a table with counts and poles."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np


def in_one_line(model: Any) -> str:
    """As one would type it, arguments left out that are the default."""
    config = model.config()
    shown = [repr(part) for part in model.parts]
    signature = inspect.signature(type(model).__init__).parameters
    for name, value in config.items():
        argument = signature.get(name)
        default = argument.default if argument is not None else inspect.Parameter.empty
        if default is not inspect.Parameter.empty and type(value) is type(default) and value == default:
            continue
        if value is None:
            continue
        first = argument is not None and argument.kind is argument.POSITIONAL_OR_KEYWORD and "=" not in str(shown[-1:])
        text = repr(value)
        shown.append(text if first else f"{name}={text}")
    return f"{type(model).__name__}({', '.join(shown)})"


def in_full(model: Any) -> str:
    """A line for each part, indented, and the sum."""
    rows = list(lines(model, 0))
    left = max(len(row[0]) for row in rows)
    middle = max(len(row[1]) for row in rows)
    number = max(len(row[2]) for row in rows)
    text = [f"{a:{left}}  {b:{middle}}  {c:>{number}}  {d}".rstrip() for a, b, c, d in rows]
    return "\n".join(text)


def lines(model: Any, depth: int) -> Any:
    """(what, channels, parameters, poles) of a model and its parts."""
    sizes = "no sizes yet" if model.inputs is None else f"{model.inputs} -> {model.outputs}"
    total = f"{model.n_parameters:,}" if model.inputs is not None else ""
    name = type(model).__name__ if model.parts else in_one_line(model)
    counted = f"{total} parameter{'s' * (total != '1')}" if total else ""
    yield "  " * depth + name, sizes, counted, poles_of(model)
    for part in model.parts:
        yield from lines(part, depth + 1)


def poles_of(model: Any) -> str:
    """How many poles a linear filter has, and how far out the outermost is."""
    poles = getattr(model, "poles", None)
    if poles is None or model.inputs is None:
        return ""
    radii = np.abs(poles())
    if not radii.size:
        return ""
    word = "stable" if radii.max() < 1.0 else "UNSTABLE"
    return f"{radii.size} pole{'s' * (radii.size != 1)}, largest radius {radii.max():.6g}, {word}"
