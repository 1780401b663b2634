"""Filters between two sampling rates: several outputs of the same phase, which share their taps, are summed at once."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import Vec, lanes, load, offset, pointer, spread, stack, store, total

__all__ = ["along_channels", "along_time", "entry_point"]

WIDTH = 8  # numbers in a vector
SUMS = 4  # vectors of sums; each tap is loaded once for all of them
SPAN = SUMS * WIDTH


@device
def exact(taps, at, first, last):
    """sum_j taps[j] at[j]."""
    value = 0.0
    for j in range(first, last):
        value += taps[j] * at[j]
    return value


@intrinsic
def totals(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sums over the lanes of four vectors, as a vector of four: half the shuffles of four separate sums."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def picked(one: Any, two: Any, *places: int) -> Any:
            kind = ir.VectorType(ir.IntType(32), len(places))
            return builder.shuffle_vector(one, two, ir.Constant(kind, list(places)))

        def halved(v: Any) -> Any:
            half = v.type.count // 2
            return builder.fadd(picked(v, v, *range(half)), picked(v, v, *range(half, 2 * half)))

        while args[0].type.count > 4:
            args = [halved(v) for v in args]
        ab, cd = (builder.fadd(picked(v, w, 0, 4, 2, 6), picked(v, w, 1, 5, 3, 7)) for v, w in (args[:2], args[2:]))
        return builder.fadd(picked(ab, cd, 0, 1, 4, 5), picked(ab, cd, 2, 3, 6, 7))

    return Vec(4, True)(a, b, c, d), emit


@routine
def apart(taps, width, step, at, y, hop, samples):
    """y[m hop] = sum_j taps[j] at[m step + j], with taps in lanes."""
    like = lanes(WIDTH, True)
    sums, row = stack(SUMS, like), stack(SUMS, 0.0)
    whole = samples // SUMS * SUMS
    for m in range(0, whole, SUMS):
        start = offset(at, m * step)
        for u in range(SUMS):
            sums[u] = like
        for j in range(0, width, WIDTH):
            tap = load(taps, j, like)
            for u in range(SUMS):
                sums[u] = sums[u] + tap * load(start, u * step + j, like)
        store(row, 0, totals(sums[0], sums[1], sums[2], sums[3]))
        for u in range(SUMS):
            y[(m + u) * hop] = row[u]
    for m in range(whole, samples):
        start = offset(at, m * step)
        one = like
        for j in range(0, width, WIDTH):
            one = one + load(taps, j, like) * load(start, j, like)
        store(row, 0, totals(one, like, like, like))  # the same bits, whatever the grouping of outputs
        y[m * hop] = row[0]


@routine
def adjoining(taps, count, width, at, y, hop, samples):
    """y[m hop] = sum_j taps[j] at[m + j], with outputs in lanes."""
    like = lanes(WIDTH, True)
    sums, row = stack(SUMS, like), stack(WIDTH, 0.0)
    whole = samples // SPAN * SPAN
    for m in range(0, whole, SPAN):
        for u in range(SUMS):
            sums[u] = like
        for j in range(width - count, width):
            tap = spread(taps[j], like)
            for u in range(SUMS):
                sums[u] = sums[u] + tap * load(at, m + u * WIDTH + j, like)
        for u in range(SUMS):
            if hop == 1:
                store(y, m + u * WIDTH, sums[u])
            else:
                store(row, 0, sums[u])
                for k in range(WIDTH):
                    y[(m + u * WIDTH + k) * hop] = row[k]
    single = lanes(1, True)
    for m in range(whole, samples):
        one = single
        for j in range(width - count, width):
            one = one + spread(taps[j], single) * load(at, m + j, single)
        y[m * hop] = total(one)


@routine
def fetch(x, base, low, high, span, scratch):
    """scratch[k] = x[base + k] for low <= k < high, zeros elsewhere; returns whether all are finite."""
    like = lanes(WIDTH, True)
    for k in range(low):
        scratch[k] = 0.0
    k = low
    if x.strides[0] == x.itemsize:
        source, target, wrong = offset(pointer(x), base), pointer(scratch), like
        while k + WIDTH <= high:
            v = load(source, k, like)
            store(target, k, v)
            wrong = wrong + (v - v)
            k += WIDTH
        doubt = total(wrong)
    else:
        doubt = 0.0
    for i in range(k, high):
        scratch[i] = x[base + i]
        doubt += scratch[i] - scratch[i]
    for i in range(high, span):
        scratch[i] = 0.0
    return doubt == 0.0


def _along_time(taps, counts, first, step, x, y, scratch):
    """y[n] = sum_j taps[r, j] x[first[r] + m step + j - last] for n = m R + r, with zeros outside x."""
    # taps (R, W), leading zeros, that of the newest sample last; counts (R,) of the others; first (R,) ascending
    # x (A, N, B), y (A, M, B), any strides, no overlap   scratch (at least W + first[R-1] - first[0] + step,)
    phases, width = taps.shape
    samples, outputs = x.shape[1], y.shape[1]
    reach = first[phases - 1] - first[0] + width
    chunk = (scratch.shape[0] - reach) // step + 1
    chunk = max(chunk // SPAN * SPAN, min(chunk, SPAN)) if step == 1 else max(chunk // SUMS * SUMS, min(chunk, SUMS))
    periods = (outputs + phases - 1) // phases
    hop = y.strides[1] // y.itemsize
    for a in range(x.shape[0]):
        for begin in range(0, periods, chunk):
            count = min(chunk, periods - begin)
            base = first[0] + step * begin - (width - 1)
            span = reach + step * (count - 1)
            low = min(max(0, -base), span)
            high = max(low, min(span, samples - base))
            for b in range(x.shape[2]):  # adjacent channels share cache lines
                finite = fetch(x[a, :, b], base, low, high, span, scratch)
                outcome = pointer(y[a, :, b])
                for r in range(phases):
                    n = r + phases * begin
                    here = count if n + phases * (count - 1) < outputs else count - 1
                    row, at = offset(pointer(taps), r * width), offset(pointer(scratch), first[r] - first[0])
                    to = offset(outcome, n * hop)
                    if step == 1:
                        adjoining(row, counts[r], width, at, to, phases * hop, here)
                    else:
                        apart(row, width, step, at, to, phases * hop, here)
                        if not finite:  # leading zeros of the taps times NaN or inf would be NaN
                            for m in range(here):
                                v = to[m * phases * hop]
                                if v - v != 0.0:
                                    v = exact(row, offset(at, m * step), width - counts[r], width)
                                    to[m * phases * hop] = v


@routine
def beside(taps, count, at, row, step, target, hop, channels):
    """y[u, c] = sum_j taps[-j] x[u step - j, c] for SUMS outputs, with channels in lanes."""
    like = lanes(WIDTH, True)
    sums = stack(SUMS, like)
    for block in range(0, channels, WIDTH):
        c = min(block, channels - WIDTH)  # the last vector may overlap the previous one
        for u in range(SUMS):
            sums[u] = like
        for j in range(count):
            tap = spread(taps[-j], like)
            for u in range(SUMS):
                sums[u] = sums[u] + tap * load(at, (u * step - j) * row + c, like)
        for u in range(SUMS):
            store(target, u * hop + c, sums[u])


@routine
def beside_one(taps, least, count, at, row, target, channels):
    """The same for one output, from tap `least`: for the start and the end of the signal."""
    like = lanes(WIDTH, True)
    for block in range(0, channels, WIDTH):
        c = min(block, channels - WIDTH)
        one = like
        for j in range(least, count):
            one = one + spread(taps[-j], like) * load(at, c - j * row, like)
        store(target, c, one)


def _along_channels(taps, counts, first, step, x, y):
    """The same, for at least WIDTH adjacent channels."""
    # as above; the last axis of x and y is contiguous
    phases, width = taps.shape
    samples, outputs, channels = x.shape[1], y.shape[1], x.shape[2]
    for a in range(x.shape[0]):
        source, target = pointer(x[a]), pointer(y[a])
        row, hop = x.strides[1] // x.itemsize, y.strides[1] // y.itemsize
        for m in range(0, (outputs + phases - 1) // phases, SUMS):
            for r in range(phases):
                newest, count, n = offset(pointer(taps[r]), width - 1), counts[r], r + phases * m
                i = first[r] + step * m
                to, last = offset(target, n * hop), n + (SUMS - 1) * phases
                if last < outputs and i >= count - 1 and i + (SUMS - 1) * step < samples:
                    beside(newest, count, offset(source, i * row), row, step, to, phases * hop, channels)
                else:
                    for u in range(SUMS):
                        if n + u * phases < outputs:
                            k = i + u * step
                            least, most = max(0, k - samples + 1), min(count, k + 1)
                            away = offset(to, u * phases * hop)
                            beside_one(newest, least, most, offset(source, k * row), row, away, channels)


def _arguments(dtype: str) -> tuple[Any, ...]:
    signals = strided(dtype, 3, read=True), strided(dtype, 3)
    return packed("d", 2, read=True), packed("q", 1, read=True), packed("q", 1, read=True), types.intp, *signals


@once
def along_time(dtype: str) -> Any:
    """The compiled loop over the outputs of each channel, for samples of this type."""
    return kernel(_along_time, f"polyphase_{dtype}", *_arguments(dtype), packed("d", 1))


@once
def along_channels(dtype: str) -> Any:
    """The compiled loop for adjacent channels."""
    return kernel(_along_channels, f"polyphase_channels_{dtype}", *_arguments(dtype))
