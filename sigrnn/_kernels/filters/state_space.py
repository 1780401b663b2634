"""The recurrence of a linear state-space system: a matrix-vector product in each step."""

from __future__ import annotations

from typing import Any

from sigrnn._kernels.base.jit import entry_point, kernel, once, packed, strided
from sigrnn._kernels.base.vec import lanes, load, pointer, store
from sigrnn._kernels.sizes import STATE_SPACE_WIDTH as WIDTH

__all__ = ["entry_point", "simulate"]


def _simulate(columns, u, v, x, y):
    """(x[n+1], y[n]) = M (x[n], u[n]), and x[n]."""
    # columns (K + I, R): those of M, zeros below its K + O rows, R a multiple of WIDTH   u (N, I)   x (N, K)   y (N, O)
    # v (2, V): two vectors used alternately, V at least R and K + I; the first begins with x[0]
    states, inputs, outputs = x.shape[1], u.shape[1], y.shape[1]
    like, matrix, at = lanes(WIDTH, True), pointer(columns), pointer(v)
    total, rows, now, then = states + inputs, columns.shape[1], 0, v.shape[1]
    for n in range(x.shape[0]):
        for i in range(inputs):
            at[now + states + i] = u[n, i]
        for k in range(states):
            x[n, k] = at[now + k]
        for r in range(0, rows, WIDTH):
            one, two = like, like  # two sums, to hide the latency of a sum
            for k in range(0, total - 1, 2):
                one = one + at[now + k] * load(matrix, k * rows + r, like)
                two = two + at[now + k + 1] * load(matrix, (k + 1) * rows + r, like)
            if total % 2:
                one = one + at[now + total - 1] * load(matrix, (total - 1) * rows + r, like)
            store(at, then + r, one + two)
        for i in range(outputs):
            y[n, i] = at[then + states + i]
        now, then = then, now


@once
def simulate() -> Any:
    """The compiled recurrence in float64."""
    signals = strided("d", 2, read=True), packed("d", 2), packed("d", 2), packed("d", 2)
    return kernel(_simulate, "state_space", packed("d", 2, read=True), *signals)
