"""Conversion of the user's arrays to rows of channels and back, for every filter.

A runner is a filter with its coefficients. It has the shape of one channel's state (`state`), filters rows (`filter`),
and, with coefficients for each channel, returns those of some channels (`of`).
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from sigrnn._arrays import F8, Array, initial_state, output, regular, rows, time_back, time_last
from sigrnn._lookup import Kernels
from sigrnn._scipy import own
from sigrnn.filters import _fir, _recursive
from sigrnn.filters._coefficients import inner
from sigrnn.filters._fir import FIRFilter
from sigrnn.filters._options import PLAIN, Gaps, Options, Rounded, Runner, deliver, dtype_of, integral
from sigrnn.filters._recursive import METHODS, RecursiveFilter
from sigrnn.workers import get_workers

ndarray, empty, zeros, may_share_memory = np.ndarray, np.empty, np.zeros, np.may_share_memory

AUTO = "auto"  # the method unless another is given

fir = Kernels("filters.fir")


class Recursion:
    """A recursive filter."""

    def __init__(self, filter: RecursiveFilter, method: str) -> None:
        self.own, self.method = filter, method
        shape = filter.b.shape
        self.state = (shape[-2], shape[-1] - 1) if filter.kind == "sections" else (shape[-1] - 1,)

    def filter(self, x: Array, y: Array, z: Array | None) -> None:
        if not self.own.b.shape[-2]:  # no sections: nothing happens
            y[...] = x
            return
        state = None if z is None else z.reshape(len(x), self.own.b.shape[-2], self.own.order)
        _recursive.run(self.own, x, y, state, self.method)

    def of(self, part: slice) -> Self:
        b, a = self.own.b, self.own.a
        if b.ndim == 2:
            return self
        return type(self)(RecursiveFilter(b[part], a[part], self.own.kind), self.method)

    def at(self, samples: slice | Array) -> Self:
        return self


class Taps:
    """A filter without feedback."""

    def __init__(self, b: Array, method: str) -> None:
        self.b, self.method = b, method
        self.state = (b.shape[-1] - 1,)

    def filter(self, x: Array, y: Array, z: Array | None) -> None:
        _fir.run(self.b, x, y, z, self.method)

    def of(self, part: slice) -> Self:
        return self if self.b.ndim == 1 else type(self)(self.b[part], self.method)

    def at(self, samples: slice | Array) -> Self:
        return self


class Varying:
    """A filter with coefficients (N, P + 1), or (C, N, P + 1), for every sample."""

    def __init__(self, b: Array, a: Array) -> None:
        self.b, self.a = b, a
        self.state = (b.shape[-1] - 1,)

    def filter(self, x: Array, y: Array, z: Array | None) -> None:
        kind, run = inner(y.dtype), fir.varying(y.dtype.char)
        all_b, all_a = (np.ascontiguousarray(c, kind) for c in (self.b, self.a))
        for c in range(len(x)):
            b, a = (all_b, all_a) if all_b.ndim == 2 else (all_b[c], all_a[c])
            state = np.zeros(b.shape[-1], kind)
            if z is not None:
                state[:-1] = z[c]
            run(b, a, x[c], y[c], state)
            if z is not None:
                z[c] = state[:-1]

    def of(self, part: slice) -> Self:
        return self if self.b.ndim == 2 else type(self)(self.b[part], self.a[part])

    def at(self, samples: slice | Array) -> Self:
        return type(self)(self.b[..., samples, :], self.a[..., samples, :])


def one_channel(
    filter: RecursiveFilter | FIRFilter, dtype: np.dtype[Any], x: Array, zi: Any, out: Array | None, method: str
) -> Any:
    """Filter x (N,), of any real dtype, in float32 or float64: y, or (y, zf). None where that takes more care."""
    if out is None:
        y = empty(len(x), dtype)
    elif (
        type(out) is ndarray
        and out.dtype is dtype
        and out.shape == x.shape
        and out.flags.behaved
        and (out is x or out.base is x.base is None or not may_share_memory(out, x))
    ):
        y = out
    else:
        return None
    if zi is None:
        z = flat = zeros(filter.started)
    elif type(zi) is ndarray and zi.dtype is dtype and zi.shape == filter.shape:
        z = zi.copy() if dtype is F8 else zi.astype(F8, order="C")
        flat = z if z.ndim == 1 else z.reshape(-1)
    else:
        return None
    if method is AUTO and x.dtype is dtype is F8 and len(x) < filter.least:
        filter.plain(x, y, flat)
    else:
        if method not in METHODS or method == "fft":
            return None
        if x.dtype is not dtype:
            y[...] = x
            x = y
        filter.one(x, y, flat, method)
    return y if zi is None else (y, z if dtype is F8 else z.astype(dtype))


def few_channels(filter: RecursiveFilter | FIRFilter, x: Array, axis: Any) -> Array | None:
    """Filter one or two channels (C, N) or (N, C) in float64, from rest; None where that takes more care, or others do it faster."""
    if x.ndim != 2 or type(axis) is not int or not -2 <= axis < 2 or not isinstance(filter, RecursiveFilter):
        return None
    y = empty(x.shape)
    given, filtered = (x, y) if axis % 2 else (x.T, y.T)
    if len(given) > 2 or get_workers() > 1:
        return None
    for c in range(len(given)):
        filter.one(given[c], filtered[c], zeros(filter.started))
    return y


def apply(
    runner: Runner, x: Array, axis: int, zi: Any, out: Array | None, dtype: np.dtype[Any], how: Options = PLAIN
) -> Any:
    """Filter x along an axis: y, or (y, zf) if there is a zi."""
    rounded = integral(out)
    y, x = output(out, x.shape, dtype_of(out, dtype), x)
    z = None if zi is None else state_rows(zi, runner.state, x, axis, inner(dtype))
    if how is PLAIN and not rounded:
        fill(runner, x, y, axis, z)
    else:
        run = Rounded(runner) if rounded else runner
        if how.gaps and x.dtype.kind in "fc":
            run = Gaps(run, how.nan_policy)
        fill(run, how.turned(x, axis), how.turned(y, axis), axis, z, rounded)
    return y if z is None else (y, state_given(z, runner.state, x.shape, axis).astype(dtype, copy=False))


def fill(runner: Runner, x: Array, y: Array, axis: int, z: Array | None, rounded: bool = False) -> None:
    """Filter x into y, both of any native or foreign layout, y of a native dtype; `rounded`: y of integers, by a `Rounded`."""
    if rounded:
        over(runner, time_last(x, axis), time_last(y, axis), z)
        return
    filtered = y if regular(y) else np.empty(y.shape, y.dtype)
    if x.dtype != y.dtype or not x.dtype.isnative or not regular(x):
        filtered[...] = x  # converted in the memory of the result, and filtered in place
        x = filtered
    over(runner, time_last(x, axis), time_last(filtered, axis), z)
    if filtered is not y:
        y[...] = filtered


def state_layout(own: tuple[int, ...], shape: tuple[int, ...], axis: int) -> tuple[list[int], list[int]]:
    """SciPy's layout of the state of a filter along an axis: its shape, and which of its axes are the state's own."""
    full, lead = [*own[:-1], *shape], len(own) - 1
    full[lead + axis] = own[-1]
    return full, [*range(lead), lead + axis]


def state_rows(zi: Any, own: tuple[int, ...], x: Array, axis: int, dtype: np.dtype[Any]) -> Array:
    """The state given, as (C, *own)."""
    shape, axes = state_layout(own, x.shape, axis)
    given = initial_state(zi, shape, axes, x, axis)
    if axes[0] != len(shape) - len(own):  # its own axes are not the last ones yet
        given = np.moveaxis(given, axes, range(-len(own), 0))
    return np.array(given, dtype, order="C").reshape(math.prod(given.shape[: -len(own)]), *own)


def state_given(z: Array, own: tuple[int, ...], shape: tuple[int, ...], axis: int) -> Array:
    """(C, *own) in SciPy's layout; it may be a view."""
    full, axes = state_layout(own, shape, axis)
    z = z.reshape(*shape[:axis], *shape[axis + 1 :], *own)
    return z if axes[0] == len(full) - len(own) else np.ascontiguousarray(np.moveaxis(z, range(-len(own), 0), axes))


def over(runner: Runner, x: Array, y: Array, z: Array | None) -> None:
    """Filter x (..., N) into y, in slabs where a view as (C, N) is not to be had."""
    if not x.size:
        return
    if rows(x, y):
        shape = -1, x.shape[-1]
        runner.filter(x.reshape(shape), y.reshape(shape), z)
        return
    each = x[0].size // x.shape[-1]
    for i in range(len(x)):
        part = slice(i * each, (i + 1) * each)
        over(runner.of(part), x[i], y[i], None if z is None else z[part])


def matched(coefficients: dict[str, Array], own: int, x: Array, axis: int) -> tuple[list[Array], Array]:
    """Coefficients (..., *own axes) as (C, *own) for the channels of x, and x, its channels of length 1 repeated."""
    values = list(coefficients.values())
    if all(c.ndim == own for c in values):  # one filter for all channels
        return values, x
    x = repeated(coefficients, own, x, axis)
    channels = x.shape[:axis] + x.shape[axis + 1 :]
    tails = [c.shape[c.ndim - own :] for c in values]
    full = [
        np.ascontiguousarray(np.broadcast_to(c, channels + tail)).reshape(-1, *tail)
        for c, tail in zip(values, tails, strict=True)
    ]
    return full, x


def repeated(coefficients: dict[str, Array], own: int, x: Array, axis: int) -> Array:
    """The signal with its channels of length 1 repeated for filters (..., *own axes) of their own.

    A signal without channels is not repeated: SciPy refuses that, so it is probably a mistake.
    """
    if all(c.ndim == own for c in coefficients.values()):
        return x
    last = time_last(x, axis)
    for name, c in coefficients.items():
        if c.ndim - own >= x.ndim:
            raise ValueError(
                f"Parameter {name} is not a non-empty {own}d array but has shape {c.shape}, and x with shape {x.shape} "
                "has not the channels for its leading axes"
            )
    leading = [c.shape[: c.ndim - own] for c in coefficients.values()]
    try:
        channels = np.broadcast_shapes(*leading, last.shape[:-1])
    except ValueError:
        shapes = " and ".join(f"{name} {c.shape}" for name, c in coefficients.items())
        raise ValueError(
            f"Leading axes of {shapes} do not broadcast against the channels {last.shape[:-1]} of x"
        ) from None
    return x if channels == last.shape[:-1] else time_back(np.broadcast_to(last, (*channels, last.shape[-1])), axis)


def by_scipy(
    name: str, coefficients: tuple[Array, ...], x: Array, out: Array | None, how: Options, *, axis: int, **options: Any
) -> Any:
    """What no kernel serves: other dtypes, infinite taps, Gustafsson's method."""
    if how.gaps:
        raise NotImplementedError(
            f"nan_policy={how.nan_policy!r} serves float32, float64, complex64 and complex128 by this package's own loops, "
            f"and not what scipy.signal.{name} has to do: x has dtype {x.dtype}"
        )
    x = how.turned(x, axis)
    try:
        result = own(name)(*coefficients, x, axis=axis, **options)
    except (NotImplementedError, TypeError) as error:
        if type(error) not in (NotImplementedError, TypeError):  # NumPy's own, which has to stay what it is
            raise
        arrays = {**dict(zip(("b", "a") if len(coefficients) == 2 else ("sos",), coefficients, strict=True)), "x": x}
        if options.get("zi") is not None:
            arrays["zi"] = options["zi"]
        known = all(c.dtype.kind in "biufc" for c in arrays.values())
        if known:
            raise
        kinds = ", ".join(f"{key} has dtype {c.dtype}" for key, c in arrays.items())
        kind = TypeError if isinstance(error, TypeError) else NotImplementedError
        why = " ".join(str(error).split())  # compiled code has no name for what it was given
        raise kind(f"{kinds}: there is no kernel for that, and scipy.signal.{name} raises: {why}") from None
    y = result[0] if isinstance(result, tuple) else result
    y = deliver(how.turned(y, axis), out, x)
    return (y, result[1]) if isinstance(result, tuple) else y
