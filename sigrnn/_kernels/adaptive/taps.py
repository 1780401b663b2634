"""What adaptive filters do with the window of samples they see: its product with the weights, and steps of the weights along it.

Samples of a channel lie in a row of `line`, in order of time, so a window is contiguous and nothing is moved from sample to
sample. Weights lie in the same order, the oldest sample's first. Shapes, with C channels and L taps:
    line  (C, room)     the window of sample `at` is line[:, at - L + 1 : at + 1]
    w     (C, L)
Real numbers go through vectors of lanes, whose sums depend on L alone and not on where a window lies; complex ones one by one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from sigrnn._kernels.base.jit import part
from sigrnn._kernels.base.vec import choose, lanes, load, offset, pointer, spread, stack, store, total
from sigrnn._kernels.sizes import NARROW, WIDE
from sigrnn._kernels.sizes import SAMPLE_GROUP as GROUP

INLINED = {"forceinline": True}  # of overloads whose loops Numba's own inlining does not get right


class Along(NamedTuple):
    """Steps go along the conjugate of the window."""


class BySigns(NamedTuple):
    """Steps go along the signs of the window, of real and imaginary parts apart."""


def sign(x: Any) -> Any:
    """1, 0 or -1."""


@overload(sign, inline="always")
def _sign(x):
    return lambda x: choose(0.0, x, 1.0, choose(x, 0.0, -1.0, 0.0))


def csign(x: Any) -> Any:
    """The signs of real and imaginary part, as a number."""


@overload(csign, inline="always")
def _csign(x):
    if isinstance(x, types.Complex):
        return lambda x: complex(sign(x.real), sign(x.imag))
    return lambda x: sign(x)


def square(x: Any) -> Any:
    """|x|^2."""


@overload(square, inline="always")
def _square(x):
    if isinstance(x, types.Complex):
        return lambda x: x.real * x.real + x.imag * x.imag
    return lambda x: x * x


def conjugate(x: Any) -> Any:
    """Of a complex number; others stay."""


@overload(conjugate, inline="always")
def _conjugate(x):
    return (lambda x: x.conjugate()) if isinstance(x, types.Complex) else (lambda x: x)


def real(x: Any) -> Any:
    """The real part."""


@overload(real, inline="always")
def _real(x):
    return (lambda x: x.real) if isinstance(x, types.Complex) else (lambda x: x)


def turned(way: Any, x: Any) -> Any:
    """The direction of a step, for a number of the window."""


@overload(turned, inline="always")
def _turned(way, x):
    if issubclass(way.instance_class, BySigns):
        return lambda way, x: csign(conjugate(x))
    return lambda way, x: conjugate(x)


def faded(w: Any, keep: Any) -> Any:
    """What is kept of a weight: all for (), else a share."""


@overload(faded, inline="always")
def _faded(w, keep):
    return (lambda w, keep: w * keep) if isinstance(keep, types.Float) else (lambda w, keep: w)


def dot(a: Any, i: Any, b: Any, j: Any, count: Any) -> Any:
    """sum_k a[i + k] b[j + k]."""


@overload(dot, jit_options=INLINED)
def _dot(a, i, b, j, count):
    if isinstance(a.dtype, types.Complex):

        def dot(a, i, b, j, count):
            result = 0j
            for k in range(count):
                result += a[i + k] * b[j + k]
            return result

        return dot

    def dot(a, i, b, j, count):
        wide = lanes(WIDE, True)
        narrow = lanes(NARROW, True)
        sums, few = wide, narrow
        first, second = count // WIDE * WIDE, count // NARROW * NARROW
        for k in range(0, first, WIDE):
            sums = sums + load(a, i + k, wide) * load(b, j + k, wide)
        for k in range(first, second, NARROW):
            few = few + load(a, i + k, narrow) * load(b, j + k, narrow)
        result = total(sums) + total(few)
        for k in range(second, count):
            result += a[i + k] * b[j + k]
        return result

    return dot


def stride(w: Any, x: Any, j: Any, count: Any, g: Any, keep: Any, way: Any) -> Any:
    """w[k] <- keep w[k] + g way(x[j + k]); gives sum_k w[k] x[j + 1 + k], the sum in the order of `dot`."""


@overload(stride, jit_options=INLINED)
def _stride(w, x, j, count, g, keep, way):
    if isinstance(w.dtype, types.Complex):

        def stride(w, x, j, count, g, keep, way):
            result = 0j
            for k in range(count):
                new = faded(w[k], keep) + g * turned(way, x[j + k])
                store(w, k, new)
                result += new * x[j + 1 + k]
            return result

        return stride

    def stride(w, x, j, count, g, keep, way):
        wide = lanes(WIDE, True)
        narrow = lanes(NARROW, True)
        sums, few = wide, narrow
        first, second = count // WIDE * WIDE, count // NARROW * NARROW
        step, short = spread(g, wide), spread(g, narrow)
        for k in range(0, first, WIDE):
            new = faded(load(w, k, wide), keep) + step * turned(way, load(x, j + k, wide))
            store(w, k, new)
            sums = sums + new * load(x, j + 1 + k, wide)
        for k in range(first, second, NARROW):
            new = faded(load(w, k, narrow), keep) + short * turned(way, load(x, j + k, narrow))
            store(w, k, new)
            few = few + new * load(x, j + 1 + k, narrow)
        result = total(sums) + total(few)
        for k in range(second, count):
            new = faded(w[k], keep) + g * turned(way, x[j + k])
            store(w, k, new)
            result += new * x[j + 1 + k]
        return result

    return stride


@part
def output(w, line, at):
    """The weights' product with the window of sample `at`."""
    taps = w.shape[1]
    result = dot(pointer(w[0]), 0, pointer(line[0]), at - taps + 1, taps)
    for c in range(1, w.shape[0]):
        result += dot(pointer(w[c]), 0, pointer(line[c]), at - taps + 1, taps)
    return result


@part
def advance(w, line, at, g, keep, way):
    """Step the weights by g along the window of sample `at`; gives the output at the next sample.

    Each weight is loaded once for both: the step of one sample and the product of the next share a pass.
    """
    taps = w.shape[1]
    result = stride(pointer(w[0]), pointer(line[0]), at - taps + 1, taps, g, keep, way)
    for c in range(1, w.shape[0]):
        result += stride(pointer(w[c]), pointer(line[c]), at - taps + 1, taps, g, keep, way)
    return result


@part
def group_products(w, line, at, a):
    """a[i] = the weights' product with the window of sample at + i, for the GROUP samples of a group."""
    like = lanes(NARROW, True)
    sums = stack(GROUP, like)
    taps = w.shape[1]
    wide = taps // NARROW * NARROW
    for i in range(GROUP):
        a[i] = 0.0
    for c in range(w.shape[0]):
        weights, x = pointer(w[c]), offset(pointer(line[c]), at - taps + 1)
        for i in range(GROUP):
            sums[i] = like
        for k in range(0, wide, NARROW):
            new = load(weights, k, like)
            for i in range(GROUP):
                sums[i] = sums[i] + new * load(x, k + i, like)
        for i in range(GROUP):
            a[i] += total(sums[i])
        for k in range(wide, taps):
            for i in range(GROUP):
                a[i] += weights[k] * x[k + i]


@part
def group_step(w, line, at, g):
    """w <- w + sum_i g[i] u(at + i); what is not finite in a window whose g is 0 does not count."""
    like = lanes(NARROW, True)
    taps = w.shape[1]
    wide = taps // NARROW * NARROW
    for c in range(w.shape[0]):
        weights, x = pointer(w[c]), offset(pointer(line[c]), at - taps + 1)
        for i in range(GROUP):
            if g[i] != 0.0:
                step = spread(g[i], like)
                for k in range(0, wide, NARROW):
                    store(weights, k, load(weights, k, like) + step * load(x, k + i, like))
                for k in range(wide, taps):
                    store(weights, k, weights[k] + g[i] * x[k + i])


@part
def group_advance(w, line, at, g, a):
    """Both in one pass, the same numbers: the steps along the windows of a group, the products with those of the next.

    2 GROUP fused products for a load and a store of a weight; each window is loaded once for each.
    """
    like = lanes(NARROW, True)
    sums, steps = stack(GROUP, like), stack(GROUP, like)
    taps = w.shape[1]
    wide = taps // NARROW * NARROW
    for i in range(GROUP):
        a[i] = 0.0
        steps[i] = spread(g[i], like)
    for c in range(w.shape[0]):
        weights, x = pointer(w[c]), offset(pointer(line[c]), at - taps + 1)
        for i in range(GROUP):
            sums[i] = like
        for k in range(0, wide, NARROW):
            new = load(weights, k, like)
            for i in range(GROUP):
                new = new + steps[i] * load(x, k + i, like)
            store(weights, k, new)
            for i in range(GROUP):
                sums[i] = sums[i] + new * load(x, k + GROUP + i, like)
        for i in range(GROUP):
            a[i] += total(sums[i])
        for k in range(wide, taps):
            one = weights[k]
            for i in range(GROUP):
                one += g[i] * x[k + i]
            store(weights, k, one)
            for i in range(GROUP):
                a[i] += one * x[k + GROUP + i]


@part
def slide(line, at, phase, taps, r, tails):
    """Make r[i, j] = u(n - i) . conj u(n - j - i), sums of products over windows, for sample n at `at`.

    r (K, K), or (1, K): for each lag j a column of its past.  tails (K, taps + 2): sums from each sample of a stretch of `taps` to its end;
    the last entry sums the new stretch so far. A window is the end of one stretch and the beginning of the next, so what
    leaves it is never subtracted: no cancellation after loud passages, and what is not finite leaves with its sample.
    """
    for i in range(r.shape[0] - 1, 0, -1):
        for j in range(r.shape[1]):
            r[i, j] = r[i - 1, j]
    for j in range(r.shape[1]):
        if phase == 0:
            tails[j, taps] = 0.0
            for k in range(taps - 1, -1, -1):
                tails[j, k] = tails[j, k + 1] + lagged(line, at - taps + k, j)
            tails[j, taps + 1] = 0.0
        tails[j, taps + 1] += lagged(line, at, j)
        r[0, j] = tails[j, taps + 1] + tails[j, phase + 1]


@part
def lagged(line, at, j):
    """One sample's products with the one j before it, summed over channels."""
    result = line[0, at] * conjugate(line[0, at - j])
    for c in range(1, line.shape[0]):
        result += line[c, at] * conjugate(line[c, at - j])
    return result


def finite(x: Any) -> Any:
    """Whether neither NaN nor infinite."""


@overload(finite, inline="always")
def _finite(x):
    if isinstance(x, types.Complex):
        return lambda x: np.isfinite(x.real) & np.isfinite(x.imag)
    return lambda x: np.isfinite(x)
