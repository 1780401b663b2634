"""Options of compilation, and checks of the types of arguments."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.np.numpy_support import as_dtype

from sigrnn._kernels.base.jit import OPTIONS

STRICT = {"fastmath": False, **OPTIONS}
HIDDEN = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
compiled = numba.njit(**STRICT, **HIDDEN)
sums = numba.njit(fastmath={"reassoc", "contract"}, forceinline=True, **OPTIONS, **HIDDEN)  # harmless to NaN and inf


def missing(kind: Any) -> bool:
    return kind is None or isinstance(kind, types.NoneType) or (isinstance(kind, types.Omitted) and kind.value is None)


def common_dtype(function: str, dimensions: dict[str, tuple[int, ...]], **given: Any) -> np.dtype[Any]:
    """The dtype of the result; each array given is checked."""
    dtypes = []
    for name, kind in given.items():
        if missing(kind):
            continue
        allowed = dimensions[name]
        if (
            not isinstance(kind, types.Array)
            or kind.dtype not in (types.float32, types.float64)
            or kind.ndim not in allowed
        ):
            axes = " or ".join(f"{n}-D" for n in allowed)
            raise TypingError(f"sigrnn.{function}: {name} must be a {axes} array of float32 or float64, got {kind}")
        dtypes.append(as_dtype(kind.dtype))
    return np.result_type(*dtypes)
