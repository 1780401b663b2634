"""Models as text: `repr` in one line, `print` as a table with numbers of parameters and poles."""

from __future__ import annotations

import inspect
from html import escape
from typing import Any

import numpy as np


def one_line(model: Any) -> str:
    """The call that makes it, without arguments that have their default."""
    shown = [repr(part) for part in model.parts]
    signature = inspect.signature(type(model).__init__).parameters
    by_name = False  # from the first argument on that is left out
    for name, value in model.config().items():
        argument = signature[name]
        if value is None or (type(value) is type(argument.default) and value == argument.default):
            by_name = True
            continue
        by_name = by_name or argument.kind is argument.KEYWORD_ONLY
        shown.append(f"{name}={value!r}" if by_name else repr(value))
    return f"{type(model).__name__}({', '.join(shown)})"


def table(model: Any) -> str:
    """A line for the model and for each of its parts, indented."""
    rows = list(rows_of(model, 0))
    left = max(len(row[0]) for row in rows)
    middle = max(len(row[1]) for row in rows)
    number = max(len(row[2]) for row in rows)
    text = [f"{a:{left}}  {b:{middle}}  {c:>{number}}  {d}".rstrip() for a, b, c, d in rows]
    return "\n".join(text)


def html(model: Any) -> str:
    """The same for a notebook."""
    rows = list(rows_of(model, 0))
    cells = [
        f'<td style="text-align:left;padding-left:{1 + len(name) - len(name.lstrip())}em"><code>{escape(name.strip())}</code></td>'
        + "".join(f"<td>{escape(text)}</td>" for text in rest)
        for name, *rest in rows
    ]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def rows_of(model: Any, depth: int) -> Any:
    """(name, channels, parameters, poles) of a model and its parts."""
    sizes = "no sizes yet" if model.inputs is None else f"{model.inputs} -> {model.outputs}"
    total = f"{model.n_parameters:,}" if model.inputs is not None else ""
    name = type(model).__name__ if model.parts else one_line(model)
    counted = f"{total} parameter{'s' * (total != '1')}" if total else ""
    yield "  " * depth + name, sizes, counted, poles_of(model)
    for part in model.parts:
        yield from rows_of(part, depth + 1)


def poles_of(model: Any) -> str:
    """Number and largest radius of the poles of a linear filter."""
    poles = getattr(model, "poles", None)
    if poles is None or model.inputs is None:
        return ""
    radii = np.abs(poles())
    if not radii.size:
        return ""
    word = "stable" if radii.max() < 1.0 else "UNSTABLE"
    return f"{radii.size} pole{'s' * (radii.size != 1)}, largest radius {radii.max():.6g}, {word}"
