"""Loops over the samples of a feedback system: a short program of filters, curves and sums, run for each sample.

A row of `ops` is an operation, in order of execution:
    kind   source   target   second source   first coefficient   size   first state
Sources and targets are registers, one set for each sample; register 0 is the input of the loop. The coefficients of a
filter of order P are b (P + 1) and a[1:] (P); of a polynomial those of its powers; of a piecewise linear curve the
knots, then the values; of a tanh network its direct weight, its offset, then w, bias and v of each unit. `size` is P,
the degree, the number of knots, or the number of units.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types

from sigrnn._kernels.base.jit import device, kernel, once, packed

FILTER, POWERS, LINES, TANH, SUM = range(5)


@device
def filtered(u, c, at, order, z, first):
    """One sample of a filter in transposed direct form II, whose state begins at z[first]."""
    y = c[at] * u
    if order > 0:
        y += z[first]
        for p in range(1, order):
            z[first + p - 1] = c[at + p] * u - c[at + order + p] * y + z[first + p]
        z[first + order - 1] = c[at + order] * u - c[at + 2 * order] * y
    return y


@device
def shaped(kind, u, c, at, size):
    """One sample of a curve."""
    y = 0.0
    if kind == POWERS:
        y = c[at + size]
        for k in range(size - 1, -1, -1):
            y = y * u + c[at + k]
    elif kind == LINES:
        low, high = 0, size - 1
        while high - low > 1:
            middle = (low + high) // 2
            if c[at + middle] <= u:
                low = middle
            else:
                high = middle
        along = (u - c[at + low]) / (c[at + low + 1] - c[at + low])
        y = c[at + size + low] + along * (c[at + size + low + 1] - c[at + size + low])
    else:
        y = c[at] * u + c[at + 1]
        for k in range(size):
            i = at + 2 + 3 * k
            y += c[i + 2] * math.tanh(c[i] * u + c[i + 1])
    return y


def _run(ops, c, x, z, back, out, fed, registers):
    """Compute all registers of all samples; z and back hold the initial state, then the final one."""
    # ops (K, 7)   c (coefficients,)   x (B, T)   z (B, states)   back (B,)   registers (B, T, R)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            r = registers[b, t]
            r[0] = x[b, t] - back[b]
            for k in range(ops.shape[0]):
                kind, u = ops[k, 0], r[ops[k, 1]]
                if kind == FILTER:
                    r[ops[k, 2]] = filtered(u, c, ops[k, 4], ops[k, 5], z[b], ops[k, 6])
                elif kind == SUM:
                    r[ops[k, 2]] = u + r[ops[k, 3]]
                else:
                    r[ops[k, 2]] = shaped(kind, u, c, ops[k, 4], ops[k, 5])
            back[b] = r[fed]


def _pushed(ops, c, slopes, rows, entries, out, fed, r, z, dy):
    """Tangents of the output. Each row of tangents is added to one register; curves are time-varying gains."""
    # slopes (B, T, K)   rows, dy (R, B, T)   entries (R,)   r (registers,)   z (states,)
    for row in range(rows.shape[0]):
        for b in range(rows.shape[1]):
            z[:] = 0.0
            back, entry = 0.0, entries[row]
            for t in range(rows.shape[2]):
                r[0] = -back
                if entry == 0:
                    r[0] += rows[row, b, t]
                for k in range(ops.shape[0]):
                    kind, u, target = ops[k, 0], r[ops[k, 1]], ops[k, 2]
                    if kind == FILTER:
                        r[target] = filtered(u, c, ops[k, 4], ops[k, 5], z, ops[k, 6])
                    elif kind == SUM:
                        r[target] = u + r[ops[k, 3]]
                    else:
                        r[target] = slopes[b, t, k] * u
                    if target == entry:
                        r[target] += rows[row, b, t]
                dy[row, b, t] = r[out]
                back = r[fed]


def _pulled(ops, c, slopes, dy, out, fed, z, delta):
    """Gradients of each register from those of the output: the transpose, from the last sample to the first."""
    # dy (B, T)   z (states,)   delta (B, T, registers), initially zero
    for b in range(dy.shape[0]):
        z[:] = 0.0
        back = 0.0
        for t in range(dy.shape[1] - 1, -1, -1):
            r = delta[b, t]
            r[fed] -= back
            r[out] += dy[b, t]
            for k in range(ops.shape[0] - 1, -1, -1):
                kind, g, source = ops[k, 0], r[ops[k, 2]], ops[k, 1]
                if kind == FILTER:
                    r[source] += filtered(g, c, ops[k, 4], ops[k, 5], z, ops[k, 6])
                elif kind == SUM:
                    r[source] += g
                    r[ops[k, 3]] += g
                else:
                    r[source] += slopes[b, t, k] * g
            back = r[0]


OPS, FLAT = packed("q", 2, read=True), packed("d", 1)


@once
def run() -> Any:
    """The compiled loop."""
    signals = OPS, packed("d", 1, read=True), packed("d", 2, read=True), packed("d", 2), FLAT
    return kernel(_run, "loop_run", *signals, types.intp, types.intp, packed("d", 3))


@once
def pushed() -> Any:
    """Forward mode."""
    signals = OPS, packed("d", 1, read=True), packed("d", 3, read=True), packed("d", 3, read=True)
    return kernel(
        _pushed, "loop_pushed", *signals, packed("q", 1, read=True), types.intp, types.intp, FLAT, FLAT, packed("d", 3)
    )


@once
def pulled() -> Any:
    """Reverse mode."""
    signals = OPS, packed("d", 1, read=True), packed("d", 3, read=True), packed("d", 2, read=True)
    return kernel(_pulled, "loop_pulled", *signals, types.intp, types.intp, FLAT, packed("d", 3))
