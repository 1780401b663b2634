"""Exponentials of negative arguments, for scalars and vectors: the basis of the activations."""

from __future__ import annotations

import math
from typing import Any

from numba import types
from numba.extending import overload

from sigrnn._kernels.base.jit import device
from sigrnn._kernels.base.vec import ROUND, ROUND_SINGLE, Vec, choose, power_of_two, shrunk

LOG2E = 1.4426950408889634
# ln 2 in two parts; the first ends in 21 zero bits, so its product with a small integer is exact
LN2, LN2_REST = 0.6931471803691238, 1.9082149292705877e-10
LN2_SINGLE, LN2_SINGLE_REST = 0.693145751953125, 1.4286068203094173e-06  # 9 zero bits
TINY_EXPONENT, TINY_SINGLE = 760.0, 115.0  # 760 exp(-760) is 0, and in float32 115 exp(-115)
SURE = 20.0  # its tanh rounds to 1

F2, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12, F13 = (1.0 / math.factorial(k) for k in range(2, 14))


def single(x: Any) -> bool:
    """Whether a number's type is a vector of float32."""
    return isinstance(x, Vec) and x.element == types.float32


def exponent(x: Any) -> Any:
    """For x = k ln 2 + r with |r| <= ln 2 / 2: k + ROUND, and exp(r) - 1 by its Taylor series, truncated at 0.02 ulp."""


@overload(exponent, inline="always")
def _exponent(x):
    return (lambda x: exponent_single(x)) if single(x) else (lambda x: exponent_double(x))


@device
def exponent_double(x):
    n = x * LOG2E + ROUND
    k = n - ROUND
    r = (x - k * LN2) - k * LN2_REST
    r2 = r * r
    r4 = r2 * r2
    low = (F3 * r + F2) + (F5 * r + F4) * r2
    middle = (F7 * r + F6) + (F9 * r + F8) * r2
    high = (F11 * r + F10) + (F13 * r + F12) * r2
    return n, ((high * r4 + middle) * r4 + low) * r2 + r


@device
def exponent_single(x):
    n = x * LOG2E + ROUND_SINGLE
    k = n - ROUND_SINGLE
    r = (x - k * LN2_SINGLE) - k * LN2_SINGLE_REST
    r2 = r * r
    return n, (((F7 * r + F6) * r2 + (F5 * r + F4)) * r2 + (F3 * r + F2)) * r2 + r


def nothing_left(x: Any) -> Any:
    """An argument a with a exp(-a) = 0 in the precision of x."""


@overload(nothing_left, inline="always")
def _nothing_left(x):
    return (lambda x: TINY_SINGLE) if single(x) else (lambda x: TINY_EXPONENT)


@device
def exp_neg(a):
    """exp(-a) for a >= 0; it underflows to 0."""
    last = nothing_left(a)
    n, p = exponent(choose(last, a, -last, 0.0 - a))
    return shrunk(p + 1.0, n)


@device
def expm1_neg(a):
    """exp(-a) - 1 for a >= 0."""
    n, p = exponent(choose(2.0 * SURE, a, -2.0 * SURE, 0.0 - a))
    s = power_of_two(n)
    return p * s + (s - 1.0)
