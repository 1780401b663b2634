"""Least squares, recursively: projections on the last windows, the factors U D U^H of a covariance, and Kalman's covariance.

Matrices lie in rows of `m` padded with zeros to whole vectors of NARROW lanes, so that no loop over a row has a remainder.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types
from numba.extending import overload

from sigrnn._kernels.adaptive.taps import INLINED, conjugate, real, square
from sigrnn._kernels.base.jit import routine
from sigrnn._kernels.base.vec import lanes, load, pointer, spread, store, total
from sigrnn._kernels.sizes import NARROW, WIDE

# ------------------------------------------------------------------------------------------- affine projections


@routine
def solve(r, q, eps, m):
    """Leave c in the last row of m: (G + eps I) c = q with G[i, j] = u(n-i) . conj u(n-j), by its factors L D L^H."""
    # r, m[:K] (K, K)   q (K,)   D on the diagonal of m, L below
    order = q.size
    c = m[order]
    for i in range(order):
        for j in range(i):
            below = conjugate(r[j, i - j])
            for k in range(j):
                below -= m[i, k] * conjugate(m[j, k]) * m[k, k]
            m[i, j] = below / m[j, j]
        pivot = real(r[i, 0]) + eps
        for k in range(i):
            pivot -= square(m[i, k]) * real(m[k, k])
        m[i, i] = max(pivot, eps)  # rounding may take more of it than there is
    for i in range(order):
        value = q[i]
        for k in range(i):
            value -= m[i, k] * c[k]
        c[i] = value
    for i in range(order - 1, -1, -1):
        value = c[i] / m[i, i]
        for k in range(i + 1, order):
            value -= conjugate(m[k, i]) * c[k]
        c[i] = value


def strides(w: Any, x: Any, j: Any, count: Any, c: Any, order: Any, keep: Any) -> Any:
    """w[k] <- keep w[k] + sum_i c[i] conj x[j + k - i]; gives sum_k w[k] x[j + 1 + k], the sum in the order of `dot`."""


@overload(strides, jit_options=INLINED)
def _strides(w, x, j, count, c, order, keep):
    if isinstance(w.dtype, types.Complex):

        def strides(w, x, j, count, c, order, keep):
            result = 0j
            for k in range(count):
                new = w[k] * keep
                for i in range(order):
                    new += c[i] * conjugate(x[j + k - i])
                store(w, k, new)
                result += new * x[j + 1 + k]
            return result

        return strides

    def strides(w, x, j, count, c, order, keep):
        wide = lanes(WIDE, True)
        narrow = lanes(NARROW, True)
        sums, few = wide, narrow
        first, second = count // WIDE * WIDE, count // NARROW * NARROW
        for k in range(0, first, WIDE):
            new = load(w, k, wide) * keep
            for i in range(order):
                new = new + spread(c[i], wide) * load(x, j + k - i, wide)
            store(w, k, new)
            sums = sums + new * load(x, j + 1 + k, wide)
        for k in range(first, second, NARROW):
            short = load(w, k, narrow) * keep
            for i in range(order):
                short = short + spread(c[i], narrow) * load(x, j + k - i, narrow)
            store(w, k, short)
            few = few + short * load(x, j + 1 + k, narrow)
        result = total(sums) + total(few)
        for k in range(second, count):
            one = w[k] * keep
            for i in range(order):
                one += c[i] * x[j + k - i]
            store(w, k, one)
            result += one * x[j + 1 + k]
        return result

    return strides


@routine
def project(w, line, at, c, order, keep):
    """Step the weights along the last windows at once; gives the output at the next sample."""
    taps = w.shape[1]
    result = strides(pointer(w[0]), pointer(line[0]), at - taps + 1, taps, pointer(c), order, keep)
    for k in range(1, w.shape[0]):
        result += strides(pointer(w[k]), pointer(line[k]), at - taps + 1, taps, pointer(c), order, keep)
    return result


# --------------------------------------------------------------------------------------------- rows of matrices


def row_product(a: Any, b: Any, count: Any) -> Any:
    """sum_k a[k] b[k], up to the end of the last vector."""


@overload(row_product, jit_options=INLINED)
def _row_product(a, b, count):
    if isinstance(a.dtype, types.Complex):

        def row_product(a, b, count):
            result = 0j
            for k in range(count):
                result += a[k] * b[k]
            return result

        return row_product

    def row_product(a, b, count):
        like = lanes(NARROW, True)
        even, odd = like, like
        pairs = count // (2 * NARROW) * (2 * NARROW)
        for k in range(0, pairs, 2 * NARROW):
            even = even + load(a, k, like) * load(b, k, like)
            odd = odd + load(a, k + NARROW, like) * load(b, k + NARROW, like)
        for k in range(pairs, count, NARROW):
            even = even + load(a, k, like) * load(b, k, like)
        return total(even + odd)

    return row_product


def row_step(a: Any, g: Any, b: Any, count: Any) -> Any:
    """a[k] <- a[k] + g b[k], up to the end of the last vector."""


@overload(row_step, jit_options=INLINED)
def _row_step(a, g, b, count):
    if isinstance(a.dtype, types.Complex):

        def row_step(a, g, b, count):
            for k in range(count):
                store(a, k, a[k] + g * b[k])

        return row_step

    def row_step(a, g, b, count):
        like = lanes(NARROW, True)
        by = spread(g, like)
        for k in range(0, count, NARROW):
            store(a, k, load(a, k, like) + by * load(b, k, like))

    return row_step


def row_swap(a: Any, g: Any, b: Any, h: Any, count: Any) -> Any:
    """a[k], b[k] <- a[k] + g b[k], b[k] + h a[k], up to the end of the last vector."""


@overload(row_swap, jit_options=INLINED)
def _row_swap(a, g, b, h, count):
    if isinstance(a.dtype, types.Complex):

        def row_swap(a, g, b, h, count):
            for k in range(count):
                old = a[k]
                store(a, k, old + g * b[k])
                store(b, k, b[k] + h * old)

        return row_swap

    def row_swap(a, g, b, h, count):
        like = lanes(NARROW, True)
        to_a, to_b = spread(g, like), spread(h, like)
        for k in range(0, count, NARROW):
            old, other = load(a, k, like), load(b, k, like)
            store(a, k, old + to_a * other)
            store(b, k, other + to_b * old)

    return row_swap


@routine
def gather(line, at, taps, u):
    """The windows of all channels, one after the other, as the weights lie."""
    for c in range(line.shape[0]):
        for k in range(taps):
            u[c * taps + k] = line[c, at - taps + 1 + k]


# ------------------------------------------------------------------------------------------ recursive least squares


@routine
def measure(m, s, noise, share):
    """Let P = U D U^H see one measurement along u, and divide it by `share`: Bierman's update. Gives alpha = noise + u^T P u*.

    m (S + 2, padded): column j of U above its diagonal in row j; then the gain times alpha, then u.  s[1 : S + 1] is D.
    D is multiplied by quotients of positive numbers only, so P is positive definite, and it is symmetric by its form.
    """
    size = m.shape[0] - 2
    gain, u = pointer(m[size]), pointer(m[size + 1])
    alpha = noise
    for k in range(m.shape[1]):
        m[size, k] = 0.0
    for j in range(size):
        column = pointer(m[j])
        f = m[size + 1, j] + row_product(column, u, j)
        v = s[1 + j] * conjugate(f)
        before = alpha
        alpha += s[1 + j] * square(f)
        s[1 + j] *= before / (alpha * share)
        row_swap(column, -f / before, gain, v, j)
        m[size, j] = v
    return alpha


@routine
def bound(m, s, most):
    """Look at one variance P[j, j], another at each sample; where it is beyond twice `most`, measure weight j, so that it is `most`."""
    size = m.shape[0] - 2
    j = int(s[size + 1])
    s[size + 1] = j + 1 if j + 1 < size else 0
    variance = s[1 + j]
    for k in range(j + 1, size):
        variance += square(m[k, j]) * s[1 + k]
    if variance > 2.0 * most:
        for k in range(size):
            m[size + 1, k] = 1.0 if k == j else 0.0
        ratio = variance / most  # both may be huge: no product of them
        measure(m, s, variance / (ratio - 1.0), 1.0)


# --------------------------------------------------------------------------------------------------- Kalman's filter


@routine
def correct(m, s, noise):
    """Add the process noise to P, and let it see one measurement along u; gives the power of the innovation.

    m (S + 2, padded): P, then P u* over the root of that power, then u*.  s[1 : S + 1] process noise of each weight
    P loses the product of a vector with itself, the same number on either side of the diagonal: it stays symmetric.
    """
    size = m.shape[0] - 2
    power = 0.0
    for i in range(size):
        m[i, i] += s[1 + i]
        m[size, i] = row_product(pointer(m[size + 1]), pointer(m[i]), size)
        power += real(conjugate(m[size + 1, i]) * m[size, i])
    power = noise + max(power, 0.0)
    root = 1.0 / math.sqrt(power)
    for i in range(size):
        m[size, i] *= root
    for i in range(size):
        row_step_conjugate(pointer(m[i]), -m[size, i], pointer(m[size]), size)
    return power


def row_step_conjugate(a: Any, g: Any, b: Any, count: Any) -> Any:
    """a[k] <- a[k] + g conj b[k], up to the end of the last vector."""


@overload(row_step_conjugate, jit_options=INLINED)
def _row_step_conjugate(a, g, b, count):
    if isinstance(a.dtype, types.Complex):

        def row_step_conjugate(a, g, b, count):
            for k in range(count):
                store(a, k, a[k] + g * conjugate(b[k]))

        return row_step_conjugate
    return lambda a, g, b, count: row_step(a, g, b, count)
