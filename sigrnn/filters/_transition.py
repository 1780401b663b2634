"""The constants of time blocks in NumPy: what `_kernels/filters/block_transition.py` computes, bit for bit.

A filter takes a few milliseconds here and a tenth of one there, but that file takes three seconds to compile. So a new
installation begins with this one. Double-double numbers are pairs (high, low); the operations and their order are those of the
kernels, for whole matrices at a time.
"""

from __future__ import annotations

import math

import numpy as np

from sigrnn._arrays import Array
from sigrnn._kernels.sizes import (
    DECAYED,
    DOUBLINGS,
    GROWN,
    HELD,
    HORIZON,
    TRANSITION_WIDTH,
    UNREACHED,
    transition_columns,
)

SPLITTER = 2.0**27 + 1.0  # cuts a number of 53 bits into halves whose products are exact (Dekker)
SMALLEST, LARGEST = 1e-100, 1e100  # coefficients whose products are far from the limits of float64

TINY = 1e-270  # products below lose bits when they are cut

Pair = tuple[Array, Array]  # high, low


def suited(*coefficients: Array) -> bool:
    """Whether these coefficients, or constants, are neither so large nor so small that results might differ from the kernels'."""
    sizes = np.abs(np.concatenate([c.reshape(-1) for c in coefficients]))
    return bool(((sizes == 0.0) | ((sizes > SMALLEST) & (sizes < LARGEST))).all())


def two_sum(a: Array, b: Array) -> Pair:
    """a + b, and its rounding error (Knuth)."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def two_product(x: Array, y: Array) -> Pair:
    """x y, and its rounding error (Dekker), which the kernels find by a fused product and sum."""
    product, x_high, y_high = x * y, x * SPLITTER, y * SPLITTER
    x_high, y_high = x_high - (x_high - x), y_high - (y_high - y)
    x_low, y_low = x - x_high, y - y_high
    error = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
    sizes = np.abs(product)
    small = (sizes < TINY) & (sizes > 0.0)
    return product, np.where(small, small_error(x, y, product), error) if small.any() else error


def small_error(x: Array, y: Array, product: Array) -> Array:
    """The same error where it may lie below the smallest normal number: found of numbers from 1/2 to 1, then rounded once."""
    (x, x_power), (y, y_power) = np.frexp(x), np.frexp(y)
    power = x_power + y_power
    large, error = two_product(x, y)
    return np.ldexp((large - np.ldexp(product, -power)) + error, power)


def plus_product(s: Pair, x: Pair, y: Pair) -> Pair:
    """s + x y."""
    product, error = two_product(x[0], y[0])
    high, low = two_sum(s[0], product)
    low = low + (s[1] + (error + (x[0] * y[1] + x[1] * y[0])))
    total = high + low
    return total, low - (total - high)


def quotient(x: Pair, y: Pair) -> Pair:
    """x / y; the remainder of the first division is exact."""
    high = x[0] / y[0]
    product, error = two_product(high, y[0])
    return two_sum(high, ((((x[0] - product) - error) - high * y[1]) + x[1]) / y[0])


def root(x: Pair) -> Pair:
    """The square root of x; the remainder of the first root is exact."""
    high = np.sqrt(x[0])
    product, error = two_product(high, high)
    return two_sum(high, (((x[0] - product) - error) + x[1]) / (2.0 * high))


def multiply(x: Array, y: Array) -> Array:
    """x y of double-double matrices (2, R, W) and (2, R, any)."""
    total: Pair = np.zeros(y.shape[1:]), np.zeros(y.shape[1:])
    for k in range(x.shape[1]):
        total = plus_product(total, tuple(x[:, :, k, None]), tuple(y[:, k]))
    return np.stack(total)


def product(x: Array, y: Array) -> Array:
    """x y of plain matrices (R, W)."""
    total = np.zeros_like(y)
    for k in range(len(x)):
        total = total + x[:, k, None] * y[k]
    return total


def squared_norm(x: Array) -> float:
    """The sum of all squares of the matrix (R, W), one after the other."""
    return float(np.cumsum((x * x)[:, : len(x)])[-1])


def state_space(b: Array, a: Array, system: Array) -> None:
    """`system` <- [A B 0] of a cascade b, a (S, P + 1): what unit states and an impulse lead to one sample later."""
    order, (states, width) = b.shape[1] - 1, system.shape[1:]
    unit, none = np.eye(width), np.zeros(width)
    x: Pair = unit[states], none
    for s in range(len(b)):
        i = s * order
        y = plus_product((unit[i], none), x, (b[s, 0], none))
        for p in range(order):
            z = unit[i + p + 1] if p < order - 1 else none
            z_next = plus_product(plus_product((z, none), x, (b[s, p + 1], none)), y, (0.0 - a[s, p + 1], none))
            system[0, i + p], system[1, i + p] = z_next
        x = y


def cholesky(w: Array) -> Array:
    """The lower triangle t with t t' = w, but for directions in which w has no variance."""
    t, diagonal = np.zeros_like(w), w[0].diagonal()
    largest = max(0.0, diagonal.max())
    for q in range(len(diagonal)):
        total: Pair = w[0, q:, q], w[1, q:, q]
        for k in range(q):
            total = plus_product(total, (0.0 - t[0, q:, k], 0.0 - t[1, q:, k]), (t[0, q, k], t[1, q, k]))
        size = diagonal[q] if diagonal[q] > 0.0 else largest if largest > 0.0 else 1.0
        if total[0][0] > UNREACHED * size:
            t[0, q, q], t[1, q, q] = root((total[0][0], total[1][0]))
        else:
            t[0, q, q] = math.sqrt(HELD * size)
        t[0, q + 1 :, q], t[1, q + 1 :, q] = quotient((total[0][1:], total[1][1:]), (t[0, q, q], t[1, q, q]))
    return t


def invert(t: Array) -> Array:
    """The inverse of the lower triangle t."""
    z = np.zeros_like(t)
    for p in range(t.shape[1]):
        z[0, p, p] = 1.0
        for k in range(p):
            y = 0.0 - t[0, p, k], 0.0 - t[1, p, k]
            row: Pair = z[0, p, : k + 1], z[1, p, : k + 1]
            z[:, p, : k + 1] = plus_product(row, y, (z[0, k, : k + 1], z[1, k, : k + 1]))
        row = z[0, p, : p + 1], z[1, p, : p + 1]
        z[:, p, : p + 1] = quotient(row, (t[0, p, p], t[1, p, p]))
    return z


def triangle(m: Array) -> Array:
    """The lower triangle t with t t' = 1 + m m', in plain numbers."""
    states = len(m)
    t, total = np.zeros_like(m), np.eye(states)
    for k in range(states):
        total = total + m[:, k, None] * m[:, k]
    for q in range(states):
        column = total[q:, q]
        for k in range(q):
            column = column - t[q:, k] * t[q, k]
        t[q, q] = math.sqrt(column[0])
        t[q + 1 :, q] = column[1:] / t[q, q]
    return t


def solve(t: Array, x: Array) -> Array:
    """t^-1 x, t a lower triangle, in plain numbers."""
    found = x.copy()
    for p in range(len(t)):
        for k in range(p):
            found[p] -= t[p, k] * found[k]
        found[p] /= t[p, p]
    return found


def similar(m: Array, t: Array, inverse: Array) -> Array:
    """t^-1 [A B] t for m = [A B], which is [t^-1 A t, t^-1 B]."""
    states = m.shape[1]
    work = multiply(m, t)
    work[:, :, states] = m[:, :, states]
    return multiply(inverse, work)


def forward(m: Array, x: Array) -> None:
    """x[:, k] <- A x[:, k - 1] for all columns but the first, one by one."""
    states = m.shape[1]
    for k in range(1, x.shape[2]):
        total: Pair = np.zeros(states), np.zeros(states)
        for q in range(states):
            total = plus_product(total, (m[0, :, q], m[1, :, q]), (x[0, q, k - 1], x[1, q, k - 1]))
        x[0, :, k], x[1, :, k] = total


def reached(m: Array) -> Array:
    """C C' with C = [B, A B, A^2 B, ...], as many columns as there are states."""
    states, work = m.shape[1], np.zeros_like(m)
    work[:, :, 0] = m[:, :, states]
    forward(m, work)
    total: Pair = np.zeros((states, states)), np.zeros((states, states))
    for k in range(states):
        column = work[:, :, k]
        total = plus_product(total, tuple(column[:, :, None]), tuple(column[:, None]))
    found = np.zeros_like(m)
    found[:, :, :states] = total
    return found


def input_normal(system: Array, basis: Array, normal: Array) -> bool:
    """From [A B] to T and its inverse, and to [A B] in the coordinates w; False if the filter is not stable."""
    states = system.shape[1]
    first = cholesky(reached(system))
    form = similar(system, first, invert(first))
    step = form[0].copy()
    step[:, states:] = 0.0
    t, power = np.eye(*step.shape), step
    for _ in range(1, states):
        power = product(power, step)
    doublings = 0
    while doublings < DOUBLINGS and squared_norm(power) > DECAYED:
        if not squared_norm(power) < GROWN:
            return False
        if doublings < HORIZON:
            step = triangle(power)
            t = product(t, step)
            power = solve(step, product(product(power, power), step))
        else:
            power = product(power, power)
        doublings += 1
    basis[0] = multiply(first, np.stack([t, np.zeros_like(t)]))
    basis[1] = invert(basis[0])
    normal[...] = similar(system, basis[0], basis[1])
    return squared_norm(normal[0]) < 4.0 * states


def inputs(normal: Array, g: Array, carry: float) -> None:
    """g[n] <- A^(L - 1 - n) B in the coordinates w: what sample n of L adds to the state after them.

    With `carry` 1, not 0, each rounding error is added to the next number.
    """
    length, states = g.shape
    left = np.zeros(states)
    x = np.zeros((2, states, TRANSITION_WIDTH))
    x[:, :, 0] = normal[:, :, states]
    forward(normal, x)
    step = normal
    for _ in range(TRANSITION_WIDTH.bit_length() - 1):
        step = multiply(step, step)
    for n in range(0, length, TRANSITION_WIDTH):
        count = min(TRANSITION_WIDTH, length - n)
        for k in range(count):
            high, rest = x[0, :, k], x[1, :, k] + carry * left
            rounded = high + rest
            g[length - 1 - n - k] = rounded
            left = (high - rounded) + rest
        x = multiply(step, x)


def power(system: Array, length: int, found: Array) -> None:
    """`found` (R, W) <- the transpose of A^L, by squaring."""
    states = system.shape[1]
    x, y = np.stack([np.eye(states, transition_columns(states)), np.zeros(system.shape[1:])]), system
    while length:
        if length & 1:
            x = multiply(x, y)
        length >>= 1
        if length:
            y = multiply(y, y)
    found[...] = 0.0
    found[:, :states] = x[0, :, :states].T
