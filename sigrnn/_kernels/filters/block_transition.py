"""Time blocks of a cascade: the basis in which their states are found, and what a sample adds to the state at the end of its block.

A block's final state is a sum over its samples. In the coordinates z of the transposed direct form that sum cancels: the
states of a narrow band-pass, with an offset of 1e5 in its input, are 1e-7 of the terms, and what rounding leaves there is
magnified by 1e6 within the next block. So blocks are chained in the coordinates w of z = T w, where T T' is the covariance
of z for white noise: the input-normal form. No power of A exceeds 1 in the 2-norm there, so an error is not magnified by
blocks of any length, and what it does to later outputs is bounded by the largest Hankel singular value of the filter.

T is as ill-conditioned as the coordinates z are, so what leads from one to the other is done in double-double, a value as
a sum high + low. S sections of order P have R = S P states. Matrices have W columns, a multiple of WIDTH and more than R;
those from R on are not read as part of the matrix. A double-double matrix is an array (2, R, W), high and low.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types

from sigrnn._kernels.base.calls import alone, small
from sigrnn._kernels.base.jit import device, kernel, once, packed, part, routine
from sigrnn._kernels.base.vec import fused, lanes, load, pointer, spread, stack, store
from sigrnn._kernels.sizes import BLOCK_STATES, LANES

WIDTH = 8  # columns in a vector
DOUBLINGS = 26  # of the time over which the covariance is summed
FORGOTTEN, GROWN = 1e-12, 1e14  # squared norms of a power of A: nothing is left of it; the filter is taken as unstable
UNREACHED = (
    2.0**-80
)  # variance, relative to that of the state, from which on a direction counts as one that no input reaches
HELD = 2.0**-40  # variance such a direction is given


def columns(states: int) -> int:
    """The columns W of matrices of R states."""
    return states // WIDTH * WIDTH + WIDTH


columns_of = device(columns)


@device
def size_of(length, states):
    """How many constants blocks need of a group of sections: A^L (R, R), T and its inverse (2, 2, R, W), inputs (L, R)."""
    return states * (states + 4 * columns_of(states) + length)


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
def multiply(x, y, z):
    """z <- x y, all columns of y."""
    small()
    like = lanes(WIDTH, False)
    for p in range(x.shape[1]):
        for q in range(0, y.shape[2], WIDTH):
            high, low = like, like
            for k in range(x.shape[1]):
                y_high, y_low = load(pointer(y[0, k, q:]), 0, like), load(pointer(y[1, k, q:]), 0, like)
                high, low = plus_product(high, low, spread(x[0, p, k], like), spread(x[1, p, k], like), y_high, y_low)
            store(pointer(z[0, p, q:]), 0, high)
            store(pointer(z[1, p, q:]), 0, low)


@routine
def assign(x, z):
    """z <- x."""
    small()
    for h in range(2):
        for p in range(x.shape[1]):
            for q in range(x.shape[2]):
                z[h, p, q] = x[h, p, q]


@routine
def squared_norm(x):
    """The sum of all squares of the matrix (R, W)."""
    small()
    total = 0.0
    for p in range(x.shape[0]):
        for q in range(x.shape[0]):
            total += x[p, q] * x[p, q]
    return total


def _transition(b, a, m):
    """m <- [A B 0]: columns are the states one sample after the unit states, and after an impulse at rest."""
    # b, a (S, P + 1)   m (2, R, W)
    order, states = b.shape[1] - 1, m.shape[1]
    for q in range(m.shape[2]):
        x, x_low = 1.0 if q == states else 0.0, 0.0
        for s in range(b.shape[0]):
            i = s * order
            y, y_low = plus_product(1.0 if i == q else 0.0, 0.0, x, x_low, b[s, 0], 0.0)
            for p in range(order):
                z = 1.0 if i + p + 1 == q and p < order - 1 else 0.0
                high, low = plus_product(z, 0.0, x, x_low, b[s, p + 1], 0.0)
                high, low = plus_product(high, low, y, y_low, 0.0 - a[s, p + 1], 0.0)
                m[0, i + p, q], m[1, i + p, q] = high, low
            x, x_low = y, y_low


@routine
def cholesky(w, t):
    """t <- the lower triangle with t t' = w, but for directions in which w has no variance."""
    small()
    largest = 0.0
    for p in range(w.shape[1]):
        largest = max(largest, w[0, p, p])
    for p in range(w.shape[1]):
        size = w[0, p, p] if w[0, p, p] > 0.0 else largest if largest > 0.0 else 1.0
        for q in range(p + 1):
            high, low = w[0, p, q], w[1, p, q]
            for k in range(q):
                high, low = plus_product(high, low, t[0, p, k], t[1, p, k], 0.0 - t[0, q, k], 0.0 - t[1, q, k])
            if p > q:
                t[0, p, q], t[1, p, q] = quotient(high, low, t[0, q, q], t[1, q, q])
            elif high > UNREACHED * size:
                t[0, p, p], t[1, p, p] = root(high, low)
            else:
                t[0, p, p], t[1, p, p] = math.sqrt(HELD * size), 0.0
        for q in range(p + 1, w.shape[2]):
            t[0, p, q], t[1, p, q] = 0.0, 0.0


@routine
def invert(t, z):
    """z <- the inverse of the lower triangle t."""
    small()
    for q in range(t.shape[1]):
        for p in range(t.shape[1]):
            high, low = 1.0 if p == q else 0.0, 0.0
            for k in range(q, p):
                high, low = plus_product(high, low, 0.0 - t[0, p, k], 0.0 - t[1, p, k], z[0, k, q], z[1, k, q])
            if p < q:
                z[0, p, q], z[1, p, q] = 0.0, 0.0
            else:
                z[0, p, q], z[1, p, q] = quotient(high, low, t[0, p, p], t[1, p, p])


@routine
def product(x, y, z):
    """z <- x y, in plain numbers."""
    small()
    like = lanes(WIDTH, True)
    for p in range(x.shape[0]):
        for q in range(0, y.shape[1], WIDTH):
            total = like
            for k in range(x.shape[0]):
                total = total + spread(x[p, k], like) * load(pointer(y[k, q:]), 0, like)
            store(pointer(z[p, q:]), 0, total)


@routine
def triangle(m, t):
    """t <- the lower triangle with t t' = 1 + m m'."""
    small()
    for p in range(m.shape[0]):
        for q in range(m.shape[1]):
            total = 1.0 if p == q else 0.0
            if q <= p:
                for k in range(m.shape[0]):
                    total += m[p, k] * m[q, k]
                for k in range(q):
                    total -= t[p, k] * t[q, k]
                t[p, q] = total / t[q, q] if q < p else math.sqrt(total)
            else:
                t[p, q] = 0.0


@routine
def solve(t, x):
    """x <- t^-1 x, t a lower triangle."""
    small()
    like = lanes(WIDTH, True)
    for q in range(0, x.shape[1], WIDTH):
        for p in range(x.shape[0]):
            total = load(pointer(x[p, q:]), 0, like)
            for k in range(p):
                total = total - spread(t[p, k], like) * load(pointer(x[k, q:]), 0, like)
            store(pointer(x[p, q:]), 0, total / spread(t[p, p], like))


@routine
def similar(m, t, inverse, work, result):
    """result <- t^-1 [A B] t for m = [A B], which is [t^-1 A t, t^-1 B]; t and inverse are left as they are."""
    small()
    states = m.shape[1]
    multiply(m, t, work)
    for h in range(2):
        for p in range(states):
            work[h, p, states] = m[h, p, states]
    multiply(inverse, work, result)


@routine
def reached(m, w, work):
    """w <- C C' with C = [B, A B, A^2 B, ...], as many columns as there are states."""
    small()
    states = m.shape[1]
    for h in range(2):
        for p in range(states):
            work[h, p, 0] = m[h, p, states]
            for q in range(states):
                w[h, p, q] = 0.0
    for k in range(states):
        for p in range(states):
            if k:
                high, low = 0.0, 0.0
                for q in range(states):
                    high, low = plus_product(high, low, m[0, p, q], m[1, p, q], work[0, q, k - 1], work[1, q, k - 1])
                work[0, p, k], work[1, p, k] = high, low
    for p in range(states):
        for q in range(states):
            high, low = 0.0, 0.0
            for k in range(states):
                high, low = plus_product(high, low, work[0, p, k], work[1, p, k], work[0, q, k], work[1, q, k])
            w[0, p, q], w[1, p, q] = high, low


def _basis(m, basis, normal, plain, work):
    """From [A B] to T and its inverse, and to [A B] in the coordinates w; False if the filter is not stable.

    The covariance S over n samples grows to that over 2 n, S + A^n S A'^n. In coordinates where S is 1 that is 1 + M M',
    with M the power there, and always well-conditioned; it leads to the coordinates for 2 n.
    """
    # m, normal (2, R, W)   basis (2, 2, R, W): T, its inverse   scratch: plain (4, R, W)   work (2, 2, R, W)
    states, width = m.shape[1], m.shape[2]
    first, inverse = work[0], basis[1]
    reached(m, normal, work[1])
    cholesky(normal, first)
    invert(first, inverse)
    similar(m, first, inverse, work[1], normal)
    power, square, step, t = plain[0], plain[1], plain[2], plain[3]
    for p in range(states):
        for q in range(width):
            power[p, q] = normal[0, p, q] if q < states else 0.0
            t[p, q] = 1.0 if p == q else 0.0
            square[p, q] = power[p, q]
    for _ in range(1, states):
        product(square, power, step)
        for p in range(states):
            for q in range(width):
                square[p, q] = step[p, q]
    for p in range(states):
        for q in range(width):
            power[p, q] = square[p, q]
    doublings = 0
    while doublings < DOUBLINGS and squared_norm(power) > FORGOTTEN:
        if not squared_norm(power) < GROWN:
            return False
        triangle(power, step)
        product(t, step, square)
        for p in range(states):
            for q in range(width):
                t[p, q] = square[p, q]
        product(power, power, square)
        product(square, step, power)
        solve(step, power)
        doublings += 1
    for p in range(states):
        for q in range(width):
            work[1, 0, p, q], work[1, 1, p, q] = t[p, q], 0.0
    multiply(first, work[1], basis[0])
    invert(basis[0], inverse)
    similar(m, basis[0], inverse, work[0], normal)
    for p in range(states):
        for q in range(states):
            power[p, q] = normal[0, p, q]
    return squared_norm(power) < 4.0 * states


def _inputs(normal, g, column, work):
    """g[n] <- A^(L - 1 - n) B in the coordinates w: what sample n of L adds to the state after them."""
    # normal (2, R, W)   g (L, R)   scratch: column (2, 2, R, WIDTH), work (2, 2, R, W)
    length, states = g.shape
    for h in range(2):
        for p in range(states):
            column[0, h, p, 0] = normal[h, p, states]
    for k in range(1, WIDTH):  # the first of them one by one
        for p in range(states):
            high, low = 0.0, 0.0
            for q in range(states):
                high, low = plus_product(
                    high, low, normal[0, p, q], normal[1, p, q], column[0, 0, q, k - 1], column[0, 1, q, k - 1]
                )
            column[0, 0, p, k], column[0, 1, p, k] = high, low
    multiply(normal, normal, work[0])
    multiply(work[0], work[0], work[1])
    multiply(work[1], work[1], work[0])  # A^WIDTH
    for first in range(0, length, WIDTH):
        for k in range(min(WIDTH, length - first)):
            for p in range(states):
                g[length - 1 - first - k, p] = column[0, 0, p, k]
        multiply(work[0], column[0], column[1])
        assign(column[1], column[0])


def _power(m, length, power, work):
    """power <- A^L by squaring."""
    # m (2, R, W)   power (R, R)   scratch: work (3, 2, R, W)
    x, y, z = work[0], work[1], work[2]
    assign(m, y)
    for p in range(m.shape[1]):
        for q in range(m.shape[2]):
            x[0, p, q], x[1, p, q] = 1.0 if p == q else 0.0, 0.0
    while length:
        if length & 1:
            multiply(x, y, z)
            assign(z, x)
        length >>= 1
        if length:
            multiply(y, y, z)
            assign(z, y)
    for p in range(m.shape[1]):
        for q in range(m.shape[1]):
            power[p, q] = x[0, p, q]


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
    # power (R, R)   t (2, R, W)   w (R,)   ends (R, LANES)
    alone()
    end, width = stack(BLOCK_STATES, 0.0), columns_of(states)
    for i in range(LANES):
        k = i if way > 0 else LANES - 1 - i
        for p in range(states):
            end[p] = ends[p * LANES + k]
            ends[p * LANES + k] = w[p]
        for q in range(states):
            for p in range(states):
                end[p] += power[p * states + q] * w[q]
        for p in range(states):
            w[p] = end[p]
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


@once
def state_space() -> Any:
    """`_transition`, compiled."""
    return kernel(_transition, "state_space", *[packed("d", 2, read=True)] * 2, MATRIX)


@once
def input_normal() -> Any:
    """`_basis`, compiled."""
    return kernel(_basis, "basis", CONSTANT, packed("d", 4), MATRIX, packed("d", 3), packed("d", 4))


@once
def inputs() -> Any:
    """`_inputs`, compiled."""
    return kernel(_inputs, "inputs", CONSTANT, packed("d", 2), packed("d", 4), packed("d", 4))


@once
def power() -> Any:
    """`_power`, compiled."""
    return kernel(_power, "power", CONSTANT, types.intp, packed("d", 2), packed("d", 4))


@once
def normal_state() -> Any:
    """`to_normal`, compiled."""
    return kernel(_normal_state, "normal_state", CONSTANT, packed("d", 1, read=True), packed("d", 1))
