"""Factors of the sampling rate, and anti-aliasing filters."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from sigrnn._arrays import Array, array, short
from sigrnn._scipy import own


def reduced(up: Any, down: Any) -> tuple[int, int]:
    """The factors of the sampling rate without a common divisor."""
    for name, factor in (("up", up), ("down", down)):
        if factor != int(factor):
            raise ValueError(f"{name} must be an integer, got {factor!r}")
        if factor < 1:
            raise ValueError(f"up and down must be >= 1, got {name}={factor!r}")
    shared = math.gcd(int(up), int(down))
    return int(up) // shared, int(down) // shared


def common(h: Array, x: Array) -> np.dtype[Any]:
    """The dtype of the result."""
    try:
        return np.result_type(h.dtype, x.dtype, np.float32)
    except TypeError:
        raise TypeError(f"h and x must be numbers, got dtypes {h.dtype} and {x.dtype}") from None


def taps_of(window: Any, up: int, down: int, kind: np.dtype[Any]) -> tuple[Array, np.dtype[Any]]:
    """The taps, in double precision, and the dtype for which they count, for a signal of dtype `kind`."""
    if isinstance(window, list | np.ndarray):
        h = array("window", window)
        if h.ndim != 1:
            raise ValueError(f"window must be 1-D, got shape {h.shape}")
        if h.dtype.kind not in "biufc":
            raise TypeError(f"window must be numbers, got dtype {h.dtype}")
        return up * h.astype(np.complex128 if h.dtype.kind == "c" else np.float64), h.dtype
    try:
        h = low_pass(max(up, down), window)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        h = low_pass.__wrapped__(max(up, down), window)
    return up * h, kind if kind.kind in "fc" else np.dtype(np.float64)


@lru_cache(maxsize=32)
def low_pass(rate: int, window: Any) -> Array:
    """The filter of `resample_poly` for the larger of both factors."""
    from scipy.signal import firwin

    return np.asarray(firwin(20 * rate + 1, 1.0 / rate, window=window), np.float64)


@lru_cache(maxsize=32)
def windowed(n: int, q: int) -> Array:
    """The filter without feedback of `decimate`."""
    from scipy.signal import firwin

    return np.asarray(firwin(n + 1, 1.0 / q, window="hamming"), np.float64)


@lru_cache(maxsize=128)
def chebyshev(n: int, q: int) -> Array:
    """The sections of `decimate`."""
    from scipy.signal import cheby1

    return np.asarray(cheby1(n, 0.05, 0.8 / q, output="sos"), np.float64)


def against_aliasing(
    ftype: Any, n: int | None, q: int, kind: np.dtype[Any]
) -> tuple[bool, tuple[Array, ...], np.dtype[Any]]:
    """The filter of `decimate`: whether it has no feedback; its taps, its sections, or b and a; the dtype of the result."""
    if isinstance(ftype, str) and ftype == "fir":
        return True, (windowed(20 * q if n is None else n, q),), kind
    if isinstance(ftype, str) and ftype == "iir":
        return False, (chebyshev(8 if n is None else n, q),), kind
    from scipy.signal import dlti, zpk2sos

    if not isinstance(ftype, dlti):
        raise ValueError(f"invalid ftype: it must be 'iir', 'fir' or a dlti, got {short(ftype)}")
    form = ftype.to_zpk()
    if np.iscomplex(form.poles).any() or np.iscomplex(form.gain) or not len(form.poles):
        form = ftype.to_tf()
        taps = np.asarray(form.num), np.asarray(form.den)
        if len(taps[1]) > 1:
            return False, taps, np.result_type(*taps, kind)
        h = taps[0] / taps[1]
        return True, (h,), common(h, np.empty(0, kind))
    return False, (zpk2sos(form.zeros, form.poles, form.gain),), kind


def by_scipy(name: str, arrays: dict[str, Array], *args: Any) -> Any:
    """What no kernel serves."""
    try:
        return own(name)(*arrays.values(), *args)
    except TypeError as error:
        kinds = ", ".join(f"{key} has dtype {c.dtype}" for key, c in arrays.items())
        raise TypeError(f"{kinds}: there is no kernel for that, and scipy.signal.{name} raises: {error}") from None
