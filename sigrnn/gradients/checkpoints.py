"""Checkpoints: a function with a state runs block by block, and so does its pull-back, from the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from sigrnn._arrays import Array, time_axis
from sigrnn.gradients.linear import EXCITATION
from sigrnn.gradients.rules import Named, Rule


def by_blocks(
    function: Callable[..., Any], rule: Rule, arguments: Named, size: int
) -> tuple[Any, Callable[..., Named]]:
    """The same value and pull-back, a block of `size` samples at a time; only the states between blocks are kept."""
    x = np.asarray(arguments["x"])
    axis, at_rest = time_axis(arguments["axis"], x), arguments["zi"] is None
    samples = x.shape[axis]
    parts = [slice(i, min(i + size, samples)) for i in range(0, samples, size)] or [slice(0, 0)]
    states: list[Any] = [0.0 if at_rest else arguments["zi"]]
    whole: Named = {}
    for part in parts:
        piece, state = function(**_cut(rule, arguments, part, axis, states[-1]))
        _put(whole, "y", piece, part, axis, samples)
        states.append(state)
    final = states.pop()

    def back(dy: Array, dzf: Array | None) -> Iterator[tuple[slice, Named]]:
        for part, state in zip(reversed(parts), reversed(states), strict=True):
            _, pull_block = rule.vjp(_cut(rule, arguments, part, axis, state))
            found = pull_block(dy[(*[slice(None)] * axis, part)], dzf)
            dzf = found["zi"]
            yield part, found

    def excitation(dy: Array, dzf: Array | None) -> Array:
        total: Named = {}
        for part, found in back(dy, dzf):
            _put(total, EXCITATION, found[EXCITATION], part, axis, samples)
        return total[EXCITATION]

    def pull(dy: Array, dzf: Array | None = None) -> Named:
        total: Named = {}
        for part, found in back(dy, dzf):
            later = EXCITATION in found and partial(excitation, dy, dzf)
            for name, slope in found.items():
                if name in rule.rows or name == "x":
                    _put(total, name, slope, part, slope.ndim - 2 if name in rule.rows else axis, samples)
                elif name == "zi":
                    total[name] = slope
                elif name != EXCITATION:
                    total[name] = total[name] + slope if name in total else slope
        return {**total, EXCITATION: later} if later else total

    return (whole["y"] if at_rest else (whole["y"], final)), pull


def _cut(rule: Rule, arguments: Named, part: slice, axis: int, state: Any) -> Named:
    """The arguments of one block."""
    x = np.asarray(arguments["x"])[(*[slice(None)] * axis, part)]
    rows = {name: np.asarray(arguments[name])[..., part, :] for name in rule.rows}
    return {**arguments, **rows, "x": x, "zi": state}


def _put(whole: Named, name: str, piece: Array, part: slice, axis: int, samples: int) -> None:
    """Put the samples of a block into their place."""
    if name not in whole:
        whole[name] = np.zeros((*piece.shape[:axis], samples, *piece.shape[axis + 1 :]), piece.dtype)
    whole[name][(*[slice(None)] * axis, part)] = piece
