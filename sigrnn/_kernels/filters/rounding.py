"""Conversion from float64 to integers: rounded to nearest, saturated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import from_dtype, types

from sigrnn._kernels.base.jit import entry_point, kernel, once, packed

__all__ = ["entry_point", "saturate"]


def _saturate(x, y, least, most, largest):
    # x (N,) float64   y (N,) integers from `least` to `most`; `largest` is that as an exact integer
    for n in range(x.shape[0]):
        e = np.rint(x[n])
        e = e if e == e else 0.0
        e = e if e > least else least
        if e >= most:
            y[n] = largest
        else:
            y[n] = e


@once
def saturate(name: str) -> Any:
    """The compiled conversion to integers of the NumPy dtype of that name."""
    dtype = np.dtype(name)
    flat = packed("d", 1), packed(dtype, 1)
    return kernel(_saturate, f"saturate_{name}", *flat, types.float64, types.float64, from_dtype(dtype))
