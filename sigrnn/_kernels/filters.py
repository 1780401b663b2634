"""The recurrences: one step of each linear filter, and `sweep`, which runs a cascade of them over a tile of samples.

A number is a scalar or a vector of lanes (`vec.py`); a step is written once for both. Shapes, with S sections of order P:
    b, a  (S, P + 1) shared by all lanes, or (S, P + 1, lanes)     a[:, 0] is 1 and never read
    z     (S, P) or (S, P, lanes)
    tile  one number a sample, `stride` elements apart, filtered in place
"""

from __future__ import annotations

from typing import Any

from numba.extending import overload

from sigrnn._kernels.jit import device
from sigrnn._kernels.vec import load, pointer, spread, stack, store

LANES = 16  # two AVX-512 registers or four AVX ones hide the latency of the recurrence; 8 and 32 lanes were slower


@device
def direct_form(order, b, a, z, x):
    """Transposed direct form II: y = z[0] + b[0] x,  z[p] <- z[p+1] + b[p+1] x - a[p+1] y  with z[P] = 0.

    Terms are added in the order of SciPy's `lfilter`, so exact numbers give its very bits.
    """
    y = z[0] + b[0] * x
    for p in range(order - 1):
        z[p] = z[p + 1] + x * b[p + 1] - y * a[p + 1]
    z[order - 1] = x * b[order] - y * a[order]
    return y


@device
def biquad(order, b, a, z, x):
    """The same step at order 2, terms added in the order of SciPy's `sosfilt`."""
    y = b[0] * x + z[0]
    z[0] = b[1] * x - a[1] * y + z[1]
    z[1] = b[2] * x - a[2] * y
    return y


@device
def feedforward(order, b, a, z, x):
    """Transposed form without feedback: y = z[0] + b[0] x,  z[p] <- z[p+1] + b[p+1] x; `a` is not read."""
    y = z[0] + b[0] * x
    for p in range(order - 1):
        z[p] = z[p + 1] + x * b[p + 1]
    z[order - 1] = x * b[order]
    return y


STEPS = {"direct": direct_form, "sections": biquad, "taps": feedforward}


def number(c: Any, s: int, p: int, like: Any) -> Any:
    """Entry p of section s as a number like `like`: shared by the lanes (S, P), or one for each lane (S, P, lanes)."""


@overload(number, inline="always")
def _number(c, s, p, like):
    if c.ndim == 2:
        return lambda c, s, p, like: spread(c[s, p], like)
    return lambda c, s, p, like: load(pointer(c[s, p]), 0, like)


@device
def sweep(step, order, room, b, a, z, tile, stride, count, like):
    """Run the cascade over `count` numbers of the tile, one section after the other, coefficients and state at hand.

    `room` > `order` is a literal: with both known to the compiler everything stays in registers.
    """
    bb, aa, zz = stack(room, like), stack(room, like), stack(room, like)
    for s in range(b.shape[0]):
        for p in range(order + 1):
            bb[p], aa[p] = number(b, s, p, like), number(a, s, p, like)
        for p in range(order):
            zz[p] = number(z, s, p, like)
        for n in range(count):
            store(tile, n * stride, step(order, bb, aa, zz, load(tile, n * stride, like)))
        for p in range(order):
            store(pointer(z[s, p:]), 0, zz[p])


@device
def sweep_any(step, b, a, z, tile, stride, count):
    """The same for scalars and any order: coefficients and state stay where they are."""
    order = b.shape[1] - 1
    for s in range(b.shape[0]):
        bb, aa, zz = pointer(b[s]), pointer(a[s]), pointer(z[s])
        for n in range(count):
            tile[n * stride] = step(order, bb, aa, zz, tile[n * stride])


@device
def final_states(order, room, g, tile, z, count, like):
    """z[p] = sum_n g[n, p] tile[n]: the state at the end of each lane's block, had it been entered at rest."""
    zz = stack(room, like)
    for p in range(order):
        zz[p] = like
    for n in range(count):
        x = load(tile, n * LANES, like)
        for p in range(order):
            zz[p] = zz[p] + spread(g[n, p], like) * x
    for p in range(order):
        store(pointer(z[p]), 0, zz[p])
