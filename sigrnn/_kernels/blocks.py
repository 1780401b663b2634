"""How long a time block must be, and what is needed to enter it: powers of the state matrix, by running the filter.

A is the state matrix of the transposed direct form II: (A z)[p] = z[p + 1] - a[p + 1] z[0].
"""

from __future__ import annotations

from sigrnn._kernels.jit import device, kernel


@device
def advance(a, m):
    """m <- A m, column by column: one step of the filter, without input, from each of the states in m."""
    last = m.shape[0] - 1
    for q in range(m.shape[1]):
        first = m[0, q]
        for p in range(last):
            m[p, q] = m[p + 1, q] - a[p + 1] * first
        m[last, q] = -a[last + 1] * first


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


@kernel
def shortest(a, m, first, step, last, bound):
    """Smallest L = first, first + step, ... <= last with ||A^L|| <= bound; 0 if there is none."""
    # a (P + 1,)   m (P, P), the identity on entry
    for n in range(1, last + 1):
        advance(a, m)
        if n >= first and (n - first) % step == 0:
            size = norm(m)
            if size <= bound:
                return n
            if not size < 1e100:
                return 0
    return 0


@kernel
def entry(b, a, column, m, g):
    """g[n] = A^(L - 1 - n) B, the part of sample n in the final state of a block of L, and m <- A^L; returns ||A^L||."""
    # b, a (P + 1,)   column (P, 1)   m (P, P), the identity on entry   g (L, P)
    length, order = g.shape
    for p in range(order):
        column[p, 0] = b[p + 1] - a[p + 1] * b[0]
    for n in range(length):
        for p in range(order):
            g[length - 1 - n, p] = column[p, 0]
        advance(a, column)
        advance(a, m)
    return norm(m)
