"""Extension of a signal at both ends before zero-phase filtering."""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.base.jit import entry_point, kernel, once, packed, strided

__all__ = ["EVEN", "HELD", "ODD", "entry_point", "extend"]

ODD, EVEN, HELD = 0, 1, 2  # reflected about the end point, reflected, constant


def _extend(x, kind, edge, y):
    # x (N,) any strides, N > edge   y (N + 2 edge,)
    samples = x.shape[0]
    start, end = x[0], x[samples - 1]
    for i in range(edge):
        before, after = x[edge - i], x[samples - 2 - i]
        if kind == ODD:
            before, after = 2.0 * start - before, 2.0 * end - after
        elif kind == HELD:
            before, after = start, end
        y[i], y[edge + samples + i] = before, after
    for i in range(samples):
        y[edge + i] = x[i]


@once
def extend() -> Any:
    """The compiled extension of float64 signals."""
    return kernel(_extend, "extend", strided("d", 1, read=True), types.intp, types.intp, packed("d", 1))
