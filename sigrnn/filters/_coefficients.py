"""From the user's coefficients to filters ready to run; the filters used last are cached with their constants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import C16, F8, Array, array, short
from sigrnn.filters._fir import FIRFilter
from sigrnn.filters._kept import cascades, direct_forms, keep
from sigrnn.filters._recursive import METHODS, RecursiveFilter

ndarray = np.ndarray
SIMPLE = ndarray, list, tuple, float, int
REAL = "fiub"  # kinds of dtypes


def sections(sos: ArrayLike) -> Array:
    """Check second-order sections (..., S, 6)."""
    given = array("sos", sos)
    rows = np.atleast_2d(given)
    if rows.shape[-1] != 6:
        raise ValueError(f"sos array must be shape (n_sections, 6), got {given.shape if given.ndim else short(sos)}")
    if not (rows[..., 3] == 1).all():
        raise ValueError("sos[:, 3] should be all ones")
    return rows


def check_method(method: str, fir: bool) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}; got {method!r}")
    if method == "fft" and not fir:
        raise ValueError("method 'fft' serves FIR filters only: lfilter, with a single coefficient a")


def coefficients(c: ArrayLike, name: str) -> Array:
    c = array(name, c)
    if c.ndim == 0:
        c = c.reshape(1)
    if c.size == 0:
        raise ValueError(f"Parameter {name} is not a non-empty 1d array, its shape is {c.shape}")
    return c


def check_first(a: Array) -> None:
    """There is something to divide by. Python's own numbers in an array of objects would say so with an exception of theirs."""
    if (a[..., 0] == 0).any():
        raise ValueError("filter coefficient a[0] must not be 0")


def weak(zi: Any) -> Any:
    """The initial state as NumPy's promotion wants it: a Python scalar does not widen float32."""
    return zi if type(zi) in (int, float, complex) else array("zi", zi)


def normalised(b: Array, a: Array, dtype: np.dtype[Any], fir: bool = True) -> tuple[Array, Array]:
    """Divide by a[0] and give b and a the same length; if `fir`, a single a stays single."""
    b, a = b.astype(inner(dtype)), a.astype(inner(dtype))
    check_first(a)
    b, a = b / a[..., :1], a / a[..., :1]
    if not fir or a.shape[-1] > 1:
        length = max(b.shape[-1], a.shape[-1])
        b, a = padded(b, length), padded(a, length)
    if b.dtype == F8 or b.imag.any() or a.imag.any():
        return b, a
    return np.ascontiguousarray(b.real), np.ascontiguousarray(a.real)


def real_if_exact(c: Array) -> Array:
    """Complex coefficients without an imaginary part, as real ones."""
    return c if c.imag.any() else np.ascontiguousarray(c.real)


def padded(c: Array, length: int) -> Array:
    missing = length - c.shape[-1]
    return np.concatenate([c, np.zeros((*c.shape[:-1], missing), c.dtype)], axis=-1) if missing else c


def inner(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type kernels compute in."""
    return C16 if dtype.kind == "c" else F8


def direct_form(b: bytes, a: bytes) -> RecursiveFilter | FIRFilter | None:
    """The filter of float64 coefficients; None where there is a single tap, or none is finite, without feedback."""
    known: RecursiveFilter | FIRFilter | None = direct_forms.get((b, a))
    if known is None and b and len(a) >= F8.itemsize and len(a) + len(b) > 2 * F8.itemsize:
        taps, poles = normalised(np.frombuffer(b), np.frombuffer(a), F8)
        if len(poles) > 1:
            return keep(direct_forms, (b, a), RecursiveFilter(taps[None], poles[None], "direct"))
        if np.isfinite(taps).all():
            return keep(direct_forms, (b, a), FIRFilter(taps))
    return known


def recursive(b: bytes, a: bytes) -> RecursiveFilter | None:
    """The same; None without feedback."""
    known = direct_form(b, a) if len(a) > F8.itemsize else None
    return known if isinstance(known, RecursiveFilter) else None


def cascaded(sos: bytes) -> RecursiveFilter | None:
    """The filter of float64 sections. None if they are no sections."""
    known: RecursiveFilter | None = cascades.get(sos)
    if known is None:
        rows = np.frombuffer(sos)
        if rows.size and not rows.size % 6 and (rows[3::6] == 1.0).all():
            known = keep(cascades, sos, filter_of_sections(rows.reshape(-1, 6)))
    return known


def recall(b: Any, a: Any, x: Array) -> tuple[RecursiveFilter | FIRFilter, np.dtype[Any]] | None:
    """The filter of real coefficients, one for all channels, and the dtype of b, a and x; None where that is something else."""
    if type(b) is type(a) is ndarray:
        if b.dtype is a.dtype is x.dtype is F8 and b.ndim == a.ndim == 1:
            found = direct_form(b.tobytes(), a.tobytes())
            return None if found is None else (found, F8)
    else:
        if not isinstance(b, SIMPLE) or not isinstance(a, SIMPLE):
            return None
        b, a = np.atleast_1d(array("b", b)), np.atleast_1d(array("a", a))
    if b.ndim != 1 or a.ndim != 1:
        return None
    if not (b.dtype.kind in REAL and a.dtype.kind in REAL and x.dtype.kind in REAL):
        return None
    dtype = np.result_type(b, a, x)
    if dtype.char not in "fd":
        return None
    found = direct_form(b.astype(F8).tobytes(), a.astype(F8).tobytes())
    return None if found is None else (found, dtype)


def filter_of(b: Array, a: Array) -> RecursiveFilter:
    """The filter of normalised coefficients (..., P + 1) of one channel or of each, one that is kept if possible."""
    known = recursive(b.tobytes(), a.tobytes()) if b.ndim == a.ndim == 1 and b.dtype == a.dtype == F8 else None
    return RecursiveFilter(b[..., None, :], a[..., None, :], "direct") if known is None else known


def filter_of_sections(sos: Array) -> RecursiveFilter:
    """The filter of checked sections (S, 6) or, of each channel, (C, S, 6)."""
    return RecursiveFilter(np.ascontiguousarray(sos[..., :3]), np.ascontiguousarray(sos[..., 3:]), "sections")


def known_sections(sos: Array) -> RecursiveFilter:
    """The same, one that is kept if possible."""
    known = cascaded(sos.tobytes()) if sos.ndim == 2 and sos.dtype == F8 else None
    return filter_of_sections(sos) if known is None else known
