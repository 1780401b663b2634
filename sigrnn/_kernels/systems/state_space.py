"""Loops over the samples of a state space with units: z = [s, u] gives the next state and the output.

    [s', y] = m z + n phi(z),   phi_j = tanh(w_j z + bias_j), or the product of z_k to the powers w_jk

With `powers`, units are such products, and their bias is not read.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types

from sigrnn._kernels.base.jit import device, kernel, once, packed


@device
def unit(powers, w, bias, j, z, size):
    """phi_j."""
    e = bias[j]
    if powers:
        e = 1.0
        for k in range(size):
            for _ in range(int(w[j, k])):
                e *= z[k]
    else:
        for k in range(size):
            e += w[j, k] * z[k]
        e = math.tanh(e)
    return e


@device
def unit_slope(powers, w, j, k, z, size, phi):
    """The derivative of phi_j with respect to z_k; for tanh and k < 0, with respect to its weighted sum."""
    d = 1.0 - phi * phi
    if powers:
        d = w[j, k]
        if d > 0.0:
            for i in range(size):
                for _ in range(int(w[j, i]) - (i == k)):
                    d *= z[i]
    elif k >= 0:
        d *= w[j, k]
    return d


def _run(powers, m, n, w, bias, u, s, y, phi, z):
    """Compute all states, units and outputs; s[:, 0] is the initial state."""
    # m (S + O, S + I)   n (S + O, U)   w (U, S + I)   bias (U,)   u (B, N, I)   s (B, N + 1, S)   y (B, N, O)   phi (B, N, U)
    states, size = s.shape[2], m.shape[1]
    for b in range(u.shape[0]):
        for t in range(u.shape[1]):
            for k in range(states):
                z[k] = s[b, t, k]
            for k in range(states, size):
                z[k] = u[b, t, k - states]
            for j in range(n.shape[1]):
                phi[b, t, j] = unit(powers, w, bias, j, z, size)
            for i in range(m.shape[0]):
                total = 0.0
                for k in range(size):
                    total += m[i, k] * z[k]
                for j in range(n.shape[1]):
                    total += n[i, j] * phi[b, t, j]
                if i < states:
                    s[b, t + 1, i] = total
                else:
                    y[b, t, i - states] = total


def _pulled(powers, m, n, w, u, s, phi, g, du, z, back, by_phi):
    """Gradients g (B, N, S + O) of [s', y], whose part of y is given, and du of the inputs, backward in time."""
    states, size = s.shape[2], m.shape[1]
    for b in range(u.shape[0]):
        back[:] = 0.0
        for t in range(u.shape[1] - 1, -1, -1):
            for k in range(states):
                g[b, t, k] = back[k]
                z[k] = s[b, t, k]
            for k in range(states, size):
                z[k] = u[b, t, k - states]
            for j in range(n.shape[1]):
                by_phi[j] = 0.0
                for i in range(m.shape[0]):
                    by_phi[j] += n[i, j] * g[b, t, i]
            for k in range(size):
                total = 0.0
                for i in range(m.shape[0]):
                    total += m[i, k] * g[b, t, i]
                for j in range(n.shape[1]):
                    total += by_phi[j] * unit_slope(powers, w, j, k, z, size, phi[b, t, j])
                back[k] = total
            for k in range(states, size):
                du[b, t, k - states] = back[k]


def _pushed(powers, m, n, w, u, s, phi, own, rows, dy, z, j_s, moved, new):
    """Tangents dy (B, N, O, R) of the outputs: for entries of m, n, w and bias if `own`, else for `rows` (B, N, I, R)."""
    states, size, units, count = s.shape[2], m.shape[1], n.shape[1], dy.shape[3]
    # z (S + I,)   j_s (S + O, S + I)   moved, new (S, R): scratch
    for b in range(u.shape[0]):
        moved[:] = 0.0
        for t in range(u.shape[1]):
            for k in range(states):
                z[k] = s[b, t, k]
            for k in range(states, size):
                z[k] = u[b, t, k - states]
            for i in range(m.shape[0]):
                for k in range(size):
                    total = m[i, k]
                    for j in range(units):
                        total += n[i, j] * unit_slope(powers, w, j, k, z, size, phi[b, t, j])
                    j_s[i, k] = total
            for i in range(m.shape[0]):
                target = new[i] if i < states else dy[b, t, i - states]
                for r in range(count):
                    target[r] = 0.0
                for k in range(states):
                    weight, source = j_s[i, k], moved[k]
                    for r in range(count):
                        target[r] += weight * source[r]
                if own:
                    for k in range(size):
                        target[i * size + k] += z[k]
                    at = m.shape[0] * size
                    for j in range(units):
                        target[at + i * units + j] += phi[b, t, j]
                    if not powers:
                        at += m.shape[0] * units
                        for j in range(units):
                            weight = n[i, j] * unit_slope(powers, w, j, -1, z, size, phi[b, t, j])
                            for k in range(size):
                                target[at + j * size + k] += weight * z[k]
                            target[at + units * size + j] += weight
                else:
                    for k in range(states, size):
                        weight, source = j_s[i, k], rows[b, t, k - states]
                        for r in range(count):
                            target[r] += weight * source[r]
            for k in range(states):
                for r in range(count):
                    moved[k, r] = new[k, r]


MATRIX, SIGNAL = packed("d", 2, read=True), packed("d", 3, read=True)


@once
def run() -> Any:
    """The compiled loop."""
    bias = packed("d", 1, read=True)
    out = packed("d", 3), packed("d", 3), packed("d", 3), packed("d", 1)
    return kernel(_run, "states_run", types.boolean, MATRIX, MATRIX, MATRIX, bias, SIGNAL, *out)


@once
def pulled() -> Any:
    """Reverse mode."""
    given = types.boolean, MATRIX, MATRIX, MATRIX, SIGNAL, SIGNAL, SIGNAL
    return kernel(_pulled, "states_pulled", *given, packed("d", 3), packed("d", 3), *[packed("d", 1)] * 3)


@once
def pushed() -> Any:
    """Forward mode."""
    given = types.boolean, MATRIX, MATRIX, MATRIX, SIGNAL, SIGNAL, SIGNAL, types.boolean, packed("d", 4, read=True)
    return kernel(_pushed, "states_pushed", *given, packed("d", 4), packed("d", 1), *[packed("d", 2)] * 3)
