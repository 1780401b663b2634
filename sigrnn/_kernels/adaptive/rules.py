"""The update rules of adaptive filters, sample by sample; the loop over time is in `loops.py`.

A rule updates the weights and returns the output at the next sample, in a few lines that read like its equation. Most
rules only choose the gain g of a step along the window. `f` holds the arrays:
    f.w (C, L)  weights, oldest sample's first      f.line, at  samples; the window u(n) ends at `at` (`taps.py`)
    e           error e(n) = d(n) - w . u(n)        f.q (Q,)    errors: q[0] = e(n), q[1] = e(n - 1), ...
    f.r (K, K)  r[i, j] = u(n-i) . conj u(n-i-j)    p           parameters, by the names in `sizes.py`
    f.s         memory of the rule, real            f.m         the same, rows of numbers like the weights
    keep        (), or the factor of the weights with leakage
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from sigrnn._kernels.adaptive.least_squares import bound, correct, gather, measure, project, solve
from sigrnn._kernels.adaptive.numbers import Along, BySigns, conjugate, csign, real, square
from sigrnn._kernels.adaptive.sizes import (
    DECAY,
    EPS,
    EPS_MIN,
    FORGETTING,
    KEEP,
    MEASUREMENT,
    MU,
    MU_MAX,
    MU_MIN,
    P_MAX,
    P_SHARE,
    RHO,
    SHARE,
)
from sigrnn._kernels.adaptive.taps import advance, output
from sigrnn._kernels.base.jit import device, part, routine


class Filter(NamedTuple):
    """The arrays that a rule reads and writes."""

    w: Any
    line: Any
    r: Any
    q: Any
    s: Any
    m: Any


@part
def mean_power(power, s):
    """The mean power of the windows up to this one, as a sum and a count; s[:2] keeps both."""
    s[0] += power
    s[1] += 1.0
    return s[0], s[1]


@device
def lms(f, e, p):
    """g = mu e."""
    return p[MU] * e


@device
def nlms(f, e, p):
    """g = mu e / (eps + |u|^2)."""
    power = real(f.r[0, 0])
    total, n = mean_power(power, f.s)
    return p[MU] * n / (n * (p[EPS] + power) + p[SHARE] * total) * e  # one division, which does not depend on e


@device
def sign_error(f, e, p):
    """g = mu sign(e)."""
    return p[MU] * csign(e)


@device
def lmf(f, e, p):
    """g = mu |e|^2 e."""
    return p[MU] * square(e) * e


@device
def mathews(f, e, p):
    """mu <- mu + rho Re(conj(e) e(n-1) u . conj u(n-1)), then g = mu e, at most e / |u|^2."""
    s = f.s
    s[0] = min(max(s[0] + p[RHO] * real(conjugate(e) * f.q[1] * f.r[0, 1]), p[MU_MIN]), p[MU_MAX])
    return min(s[0], 1.0 / real(f.r[0, 0])) * e


@device
def kwong(f, e, p):
    """g = mu e, at most e / |u|^2; then mu <- decay mu + rho |e|^2."""
    s = f.s
    g = min(s[0], 1.0 / real(f.r[0, 0])) * e
    s[0] = min(max(p[DECAY] * s[0] + p[RHO] * square(e), p[MU_MIN]), p[MU_MAX])
    return g


@device
def gngd(f, e, p):
    """eps <- eps - rho mu Re(conj(e) e(n-1) u . conj u(n-1)) / (eps + |u(n-1)|^2)^2, then as NLMS.

    eps is s[2] s[3], where s[3] is 1 or the mean power of the windows so far.
    """
    s, power = f.s, real(f.r[0, 0])
    change = p[RHO] * p[MU] * real(conjugate(e) * f.q[1] * f.r[0, 1])
    s[2] = max(s[2] - change / (s[2] * s[3] + real(f.r[1, 0])) ** 2, p[EPS_MIN])
    total, n = mean_power(power, s)
    s[3] = p[EPS] + p[SHARE] * total / n
    return p[MU] * e / (s[2] * s[3] + power)


def along(gain: Any) -> Any:
    """The rule w <- w + g conj(u)."""

    @device
    def rule(f, at, e, keep, p):
        return advance(f.w, f.line, at, gain(f, e, p), keep, Along())

    return rule


def by_signs(gain: Any) -> Any:
    """The rule w <- w + g sign(conj(u))."""

    @device
    def rule(f, at, e, keep, p):
        return advance(f.w, f.line, at, gain(f, e, p), keep, BySigns())

    return rule


@device
def affine_projection(f, at, e, keep, p):
    """w <- w + mu conj(X) c with (X^T conj(X) + eps I) c = q, X = [u(n), u(n-1), ...] and q = d - X^T w.

    After the step q is (1 - mu) q + mu eps c, so no products with past windows are computed.
    """
    q, m = f.q, f.m
    order = q.size
    total, n = mean_power(real(f.r[0, 0]), f.s)
    eps = p[EPS] + p[SHARE] * total / n
    solve(f.r, q, eps, m)
    for i in range(order):
        q[i] = (1.0 - p[MU]) * q[i] + p[MU] * eps * m[order, i]
        m[order, i] *= p[MU]
    return project(f.w, f.line, at, m[order], order, p[KEEP])


@routine
def step_by(w, g, k):
    """w <- w + g k, with one entry of k for each weight of all channels."""
    taps = w.shape[1]
    for c in range(w.shape[0]):
        for i in range(taps):
            w[c, i] += g * k[c * taps + i]


@routine
def begin(line, at, s, p):
    """P = I / delta at the first non-zero sample, with delta relative to its power, which is stored in s[S + 1]."""
    size, power = s.size - 2, 0.0
    for c in range(line.shape[0]):
        power += square(line[c, at])
    s[size + 1] = power
    for j in range(size):
        s[j] = 1.0 / (p[EPS] + p[SHARE] * power)


@device
def rls(f, at, e, keep, p):
    """k = P conj(u) / (lambda + u^T P conj(u)), w <- w + k e, P <- (P - k u^T P) / lambda, with P bounded."""
    s, m, size = f.s, f.m, f.w.size
    if s[size + 1] == 0.0:  # it is 1 if delta is absolute
        begin(f.line, at, s, p)
    if s[size + 1] != 0.0:
        gather(f.line, at, f.w.shape[1], m[size + 1])
        alpha = measure(m, s, p[FORGETTING], p[FORGETTING])
        step_by(f.w, e / alpha, m[size])
        if p[FORGETTING] < 1.0:
            bound(m, s, p[P_MAX] / s[size + 1] if p[P_SHARE] else p[P_MAX])
    return output(f.w, f.line, at + 1)


@device
def kalman(f, at, e, keep, p):
    """P <- P + Q, k = P conj(u) / (R + u^T P conj(u)), w <- w + k e, P <- P - k u^T P."""
    m, size = f.m, f.w.size
    gather(f.line, at, f.w.shape[1], m[size + 1])
    for i in range(size):
        m[size + 1, i] = conjugate(m[size + 1, i])
    power = correct(m, f.s, p[MEASUREMENT])
    step_by(f.w, e / math.sqrt(power), m[size])
    return output(f.w, f.line, at + 1)


RULES = {
    "lms": along(lms),
    "nlms": along(nlms),
    "sign_error": along(sign_error),
    "sign_regressor": by_signs(lms),
    "sign_sign": by_signs(sign_error),
    "lmf": along(lmf),
    "mathews": along(mathews),
    "kwong": along(kwong),
    "gngd": along(gngd),
    "ap": affine_projection,
    "rls": rls,
    "kalman": kalman,
}

GAINS = {
    "lms": lms,
    "nlms": nlms,
    "sign_error": sign_error,
    "lmf": lmf,
}  # rules whose steps may share a pass over the weights
