"""From JAX's arrays to NumPy's and back: one differentiable call for all functions.

A call leaves the compiled program for the host (`jax.pure_callback`), so it works on CPUs. Nothing but arrays can be kept
for the way back, which therefore runs the function again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import sigrnn
from sigrnn._arrays import Array, short
from sigrnn.filters.zerophase import edge_length, taps_of
from sigrnn.gradients import vjp
from sigrnn.gradients.shapes import Like, results
from sigrnn.layers.recurrent import counts

ARRAYS = jax.Array, np.ndarray, np.generic
SERVED = "float32", "float64", "complex64", "complex128"


class Call(NamedTuple):
    """What does not change when a call is traced: the function, which arrays it gets, and its other arguments."""

    function: Callable[..., Any]
    names: tuple[str, ...]
    axes: tuple[int, ...]  # how many each array has, without those of vmap
    options: tuple[tuple[str, Any], ...]

    def arguments(self, arrays: tuple[Array, ...]) -> dict[str, Any]:
        return {**dict(zip(self.names, arrays, strict=True)), **dict(self.options)}

    def results(self, arrays: tuple[Any, ...]) -> list[Like]:
        likes = {name: Like(a.shape, np.dtype(a.dtype)) for name, a in zip(self.names, arrays, strict=True)}
        return results(self.function.__name__, likes, dict(self.options))

    def forward(self, *arrays: Array) -> list[Array]:
        """Outputs in a row."""
        value = self.function(**self.arguments(arrays))
        if not isinstance(value, tuple):
            return [value]
        y, state = value
        return [y, *state] if isinstance(state, tuple) else [y, state]

    def pull(self, *arrays: Array) -> list[Array]:
        """Gradients of the arrays that have one, from those and the gradients of the outputs, as JAX defines them."""
        count = len(self.names)
        _, pullback = vjp(self.function, **self.arguments(arrays[:count]))
        dy, *states = (slope.conj() for slope in arrays[count:])
        state = tuple(states) if len(states) > 1 else states[0] if states else None
        return [slope.conj() for slope in pullback((dy, state) if states else dy)]


def run(function: Callable[..., Any], given: dict[str, Any], **options: Any) -> Any:
    """Call a function of sigrnn's; `given` holds its differentiable arguments in the order of its signature."""
    arrays = arrays_of(given)
    lengths = options.pop("lengths", None)
    if lengths is not None:
        if not isinstance(lengths, jax.core.Tracer):
            x = arrays["x"]
            counts(np.asarray(lengths), stand_in("x", x.shape, np.dtype(float)), x.ndim < 3)
        arrays["lengths"] = jnp.asarray(lengths)
    rehearse(function, arrays, options)
    call = Call(function, tuple(arrays), tuple(a.ndim for a in arrays.values()), tuple(options.items()))
    found = outputs(call, *arrays.values())
    if len(found) == 1:
        return found[0]
    return (found[0], tuple(found[1:])) if len(found) > 2 else tuple(found)


def arrays_of(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments as arrays: lists in the dtype of the arrays, integers as floats."""
    arrays = {name: jnp.asarray(v) for name, v in given.items() if isinstance(v, ARRAYS)}
    for name, value in arrays.items():
        if value.dtype.kind not in "biu" and value.dtype.name not in SERVED:
            raise TypeError(f"{name} has dtype {value.dtype}: expected float32 or float64, give {name}.astype(float)")
    floats = [value.dtype for value in arrays.values() if value.dtype.kind in "fc"]
    dtype = jnp.result_type(*floats) if floats else jnp.result_type(float)
    found = {name: arrays[name] if name in arrays else listed(name, v) for name, v in given.items() if v is not None}
    for name, value in found.items():
        if name not in arrays or value.dtype not in floats:
            found[name] = value.astype(jnp.result_type(dtype, value.dtype) if value.dtype.kind == "c" else dtype)
    return found


def listed(name: str, given: Any) -> Any:
    """A list, or a number, as an array."""
    try:
        return jnp.asarray(given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must be an array of numbers, got {short(given)}: {error}") from None


def rehearse(function: Callable[..., Any], arrays: dict[str, Any], options: dict[str, Any]) -> None:
    """
    Call the function with no samples, for its errors.

    What it refuses once the program runs comes out as an error of JAX's runtime, behind pages of tracebacks.
    """
    given = {name: stand_in(name, a.shape, np.dtype(a.dtype)) for name, a in arrays.items() if name != "lengths"}
    x = given.get("x", np.zeros(()))
    axis = options.get("axis", -2 if "w_hh" in given else -1)
    if x.ndim and function.__name__ == "dense":
        given["x"] = x[(slice(0),) * (x.ndim - 1)]
    elif x.ndim and isinstance(axis, int) and -x.ndim <= axis < x.ndim:
        given["x"] = x[(*[slice(None)] * (axis % x.ndim), slice(0))]
    try:
        if "padlen" not in options or x.ndim == 0:
            function(**given, **options)
            return
        one_way: Any = sigrnn.sosfilt if function is sigrnn.sosfiltfilt else sigrnn.lfilter
        one_way(**given, axis=axis)
    except ValueError as error:
        raise ValueError(str(error).replace(str(given["x"].shape), str(x.shape))) from None
    taps = taps_of(given["sos"]) if "sos" in given else max(given[name].shape[-1] for name in ("b", "a"))
    edge_length(options["padtype"], options["padlen"], x, axis % x.ndim, taps)


def stand_in(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros, but for what filters are divided by."""
    row = np.zeros(shape[-1:], dtype)
    if name in ("a", "sos"):
        row[... if not shape else slice(1) if name == "a" else slice(3, 4)] = 1
    return np.broadcast_to(row, shape)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def outputs(call: Call, *arrays: Any) -> Any:
    return on_host(call.forward, call.axes, call.results(arrays), arrays)


def outputs_kept(call: Call, *arrays: Any) -> Any:
    return outputs(call, *arrays), arrays


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def gradients(call: Call, arrays: Any, slopes: Any) -> Any:
    expected = [Like(a.shape, a.dtype) for a, name in zip(arrays, call.names, strict=True) if name != "lengths"]
    axes = (*call.axes, *(slope.ndim for slope in slopes))
    found = on_host(call.pull, axes, expected, (*arrays, *slopes))
    return (*found, None) if "lengths" in call.names else tuple(found)


def refused(call: Call, *_: Any) -> Any:
    raise TypeError("sigrnn.jax has gradients of first order only: those of gradients are not there")


gradients.defvjp(refused, refused)
outputs.defvjp(outputs_kept, gradients)


def on_host(
    function: Callable[..., list[Array]], axes: tuple[int, ...], expected: list[Like], arrays: tuple[Any, ...]
) -> Any:
    """Leave the compiled program for one call, or, under `vmap`, for one call a sample."""
    made = [jax.ShapeDtypeStruct(like.shape, like.dtype) for like in expected]
    return jax.pure_callback(partial(each, function, axes), made, *arrays, vmap_method="expand_dims")


def each(function: Callable[..., list[Array]], axes: tuple[int, ...], *given: Any) -> list[Array]:
    """Call with NumPy's arrays. Leading axes beyond `axes` are those of `vmap`, 1 long where an array has none of its own."""
    arrays = [np.asarray(a) for a in given]
    leads = [a.shape[: a.ndim - n] for a, n in zip(arrays, axes, strict=True)]
    batch = np.broadcast_shapes(*leads)
    if not batch:
        return function(*arrays)
    spread = [np.broadcast_to(a, (*batch, *a.shape[a.ndim - n :])) for a, n in zip(arrays, axes, strict=True)]
    rows = [function(*(a[index] for a in spread)) for index in np.ndindex(batch)]
    return [np.reshape(np.stack(column), (*batch, *column[0].shape)) for column in zip(*rows, strict=True)]
