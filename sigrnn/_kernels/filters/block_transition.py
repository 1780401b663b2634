"""How long a time block must be, and what is needed to enter it: powers of the state matrix A of a cascade.

A block enters its successor through A^L, so an error there is not rounding noise but a slightly different filter: with
A^L from 204 plain products a filter with its pole at 0.99997 was 6 times less accurate than SciPy's. Powers are
therefore taken in double-double: a value as a sum high + low.
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.base.jit import device, kernel, once, packed, routine
from sigrnn._kernels.filters.steps import copy


@routine
def advance(b, a, m, q, x):
    """Column q of m, a state of the cascade, after one more sample x (transposed direct form II throughout)."""
    # b, a (S, P + 1)   m (S P, Q)
    order = b.shape[1] - 1
    for s in range(b.shape[0]):
        i = s * order
        y = m[i, q] + b[s, 0] * x
        for p in range(order - 1):
            m[i + p, q] = m[i + p + 1, q] + b[s, p + 1] * x - a[s, p + 1] * y
        m[i + order - 1, q] = b[s, order] * x - a[s, order] * y
        x = y


@device
def identity(m):
    for p in range(m.shape[0]):
        for q in range(m.shape[1]):
            m[p, q] = 1.0 if p == q else 0.0


@device
def norm(m):
    """Largest row sum of magnitudes."""
    largest = 0.0
    for p in range(m.shape[0]):
        total = 0.0
        for q in range(m.shape[1]):
            total += abs(m[p, q])
        largest = max(largest, total)
    return largest


def _shortest(b, a, m, first, step, last):
    """Smallest L = first, first + step, ... <= last with ||A^L|| <= 1; 0 if there is none."""
    # b, a (S, P + 1)   m (S P, S P) scratch
    identity(m)
    for n in range(1, last + 1):
        for q in range(m.shape[1]):
            advance(b, a, m, q, 0.0)
        if n >= first and (n - first) % step == 0:
            size = norm(m)
            if size <= 1.0:
                return n
            if not size < 1e100:
                return 0
    return 0


def _entry(b, a, power, g, work, length):
    """power <- A^L and g[n] <- A^(L - 1 - n) B, the part of sample n in a block's final state; returns ||A^L||.

    With g empty there is A^L alone.
    """
    # b, a (S, P + 1)   power (R, R)   g (L or 0, R)   work (6, R, R) zeros   R = S P states
    rows, states = g.shape
    matrix, matrix_low, high, low, product, product_low = work[0], work[1], work[2], work[3], work[4], work[5]
    identity(matrix)
    for q in range(states):
        advance(b, a, matrix, q, 0.0)
    advance(b, a, product, 0, 1.0)  # B: the state after an impulse
    for n in range(rows):
        for p in range(states):
            g[rows - 1 - n, p] = product[p, 0]
        multiply(matrix, matrix_low, product, product_low, high, low, 1)
        for p in range(states):
            product[p, 0], product_low[p, 0] = high[p, 0], low[p, 0]
    identity(power)
    for p in range(states):
        for q in range(states):
            low[p, q] = 0.0
    raise_power(power, low, matrix, matrix_low, product, product_low, length)
    return norm(power)


@device
def raise_power(x, x_low, y, y_low, z, z_low, n):
    """x <- x y^n by squaring; y and z are used up."""
    while n:
        if n & 1:
            multiply(x, x_low, y, y_low, z, z_low, x.shape[0])
            copy(z, x)
            copy(z_low, x_low)
        n >>= 1
        if n:
            multiply(y, y_low, y, y_low, z, z_low, x.shape[0])
            copy(z, y)
            copy(z_low, y_low)


@routine
def multiply(x, x_low, y, y_low, z, z_low, columns):
    """z <- x y, the first `columns` of it, in double-double."""
    for p in range(x.shape[0]):
        for q in range(columns):
            high, low = 0.0, 0.0
            for k in range(x.shape[0]):
                high, low = plus_product(high, low, x[p, k], x_low[p, k], y[k, q], y_low[k, q])
            z[p, q], z_low[p, q] = high, low


@device
def plus_product(s, s_low, x, x_low, y, y_low):
    """s + x y in double-double (Dekker 1971): products split into halves that multiply without rounding."""
    product = x * y
    c, d = 134217729.0 * x, 134217729.0 * y  # 2^27 + 1
    x_top, y_top = c - (c - x), d - (d - y)
    x_rest, y_rest = x - x_top, y - y_top
    error = ((x_top * y_top - product) + x_top * y_rest + x_rest * y_top) + x_rest * y_rest
    total = s + product
    part = total - s
    low = (s - (total - part)) + (product - part) + s_low + error + (x * y_low + x_low * y)
    high = total + low
    return high, low - (high - total)


@once
def shortest() -> Any:
    """`_shortest`, compiled."""
    coefficients = [packed("d", 2, read=True)] * 2
    return kernel(_shortest, "shortest", *coefficients, packed("d", 2), types.intp, types.intp, types.intp)


@once
def entry() -> Any:
    """`_entry`, compiled."""
    coefficients = [packed("d", 2, read=True)] * 2
    return kernel(_entry, "entry", *coefficients, packed("d", 2), packed("d", 2), packed("d", 3), types.intp)
