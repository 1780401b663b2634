"""Shapes and dtypes of results from those of arguments, with nothing run: for what traces calls before it makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sigrnn.layers._cells import FUNCTIONS

OWN = {"b": 1, "a": 1, "sos": 2, "bias": 0}  # last axes of coefficients that are not channels


class Like(NamedTuple):
    """An array without its numbers."""

    shape: tuple[Any, ...]
    dtype: np.dtype[Any]


def results(function: str, given: dict[str, Like], options: dict[str, Any]) -> list[Like]:
    """
    What a function returns, y and the parts of the state in a row.

    given : its arrays by name. options : its other arguments, of which `axis` counts; `zi` if it is a number.
    """
    dtype = np.result_type(*(like.dtype for name, like in given.items() if name != "lengths"))
    x = given["x"].shape
    if function == "dense":
        return [Like((*x[:-1], given["v"].shape[0]), dtype)]
    if function in FUNCTIONS:
        cell = FUNCTIONS[function]
        hidden = given["w_hh"].shape[-1] if cell.recurrent else given["w_ih"].shape[0] // cell.gates
        return [Like((*x[:-1], hidden), dtype), *[Like((*x[:-2], hidden), dtype)] * len(cell.states)]
    axis = options.get("axis", -1) % len(x)
    coefficients = {name: like.shape for name, like in given.items() if name in OWN}
    leading = [shape[: len(shape) - OWN[name]] for name, shape in coefficients.items()]
    channels = broadcast([*leading, x[:axis] + x[axis + 1 :]])
    y = [Like((*channels[:axis], x[axis], *channels[axis:]), dtype)]
    if "zi" not in given and options.get("zi") is None:
        return y
    if "sos" in given:
        own: tuple[Any, ...] = (given["sos"].shape[-2], 2)
    else:
        own = (max((coefficients[name] or (1,))[-1] for name in ("b", "a")) - 1,)
    return [*y, Like((*own[:-1], *channels[:axis], own[-1], *channels[axis:]), dtype)]


def broadcast(shapes: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """`numpy.broadcast_shapes`, for sizes that may be symbols too."""
    found: list[Any] = [1] * max(map(len, shapes))
    for shape in shapes:
        for k, n in enumerate(shape, len(found) - len(shape)):
            if found[k] == 1:
                found[k] = n
            elif n not in (1, found[k]):
                raise ValueError(f"leading axes of coefficients do not broadcast against channels: {shapes}")
    return tuple(found)
