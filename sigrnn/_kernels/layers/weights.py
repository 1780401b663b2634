"""Conversion between the user's layout of weights and that of the loops, for weights and their gradients.

H units, G gates (rows of weights for each unit), I inputs, Q sums for each unit, J vectors of W units. `gates` (2, Q)
holds for each sum the gate with its weights of the inputs, and the gate with its weights of the units; -1 for none.
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.base.jit import device, kernel, once, packed, strided
from sigrnn._kernels.base.vec import lanes_of, load, pointer, total
from sigrnn._kernels.layers.loops import group_of

__all__ = ["input_gradients", "pack", "unpack"]


@device
def bias_of(b, gate, hidden, unit):
    return b[gate * hidden + unit] if gate >= 0 and b.size else b.dtype.type(0)


@once
def pack(dtype: str) -> Any:
    """The compiled function that packs weights in the order in which the loops read them."""

    def run(w_ih, w_hh, b_ih, b_hh, peephole, gates, factors, late, hidden, forward, looks, backward, plain, into_x):
        # w_ih (G H, I)   w_hh (G H, H), or (0, 0) if there is none   b_ih, b_hh (G H,), or (0,)   peephole (3, H), or (0, 0)
        # factors (Q,): of the sums   late: the sum whose weights of units are applied last, -1 if none
        # forward (J, K, Q, W): entries [x, 1, h], and h again for the late sum   looks (3, J W): peepholes with factors
        # For gradients, or of size 0: backward (J Q H W,), weights of units transposed   plain (3, J W)   into_x (I, Q, J W)
        # All outputs are initially zero.
        blocks, sums, width, inputs = forward.shape[0], forward.shape[2], forward.shape[3], w_ih.shape[1]
        for j in range(blocks):
            lanes = min(width, hidden - j * width)
            for q in range(sums):
                of_x, of_h, factor = gates[0, q], gates[1, q], factors[q]
                row_x, row_h = of_x * hidden + j * width, of_h * hidden + j * width
                if of_x >= 0:
                    for k in range(inputs):
                        for i in range(lanes):
                            forward[j, k, q, i] = w_ih[row_x + i, k] * factor
                    if into_x.size:
                        for k in range(inputs):
                            for i in range(lanes):
                                into_x[k, q, j * width + i] = w_ih[row_x + i, k]
                for i in range(lanes):
                    unit = j * width + i
                    bias = bias_of(b_ih, of_x, hidden, unit) + bias_of(b_hh, of_h, hidden, unit)
                    forward[j, inputs, q, i] = bias * factor
                if of_h >= 0 and w_hh.size:
                    at, to = (inputs + 1 + hidden, 0) if q == late else (inputs + 1, q)
                    for k in range(hidden):
                        for i in range(lanes):
                            forward[j, at + k, to, i] = w_hh[row_h + i, k] * factor
            if w_hh.size and backward.size:
                vectors, first = group_of(blocks, j)
                start = (first * sums * hidden + j - first) * width
                for q in range(sums):
                    if gates[1, q] >= 0:
                        for i in range(hidden):
                            at, row = start + (q * hidden + i) * vectors * width, gates[1, q] * hidden + i
                            for k in range(lanes):
                                backward[at + k] = w_hh[row, j * width + k]
        for row in range(peephole.shape[0]):
            for i in range(hidden):
                looks[row, i] = peephole[row, i] * factors[0]
                if plain.size:
                    plain[row, i] = peephole[row, i]

    given = strided(dtype, 2, True), strided(dtype, 2, True), strided(dtype, 1, True), strided(dtype, 1, True)
    table = packed("q", 2, True), packed("d", 1, True), types.intp, types.intp
    made = packed(dtype, 4), packed(dtype, 2), packed(dtype, 1), packed(dtype, 2), packed(dtype, 3)
    return kernel(run, f"pack_{dtype}", *given, strided(dtype, 2, True), *table, *made)


@once
def unpack(dtype: str) -> Any:
    """The compiled function that extracts the gradients of the user's weights from those of the map of a step."""

    def run(whole, late_units, gates, late, hidden, w_ih, w_hh, b_ih, b_hh):
        # whole (Q, J W, S): gradients of the map from [x, 1, h] to the sums   late_units (J W, J W): of the late sum
        # w_ih (G H, I)   w_hh (G H, H), or (0, 0)   b_ih, b_hh (G H,), or (0,): outputs
        inputs = w_ih.shape[1]
        for q in range(whole.shape[0]):
            of_x, of_h = gates[0, q], gates[1, q]
            for i in range(hidden):
                if of_x >= 0:
                    row = of_x * hidden + i
                    for k in range(inputs):
                        w_ih[row, k] = whole[q, i, k]
                    if b_ih.size:
                        b_ih[row] = whole[q, i, inputs]
                if of_h >= 0:
                    row = of_h * hidden + i
                    for k in range(w_hh.shape[1]):
                        w_hh[row, k] = late_units[i, k] if q == late else whole[q, i, inputs + 1 + k]
                    if b_hh.size:
                        b_hh[row] = whole[q, i, inputs]

    read = packed("d", 3, True), packed("d", 2, True), packed("q", 2, True), types.intp, types.intp
    made = packed(dtype, 2), packed(dtype, 2), packed(dtype, 1), packed(dtype, 1)
    return kernel(run, f"unpack_{dtype}", *read, *made)


@once
def input_gradients(dtype: str, width: int) -> Any:
    """The compiled product of the gradients of all sums with the weights of the inputs, for few inputs."""

    def run(d, w, dx):
        # d (N, R), R sums of all units, a multiple of W   w (I, R)   dx (N, I)
        like = lanes_of(width, d)
        for n in range(dx.shape[0]):
            for i in range(dx.shape[1]):
                acc = like
                for r in range(0, w.shape[1], width):
                    acc = acc + load(pointer(d[n]), r, like) * load(pointer(w[i]), r, like)
                dx[n, i] = total(acc)

    return kernel(
        run, f"input_gradients_{dtype}_{width}", packed(dtype, 2, True), packed(dtype, 2, True), packed(dtype, 2)
    )
