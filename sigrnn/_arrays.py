"""Checks and conversions of arguments: types, axes, shapes, states. No Numba, no filters."""

from __future__ import annotations

import operator
import reprlib
import sys
from collections.abc import Sequence
from numbers import Number
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Sample = TypeVar(
    "Sample", np.float32, np.float64, np.complex64, np.complex128
)  # one dtype of all arguments is the result's
Double = (
    float | Sequence[float] | Sequence[Sequence[float]] | NDArray[np.float64 | np.integer[Any]]
)  # make a float64 result

F8, C16 = np.dtype(np.float64), np.dtype(np.complex128)
NATIVE = "fdFD"  # what the kernels serve: float32, float64, complex64, complex128


def array(name: str, given: Any) -> Array:
    """An argument as an array."""
    refuse_masked(name, _masked(given), f"as {name}.filled(value) does")
    try:
        return np.asarray(given)
    except ValueError as error:
        why = "its parts have different lengths" if "inhomogeneous" in str(error) else error
        raise ValueError(f"{name} must be an array, got {short(given)}: {why}") from None
    except RuntimeError as error:
        if "requires grad" not in str(error):
            raise
        raise RuntimeError(
            f"{name} is a tensor that requires grad: sigrnn.torch has the functions with autograd, or give {name}.detach()"
        ) from None


def numbers(name: str, given: Any) -> Array:
    """An argument as an array of numbers, of any type."""
    found = array(name, given)
    if found.dtype.kind not in "biufcO":
        raise TypeError(f"{name} must be numbers, got dtype {found.dtype}")
    if found.dtype.kind == "O" and not all(isinstance(value, Number) for value in found.flat):
        raise TypeError(f"{name} must be numbers, got {short(given)}")
    return found


def refuse_masked(name: str, masked: bool, remedy: str) -> None:
    """Raise for a masked array: a filter would run through the numbers under the mask."""
    if masked:
        raise TypeError(f"{name} is masked, and a filter has no output for missing samples: fill the gaps, {remedy}")


def _masked(given: Any) -> bool:
    """Whether samples are masked in an array, or in one of a list of arrays; NumPy loads its masked arrays when they are used."""
    if isinstance(given, list | tuple) and given and isinstance(given[0], np.ndarray):
        return any(map(_masked, given))
    return type(given) is not np.ndarray and "numpy.ma" in sys.modules and bool(np.ma.is_masked(given))


def promoted(**given: Any) -> np.dtype[Any]:
    """The common dtype of arguments."""
    try:
        return np.result_type(*given.values())
    except TypeError:
        kinds = ", ".join(f"{name} {getattr(value, 'dtype', type(value).__name__)}" for name, value in given.items())
        raise np.exceptions.DTypePromotionError(f"there is no common dtype of {kinds}") from None


def whole(name: str, given: Any, least: int | None = None) -> int:
    """A whole number, as an argument."""
    try:
        number = operator.index(given)
    except TypeError as error:
        raise TypeError(f"{name} must be a whole number, got {short(given)}: {error}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def number_of(name: str, given: Any) -> float:
    """A number, as an argument."""
    try:
        return float(given)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {short(given)}") from None


def short(given: Any) -> str:
    """What came, in a few words."""
    return f"an array of shape {given.shape}" if isinstance(given, np.ndarray) and given.ndim else reprlib.repr(given)


def random(rng: Any) -> np.random.Generator:
    """The generator of an argument `rng`."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(f"rng must be a seed, a Generator or None, got {short(rng)}: {error}") from None


def numeric(x: Array, name: str = "x") -> Array:
    """An array of numbers, or of objects that may be some."""
    if x.dtype.kind not in "biufcO":
        raise TypeError(f"{name} must be numbers, got dtype {x.dtype}")
    return x


def signal(x: Any, name: str = "x") -> Array:
    """An array with at least one axis."""
    found = array(name, x)
    if found.ndim == 0:
        raise ValueError(f"{name} must be at least 1-D, got {'a scalar' if found.dtype.kind in 'biufc' else short(x)}")
    return found


def time_axis(axis: Any, x: Array, name: str = "x") -> int:
    """The axis as a non-negative number."""
    axis = whole("axis", axis)
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(f"axis {axis} is out of bounds for {name} with shape {x.shape}")
    return axis % x.ndim


def time_last(x: Array, axis: int) -> Array:
    """A view with time along the last axis; `numpy.moveaxis` does it too, in 4 us."""
    if axis == x.ndim - 1:
        return x
    return x.T if x.ndim == 2 else x.transpose(*range(axis), *range(axis + 1, x.ndim), axis)


def time_back(x: Array, axis: int) -> Array:
    """Undo `time_last`."""
    if axis == x.ndim - 1:
        return x
    last = x.ndim - 1
    return x.T if x.ndim == 2 else x.transpose(*range(axis), last, *range(axis, last))


def output(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], x: Array) -> tuple[Array, Array]:
    """The array to fill and the input to read: `out` as it is, and a copy of `x` where filling would disturb reading."""
    if out is None:
        return np.empty(shape, dtype), x
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an array, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, expected {shape}")
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"out has dtype {out.dtype!r}, expected the result's: {dtype!r}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    same = out.__array_interface__["data"] == x.__array_interface__["data"] and out.strides == x.strides
    if not (same and x.dtype == dtype) and np.may_share_memory(out, x):
        x = x.copy()
    return out, x


def initial_state(zi: Any, shape: Sequence[int], axes: Sequence[int], x: Array, axis: int) -> Array:
    """The given state with the shape expected, broadcast over channels.

    `shape` is SciPy's layout; `axes` are those of the state itself (order; or sections and order), the others are
    channels. Allowed are that layout with ones for channels, a scalar, and the state of a single channel; the last not
    for x with several channel axes, where SciPy's rule (and its tests) want the ones spelled out.
    """
    zi, shape = array("zi", zi), tuple(shape)
    if zi.shape == shape:
        return zi
    if zi.ndim == 0:
        return np.broadcast_to(zi, shape)
    ones = tuple(n if k in axes else 1 for k, n in enumerate(shape))
    if x.ndim == 2 and zi.shape == tuple(shape[k] for k in axes):
        zi = zi.reshape(ones)
    fits = zi.ndim == len(shape) and all(n in (m, o) for n, m, o in zip(zi.shape, shape, ones, strict=True))
    if not fits:
        raise ValueError(
            f"Invalid zi shape. With axis={axis}, x with shape {x.shape} and this filter, zi must have shape {shape} "
            f"(ones in place of channels are broadcast, so is a scalar), got {zi.shape}."
        )
    return np.broadcast_to(zi, shape)


def regular(x: Array) -> bool:
    """Whether steps from element to element are whole elements, as the kernels count them (a field of a record's may not be)."""
    flags = x.flags
    return flags.aligned and (flags.c_contiguous or not any(step % x.itemsize for step in x.strides))


def rows(x: Array, y: Array) -> bool:
    """Whether both can be seen as (channels, samples) without a copy."""
    return all(v.ndim <= 2 or np.may_share_memory(v, v.reshape(-1, v.shape[-1])) for v in (x, y))
