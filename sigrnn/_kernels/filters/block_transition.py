"""Time segments of a cascade: the basis of their states, and what a sample adds to the final state of its segment.

A block's final state is a sum over its samples. In the coordinates z of the transposed direct form that sum cancels: the
states of a narrow band-pass, with an offset of 1e5 in its input, are 1e-7 of the terms, and what rounding leaves there is
magnified by 1e6 within the next block. So blocks are chained in the coordinates w of z = T w, where T T' is the covariance
of z after P 2^HORIZON samples of white noise from rest: the input-normal form over that time. No power of A up to there
exceeds 1 by much in the 2-norm, so an error is not magnified by blocks of any length, and what it does to later outputs is
bounded by the Hankel singular values of the filter. Over all times, what a pole within 1e-9 of the circle remembers of 1e9
samples would have variance 1, and what it has after a few thousand would be lost in the rounding errors of the other states.

T is as ill-conditioned as the coordinates z are, so what leads from one to the other is done in double-double, a value
as a sum high + low. S sections of order P have R = S P states. Matrices have W columns, a multiple of WIDTH and more
than R; those from R on are not read as part of the matrix. A double-double matrix is an array (2, R, W), high and low.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import types

from sigrnn._kernels.base.calls import alone, small
from sigrnn._kernels.base.jit import device, is_cached, kernel, once, packed, part, routine
from sigrnn._kernels.base.vec import fused, lanes, load, offset, pointer, spread, stack, store
from sigrnn._kernels.sizes import (
    BLOCK_STATES,
    DECAYED,
    DOUBLINGS,
    GROWN,
    HELD,
    HORIZON,
    LANES,
    UNREACHED,
    transition_columns,
)
from sigrnn._kernels.sizes import TRANSITION_WIDTH as WIDTH

CHAINED = (LANES + 1) * (BLOCK_STATES + WIDTH)  # numbers: the states before and after all blocks

columns_of = device(transition_columns)


@device
def size_of(length, states):
    """How many constants blocks need of a group of sections: (A^L)' (R, W), T and its inverse (2, 2, R, W), inputs (L, R)."""
    return states * (5 * columns_of(states) + length)


@part
def two_sum(a, b):
    """a + b, and its rounding error (Knuth)."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


@part
def plus_product(s, s_low, x, x_low, y, y_low):
    """s + x y in double-double."""
    product = x * y
    error = fused(x, y, 0.0 - product) + (x * y_low + x_low * y)
    high, low = two_sum(s, product)
    low = low + (s_low + error)
    total = high + low
    return total, low - (total - high)


@part
def quotient(x, x_low, y, y_low):
    """x / y in double-double."""
    high = x / y
    rest = (fused(0.0 - high, y, x) - high * y_low) + x_low
    return two_sum(high, rest / y)


@part
def root(x, x_low):
    """The square root of x in double-double."""
    high = math.sqrt(x)
    return two_sum(high, (fused(0.0 - high, high, x) + x_low) / (2.0 * high))


@routine
def multiply(x, y, z, states, wide):
    """z <- x y, all `wide` columns of y."""
    small()
    like, width = lanes(WIDTH, False), columns_of(states)
    for p in range(states):
        for q in range(0, wide, WIDTH):
            high, low = like, like
            for k in range(states):
                i, j = p * width + k, k * wide + q
                left, left_low = spread(x[i], like), spread(x[states * width + i], like)
                right, right_low = load(y, j, like), load(y, states * wide + j, like)
                high, low = plus_product(high, low, left, left_low, right, right_low)
            store(z, p * wide + q, high)
            store(z, (states + p) * wide + q, low)


@device
def assign(x, z, count):
    """z <- x, a matrix of plain numbers or half of one in double-double, of `count` numbers."""
    like = lanes(WIDTH, False)
    for i in range(0, count, WIDTH):
        store(z, i, load(x, i, like))


@routine
def squared_norm(x, states):
    """The sum of all squares of the matrix (R, W)."""
    small()
    total = 0.0
    for p in range(states):
        for q in range(states):
            i = p * columns_of(states) + q
            total += x[i] * x[i]
    return total


def _transition(b, a, m):
    """m <- [A B 0]: columns are the states one sample after the unit states, and after an impulse at rest."""
    # b, a (S, P + 1)   m (2, R, W)
    order, states, width = b.shape[1] - 1, m.shape[1], m.shape[2]
    zeros, poles, at = pointer(b), pointer(a), pointer(m)
    for q in range(width):
        x, x_low = 1.0 if q == states else 0.0, 0.0
        for s in range(b.shape[0]):
            i, c = s * order, s * (order + 1)
            y, y_low = plus_product(1.0 if i == q else 0.0, 0.0, x, x_low, zeros[c], 0.0)
            for p in range(order):
                z = 1.0 if i + p + 1 == q and p < order - 1 else 0.0
                high, low = plus_product(z, 0.0, x, x_low, zeros[c + p + 1], 0.0)
                high, low = plus_product(high, low, y, y_low, 0.0 - poles[c + p + 1], 0.0)
                at[(i + p) * width + q], at[(states + i + p) * width + q] = high, low
            x, x_low = y, y_low


@routine
def minus_products(x, y, p, q, first, last, states, across):
    """x[p, q] - sum of y[p, k] y[q, k] (`across`: of y[p, k] x[k, q]) for k from `first` to `last` - 1, in double-double."""
    small()
    width, half = columns_of(states), states * columns_of(states)
    high, low = x[p * width + q], x[half + p * width + q]
    for k in range(first, last):
        i, j = p * width + k, k * width + q if across else q * width + k
        other = x if across else y
        high, low = plus_product(high, low, 0.0 - y[i], 0.0 - y[half + i], other[j], other[half + j])
    return high, low


@routine
def cholesky(w, t, states):
    """t <- the lower triangle with t t' = w, but for directions in which w has no variance."""
    small()
    width, half, largest = columns_of(states), states * columns_of(states), 0.0
    for p in range(states):
        largest = max(largest, w[p * width + p])
    for p in range(states):
        size = w[p * width + p] if w[p * width + p] > 0.0 else largest if largest > 0.0 else 1.0
        for q in range(width):
            high, low = 0.0, 0.0
            if q <= p:
                high, low = minus_products(w, t, p, q, 0, q, states, False)
                if p > q:
                    high, low = quotient(high, low, t[q * width + q], t[half + q * width + q])
                elif high > UNREACHED * size:
                    high, low = root(high, low)
                else:
                    high, low = math.sqrt(HELD * size), 0.0
            t[p * width + q], t[half + p * width + q] = high, low


@routine
def invert(t, z, states):
    """z <- the inverse of the lower triangle t."""
    small()
    width, half = columns_of(states), states * columns_of(states)
    for p in range(states):
        for q in range(states):
            i = p * width + q
            z[i], z[half + i] = 1.0 if p == q else 0.0, 0.0
            if q <= p:
                high, low = minus_products(z, t, p, q, q, p, states, True)
                z[i], z[half + i] = quotient(high, low, t[p * width + p], t[half + p * width + p])


@routine
def product(x, y, z, states):
    """z <- x y, in plain numbers."""
    small()
    like, width = lanes(WIDTH, False), columns_of(states)
    for p in range(states):
        for q in range(0, width, WIDTH):
            total = like
            for k in range(states):
                total = total + spread(x[p * width + k], like) * load(y, k * width + q, like)
            store(z, p * width + q, total)


@routine
def triangle(m, t, states):
    """t <- the lower triangle with t t' = 1 + m m'."""
    small()
    width = columns_of(states)
    for p in range(states):
        for q in range(width):
            total = 1.0 if p == q else 0.0
            if q <= p:
                for k in range(states):
                    total += m[p * width + k] * m[q * width + k]
                for k in range(q):
                    total -= t[p * width + k] * t[q * width + k]
                total = total / t[q * width + q] if q < p else math.sqrt(total)
            t[p * width + q] = total


@routine
def solve(t, x, states):
    """x <- t^-1 x, t a lower triangle."""
    small()
    like, width = lanes(WIDTH, False), columns_of(states)
    for q in range(0, width, WIDTH):
        for p in range(states):
            total = load(x, p * width + q, like)
            for k in range(p):
                total = total - spread(t[p * width + k], like) * load(x, k * width + q, like)
            store(x, p * width + q, total / spread(t[p * width + p], like))


@routine
def similar(m, t, inverse, work, result, states):
    """result <- t^-1 [A B] t for m = [A B], which is [t^-1 A t, t^-1 B]; t and inverse are left as they are."""
    small()
    width = columns_of(states)
    multiply(m, t, work, states, width)
    for p in range(2 * states):
        work[p * width + states] = m[p * width + states]
    multiply(inverse, work, result, states, width)


@routine
def forward(m, x, states, wide):
    """x[:, k] <- A x[:, k - 1] for all of `wide` columns but the first, one by one: states after an impulse, where that is B."""
    small()
    width = columns_of(states)
    for k in range(1, wide):
        for p in range(states):
            high, low = 0.0, 0.0
            for q in range(states):
                i, j = p * width + q, q * wide + k - 1
                high, low = plus_product(high, low, m[i], m[states * width + i], x[j], x[states * wide + j])
            x[p * wide + k], x[(states + p) * wide + k] = high, low


@routine
def reached(m, w, work, states):
    """w <- C C' with C = [B, A B, A^2 B, ...], as many columns as there are states."""
    small()
    width, half = columns_of(states), states * columns_of(states)
    for p in range(2 * states):
        work[p * width] = m[p * width + states]
    forward(m, work, states, width)
    for p in range(states):
        for q in range(states):
            high, low = 0.0, 0.0
            for k in range(states):
                i, j = p * width + k, q * width + k
                high, low = plus_product(high, low, work[i], work[half + i], work[j], work[half + j])
            w[p * width + q], w[half + p * width + q] = high, low


def _basis(m, basis, normal, plain, work):
    """From [A B] to T and its inverse, and to [A B] in the coordinates w; False if the filter is not stable.

    The covariance S over n samples grows to that over 2 n, S + A^n S A'^n. In coordinates where S is 1 that is 1 + M M',
    with M the power there, and always well-conditioned; it leads to the coordinates for 2 n. Beyond the horizon, only M is
    squared: it grows if the filter is not stable.
    """
    # m, normal (2, R, W)   basis (2, 2, R, W): T, its inverse   scratch: plain (4, R, W)   work (2, 2, R, W)
    states, width = m.shape[1], m.shape[2]
    half, system, form, result = states * width, pointer(m), pointer(normal), pointer(basis)
    first, second = pointer(work), offset(pointer(work), 2 * half)
    inverse = offset(result, 2 * half)
    reached(system, form, second, states)
    cholesky(form, first, states)
    invert(first, inverse, states)
    similar(system, first, inverse, second, form, states)
    power = pointer(plain)
    square, step, t = offset(power, half), offset(power, 2 * half), offset(power, 3 * half)
    for p in range(states):
        for q in range(width):
            i = p * width + q
            power[i] = form[i] if q < states else 0.0
            t[i] = 1.0 if p == q else 0.0
    assign(power, square, half)
    for _ in range(1, states):
        product(square, power, step, states)
        assign(step, square, half)
    assign(square, power, half)
    doublings = 0
    while doublings < DOUBLINGS and squared_norm(power, states) > DECAYED:
        if not squared_norm(power, states) < GROWN:
            return False
        if doublings < HORIZON:
            triangle(power, step, states)
            product(t, step, square, states)
            assign(square, t, half)
            product(power, power, square, states)
            product(square, step, power, states)
            solve(step, power, states)
        else:
            product(power, power, square, states)
            assign(square, power, half)
        doublings += 1
    for i in range(half):
        second[i], second[half + i] = t[i], 0.0
    multiply(first, second, result, states, width)
    invert(result, inverse, states)
    similar(system, result, inverse, first, form, states)
    return squared_norm(form, states) < 4.0 * states


def _inputs(normal, g, carry, column, work):
    """g[n] <- A^(L - 1 - n) B in the coordinates w: what sample n of L adds to the state after them.

    With `carry` 1, not 0, the rounding error of a number is carried over to the next one, so that the sum of all is as accurate
    as one of them. Where a filter rejects an offset, the sum is far smaller than its terms, and its error would be the same in
    each block.
    """
    # normal (2, R, W)   g (L, R)   scratch: column (2, 2, R, WIDTH), work (3, 2, R, W)
    length, states, width = g.shape[0], normal.shape[1], normal.shape[2]
    system, x, first = pointer(normal), pointer(column), pointer(work)
    y, second, at = offset(x, 2 * states * WIDTH), offset(first, 2 * states * width), pointer(g)
    left = offset(second, 2 * states * width)
    for p in range(states):
        left[p] = 0.0
    for p in range(2 * states):
        x[p * WIDTH] = system[p * width + states]
    forward(system, x, states, WIDTH)
    multiply(system, system, first, states, width)
    multiply(first, first, second, states, width)
    multiply(second, second, first, states, width)  # A^WIDTH
    for n in range(0, length, WIDTH):
        for k in range(min(WIDTH, length - n)):
            for p in range(states):
                high, rest = x[p * WIDTH + k], x[(states + p) * WIDTH + k] + carry * left[p]
                rounded = high + rest
                at[(length - 1 - n - k) * states + p] = rounded
                left[p] = (high - rounded) + rest
        multiply(first, x, y, states, WIDTH)
        assign(y, x, 2 * states * WIDTH)


def _power(m, length, power, work):
    """power <- the transpose of A^L, by squaring."""
    # m (2, R, W)   power (R, W), columns from R on are 0   scratch: work (3, 2, R, W)
    states, width = m.shape[1], m.shape[2]
    size, x, at = 2 * states * width, pointer(work), pointer(power)
    y, z = offset(x, size), offset(x, 2 * size)
    assign(pointer(m), y, size)
    for p in range(2 * states):
        for q in range(width):
            x[p * width + q] = 1.0 if p == q else 0.0
    while length:
        if length & 1:
            multiply(x, y, z, states, width)
            assign(z, x, size)
        length >>= 1
        if length:
            multiply(y, y, z, states, width)
            assign(z, y, size)
    for q in range(states):
        for p in range(width):
            at[q * width + p] = x[p * width + q] if p < states else 0.0


@routine
def to_normal(inverse, z, w, states):
    """w <- T^-1 z: from the state of the transposed direct form to the coordinates w."""
    # inverse (2, R, W)   z, w (R,)
    alone()
    width = columns_of(states)
    for p in range(states):
        high, low = 0.0, 0.0
        for q in range(p + 1):
            i = p * width + q
            high, low = plus_product(high, low, inverse[i], inverse[states * width + i], z[q], 0.0)
        w[p] = high

    small()


@routine
def from_normal(t, w, z, states):
    """z <- T w."""
    # t (2, R, W)   w, z (R,)
    alone()
    width = columns_of(states)
    for p in range(states):
        high, low = 0.0, 0.0
        for q in range(p + 1):
            i = p * width + q
            high, low = plus_product(high, low, t[i], t[states * width + i], w[q], 0.0)
        z[p] = high

    small()


@routine
def chain(power, t, w, ends, states, way):
    """From final states of blocks from rest, in the coordinates w, to their true initial states, in those of the filter.

    w, that before the first block, is left as that after the last; `way` -1: from the last lane to the first.
    """
    # power (R, W)   t (2, R, W)   w (R,)   ends (R, LANES)
    alone()
    small()
    width, sums = columns_of(states), lanes(WIDTH, True)
    rows = stack(CHAINED, 0.0)  # block after block: the state before the first, then the ends
    for p in range(states):
        rows[p] = w[p]
        for i in range(LANES):
            rows[(i + 1) * width + p] = ends[p * LANES + (i if way > 0 else LANES - 1 - i)]
    for i in range(LANES):
        before, after = offset(rows, i * width), offset(rows, (i + 1) * width)
        for v in range(0, states, WIDTH):
            even, odd = load(after, v, sums), sums
            for q in range(0, states - 1, 2):
                even = even + spread(before[q], sums) * load(power, q * width + v, sums)
                odd = odd + spread(before[q + 1], sums) * load(power, (q + 1) * width + v, sums)
            if states % 2:
                even = even + spread(before[states - 1], sums) * load(power, (states - 1) * width + v, sums)
            store(after, v, even + odd)
    for p in range(states):
        w[p] = rows[LANES * width + p]
        for i in range(LANES):
            ends[p * LANES + (i if way > 0 else LANES - 1 - i)] = rows[i * width + p]
    like = lanes(WIDTH, False)
    for k in range(0, LANES, WIDTH):
        for p in range(states - 1, -1, -1):
            high, low = like, like
            for q in range(p + 1):
                i = p * width + q
                upper, lower = spread(t[i], like), spread(t[states * width + i], like)
                high, low = plus_product(high, low, upper, lower, load(ends, q * LANES + k, like), like)
            store(ends, p * LANES + k, high)


def _normal_state(inverse, z, w):
    # inverse (2, R, W)   z, w (R,)
    to_normal(pointer(inverse), pointer(z), pointer(w), z.shape[0])


MATRIX, CONSTANT = packed("d", 3), packed("d", 3, read=True)


# Kernels by name: the function and the types of its arguments
KERNELS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "state_space": (_transition, (*[packed("d", 2, read=True)] * 2, MATRIX)),
    "basis": (_basis, (CONSTANT, packed("d", 4), MATRIX, MATRIX, packed("d", 4))),
    "inputs": (_inputs, (CONSTANT, packed("d", 2), types.float64, packed("d", 4), packed("d", 4))),
    "power": (_power, (CONSTANT, types.intp, packed("d", 2), packed("d", 4))),
}


@once
def transition(name: str) -> Any:
    """One of them, compiled."""
    function, arguments = KERNELS[name]
    return kernel(function, name, *arguments)


def in_cache() -> bool:
    """Whether all of them were compiled before."""
    return all(is_cached(function, name, *arguments) for name, (function, arguments) in KERNELS.items())


@once
def normal_state() -> Any:
    """`to_normal`, compiled."""
    return kernel(_normal_state, "normal_state", CONSTANT, packed("d", 1, read=True), packed("d", 1))
