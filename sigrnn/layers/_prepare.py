"""Checks of the arguments of a layer, and the prepared call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, array, promoted, whole
from sigrnn.layers._cells import Cell
from sigrnn.layers._layout import Given, Layout, layout_of
from sigrnn.layers._run import PART, Part, Runs, form_of, outputs_of, run_of

PLANS = 512  # kept

FLOATS = F8, np.dtype(np.float32)

ndarray = np.ndarray


def common(arrays: Mapping[str, Any]) -> np.dtype[Any]:
    """The common dtype; integers become float64."""
    given = {name: value for name, value in arrays.items() if value is not None}
    return common_of({name: v.dtype if type(v) is ndarray else array(name, v).dtype for name, v in given.items()})


def common_of(dtypes: dict[str, Any]) -> np.dtype[Any]:
    if len(different := set(dtypes.values())) == 1 and (only := different.pop()) in FLOATS:
        return only
    dtype = promoted(**{name: np.empty(0, each) for name, each in dtypes.items()})
    if dtype.kind in "biu":
        return F8
    if dtype.char not in "fd":
        kinds = ", ".join(f"{name} {each}" for name, each in dtypes.items())
        raise NotImplementedError(
            f"layers support float32 and float64; the common dtype of x and the weights is {dtype}: {kinds}"
        )
    return dtype


def shaped(name: str, given: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    array = np.asarray(given, dtype)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    return array


class Plan(NamedTuple):
    """What follows from the shapes and dtypes of a call, the number of steps aside."""

    layout: Layout
    convert: bool  # not all arrays are of the dtype of the layout


@lru_cache(PLANS)
def plan_of(cell: Cell, activation: Any, leading: tuple[int, ...], kinds: tuple[Any, ...]) -> Plan:
    """Check shapes; `kinds` has dtype and shape of each array, or None, and of x the number of inputs."""
    given = {name: kind for name, kind in zip(Given._fields, kinds, strict=True) if kind is not None}
    dtype = common_of({name: kind[0] for name, kind in given.items()})
    inputs, hidden = given["x"][1], hidden_of(cell, given)
    rows, states = cell.gates * hidden, (*leading, hidden)
    shapes = {
        "w_ih": (rows, inputs),
        "b_ih": (rows,),
        "b_hh": (rows,),
        "peephole": (3, hidden),
        "h0": states,
        "c0": states,
    }
    for name, expected in shapes.items():
        if name in given and given[name][1] != expected:
            why = ""
            if name == "w_ih":
                why = f": x has {inputs} inputs" + f", w_hh {hidden} units" * cell.recurrent
            raise ValueError(f"{name} has shape {given[name][1]}, expected {expected}{why}")
    layout = layout_of(cell, activation, dtype, inputs, hidden)
    return Plan(layout, any(kind[0] != dtype for kind in given.values()))


def hidden_of(cell: Cell, given: dict[str, Any]) -> int:
    """The number of units, from the weights."""
    rows = f"{cell.gates} * H" if cell.gates > 1 else "H"
    for name in ("w_ih", "w_hh")[: 1 + cell.recurrent]:
        if name not in given:
            raise TypeError(f"{name} must be an array, got None")
    shape: tuple[int, ...] = given[name][1]
    if cell.recurrent:
        if len(shape) != 2 or not shape[1] or shape[0] != cell.gates * shape[1]:
            raise ValueError(f"w_hh has shape {shape}, expected ({rows}, H)")
        return shape[1]
    if len(shape) != 2 or not shape[0] or shape[0] % cell.gates:
        raise ValueError(f"w_ih has shape {shape}, expected ({rows}, inputs)")
    return shape[0] // cell.gates


class Call(NamedTuple):
    """One call of a layer: all arguments checked, sequences side by side."""

    layout: Layout
    given: Given
    x: Array  # (T, B, I), zero after the lengths
    given_states: tuple[Array | None, Array | None]  # h0 and c0, (B, H)
    lengths: Array | None
    alone: bool  # one sequence, given without an axis for it

    def run(self, taped: bool) -> tuple[Array, Part | Runs]:
        """Outputs (B, T, H), and what the run leaves."""
        h, taped = self.outputs(), taped or self.lengths is not None
        return h, run_of(self.layout, self.given, self.x, self.given_states, h, taped)

    def run_whole(self) -> tuple[Array, Part]:
        """The same, all sequences in one part."""
        h, (steps, batch, _) = self.outputs(), self.x.shape
        form = form_of(self.layout, steps, batch, batch == 1)
        return h, Part(form, self.given, self.x, self.given_states, h, taped=True)

    def outputs(self) -> Array:
        """Memory for them."""
        steps, batch, _ = self.x.shape
        return np.empty((batch, steps, self.layout.hidden), self.layout.dtype)

    def states(self) -> tuple[Array, Array]:
        """h0 and c0 as new arrays, (B, H)."""
        shape, dtype = (self.x.shape[1], self.layout.hidden), self.layout.dtype
        h0, c0 = (np.zeros(shape, dtype) if state is None else state.copy() for state in self.given_states)
        return h0, c0

    def value(self) -> Any:
        """What the user gets."""
        steps, batch, _ = self.x.shape
        if self.lengths is None and batch <= PART:
            form = form_of(self.layout, steps, batch, batch == 1)
            return self.restore_layout(*outputs_of(form, self.given, self.x, self.given_states))
        h, run = self.run(taped=False)
        return self.restore_layout(h, *run.states(self.lengths))

    def restore_layout(self, h: Array, h_n: Array, c_n: Array) -> Any:
        """The same from outputs (B, T, H) and final states (B, H)."""
        if self.lengths is not None:
            h[np.arange(h.shape[1]) >= self.lengths[:, None]] = 0.0
        if self.alone:
            h, h_n, c_n = h[0], h_n[0], c_n[0]
        return (h, (h_n, c_n)) if self.layout.memory else (h, h_n)


def prepare(cell: Cell, given: Given, lengths: Any = None, activation: Any = None) -> Call:
    """Check the arguments of a layer."""
    kinds: list[Any] = []
    for each in given:
        if each is None:
            kinds.append(None)
        elif type(each) is ndarray:
            kinds.append((each.dtype, each.shape))
        else:
            return prepare(cell, as_arrays(given), lengths, activation)
    x, h0, c0 = given.x, given.h0, given.c0
    if x is None or x.ndim not in (2, 3):
        common(given._asdict())
        raise ValueError(f"x has shape {np.shape(x)}, expected (N, I) or (B, N, I)")
    shape = x.shape
    kinds[0] = (x.dtype, shape[-1])
    layout, convert = plan_of(cell, activation, shape[:-2], tuple(kinds))
    if convert:
        given = Given(*(None if each is None else np.asarray(each, layout.dtype) for each in given))
        x, h0, c0 = given.x, given.h0, given.c0
    alone = len(shape) == 2
    if alone:
        steps, h0, c0 = x[:, None], None if h0 is None else h0[None], None if c0 is None else c0[None]
    else:
        steps = x.transpose(1, 0, 2)
    if lengths is not None:
        lengths = counts(lengths, steps.shape[1], len(steps), alone)
        steps = np.where((np.arange(len(steps))[:, None] < lengths)[..., None], steps, layout.dtype.type(0))
    return Call(layout, given, steps, (h0, c0), lengths, alone)


def as_arrays(given: Given) -> Given:
    """All that was given, lists and numbers, as arrays."""
    return Given(*(each if each is None else array(name, each) for name, each in given._asdict().items()))


def counts(lengths: ArrayLike, batch: int, steps: int, alone: bool) -> Array:
    given = array("lengths", lengths)
    if alone or given.shape != (batch,):
        expected = "none for a single sequence" if alone else f"{(batch,)}"
        raise ValueError(f"lengths has shape {given.shape}, expected {expected}")
    found = np.array([whole("each of lengths", length) for length in given.tolist()], int)
    if ((found < 0) | (found > steps)).any():
        raise ValueError(f"lengths must be between 0 and the number of steps {steps}, got {found.tolist()}")
    return found
