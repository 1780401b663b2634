"""Recursive least squares: projections on windows, factors U D U^H of a covariance, and the Kalman covariance.

Matrices are stored in rows of `m`, padded with zeros to whole vectors of NARROW lanes, so loops over rows have no remainder.
"""

from __future__ import annotations

import math

from sigrnn._kernels.adaptive.numbers import conjugate, narrow, real, square, summed, wide
from sigrnn._kernels.adaptive.taps import whole
from sigrnn._kernels.base.jit import part, routine
from sigrnn._kernels.base.vec import load, pointer, spread, store, width

# ------------------------------------------------------------------------------------------- affine projections


@routine
def solve(r, q, eps, m):
    """Solve (G + eps I) c = q with G[i, j] = u(n-i) . conj u(n-j), by the factors L D L^H; c is the last row of m."""
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
        m[i, i] = max(pivot, eps)  # rounding may make it negative
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


@part
def project_over(w, x, j, first, last, c, order, keep, like):
    """As `project_and_dot`, for first <= k < last."""
    sums = like
    for k in range(first, last, width(like)):
        new = load(w, k, like) * keep
        for i in range(order):
            new = new + spread(c[i], like) * conjugate(load(x, j + k - i, like))
        store(w, k, new)
        sums = sums + new * load(x, j + 1 + k, like)
    return summed(sums)


@part
def project_and_dot(w, x, j, count, c, order, keep):
    """w[k] <- keep w[k] + sum_i c[i] conj x[j + k - i]; returns sum_k w[k] x[j + 1 + k] in the order of `dot`."""
    most, more = whole(count, wide(w)), whole(count, narrow(w))
    result = project_over(w, x, j, 0, most, c, order, keep, wide(w))
    result += project_over(w, x, j, most, more, c, order, keep, narrow(w))
    return project_over(w, x, j, more, count, c, order, keep, result)


@routine
def project(w, line, at, c, order, keep):
    """Step the weights along all of the last windows; returns the output at the next sample."""
    taps = w.shape[1]
    result = project_and_dot(pointer(w[0]), pointer(line[0]), at - taps + 1, taps, pointer(c), order, keep)
    for k in range(1, w.shape[0]):
        result += project_and_dot(pointer(w[k]), pointer(line[k]), at - taps + 1, taps, pointer(c), order, keep)
    return result


# --------------------------------------------------------------------------------------------- rows of matrices


@part
def row_product(a, b, count):
    """sum_k a[k] b[k], padding included."""
    even, odd, step = narrow(a), narrow(a), width(narrow(a))
    pairs = count // (2 * step) * (2 * step)
    for k in range(0, pairs, 2 * step):
        even = even + load(a, k, narrow(a)) * load(b, k, narrow(a))
        odd = odd + load(a, k + step, narrow(a)) * load(b, k + step, narrow(a))
    for k in range(pairs, count, step):
        even = even + load(a, k, narrow(a)) * load(b, k, narrow(a))
    return summed(even + odd)


@part
def row_step(a, g, b, count):
    """a[k] <- a[k] + g conj b[k], padding included."""
    step = spread(g, narrow(a))
    for k in range(0, count, width(narrow(a))):
        store(a, k, load(a, k, narrow(a)) + step * conjugate(load(b, k, narrow(a))))


@part
def row_swap(a, g, b, h, count):
    """a[k], b[k] <- a[k] + g b[k], b[k] + h a[k], padding included."""
    to_a, to_b = spread(g, narrow(a)), spread(h, narrow(a))
    for k in range(0, count, width(narrow(a))):
        old, other = load(a, k, narrow(a)), load(b, k, narrow(a))
        store(a, k, old + to_a * other)
        store(b, k, other + to_b * old)


@routine
def gather(line, at, taps, u):
    """Copy the windows of all channels to u, in the order of the weights."""
    for c in range(line.shape[0]):
        for k in range(taps):
            u[c * taps + k] = line[c, at - taps + 1 + k]


# ------------------------------------------------------------------------------------------ recursive least squares


@routine
def measure(m, s, noise, share):
    """Bierman's update of P = U D U^H for one measurement along u, divided by `share`; returns alpha = noise + u^T P u*.

    m (S + 2, padded): row j holds column j of U above its diagonal; then the gain times alpha, then u.  s[:S] is D. D
    is multiplied by quotients of positive numbers only, so P stays positive definite, and it is symmetric by
    construction.
    """
    size = m.shape[0] - 2
    gain, u = pointer(m[size]), pointer(m[size + 1])
    alpha = noise
    for k in range(m.shape[1]):
        m[size, k] = 0.0
    for j in range(size):
        column = pointer(m[j])
        f = m[size + 1, j] + row_product(column, u, j)
        v = s[j] * conjugate(f)
        before = alpha
        alpha += s[j] * square(f)
        s[j] *= before / (alpha * share)
        row_swap(column, -f / before, gain, v, j)
        m[size, j] = v
    return alpha


@routine
def bound(m, s, most):
    """Bound one variance P[j, j], with the next j at each sample: above 2 `most`, it is reduced to `most`.

    s[S] is j.
    """
    size = m.shape[0] - 2
    j = int(s[size])
    s[size] = j + 1 if j + 1 < size else 0
    variance = s[j]
    for k in range(j + 1, size):
        variance += square(m[k, j]) * s[k]
    if variance > 2.0 * most:
        for k in range(size):
            m[size + 1, k] = 1.0 if k == j else 0.0
        ratio = variance / most  # both may be huge: their product could overflow
        measure(m, s, variance / (ratio - 1.0), 1.0)


# ----------------------------------------------------------------------------------------------------- Kalman filter


@routine
def correct(m, s, noise):
    """Add the process noise to P, and update it for one measurement along u; returns the power of the innovation.

    m (S + 2, padded): P, then P u* divided by the root of that power, then u*.  s[:S] process noise of each weight
    The outer product of a vector with itself is subtracted, so P stays symmetric to the last bit.
    """
    size = m.shape[0] - 2
    power = 0.0
    for i in range(size):
        m[i, i] += s[i]
        m[size, i] = row_product(pointer(m[size + 1]), pointer(m[i]), size)
        power += real(conjugate(m[size + 1, i]) * m[size, i])
    power = noise + max(power, 0.0)
    root = 1.0 / math.sqrt(power)
    for i in range(size):
        m[size, i] *= root
    for i in range(size):
        row_step(pointer(m[i]), -m[size, i], pointer(m[size]), size)
    return power
