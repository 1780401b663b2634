"""The table of cells: one row for each recurrent layer and its variants, read by everything that lists them.

Does not import Numba. Steps of the cells, which are compiled, are in `_kernels/layers/cells.py`, by the name of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sigrnn._arrays import Array

WEIGHTS = "x", "w_ih", "w_hh", "b_ih", "b_hh", "h0"


@dataclass(frozen=True)
class Step:
    """A step whose tangents are to be found: sums `a` (Q, ...) as the tape has them, h and c before it, c after it."""

    a: Array
    h: Array
    c: Array
    c_after: Array
    peepholes: Array
    peephole_tangents: Array


Tangent = Callable[[Step, Array, Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Cell:
    """
    A cell.

    name : of its kernels. function, model : the public function, and the class of models.
    x_gates, h_gates : for each sum, the gate (row of weights of a unit) whose weights of the inputs it takes, and the one
        whose weights of the units; -1 for none.
    tangent : `tangent(step, da, dh, dc)` gives the tangents of h and c after a step, from those of its sums and of h and c
        before it; None for g(a[0]) with an activation g.
    arrays : names of the differentiable arguments, in the order of the signature.
    late : the sum that takes r * h in place of h, after r is known; -1 if none.
    memory : whether there is a c in addition to h. activation : whether there is a choice of activation.
    options : arguments that choose this row among those of its function, where they are not the default; an array by
        `True`, if it is given.
    torch : the class of torch.nn with these weights. keras, onnx : their gates, in their order, among ours.
    rtneural : its type there.
    """

    name: str
    function: str
    model: str
    x_gates: tuple[int, ...]
    h_gates: tuple[int, ...]
    tangent: Tangent | None
    arrays: tuple[str, ...] = WEIGHTS
    late: int = -1
    memory: bool = False
    activation: bool = False
    options: Mapping[str, Any] | None = None
    torch: str = ""
    keras: tuple[int, ...] = ()
    onnx: tuple[int, ...] = ()
    rtneural: str = ""

    @cached_property
    def gates(self) -> int:
        """Rows of weights for each unit."""
        return max(self.x_gates) + 1

    @cached_property
    def sums(self) -> int:
        return len(self.x_gates)

    @cached_property
    def recurrent(self) -> bool:
        """Whether units are weighed."""
        return "w_hh" in self.arrays

    @cached_property
    def places(self) -> int:
        """How many of the arrays may be given by position."""
        return len(self.arrays) - ("peephole" in self.arrays)

    @cached_property
    def states(self) -> tuple[str, ...]:
        return ("h0", "c0") if self.memory else ("h0",)

    @cached_property
    def weights(self) -> tuple[str, ...]:
        """Arguments that are trained."""
        return tuple(name for name in self.arrays if name not in ("x", "h0", "c0"))


def lstm_tangent(s: Step, da: Array, dh: Array, dc0: Array) -> tuple[Array, Array]:
    (i, f, g, o), p, dp = s.a, s.peepholes, s.peephole_tangents
    t = np.tanh(s.c_after)
    di = i * (1 - i) * (da[0] + p[0] * dc0 + dp[0] * s.c)
    df = f * (1 - f) * (da[1] + p[1] * dc0 + dp[1] * s.c)
    dc = df * s.c + f * dc0 + di * g + i * (1 - g * g) * da[2]
    do = o * (1 - o) * (da[3] + p[2] * dc + dp[2] * s.c_after)
    return do * t + o * (1 - t * t) * dc, dc


def gru_tangent(s: Step, da: Array, dh: Array, dc0: Array) -> tuple[Array, Array]:
    r, z, n, units = s.a
    dn = (1 - n * n) * (da[2] + r * (1 - r) * da[0] * units + r * da[3])
    return (1 - z) * dn + z * (1 - z) * da[1] * (s.h - n) + z * dh, dc0


def reset_before_tangent(s: Step, da: Array, dh: Array, dc0: Array) -> tuple[Array, Array]:
    _, z, n = s.a
    return (1 - z) * (1 - n * n) * da[2] + z * (1 - z) * da[1] * (s.h - n) + z * dh, dc0


def mingru_tangent(s: Step, da: Array, dh: Array, dc0: Array) -> tuple[Array, Array]:
    z, n = s.a
    return (1 - z) * dh + z * (1 - z) * da[0] * (n - s.h) + z * da[1], dc0


RNN = Cell("rnn", "rnn", "RNN", (0,), (0,), None, activation=True, torch="RNN", keras=(0,), onnx=(0,))
# The sum of n over the units is kept apart from that over the inputs, as r acts on it.
GRU = Cell(
    "gru",
    "gru",
    "GRU",
    (0, 1, 2, -1),
    (0, 1, -1, 2),
    gru_tangent,
    torch="GRU",
    keras=(1, 0, 2),
    onnx=(1, 0, 2),
    rtneural="gru",
)
RESET_BEFORE = Cell(
    "reset_before",
    "gru",
    "GRU",
    (0, 1, 2),
    (0, 1, 2),
    reset_before_tangent,
    late=2,
    options={"reset_after": False},
    torch="GRU",
    keras=(1, 0, 2),
    onnx=(1, 0, 2),
)
LSTM = Cell(
    "lstm",
    "lstm",
    "LSTM",
    (0, 1, 2, 3),
    (0, 1, 2, 3),
    lstm_tangent,
    (*WEIGHTS, "c0", "peephole"),
    memory=True,
    torch="LSTM",
    keras=(0, 1, 2, 3),
    onnx=(0, 3, 1, 2),
    rtneural="lstm",
)
PEEPHOLE = Cell(
    "peephole",
    "lstm",
    "LSTM",
    (0, 1, 2, 3),
    (0, 1, 2, 3),
    lstm_tangent,
    (*WEIGHTS, "c0", "peephole"),
    memory=True,
    options={"peephole": True},
    onnx=(0, 3, 1, 2),
)
MINGRU = Cell("mingru", "mingru", "MinGRU", (0, 1), (-1, -1), mingru_tangent, ("x", "w_ih", "b_ih", "h0"))

CELLS = {cell.name: cell for cell in (RNN, GRU, RESET_BEFORE, LSTM, PEEPHOLE, MINGRU)}
FUNCTIONS = {cell.function: cell for cell in CELLS.values() if cell.options is None}  # and the row of its defaults
MODELS = {cell.model: cell for cell in FUNCTIONS.values()}


def cell_of(function: str, arguments: Mapping[str, Any]) -> Cell:
    """The row of a function that serves these arguments."""
    for cell in CELLS.values():
        if cell.function == function and cell.options is not None:
            ((name, value),) = cell.options.items()
            if (arguments.get(name) is not None) if value is True else arguments.get(name, True) == value:
                return cell
    return FUNCTIONS[function]
