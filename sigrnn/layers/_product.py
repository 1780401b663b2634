"""Products of matrices on the calling thread. BLAS would use every processor it finds, whatever `set_workers` allows.

It would also wait for them if other programs use them: a backward pass of an LSTM of 16 units took ten times as long. Small
products stay with BLAS, which does not divide them; large ones are split into such pieces, or computed by a loop of our own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from sigrnn._arrays import Array
from sigrnn._kernels.sizes import product_scratch
from sigrnn._lookup import Kernels, entry_point, register_bytes

MATRICES, VECTOR = (
    1 << 18,
    9_000,
)  # products of numbers up to which OpenBLAS keeps to one thread; the latter with a vector
SHORTEST = 48  # terms, or rows, of a piece: with fewer the loop is faster


@cache
def loop(dtype: str, result: str) -> Any:
    """The compiled product."""
    return entry_point(Kernels("layers.product").multiply(dtype, result, register_bytes()))


def undivided(rows: int, columns: int) -> int:
    """Products of numbers that BLAS takes on one thread, for a result of this shape."""
    return VECTOR if rows == 1 or columns == 1 else MATRICES


def add_product(whole: Array, a: Array, b: Array) -> None:
    """whole (M, N) += a^T b, for a (K, M) and b (K, N) of one dtype, float32 or float64."""
    size = undivided(*whole.shape) // max(whole.size, 1)
    if size >= len(a):
        whole += a.T @ b
        return
    if size >= SHORTEST:
        for start in range(0, len(a), size):
            whole += a[start : start + size].T @ b[start : start + size]
        return
    scratch = np.empty(product_scratch(register_bytes(), a.itemsize, len(a), b.shape[1]), a.dtype)
    loop(a.dtype.char, whole.dtype.char)(a, b, whole, scratch)


def product(x: Array, w: Array) -> Array:
    """x (..., K) w (K, N), of float32 or float64."""
    if len(w) == 1:  # BLAS takes three times as long
        return np.asarray(x * w[0])
    rows = x.size // max(w.shape[0], 1)
    size = undivided(rows, w.shape[1]) // max(w.size, 1)
    if rows <= size:
        return np.asarray(x @ w)
    dtype = np.result_type(x, w)
    flat, w, found = x.reshape(rows, len(w)), w.astype(dtype, copy=False), np.zeros((rows, w.shape[1]), dtype)
    if size < SHORTEST:
        add_product(found, flat.T.astype(dtype, copy=False), w)
    else:
        for start in range(0, rows, size):
            np.matmul(flat[start : start + size], w, out=found[start : start + size])
    return found.reshape(*x.shape[:-1], w.shape[1])
