"""Long filters without feedback by Fourier transforms: overlap-save, with blocks of the signal in lanes.

Sixteen blocks are transformed together: eight as real parts, eight as imaginary parts of complex signals, one in each lane. The
filter is real, so the inverse transform has their outputs as real and imaginary parts again. A row of the tile has the
sixteen lanes of one sample.

Transforms take place in the tile, without reordering. Forward, a stage of radix 4 and size m turns each group of m rows into four of
m / 4, with every fourth of the frequencies each (decimation in frequency); the inverse undoes the stages in reverse. The innermost
stage, its product with the spectrum and its inverse are one pass. Groups that fit the first-level cache go through
all of their stages before the next one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from sigrnn._kernels.base.calls import alone, place, small
from sigrnn._kernels.base.jit import device, kernel, once, packed, register_bytes, routine
from sigrnn._kernels.base.vec import choose, lanes, load, offset, pointer, spread, stack, store, total
from sigrnn._kernels.filters.transfers import move_callers, moves
from sigrnn._kernels.sizes import LANES, LINE_BYTES, TRANSFORM_GROUP

PARTS = LANES // 2  # lanes of real parts, which are followed by those of imaginary parts
INT = types.intp
ALIKE = 16.0  # blocks whose loudest samples differ by less than this factor are left as they are
LEAST_POWER = 2.0**-1000


def stages(width: int) -> tuple[Any, ...]:
    """The passes of a transform, for vectors of this width."""

    @device
    def pair(tile, n, h):
        """Row n as a complex number: real and imaginary parts of lanes h, h + 1, ..."""
        like = lanes(width, True)
        return load(tile, n * LANES + h, like), load(tile, n * LANES + PARTS + h, like)

    @device
    def put(tile, n, h, x, y):
        store(tile, n * LANES + h, x)
        store(tile, n * LANES + PARTS + h, y)

    @routine
    def down(tile, rows, size, twiddles):
        """A stage forward of groups of `size` rows; twiddles (size / 4, 6): the powers 1, 2, 3 of exp(-2 pi i j / size)."""
        alone()
        small()
        like, quarter = lanes(width, True), size // 4
        for j in range(quarter):
            w = offset(twiddles, 6 * j)
            u1, v1, u2, v2 = spread(w[0], like), spread(w[1], like), spread(w[2], like), spread(w[3], like)
            u3, v3 = spread(w[4], like), spread(w[5], like)
            for n in range(j, rows, size):
                for h in range(0, PARTS, width):
                    a0, b0 = pair(tile, n, h)
                    a1, b1 = pair(tile, n + quarter, h)
                    a2, b2 = pair(tile, n + 2 * quarter, h)
                    a3, b3 = pair(tile, n + 3 * quarter, h)
                    p0, q0, p1, q1 = a0 + a2, b0 + b2, a0 - a2, b0 - b2
                    p2, q2, p3, q3 = a1 + a3, b1 + b3, b1 - b3, a3 - a1  # the last times -i
                    put(tile, n, h, p0 + p2, q0 + q2)
                    a1, b1, a2, b2, a3, b3 = p1 + p3, q1 + q3, p0 - p2, q0 - q2, p1 - p3, q1 - q3
                    put(tile, n + quarter, h, a1 * u1 - b1 * v1, a1 * v1 + b1 * u1)
                    put(tile, n + 2 * quarter, h, a2 * u2 - b2 * v2, a2 * v2 + b2 * u2)
                    put(tile, n + 3 * quarter, h, a3 * u3 - b3 * v3, a3 * v3 + b3 * u3)

    @routine
    def up(tile, rows, size, twiddles):
        """The inverse of that, times 4."""
        alone()
        small()
        like, quarter = lanes(width, True), size // 4
        for j in range(quarter):
            w = offset(twiddles, 6 * j)
            u1, v1, u2, v2 = spread(w[0], like), spread(w[1], like), spread(w[2], like), spread(w[3], like)
            u3, v3 = spread(w[4], like), spread(w[5], like)
            for n in range(j, rows, size):
                for h in range(0, PARTS, width):
                    a0, b0 = pair(tile, n, h)
                    x1, y1 = pair(tile, n + quarter, h)
                    x2, y2 = pair(tile, n + 2 * quarter, h)
                    x3, y3 = pair(tile, n + 3 * quarter, h)
                    a1, b1 = x1 * u1 + y1 * v1, y1 * u1 - x1 * v1
                    a2, b2 = x2 * u2 + y2 * v2, y2 * u2 - x2 * v2
                    a3, b3 = x3 * u3 + y3 * v3, y3 * u3 - x3 * v3
                    p0, q0, p1, q1 = a0 + a2, b0 + b2, a0 - a2, b0 - b2
                    p2, q2, p3, q3 = a1 + a3, b1 + b3, b3 - b1, a1 - a3  # the last times i
                    put(tile, n, h, p0 + p2, q0 + q2)
                    put(tile, n + quarter, h, p1 + p3, q1 + q3)
                    put(tile, n + 2 * quarter, h, p0 - p2, q0 - q2)
                    put(tile, n + 3 * quarter, h, p1 - p3, q1 - q3)

    @device
    def times(x, y, spectrum, n, like):
        u, v = spread(spectrum[2 * n], like), spread(spectrum[2 * n + 1], like)
        return x * u - y * v, x * v + y * u

    @routine
    def middle(tile, rows, size, spectrum):
        """The innermost stage, of 4 rows or of 2, the product with the spectrum (rows, 2), and the inverse stage."""
        alone()
        small()
        like = lanes(width, True)
        for n in range(0, rows, size):
            for h in range(0, PARTS, width):
                a0, b0 = pair(tile, n, h)
                a1, b1 = pair(tile, n + 1, h)
                if size == 2:
                    x0, y0 = times(a0 + a1, b0 + b1, spectrum, n, like)
                    x1, y1 = times(a0 - a1, b0 - b1, spectrum, n + 1, like)
                    put(tile, n, h, x0 + x1, y0 + y1)
                    put(tile, n + 1, h, x0 - x1, y0 - y1)
                else:
                    a2, b2 = pair(tile, n + 2, h)
                    a3, b3 = pair(tile, n + 3, h)
                    p0, q0, p1, q1 = a0 + a2, b0 + b2, a0 - a2, b0 - b2
                    p2, q2, p3, q3 = a1 + a3, b1 + b3, b1 - b3, a3 - a1
                    a0, b0 = times(p0 + p2, q0 + q2, spectrum, n, like)
                    a1, b1 = times(p1 + p3, q1 + q3, spectrum, n + 1, like)
                    a2, b2 = times(p0 - p2, q0 - q2, spectrum, n + 2, like)
                    a3, b3 = times(p1 - p3, q1 - q3, spectrum, n + 3, like)
                    p0, q0, p1, q1 = a0 + a2, b0 + b2, a0 - a2, b0 - b2
                    p2, q2, p3, q3 = a1 + a3, b1 + b3, b3 - b1, a1 - a3
                    put(tile, n, h, p0 + p2, q0 + q2)
                    put(tile, n + 1, h, p1 + p3, q1 + q3)
                    put(tile, n + 2, h, p0 - p2, q0 - q2)
                    put(tile, n + 3, h, p1 - p3, q1 - q3)

    return down, up, middle


@routine
def loudness(x, count, piece, pieces):
    """pieces[i] = the largest |x| of piece i, inf if one is not finite; what is left over belongs to the last."""
    alone()
    small()
    like, parts = lanes(PARTS, True), max(1, count // piece)
    for i in range(parts):
        first, last = i * piece, count if i + 1 == parts else (i + 1) * piece
        most, wrong = like, like
        wide = first + (last - first) // PARTS * PARTS
        for n in range(first, wide, PARTS):
            now = load(x, n, like)
            wrong = wrong + (now - now)
            most = choose(most, now, now, most)
            most = choose(most, 0.0 - now, 0.0 - now, most)
        found, sums = stack(PARTS, 0.0), total(wrong)
        store(found, 0, most)
        for n in range(wide, last):
            sums += x[n] - x[n]
            found[0] = abs(x[n]) if abs(x[n]) > found[0] else found[0]
        for k in range(1, PARTS):
            found[0] = found[k] if found[k] > found[0] else found[0]
        pieces[i] = found[0] if sums == 0.0 else 1.0 / 0.0


@routine
def blocks_of(pieces, spans, quiet, limit, good, shrink, grow):
    """Look at the blocks of a segment: which may be transformed, and the factors that bring each of them to one size.

    A block is good if it is finite and no piece in reach is much quieter than the loudest. Two blocks share a transform as
    its real and imaginary parts, so a quiet one would get the rounding errors of a loud one: `shrink` before and `grow` after,
    powers of two, prevent that. `grow` 0: a block of silence; `shrink` 0: one that is not good and must not be transformed. Returns
    whether factors are needed.
    """
    # pieces (P,)   spans: the samples from which the outputs of the first block depend on the signal and from which they begin, outputs
    # of a block, samples of a piece, pieces
    # good (16,) of numbers: 1 or 0   shrink, grow (16,)
    alone()
    small()
    (first, begin, length, piece, count), least_of_all, most_of_all, needed = spans, 1.0 / 0.0, 0.0, False
    for k in range(LANES):
        start = first + k * length if first + k * length > 0 else 0
        i, j = start // piece, (begin + (k + 1) * length - 1) // piece + 1
        i, j = i if i < count else count - 1, j if j < count else count
        least, most = pieces[i], pieces[i]
        for n in range(i + 1, j):
            least = pieces[n] if pieces[n] < least else least
            most = pieces[n] if pieces[n] > most else most
        good[k] = 1.0 if most < limit and most <= quiet * least else 0.0
        shrink[k], grow[k] = 1.0, 1.0
        if not most < limit:
            shrink[k], needed = 0.0, True
        elif most == 0.0:
            grow[k], needed = 0.0, True
        else:
            while most * shrink[k] >= 2.0:
                shrink[k], grow[k] = shrink[k] * 0.5, grow[k] * 2.0
            while most * shrink[k] < 1.0 and grow[k] > LEAST_POWER:
                shrink[k], grow[k] = shrink[k] * 2.0, grow[k] * 0.5
            least_of_all = most if most < least_of_all else least_of_all
            most_of_all = most if most > most_of_all else most_of_all
    return needed or most_of_all > ALIKE * least_of_all


@routine
def scale(tile, rows, factors):
    """Each lane times its factor; lanes with factor 0 become 0, whatever is in them."""
    alone()
    small()
    like, zero = lanes(LANES, True), lanes(LANES, True)
    by = load(factors, 0, like)
    for n in range(rows):
        now = load(tile, n * LANES, like) * by
        store(tile, n * LANES, choose(zero, by, now, zero))


@once
def overlap_save(dtype: str) -> Any:
    """The filter for one channel of real samples of this type, from rest."""
    width = register_bytes() // 8
    down, up, middle = stages(width)
    call_columns, call_back = move_callers(dtype)

    def run(functions, reach, length, piece, quiet, limit, spectrum, twiddles, x, y, good, pieces, edge, scratch):
        # functions: `columns` and `back`   reach: taps - 1   length: outputs of a block, a multiple of 4
        # quiet, limit: as in `blocks_of`, with `piece` samples in a piece   spectrum (M, 2) in the order of the stages, over M
        # twiddles of all stages, outermost first   x, y (N,), y not in the memory of x   good (blocks,) numbers, left
        # as 1 for blocks that are right, 0 for others, and for those beyond the end   scratch: pieces (N / piece,), edge (16 length + rows,), tile (M, 16)
        samples, size, tile, at = x.shape[0], spectrum.shape[0], pointer(scratch), pointer(spectrum)
        rows = (length + reach + 3) // 4 * 4
        loudness(pointer(x), samples, piece, pointer(pieces))
        like, segment = lanes(LANES, True), LANES * length
        shrink, grow = stack(LANES, 0.0), stack(LANES, 0.0)
        for start in range(0, samples, segment):
            first, ahead = start - reach, place(pointer(x)) + (start + segment) * x.itemsize
            whole = start + segment <= samples
            source = offset(pointer(x), first)
            if first < 0 or first + (LANES - 1) * length + rows > samples:
                source, begin, end = pointer(edge), max(0, 0 - first), min(edge.shape[0], samples - first)
                for n in range(begin):
                    edge[n] = 0.0
                for n in range(begin, end):
                    edge[n] = x[first + n]
                for n in range(end, edge.shape[0]):
                    edge[n] = 0.0
            call_columns(functions[0], (source, length, 1, rows, tile, ahead, LINE_BYTES))
            spans, found = (first, start, length, piece, pieces.shape[0]), offset(pointer(good), start // length)
            needed = blocks_of(pointer(pieces), spans, quiet, limit, found, shrink, grow)
            if needed:
                scale(tile, rows, shrink)
            for n in range(rows, size):
                store(tile, n * LANES, like)
            table, m = pointer(twiddles), size
            while m > TRANSFORM_GROUP:
                down(tile, size, m, table)
                table, m = offset(table, m // 4 * 6), m // 4
            group = m
            for g in range(0, size, group):
                inner, part = table, offset(tile, g * LANES)
                m = group
                while m > 4:
                    down(part, group, m, inner)
                    inner, m = offset(inner, m // 4 * 6), m // 4
                middle(part, group, m, offset(at, 2 * g))
                while m < group:
                    m = 4 * m
                    inner = offset(inner, 0 - m // 4 * 6)
                    up(part, group, m, inner)
            m = group
            while m < size:
                m = 4 * m
                table = offset(table, 0 - m // 4 * 6)
                up(tile, size, m, table)
            if needed:
                scale(offset(tile, reach * LANES), length, grow)
            target = offset(pointer(y), start) if whole else pointer(edge)
            call_back(functions[1], (offset(tile, reach * LANES), target, length, 1, length, ahead, LINE_BYTES))
            if not whole:
                for n in range(start, samples):
                    y[n] = edge[n - start]

    signals, number = (packed(dtype, 1, read=True), packed(dtype, 1)), packed("d", 1)
    tables = packed("d", 2, read=True), packed("d", 1, read=True)
    settings = INT, INT, INT, types.float64, types.float64
    scratch = number, number, packed(dtype, 1), number
    arguments = packed("p", 1, read=True), *settings, *tables, *signals, *scratch
    return kernel(run, f"overlap_save_{dtype}", *arguments)


@once
def functions(dtype: str) -> Any:
    """What it calls, by address."""
    return np.array(moves(dtype), np.intp)
