"""Adaptive filters sample by sample: one loop over time, and the rules by which the weights learn.

A rule is a few lines that read like its equation. It finds what the loop has ready, and gives the output at the next sample:
    w (C, L)   weights, oldest sample's first      line, at   samples; the window u(n) ends at `at` (`taps.py`)
    e          error e(n) = d(n) - w . u(n)        q (Q,)     errors: q[0] = e(n), q[1] = e(n - 1), ...
    r (K, K)   r[i, j] = u(n-i) . conj u(n-i-j)    p          parameters: step size first, then the rule's own
    s          the rule's own memory, real         m          the same, rows of numbers like the weights
    keep       (), or the share of the weights that leakage leaves
"""

from __future__ import annotations

import math
from typing import Any

from numba import types

from sigrnn._kernels.adaptive.least_squares import bound, correct, gather, measure, project, solve
from sigrnn._kernels.adaptive.taps import (
    Along,
    BySigns,
    advance,
    conjugate,
    csign,
    finite,
    group_advance,
    group_products,
    group_step,
    output,
    real,
    slide,
    square,
)
from sigrnn._kernels.base.jit import device, kernel, once, packed, part, routine, strided
from sigrnn._kernels.base.vec import lanes, spread, stack, total
from sigrnn._kernels.sizes import (
    AT,
    DELAY,
    DIVERGED,
    HOLD,
    MEMBER,
    NARROW,
    NOT_A_NUMBER,
    OMIT,
    PHASE,
    POISONED,
    RAISE,
    SLID,
    STOP,
    UNGUARDED,
)
from sigrnn._kernels.sizes import SAMPLE_GROUP as GROUP

LIMIT = 1e16  # the square of how many times larger than any |d| so far an error may become


@device
def lms_gain(e, r, p):
    """g = mu e."""
    return p[0] * e


@device
def lms(w, line, at, e, keep, r, q, p, s, m):
    """w <- w + g conj(u)."""
    return advance(w, line, at, lms_gain(e, r, p), keep, Along())


@device
def nlms_gain(e, r, p):
    """g = mu e / (eps + |u|^2)."""
    return p[0] / (p[1] + real(r[0, 0])) * e  # the division does not wait for e


@device
def nlms(w, line, at, e, keep, r, q, p, s, m):
    """w <- w + g conj(u)."""
    return advance(w, line, at, nlms_gain(e, r, p), keep, Along())


@device
def sign_error_gain(e, r, p):
    """g = mu sign(e)."""
    return p[0] * csign(e)


@device
def sign_error(w, line, at, e, keep, r, q, p, s, m):
    """w <- w + g conj(u)."""
    return advance(w, line, at, sign_error_gain(e, r, p), keep, Along())


@device
def sign_regressor(w, line, at, e, keep, r, q, p, s, m):
    """w <- w + mu e sign(conj(u))."""
    return advance(w, line, at, p[0] * e, keep, BySigns())


@device
def sign_sign(w, line, at, e, keep, r, q, p, s, m):
    """w <- w + mu sign(e) sign(conj(u))."""
    return advance(w, line, at, p[0] * csign(e), keep, BySigns())


@device
def lmf_gain(e, r, p):
    """g = mu |e|^2 e."""
    return p[0] * square(e) * e


@device
def lmf(w, line, at, e, keep, r, q, p, s, m):
    """w <- w + g conj(u)."""
    return advance(w, line, at, lmf_gain(e, r, p), keep, Along())


@device
def mathews(w, line, at, e, keep, r, q, p, s, m):
    """mu <- mu + rho Re(conj(e) e(n-1) u . conj u(n-1)), then LMS; never a step beyond 1 / |u|^2."""
    s[1] = min(max(s[1] + p[1] * real(conjugate(e) * q[1] * r[0, 1]), p[2]), p[3])
    return advance(w, line, at, min(s[1], 1.0 / real(r[0, 0])) * e, keep, Along())


@device
def kwong(w, line, at, e, keep, r, q, p, s, m):
    """LMS with mu, then mu <- decay mu + rho |e|^2; never a step beyond 1 / |u|^2."""
    g = min(s[1], 1.0 / real(r[0, 0])) * e
    s[1] = min(max(p[4] * s[1] + p[1] * square(e), p[2]), p[3])
    return advance(w, line, at, g, keep, Along())


@device
def gngd(w, line, at, e, keep, r, q, p, s, m):
    """eps <- eps - rho mu Re(conj(e) e(n-1) u . conj u(n-1)) / (eps + |u(n-1)|^2)^2, then NLMS."""
    change = p[2] * p[0] * real(conjugate(e) * q[1] * r[0, 1])
    s[1] = max(s[1] - change / (s[1] + real(r[1, 0])) ** 2, p[3])
    return advance(w, line, at, p[0] * e / (s[1] + real(r[0, 0])), keep, Along())


@device
def affine_projection(w, line, at, e, keep, r, q, p, s, m):
    """w <- w + mu conj(X) c with (X^T conj(X) + eps I) c = q, X = [u(n), u(n-1), ...] and q = d - X^T w.

    After the step q is (1 - mu) q + mu eps c: no product with a past window is ever taken.
    """
    order = q.size
    solve(r, q, p[1], m)
    for i in range(order):
        q[i] = (1.0 - p[0]) * q[i] + p[0] * p[1] * m[order, i]
        m[order, i] *= p[0]
    return project(w, line, at, m[order], order, p[p.size - 1])


@routine
def step_by(w, g, k):
    """w <- w + g k, for k as long as all weights."""
    taps = w.shape[1]
    for c in range(w.shape[0]):
        for i in range(taps):
            w[c, i] += g * k[c * taps + i]


@device
def rls(w, line, at, e, keep, r, q, p, s, m):
    """k = P conj(u) / (lambda + u^T P conj(u)), w <- w + k e, P <- (P - k u^T P) / lambda, with P bounded."""
    size = w.size
    gather(line, at, w.shape[1], m[size + 1])
    alpha = measure(m, s, p[0], p[0])
    step_by(w, e / alpha, m[size])
    if p[0] < 1.0:
        bound(m, s, p[1])
    return output(w, line, at + 1)


@device
def kalman(w, line, at, e, keep, r, q, p, s, m):
    """P <- P + Q, k = P conj(u) / (R + u^T P conj(u)), w <- w + k e, P <- P - k u^T P."""
    size = w.size
    gather(line, at, w.shape[1], m[size + 1])
    for i in range(size):
        m[size + 1, i] = conjugate(m[size + 1, i])
    power = correct(m, s, p[0])
    step_by(w, e / math.sqrt(power), m[size])
    return output(w, line, at + 1)


RULES = {
    "lms": lms,
    "nlms": nlms,
    "sign_error": sign_error,
    "sign_regressor": sign_regressor,
    "sign_sign": sign_sign,
    "lmf": lmf,
    "mathews": mathews,
    "kwong": kwong,
    "gngd": gngd,
    "ap": affine_projection,
    "rls": rls,
    "kalman": kalman,
}


GAINS = {"lms": lms_gain, "nlms": nlms_gain, "sign_error": sign_error_gain, "lmf": lmf_gain}


@routine
def fill(line, counts, x, first, reach):
    """Append samples of x from `first` on to the line, as many as fit; gives their number."""
    at, room = counts[AT], line.shape[1] - GROUP  # that many are read beyond the last sample
    if at + 1 >= room:  # back to the front, with the past that is still needed
        start = at + 1 - reach
        for c in range(line.shape[0]):
            for i in range(reach):
                line[c, i] = line[c, start + i]
        at = reach - 1
        counts[AT] = at
    count = min(x.shape[0] - first, room - (at + 1))
    for c in range(line.shape[0]):
        for i in range(count):
            line[c, at + 1 + i] = x[first + i, c]
    return count


@routine
def known(line, at, taps, d):
    """Whether all that an error is made of is finite."""
    result = finite(d)
    for c in range(line.shape[0]):
        for i in range(at - taps + 1, at + 1):
            result = result and finite(line[c, i])
    return result


@routine
def verdict(line, at, taps, d, e2, s, counts, policy):
    """Why to stop at an error that is out of bounds (or 0), and whether the step is left out."""
    if e2 < math.inf:
        apart = s[0] > 0.0 and not counts[POISONED] and not policy & UNGUARDED
        return (DIVERGED if apart else 0), False
    if known(line, at, taps, d):
        return (0 if counts[POISONED] or policy & UNGUARDED else DIVERGED), False
    if policy & RAISE:
        return NOT_A_NUMBER, False
    if not policy & OMIT:
        counts[POISONED] = 1
    return 0, policy & OMIT != 0


def scanner(update: Any, leaky: bool) -> Any:
    """The loop over time, with one rule in it."""

    def scan(x, d, y, e, history, line, w, r, tails, q, p, s, m, counts, policy):
        # x (N, C)   d, y, e (N,)   history (N or 0, L, C), newest sample's weight first   tails (K, L + 2)
        # p[-1] share of the weights kept   s[0] square of the largest error allowed   gives where it stopped, N at the end
        taps = w.shape[1]
        keep = p[p.size - 1] if leaky else ()
        reach = taps + r.shape[1] + counts[DELAY]
        n = 0
        while n < x.shape[0]:
            count = fill(line, counts, x, n, reach)
            out = output(w, line, counts[AT] + 1 - counts[DELAY])
            for _ in range(count):
                at = counts[AT] + 1 - counts[DELAY]
                error = d[n] - out
                if history.shape[0]:
                    for k in range(taps):
                        for c in range(w.shape[0]):
                            history[n, k, c] = w[c, taps - 1 - k]
                y[n], e[n] = out, error
                e2 = square(error)
                limit(d[n], s)
                left_out = False
                if not e2 <= s[0]:
                    counts[STOP], left_out = verdict(line, at, taps, d[n], e2, s, counts, policy)
                    if counts[STOP]:
                        return n
                slide(line, at, counts[PHASE], taps, r, tails)
                for i in range(q.size - 1, 0, -1):
                    q[i] = q[i - 1]
                if left_out:
                    counts[HOLD] = max(q.size, 1)
                if counts[HOLD]:  # what a step would see holds NaN
                    counts[HOLD] -= 1
                    if q.size:
                        q[0] = 0.0
                    out = output(w, line, at + 1)
                else:
                    if q.size:
                        q[0] = error
                    out = update(w, line, at, error, keep, r, q, p, s, m)
                counts[AT] += 1
                counts[PHASE] = counts[PHASE] + 1 if counts[PHASE] + 1 < taps else 0
                n += 1
        return n

    return scan


def grouper(gain: Any) -> Any:
    """The loop for real signals and long weights: a pass over them for each GROUP of samples, not for each sample.

    The weights wait until a group is complete. What the steps before would have done to an output is known from products of
    windows: y[j] = w . u(j) + sum_{i<j} g[i] u(i) . u(j), with w from before the group. Groups are counted from the first
    sample on, so the numbers do not depend on where blocks end.
    """

    def scan(x, d, y, e, history, line, w, r, tails, q, p, s, m, counts, policy):
        # as in `scanner`, with r (1, GROUP)   m (2, GROUP): products a, steps g
        taps = w.shape[1]
        a, g = m[0], m[1]
        reach = taps + r.shape[1] + counts[DELAY]
        n = 0
        while n < x.shape[0]:
            count = fill(line, counts, x, n, reach)
            group_products(w, line, counts[AT] + 1 - counts[DELAY] - counts[MEMBER], a)
            for _ in range(count):
                at = counts[AT] + 1 - counts[DELAY]
                j = counts[MEMBER]
                if counts[SLID]:
                    counts[SLID] = 0
                else:
                    slide(line, at, counts[PHASE], taps, r, tails)
                out = a[j]
                for i in range(j):
                    if g[i] != 0.0:  # a step left out, for a NaN that is in r
                        out += g[i] * r[0, j - i]
                error = d[n] - out
                if history.shape[0]:
                    remember(history[n], w, line, at, g, j)
                y[n], e[n] = out, error
                e2 = square(error)
                limit(d[n], s)
                left_out = False
                if not e2 <= s[0]:
                    counts[STOP], left_out = verdict(line, at, taps, d[n], e2, s, counts, policy)
                    if counts[STOP]:
                        counts[SLID] = 1
                        return n
                if left_out:
                    counts[HOLD] = 1
                g[j] = 0.0 if left_out else gain(error, r, p)
                counts[MEMBER] = j + 1
                if j + 1 == GROUP:
                    counts[MEMBER] = 0
                    if counts[HOLD]:  # a window with NaN in it, and a step of 0
                        counts[HOLD] = 0
                        group_step(w, line, at - j, g)
                        group_products(w, line, at + 1, a)
                    else:
                        group_advance(w, line, at - j, g, a)
                counts[AT] += 1
                counts[PHASE] = counts[PHASE] + 1 if counts[PHASE] + 1 < taps else 0
                n += 1
        return n

    return scan


@part
def limit(d, s):
    """Keep the square of the largest error allowed, by the largest |d|."""
    bound = LIMIT * square(d)
    if bound > s[0] and bound < math.inf:
        s[0] = bound


@routine
def remember(row, w, line, at, g, j):
    """The weights as they would be after j steps of the group, into a row of the history."""
    for k in range(w.shape[1]):
        for c in range(w.shape[0]):
            value = w[c, w.shape[1] - 1 - k]
            for i in range(j):
                if g[i] != 0.0:
                    value += g[i] * line[c, at - j + i - k]
            row[k, c] = value


@once
def adapt(name: str, dtype: str, leaky: bool, grouped: bool = False) -> Any:
    """The loop with the rule of this name, for numbers of this type, 'd' or 'D'."""
    number, numbers = packed(dtype, 1), packed(dtype, 2)
    signals = strided(dtype, 2, read=True), strided(dtype, 1, read=True), number, number, packed(dtype, 3)
    memory = numbers, numbers, numbers, numbers, number, packed("d", 1), packed("d", 1), numbers, packed("i8", 1)
    scan = grouper(GAINS[name]) if grouped else scanner(RULES[name], leaky)
    unique = f"adapt_{name}_{dtype}{'_leaky' if leaky else ''}{'_grouped' if grouped else ''}"
    return kernel(scan, unique, *signals, *memory, types.intp)


@once
def products() -> Any:
    """About `count` fused products and sums from registers, twelve vectors under way at once: the bound of a processor."""

    def compute(count):
        like = lanes(NARROW, True)
        sums = stack(12, like)
        half, small = spread(0.5, like), spread(1e-3, like)
        for i in range(12):
            sums[i] = spread(1.0 + i, like)
        for _ in range(count // (12 * NARROW)):
            for i in range(12):
                sums[i] = sums[i] * half + small
        result = 0.0
        for i in range(12):
            result += total(sums[i])
        return result

    return kernel(compute, "products", types.intp)
