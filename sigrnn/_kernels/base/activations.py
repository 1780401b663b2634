"""Activation functions and their slopes, for scalars and vectors: y = g(e), and g'(e) as a function of y or of e.

For each row of the table there are `name` and `name_slope`. Values are accurate to 3 ulp for all float64 numbers and
saturate without overflow; NaN stays NaN.
"""

from __future__ import annotations

from itertools import accumulate, repeat
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.core.errors import NumbaError
from numba.extending import overload

from sigrnn._kernels.activation_table import TABLE
from sigrnn._kernels.base.exponentials import SURE, exp_neg, expm1_neg, exponent, nothing_left, single
from sigrnn._kernels.base.jit import device, kernel, once, packed, routine
from sigrnn._kernels.base.vec import (
    ROUND,
    Vec,
    choose,
    fused,
    lanes,
    load,
    magnitude,
    pointer,
    shrunk,
    signed,
    spread,
    stack,
    store,
    whole,
    width,
)

WIDEST = 16  # lanes
HUGE = 1e30  # 1 + HUGE is HUGE

T3, T5, T7, T9, T11, T13, T15, T17, T19, T21, T23, T25, T27, T29, T31, T33 = (1.0 / k for k in range(3, 34, 2))
ROOT_HALF, ROOT_TWO_PI = 0.7071067811865476, 2.5066282746310002
GONE, GONE_SINGLE = 40.0, 15.0  # beyond it the normal distribution is 0 or 1; the second is for float32
# (1 + 2 t) exp(t^2) erfc(t) = 1 + w (E0 + E1 u + ...) with w = 2 t / (t + K) and u = w - 1: error 1e-17 for t >= 0,
# by interpolation at the 24 zeros of a Chebyshev polynomial, computed with 50 digits
K = 3.75
E0, E1, E2, E3 = 0.2375126308378276, -0.3777532294233746, 0.3813386449088395, -0.29906190641868974
E4, E5, E6, E7 = 0.19025797627692215, -0.09795365511666321, 0.03926025652730712, -0.010897979106929788
E8, E9, E10, E11 = 0.0011513995467633167, 0.0006042262966685475, -0.00031051262172745374, 2.0358579693926705e-05
E12, E13, E14, E15 = 3.1290494349244584e-05, -8.906355823587831e-06, -2.5377500097954473e-06, 1.5643624930460329e-06
E16, E17, E18, E19 = 1.8723734471233091e-07, -2.4464810544247007e-07, -1.4005353074201294e-08, 3.740388738724219e-08
E20, E21, E22, E23 = 1.276092806152313e-09, -5.07428260388852e-09, -1.0652100892560516e-10, 4.270472427184967e-10
LEAK, SIXTH = 0.01, 1.0 / 6.0
LEAST = 5e-324  # the smallest positive number: y < LEAST is y <= 0


GRID, STEP, DEGREE, DIGITS = 32.0, 1.0 / 32.0, 8, 128


def tanh_table() -> Any:
    """Rows of eight coefficients: tanh around 0, STEP, 2 STEP, ..., SURE, with an error of 1e-18 within half a step.

    They are a Taylor series, c[k+1] from y' = 1 - y^2. Its term of degree 8 is replaced by lower degrees with the
    smallest maximum error, u^8 - T_8(u) / 128 with the Chebyshev polynomial T_8. Arithmetic is in integers, in units of
    2^-DIGITS, so the table does not depend on the precision of long double.
    """
    one = 1 << DIGITS
    step = term = one  # exp(-2 STEP), a series
    for k in range(1, 25):
        term = -term // (int(GRID) // 2 * k)
        step += term
    powers = accumulate(repeat(step, int(SURE * GRID)), lambda power, step: power * step >> DIGITS, initial=one)
    power = np.array(list(powers), object)  # exp(-2 x)
    c = [((one - power) << DIGITS) // (one + power)]
    for k in range(DEGREE):
        square = sum(c[i] * c[k - i] for i in range(k + 1)) >> DIGITS
        c.append(((one if k == 0 else 0) - square) // (k + 1))
    for degree, weight, bits in ((6, 2, 12), (4, -5, 26), (2, 1, 38), (0, -1, 55)):  # times powers of (STEP / 2)^2
        c[degree] = c[degree] + (weight * c[DEGREE] >> bits)
    return (np.stack(c[:DEGREE], axis=-1) / one).astype(np.float64).reshape(-1)


TANH = tanh_table()


@device
def linear(e):
    """g(e) = e."""
    return e


@device
def linear_slope(y):
    return spread(1.0, y)


def tanh(e: Any) -> Any:
    """The hyperbolic tangent: lowest latency for a scalar, highest throughput for a vector."""


@overload(tanh, inline="always")
def _tanh(e):
    if isinstance(e, Vec) and e.width > 1:
        return lambda e: tanh_by_exponential(e)
    return lambda e: tanh_by_table(e)


@device
def tanh_by_exponential(e):
    """(1 - exp(-2|e|)) / (1 + exp(-2|e|)), with the sign of e: 0.5 ns a number, with a latency of 17 ns."""
    m = expm1_neg(2.0 * magnitude(e))
    return signed(m, e) / (m + 2.0)


@device
def tanh_by_table(e):
    """A polynomial around the nearest grid point, with the sign of e: low latency, as there is no division."""
    x = magnitude(e)
    n = choose(x, SURE, x, SURE) * GRID + ROUND  # a grid point, also for NaN
    d = choose(SURE, x, SURE, x) - (n - ROUND) * STEP
    c, i = pointer(TANH), whole(n) * DEGREE
    d2 = d * d
    low = (c[i] + c[i + 1] * d) + (c[i + 2] + c[i + 3] * d) * d2
    high = (c[i + 4] + c[i + 5] * d) + (c[i + 6] + c[i + 7] * d) * d2
    return signed(low + high * (d2 * d2), e)


@device
def tanh_slope(y):
    return (1.0 - y) * (1.0 + y)


@device
def sigmoid(e):
    """1 / (1 + exp(-e)); for e < 0 as exp(e) / (1 + exp(e)), without cancellation."""
    t = exp_neg(magnitude(e))
    return choose(e, 0.0, t, 1.0) / (t + 1.0)


@device
def sigmoid_slope(y):
    return y * (1.0 - y)


@device
def relu(e):
    return choose(e, 0.0, 0.0, e)


@device
def relu_slope(y):
    return choose(0.0, y, 1.0, choose(y, LEAST, 0.0, y))


@device
def leaky_relu(e):
    """e, or e / 100 where it is negative."""
    return choose(e, 0.0, e * LEAK, e)


@device
def leaky_relu_slope(y):
    return choose(0.0, y, 1.0, choose(y, LEAST, LEAK, y))


@device
def softsign(e):
    """e / (1 + |e|)."""
    m = magnitude(e)
    m = choose(HUGE, m, HUGE, m)
    return signed(m / (m + 1.0), e)


@device
def softsign_slope(y):
    d = 1.0 - magnitude(y)
    return d * d


@device
def softplus(e):
    """log(1 + exp(e)) = max(e, 0) + log(1 + t) with t = exp(-|e|); log(1 + t) = 2 artanh(t / (2 + t)), truncated at 1e-17."""
    t = exp_neg(magnitude(e))
    s = t / (t + 2.0)
    q = s * s
    q2 = q * q
    q4 = q2 * q2
    one = (T5 * q + T3) + (T9 * q + T7) * q2
    two = (T13 * q + T11) + (T17 * q + T15) * q2
    three = (T21 * q + T19) + (T25 * q + T23) * q2
    four = (T29 * q + T27) + (T33 * q + T31) * q2
    series = ((four * q4 + three) * q4 + two) * q4 + one
    return relu(e) + 2.0 * (s * q * series + s)


@device
def softplus_slope(y):
    """1 - exp(-y), the sigmoid of e."""
    return 0.0 - expm1_neg(y)


@device
def hard_tanh(e):
    """e, clipped to [-1, 1]."""
    return choose(e, -1.0, -1.0, choose(1.0, e, 1.0, e))


@device
def hard_tanh_slope(y):
    m = magnitude(y)
    return choose(m, 1.0, 1.0, choose(0.5, m, 0.0, m))


@device
def hard_sigmoid(e):
    """(e + 3) / 6, clipped to [0, 1]."""
    return choose(e, -3.0, 0.0, choose(3.0, e, 1.0, (e + 3.0) / 6.0))


@device
def hard_sigmoid_slope(y):
    return choose(0.0, y, choose(y, 1.0, SIXTH, 0.0), choose(y, LEAST, 0.0, y))


@device
def silu(e):
    """e sigmoid(e); e is multiplied before the power of 2 is applied, as that result may be subnormal."""
    last, m = nothing_left(e), magnitude(e)
    e = choose(e, -last, -last, e)
    n, p = exponent(choose(last, m, -last, 0.0 - m))
    t = shrunk(p + 1.0, n)
    return choose(e, 0.0, shrunk(e * p + e, n), e) / (t + 1.0)


@device
def silu_slope(e):
    """s + e s r with s = sigmoid(e) and r = 1 - s = sigmoid(-e)."""
    last = nothing_left(e)
    e = choose(e, -last, -last, choose(last, e, last, e))
    t = exp_neg(magnitude(e))
    s, r = choose(e, 0.0, t, 1.0) / (t + 1.0), choose(e, 0.0, 1.0, t) / (t + 1.0)
    return s + e * s * r


@device
def mish(e):
    """e tanh(softplus(e)), with t = exp(-|e|): e (1 - q), and e t (1 - q) for e < 0, with products ordered as in silu.

    q = 2 t^2 / (1 + 2 t + 2 t^2), and q = t (1 + t) / (2 + 2 t + t^2) for e < 0. As q <= 0.4, its error counts 0.4 times.
    """
    last, m = nothing_left(e), magnitude(e)
    e = choose(e, -last, -last, e)
    n, p = exponent(choose(last, m, -last, 0.0 - m))
    t = shrunk(p + 1.0, n)
    square = t * t
    above = choose(e, 0.0, square + t, 2.0 * square)
    below = choose(e, 0.0, square + 2.0 * t + 2.0, 2.0 * (square + t) + 1.0)
    return choose(e, 0.0, shrunk(e * p + e, n), e) * (1.0 - above / below)


@device
def mish_slope(e):
    """y / e + 4 e k (1 + t) / d^2 with the denominator d of q above, and k = t^2, or k = t for e < 0."""
    last = nothing_left(e)
    e = choose(e, -last, -last, choose(last, e, last, e))
    t = exp_neg(magnitude(e))
    square = t * t
    above = choose(e, 0.0, square + 2.0 * t, 2.0 * t + 1.0)
    below = choose(e, 0.0, square + 2.0 * t + 2.0, 2.0 * (square + t) + 1.0)
    return above / below + 4.0 * e * (choose(e, 0.0, t, square) * (t + 1.0)) / (below * below)


def within_reach(m: Any) -> Any:
    """m, but at most a value beyond which the normal distribution is 0 or 1."""


@overload(within_reach, inline="always")
def _within_reach(m):
    if single(m):
        return lambda m: choose(GONE_SINGLE, m, GONE_SINGLE, m)
    return lambda m: choose(GONE, m, GONE, m)


@device
def scaled_tail(m):
    """(1 + 2 t) exp(t^2) erfc(t) with t = m / sqrt(2), m >= 0."""
    w = m * (2.0 * ROOT_HALF) / (m * ROOT_HALF + K)
    u = w - 1.0
    u2 = u * u
    u4 = u2 * u2
    one = ((E3 * u + E2) * u2 + (E1 * u + E0)) + ((E7 * u + E6) * u2 + (E5 * u + E4)) * u4
    two = ((E11 * u + E10) * u2 + (E9 * u + E8)) + ((E15 * u + E14) * u2 + (E13 * u + E12)) * u4
    three = ((E19 * u + E18) * u2 + (E17 * u + E16)) + ((E23 * u + E22) * u2 + (E21 * u + E20)) * u4
    u8 = u4 * u4
    return w * ((three * u8 + two) * u8 + one) + 1.0


@device
def tail(factor, m):
    """factor Phi(-m), the tail of the normal distribution, for m >= 0.

    It is factor times the scaled tail, divided by 2 + 4 t, times exp(-m^2 / 2). Rounding errors (m^2 / 2 amplifies them
    800 times) are computed and compensated to first order: an error of 2 ulp instead of 6.
    """
    scaled, four_t = scaled_tail(m), spread(4.0 * ROOT_HALF, m)
    above, below = factor * scaled, fused(m, four_t, spread(2.0, m))
    q = above / below
    lost_above, lost_below = fused(factor, scaled, 0.0 - above), fused(m, four_t, 2.0 - below)
    rest = (fused(0.0 - q, below, above) + (lost_above - q * lost_below)) / below
    square = m * m
    n, p = exponent(-0.5 * square)
    p = p - (p + 1.0) * (0.5 * fused(m, m, 0.0 - square))
    return shrunk(q + (q * p + (rest + rest * p)), n)


@device
def gelu(e):
    """e Phi(e), with the normal distribution Phi."""
    m = within_reach(magnitude(e))
    small = tail(m, m)
    return choose(e, 0.0, 0.0 - small, e - small)


@device
def gelu_slope(e):
    """Phi(e) + e phi(e)."""
    m = within_reach(magnitude(e))
    small, density = tail(spread(1.0, m), m), m * exp_neg(0.5 * (m * m)) / ROOT_TWO_PI
    return choose(e, 0.0, small - density, (1.0 - small) + density)


@device
def each(function, x):
    """Apply a function of scalars to each lane."""
    at = stack(WIDEST, 0.0)
    store(at, 0, x)
    for k in range(width(x)):
        at[k] = 1.0 * function(at[k])  # a float, even if the function returns 0 or True
    return load(at, 0, x)


class Pair(NamedTuple):
    """An activation and its slope; `of_output`: the slope is a function of y, not of e."""

    g: Any
    slope: Any
    of_output: bool = True


ACTIVATIONS = {name: Pair(globals()[name], globals()[f"{name}_slope"], row.of_output) for name, row in TABLE.items()}


@once
def pair(kind: Any) -> Pair:
    """A built-in activation by name, or the user's g and dg, compiled without the disk cache so that edits count."""
    if isinstance(kind, str):
        return ACTIVATIONS[kind]
    return Pair(_user(kind, "g"), _user(kind, "dg"), of_output=False)


def _user(kind: Any, name: str) -> Any:
    given = getattr(kind, name)
    # Numba compiles plain functions only; others, of `math`, NumPy or Numba, it can call from one.
    function = routine(given if isinstance(given, FunctionType) else lambda e: given(e))
    try:
        function.compile((types.float64,))
    except (NumbaError, TypeError) as error:
        raise TypeError(f"{name} of {kind!r} cannot be compiled as a function of one float: {error}") from error
    result = function.nopython_signatures[0].return_type
    if not isinstance(result, (types.Float, types.Integer, types.Boolean)):
        raise TypeError(f"{name} of {kind!r} must return a float, for a float it returns {result}")

    @device
    def lane_by_lane(e):
        return each(function, e)

    return lane_by_lane


@once
def respond(kind: Any, slope: bool) -> Any:
    """The compiled map from e to g(e), or from e or y to g', for each sample on its own."""
    function = pair(kind)[1 if slope else 0]

    def run(e, y):
        # e, y (N,), y may be e
        like = lanes(WIDEST, True)
        source, target = pointer(e), pointer(y)
        wide = e.shape[0] // WIDEST * WIDEST
        for n in range(0, wide, WIDEST):
            store(target, n, function(load(source, n, like)))
        one = lanes(1, True)
        for n in range(wide, e.shape[0]):
            store(target, n, function(load(source, n, one)))

    name = f"respond_{label(kind)}_{'slope' if slope else 'value'}"
    return kernel(run, name, packed("d", 1, read=True), packed("d", 1), keep=isinstance(kind, str))


def label(kind: Any) -> str:
    """A unique name for kernels with this activation."""
    return kind if isinstance(kind, str) else f"user{kind.number}"
