"""Operations on the window of an adaptive filter: its product with the weights, and steps of the weights along it.

The samples of a channel are in a row of `line`, in order of time, so a window is contiguous and no samples are moved.
Weights are in the same order, that of the oldest sample first. Shapes, with C channels and L taps:
    line  (C, capacity) the window of sample `at` is line[:, at - L + 1 : at + 1]
    w     (C, L)
Each sum is written once, for numbers like `like`: vectors for real numbers (their widths depend on L, not on the
position of the window), scalars for complex numbers and for the remainder.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload

from sigrnn._kernels.adaptive.numbers import Along, conjugate, narrow, single, summed, turned, wide
from sigrnn._kernels.adaptive.sizes import GROUP
from sigrnn._kernels.base.jit import part
from sigrnn._kernels.base.vec import load, offset, pointer, spread, stack, store, width


def faded(w: Any, keep: Any) -> Any:
    """A weight after leakage: unchanged for (), else times `keep`."""


@overload(faded, inline="always")
def _faded(w, keep):
    return (lambda w, keep: w * keep) if isinstance(keep, types.Float) else (lambda w, keep: w)


@part
def whole(count, like):
    """`count`, rounded down to a multiple of the width of `like`."""
    return count // width(like) * width(like)


@part
def dot_over(a, i, b, j, first, last, like):
    """As `dot`, for first <= k < last, added to `like`."""
    sums = like
    for k in range(first, last, width(like)):
        sums = sums + load(a, i + k, like) * load(b, j + k, like)
    return summed(sums)


@part
def dot(a, i, b, j, count):
    """sum_k a[i + k] b[j + k]."""
    most, more = whole(count, wide(a)), whole(count, narrow(a))
    result = dot_over(a, i, b, j, 0, most, wide(a)) + dot_over(a, i, b, j, most, more, narrow(a))
    return dot_over(a, i, b, j, more, count, result)


@part
def update_over(w, x, j, first, last, g, keep, along, like):
    """As `update_and_dot`, for first <= k < last."""
    sums, step = like, spread(g, like)
    for k in range(first, last, width(like)):
        new = faded(load(w, k, like), keep) + step * turned(along, load(x, j + k, like))
        store(w, k, new)
        sums = sums + new * load(x, j + 1 + k, like)
    return summed(sums)


@part
def update_and_dot(w, x, j, count, g, keep, along):
    """w[k] <- keep w[k] + g along(x[j + k]); returns sum_k w[k] x[j + 1 + k] in the order of `dot`."""
    most, more = whole(count, wide(w)), whole(count, narrow(w))
    result = update_over(w, x, j, 0, most, g, keep, along, wide(w))
    result += update_over(w, x, j, most, more, g, keep, along, narrow(w))
    return update_over(w, x, j, more, count, g, keep, along, result)


@part
def output(w, line, at):
    """The product of the weights with the window of sample `at`."""
    taps = w.shape[1]
    result = dot(pointer(w[0]), 0, pointer(line[0]), at - taps + 1, taps)
    for c in range(1, w.shape[0]):
        result += dot(pointer(w[c]), 0, pointer(line[c]), at - taps + 1, taps)
    return result


@part
def advance(w, line, at, g, keep, along):
    """Step the weights by g along the window of sample `at`; returns the output at the next sample.

    The step of one sample and the product of the next share a pass, so each weight is loaded once.
    """
    taps = w.shape[1]
    result = update_and_dot(pointer(w[0]), pointer(line[0]), at - taps + 1, taps, g, keep, along)
    for c in range(1, w.shape[0]):
        result += update_and_dot(pointer(w[c]), pointer(line[c]), at - taps + 1, taps, g, keep, along)
    return result


@part
def products_over(w, x, first, last, a, like):
    """As `group_products` for a channel and first <= k < last: added to a."""
    sums = stack(GROUP, like)
    for i in range(GROUP):
        sums[i] = like
    for k in range(first, last, width(like)):
        new = load(w, k, like)
        for i in range(GROUP):
            sums[i] = sums[i] + new * load(x, k + i, like)
    for i in range(GROUP):
        a[i] += summed(sums[i])


@part
def group_products(w, line, at, a):
    """a[i] = the product of the weights with the window of sample at + i, for the GROUP samples of a group."""
    taps = w.shape[1]
    for i in range(GROUP):
        a[i] = 0.0
    for c in range(w.shape[0]):
        weights, x = pointer(w[c]), offset(pointer(line[c]), at - taps + 1)
        most = whole(taps, narrow(weights))
        products_over(weights, x, 0, most, a, narrow(weights))
        products_over(weights, x, most, taps, a, single(weights))


@part
def group_step(w, line, at, g):
    """w <- w + sum_i g[i] u(at + i); non-finite samples in a window with g = 0 are ignored."""
    for i in range(GROUP):
        if g[i] != 0.0:
            advance(w, line, at + i, g[i], (), Along())


@part
def advance_over(w, x, first, last, g, a, like):
    """As `group_advance` for a channel and first <= k < last: products are added to a."""
    sums, steps = stack(GROUP, like), stack(GROUP, like)
    for i in range(GROUP):
        sums[i], steps[i] = like, spread(g[i], like)
    for k in range(first, last, width(like)):
        new = load(w, k, like)
        for i in range(GROUP):
            new = new + steps[i] * load(x, k + i, like)
        store(w, k, new)
        for i in range(GROUP):
            sums[i] = sums[i] + new * load(x, k + GROUP + i, like)
    for i in range(GROUP):
        a[i] += summed(sums[i])


@part
def group_advance(w, line, at, g, a):
    """`group_step` and the `group_products` of the next group in one pass, with the same results.

    A load and a store of a weight serve 2 GROUP fused products.
    """
    taps = w.shape[1]
    for i in range(GROUP):
        a[i] = 0.0
    for c in range(w.shape[0]):
        weights, x = pointer(w[c]), offset(pointer(line[c]), at - taps + 1)
        most = whole(taps, narrow(weights))
        advance_over(weights, x, 0, most, g, a, narrow(weights))
        advance_over(weights, x, most, taps, g, a, single(weights))


@part
def slide(line, at, phase, taps, r, tails):
    """Make r[i, j] = u(n - i) . conj u(n - j - i), sums of products over windows, for sample n at `at`.

    r (K, K), or (1, K): a column of past values for each lag j.  tails (K, taps + 2): sums from each sample of a
    segment of `taps` samples to its end; the last entry is the sum of the new segment so far. A window is the end of
    one segment and the start of the next, so no sample is ever subtracted: there is no cancellation after loud
    passages, and non-finite samples have no effect after they leave the window.
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
    """The product of a sample with the one j earlier, summed over channels."""
    result = line[0, at] * conjugate(line[0, at - j])
    for c in range(1, line.shape[0]):
        result += line[c, at] * conjugate(line[c, at - j])
    return result
