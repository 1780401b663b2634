"""Matrix products on the calling thread: BLAS would use all processors, and wait for those that are busy."""

from __future__ import annotations

from typing import Any

from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, strided
from sigrnn._kernels.base.vec import lanes_of, load, pointer, spread, stack, store
from sigrnn._kernels.sizes import PRODUCT_DEPTH as DEPTH
from sigrnn._kernels.sizes import PRODUCT_ROWS as ROWS
from sigrnn._kernels.sizes import PRODUCT_VECTORS as VECTORS
from sigrnn._kernels.sizes import PRODUCT_WIDE as WIDE
from sigrnn._kernels.sizes import product_columns

__all__ = ["entry_point", "multiply"]


@device
def pack(b, start, terms, left, across, each, to, at):
    """Copy some rows and columns of b into panels of `each` columns, row by row, padded with zeros."""
    for panel in range(0, across, each):
        here = min(each, across - panel)
        for k in range(terms):
            for i in range(here):
                to[at + k * each + i] = b[start + k, left + panel + i]
            for i in range(here, each):
                to[at + k * each + i] = 0.0
        at += terms * each


@once
def multiply(dtype: str, result: str, register: int) -> Any:
    """The compiled product of matrices of `dtype` ('f' or 'd'), added to one of dtype `result`; vectors of `register` bytes."""
    each, count = product_columns(register, 4 if dtype == "f" else 8), ROWS * VECTORS
    width = each // VECTORS

    def run(a, b, c, scratch):
        # a (K, M)   b (K, N)   c (M, N) += a^T b   scratch: see `product_scratch`
        inner, rows, wide = a.shape[0], a.shape[1], b.shape[1]
        down, right = a.strides[0] // a.itemsize, a.strides[1] // a.itemsize
        like, one = lanes_of(width, scratch), scratch.dtype.type(0)
        sums, of_b = stack(count, like), stack(VECTORS, like)
        at, of_a = pointer(scratch), pointer(a)
        for start in range(0, inner, DEPTH):
            terms = min(DEPTH, inner - start)
            for left in range(0, wide, WIDE):
                across = min(WIDE, wide - left)
                pack(b, start, terms, left, across, each, scratch, ROWS * each)
                for j in range(0, across, each):
                    panel, here = ROWS * each + j * terms, min(each, across - j)
                    for i in range(0, rows, ROWS):
                        top = min(i, max(rows - ROWS, 0))  # the last rows overlap the previous ones
                        first = start * down + top * right
                        for s in range(count):
                            sums[s] = like
                        for k in range(terms):
                            for v in range(VECTORS):
                                of_b[v] = load(at, panel + k * each + v * width, like)
                            for r in range(ROWS):
                                number = spread(load(of_a, first + k * down + min(r, rows - 1) * right, one), like)
                                for v in range(VECTORS):
                                    sums[r * VECTORS + v] = sums[r * VECTORS + v] + number * of_b[v]
                        for s in range(count):
                            store(at, s * width, sums[s])
                        for r in range(i - top, min(ROWS, rows)):
                            for n in range(here):
                                c[top + r, left + j + n] += scratch[r * each + n]

    arguments = strided(dtype, 2, True), strided(dtype, 2, True), strided(result, 2), packed(dtype, 1)
    return kernel(run, f"product_{dtype}_{result}_{register}", *arguments)
