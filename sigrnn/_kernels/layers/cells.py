"""The cells of recurrent layers: one step of each unit, and its transpose.

A step first computes sums over inputs and units, a[q] = W[q] [x, 1, h]; then each unit is updated independently. A cell
defines the number of sums of a unit and its update; `sigrnn/layers/_cells.py` has its other properties. Lanes are
units. Gates are in PyTorch's order: i f g o, and r z n.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sigrnn._kernels.base.activations import pair
from sigrnn._kernels.base.jit import device, once
from sigrnn._kernels.base.vec import load, spread
from sigrnn._kernels.layers.gates import GATE, SQUASH, inv_sigmoid2, sigmoid2, tanh2, tanh2_parts


class Cell(NamedTuple):
    """
    The steps of a cell.

    factors : by which the sums are multiplied before a step.
    step(a, h, c, p, k, hop) : new h and c of units k, k + 1, ...; leaves in `a` what the backward pass needs.
    run(a, h, c, p, k, hop) : the same without a backward pass, which may save divisions.
    back(d, a, h, c0, c, dh, dc, p, k, hop) : from the gradients of h and c to those of the sums, in `d`; returns the
        direct gradients of the previous h and c. `h`, `c0` are the values before the step, `c` is that after it.
    p : peepholes (3, hop); in `step` and `run` they include the factors of their sums.
    memory : whether the cell has a state c in addition to h.
    no_inputs, no_units : the sum without weights of inputs, and the one without weights of units; -1 for none.
    """

    factors: tuple[float, ...]
    step: Any
    run: Any
    back: Any
    memory: bool = False
    no_inputs: int = -1
    no_units: int = -1

    @property
    def sums(self) -> int:
        return len(self.factors)


@device
def no_peephole(a, p, i, c):
    return a


@device
def with_peephole(a, p, i, c):
    """Add the peephole's product with c to a gate."""
    return a + load(p, i, c) * c


def lstm(seen: Any) -> Cell:
    """c <- f c + i g,  h <- o tanh(c); peepholes of i and f read the old c, that of o the new one."""

    @device
    def step(a, h, c, p, k, hop):
        a[0], a[1], a[2] = sigmoid2(seen(a[0], p, k, c)), sigmoid2(seen(a[1], p, hop + k, c)), tanh2(a[2])
        c = a[1] * c + a[0] * a[2]
        a[3] = sigmoid2(seen(a[3], p, 2 * hop + k, c))
        return a[3] * tanh2(SQUASH * c), c

    @device
    def run(a, h, c, p, k, hop):
        # Divisions are slow: i g and o tanh(c) take one each. c / (1 / f) leaves c unchanged where f is 1.
        g, below = tanh2_parts(a[2])
        c = c / inv_sigmoid2(seen(a[1], p, hop + k, c)) + g / (inv_sigmoid2(seen(a[0], p, k, c)) * below)
        t, below = tanh2_parts(SQUASH * c)
        return t / (inv_sigmoid2(seen(a[3], p, 2 * hop + k, c)) * below), c

    @device
    def back(d, a, h, c0, c, dh, dc, p, k, hop):
        i, f, g, o = a[0], a[1], a[2], a[3]
        t = tanh2(SQUASH * c)
        d[3] = dh * t * o * (1.0 - o)
        dc = seen(dc + dh * o * (1.0 - t * t), p, 2 * hop + k, d[3])
        d[0] = dc * g * i * (1.0 - i)
        d[1] = dc * c0 * f * (1.0 - f)
        d[2] = dc * i * (1.0 - g * g)
        return spread(0.0, h), seen(seen(dc * f, p, k, d[0]), p, hop + k, d[1])

    return Cell((GATE, GATE, SQUASH, GATE), step, run, back, memory=True)


@device
def gru_step(a, h, c, p, k, hop):
    """h <- (1 - z) n + z h with n = tanh(a[2] + r a[3]): a[3] is the sum over units, which r gates."""
    a[0], a[1] = sigmoid2(a[0]), sigmoid2(a[1])
    a[2], a[3] = tanh2(a[2] + a[0] * a[3]), a[3] * (1.0 / SQUASH)
    return a[2] + a[1] * (h - a[2]), c


@device
def gru_back(d, a, h, c0, c, dh, dc, p, k, hop):
    r, z, n, s = a[0], a[1], a[2], a[3]
    dn = dh * (1.0 - z) * (1.0 - n * n)
    d[0] = dn * s * r * (1.0 - r)
    d[1] = dh * (h - n) * z * (1.0 - z)
    d[2] = dn
    d[3] = dn * r
    return dh * z, dc


@device
def mingru_step(a, h, c, p, k, hop):
    """h <- (1 - z) h + z n: z and n are sums over inputs alone."""
    a[0] = sigmoid2(a[0])
    return (1.0 - a[0]) * h + a[0] * a[1], c


@device
def mingru_back(d, a, h, c0, c, dh, dc, p, k, hop):
    z, n = a[0], a[1]
    d[0] = dh * (n - h) * z * (1.0 - z)
    d[1] = dh * z
    return dh * (1.0 - z), dc


@once
def rnn(activation: Any) -> Cell:
    """h <- g(a), for any activation."""
    g, slope, of_output = pair(activation)
    known_by = the_first if of_output else the_second

    @device
    def step(a, h, c, p, k, hop):
        h = g(a[0])
        a[0] = known_by(h, a[0])
        return h, c

    @device
    def back(d, a, h, c0, c, dh, dc, p, k, hop):
        d[0] = dh * slope(a[0])
        return spread(0.0, h), dc

    return Cell((1.0,), step, step, back)


@device
def the_first(x, y):
    return x


@device
def the_second(x, y):
    return y


CELLS = {
    "lstm": lstm(no_peephole),
    "peephole": lstm(with_peephole),
    "gru": Cell((GATE, GATE, SQUASH, SQUASH), gru_step, gru_step, gru_back, no_inputs=3, no_units=2),
    "reset_before": Cell((GATE, GATE, SQUASH), None, None, None),  # has loops of its own
    "mingru": Cell((GATE, 1.0), mingru_step, mingru_step, mingru_back),
}


def cell(name: str, activation: Any) -> Cell:
    """A cell by its name; 'rnn' is one for each activation."""
    return rnn(activation) if name == "rnn" else CELLS[name]
