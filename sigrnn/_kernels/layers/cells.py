"""The cells of recurrent layers: what happens to each unit in one step, and its transpose.

A step first takes sums over inputs and units, a[q] = W[q] [x, 1, h]; then each unit goes its own way. A cell says how
many sums a unit has, and what it makes of them. Units stand side by side in the lanes of vectors. Gates are in PyTorch's
order: i f g o, and r z n.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sigrnn._kernels.base.activations import label, pair
from sigrnn._kernels.base.jit import device, once
from sigrnn._kernels.base.vec import load, spread
from sigrnn._kernels.layers.gates import GATE, SQUASH, closing, gate, squashed, squashed_parts


class Cell(NamedTuple):
    """A cell: how many sums a unit has, whether it remembers a c beside h, and its two steps.

    step(a, h, c, p, k, hop) : new h and c of units k, k + 1, ... ; leaves in `a` what the way back needs to know.
    run(a, h, c, p, k, hop) : the same where there is no way back, which may save divisions.
    back(d, a, h, c0, c, dh, dc, p, k, hop) : from the gradients of h and c to those of the sums, in `d`; gives those that
        reach the h and c before directly. `h`, `c0` are those before the step, `c` that after it.
    p : peepholes (3, hop); `step` and `run` are given them with the factors of the sums they belong to.
    """

    name: str
    factors: tuple[float, ...]  # of the sums, as steps are given them
    memory: bool
    step: Any
    run: Any
    back: Any

    @property
    def sums(self) -> int:
        return len(self.factors)


@device
def blind(a, p, i, c):
    return a


@device
def looking(a, p, i, c):
    """A gate that sees the cell through its peephole."""
    return a + load(p, i, c) * c


def lstm(name: str, seen: Any) -> Cell:
    """c <- f c + i g,  h <- o tanh(c); with peepholes i and f see c as it was, o as it has become."""

    @device
    def step(a, h, c, p, k, hop):
        a[0], a[1], a[2] = gate(seen(a[0], p, k, c)), gate(seen(a[1], p, hop + k, c)), squashed(a[2])
        c = a[1] * c + a[0] * a[2]
        a[3] = gate(seen(a[3], p, 2 * hop + k, c))
        return a[3] * squashed(SQUASH * c), c

    @device
    def run(a, h, c, p, k, hop):
        # Divisions take long: i g and o tanh(c) have one each. That by 1 / f leaves c as it is where f is 1.
        g, below = squashed_parts(a[2])
        c = c / closing(seen(a[1], p, hop + k, c)) + g / (closing(seen(a[0], p, k, c)) * below)
        t, below = squashed_parts(SQUASH * c)
        return t / (closing(seen(a[3], p, 2 * hop + k, c)) * below), c

    @device
    def back(d, a, h, c0, c, dh, dc, p, k, hop):
        i, f, g, o = a[0], a[1], a[2], a[3]
        t = squashed(SQUASH * c)
        d[3] = dh * t * o * (1.0 - o)
        dc = seen(dc + dh * o * (1.0 - t * t), p, 2 * hop + k, d[3])
        d[0] = dc * g * i * (1.0 - i)
        d[1] = dc * c0 * f * (1.0 - f)
        d[2] = dc * i * (1.0 - g * g)
        return spread(0.0, h), seen(seen(dc * f, p, k, d[0]), p, hop + k, d[1])

    return Cell(name, (GATE, GATE, SQUASH, GATE), True, step, run, back)


@device
def gru_step(a, h, c, p, k, hop):
    """h <- (1 - z) n + z h with n = tanh(a[2] + r a[3]): a[3] is the part of n's sum over units, which r gates."""
    a[0], a[1] = gate(a[0]), gate(a[1])
    a[2], a[3] = squashed(a[2] + a[0] * a[3]), a[3] * (1.0 / SQUASH)
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

    return Cell(f"rnn_{label(activation)}", (1.0,), False, step, step, back)


@device
def the_first(x, y):
    return x


@device
def the_second(x, y):
    return y


CELLS = {
    "lstm": lstm("lstm", blind),
    "peephole": lstm("peephole", looking),
    "gru": Cell("gru", (GATE, GATE, SQUASH, SQUASH), False, gru_step, gru_step, gru_back),
}


def cell(kind: Any) -> Cell:
    """A cell by its name, or the recurrent net with an activation."""
    return CELLS[kind] if kind in CELLS else rnn(kind)
