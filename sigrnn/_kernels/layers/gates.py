"""Gates of layers: sigmoid and tanh of scaled sums, by powers of 2 instead of exponentials.

    sigmoid(x) = 1 / (1 + 2^e),  e = GATE x          tanh(x) = (2^e - 1) / (2^e + 1),  e = SQUASH x

The weights include the factors, which saves a product and the sign. Numerators and denominators are available
separately, so a product of gates takes one division. NaN stays NaN.
"""

from __future__ import annotations

from typing import Any

from numba.extending import overload

from sigrnn._kernels.base.exponentials import LOG2E, single
from sigrnn._kernels.base.jit import device, part
from sigrnn._kernels.base.vec import ROUND, ROUND_SINGLE, choose, power_of_two

GATE, SQUASH = -LOG2E, 2.0 * LOG2E
# An e beyond the largest power of 2 is replaced by one whose nearest power is inf: sigmoid2 is then 0.
LAST, LAST_SINGLE, BEYOND, BEYOND_SINGLE = 1023.0, 127.0, 1024.25, 128.25
FULL, FULL_SINGLE = 62.0, 30.0  # tanh rounds to 1
# (2^r - 1) / r for |r| <= 1/2, with errors of 2e-17 and 1.2e-8: interpolation at the zeros of a Chebyshev polynomial,
# computed with 50 digits
P0, P1, P2, P3 = 0.6931471805599453, 0.24022650695910097, 0.0555041086648216, 0.009618129107606888
P4, P5, P6, P7 = 0.0013333558146416936, 0.0001540353044173605, 1.525273382983612e-05, 1.321544258792169e-06
P8, P9, P10 = 1.0178062445845774e-07, 7.072585949269223e-09, 4.4549605981865186e-10
S0, S1, S2 = 0.6931471880262288, 0.24022650760568126, 0.05550357114219078
S3, S4, S5 = 0.009618082557277852, 0.0013390863364671234, 0.0001545316294512069


@device
def within(e, most, beyond):
    """e, at least -most; `beyond` where it is more than `most`."""
    e = choose(most, e, beyond, e)
    return choose(e, -most, -most, e)


def gate_range(e: Any) -> Any:
    """e, limited to the range in which 2^e is finite."""


@overload(gate_range, inline="always")
def _gate_range(e):
    if single(e):
        return lambda e: within(e, LAST_SINGLE, BEYOND_SINGLE)
    return lambda e: within(e, LAST, BEYOND)


def squash_range(e: Any) -> Any:
    """e, limited to the range in which tanh does not round to 1."""


@overload(squash_range, inline="always")
def _squash_range(e):
    if single(e):
        return lambda e: within(e, FULL_SINGLE, FULL_SINGLE)
    return lambda e: within(e, FULL, FULL)


def power(e: Any) -> Any:
    """q, p and s with 2^e = q p + s: s = 2^k for the nearest integer k, p = (e - k) s."""


@overload(power, inline="always")
def _power(e):
    return (lambda e: power_single(e)) if single(e) else (lambda e: power_double(e))


@device
def power_single(e):
    n = e + ROUND_SINGLE
    r = e - (n - ROUND_SINGLE)
    r2 = r * r
    q = (S5 * r + S4) * (r2 * r2) + ((S3 * r + S2) * r2 + (S1 * r + S0))
    s = power_of_two(n)
    return q, r * s, s


@device
def power_double(e):
    n = e + ROUND
    r = e - (n - ROUND)
    r2 = r * r
    r4 = r2 * r2
    low = (P4 * r + P3) * r2 + (P2 * r + P1)
    high = (P8 * r + P7) * r2 + (P6 * r + P5)
    q = (((P10 * r + P9) * r4 + high) * r4 + low) * r + P0  # P0 last: a single rounding, within the 3 ulp of tanh
    s = power_of_two(n)
    return q, r * s, s


@part
def inv_sigmoid2(e):
    """1 / sigmoid(x); it may overflow to inf."""
    q, p, s = power(gate_range(e))
    return q * p + (s + 1.0)


@device
def sigmoid2(e):
    """sigmoid(x)."""
    return 1.0 / inv_sigmoid2(e)


@part
def tanh2_parts(e):
    """Numerator and denominator of tanh(x)."""
    q, p, s = power(squash_range(e))
    above = q * p + (s - 1.0)
    return above, above + 2.0


@device
def tanh2(e):
    """tanh(x)."""
    above, below = tanh2_parts(e)
    return above / below
