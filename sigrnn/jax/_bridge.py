"""From JAX arrays to NumPy arrays and back: one differentiable call for all functions.

A call leaves the compiled program for the host (`jax.pure_callback`), so it works on CPUs. Only arrays can be saved for the
backward pass, which therefore runs the function again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sigrnn._arrays import Array, refuse_masked, short
from sigrnn.gradients import vjp
from sigrnn.gradients.bridges import Like, flat, nested, results
from sigrnn.layers._prepare import counts

ARRAYS = jax.Array, np.ndarray, np.generic
SERVED = "float32", "float64", "complex64", "complex128"


class Call(NamedTuple):
    """What is constant when a call is traced: the function, the names of its arrays, and its other arguments."""

    function: Callable[..., Any]
    names: tuple[str, ...]
    axes: tuple[int, ...]  # the number of axes of each array, without those of vmap
    options: tuple[tuple[str, Any], ...]

    def arguments(self, arrays: tuple[Array, ...]) -> dict[str, Any]:
        return {**dict(zip(self.names, arrays, strict=True)), **dict(self.options)}

    def results(self, arrays: tuple[Any, ...]) -> tuple[Like, ...]:
        likes = tuple((name, Like(a.shape, np.dtype(a.dtype))) for name, a in zip(self.names, arrays, strict=True))
        return results(self.function, likes, self.options)

    def forward(self, *arrays: Array) -> list[Array]:
        """Outputs in a row."""
        return flat(self.function(**self.arguments(arrays)))

    def pull(self, *arrays: Array) -> list[Array]:
        """Gradients of the arrays that have one, from those and the gradients of the outputs, as JAX defines them."""
        count = len(self.names)
        _, pullback = vjp(self.function, **self.arguments(arrays[:count]))
        return [slope.conj() for slope in pullback(nested([slope.conj() for slope in arrays[count:]]))]


def run(function: Callable[..., Any], given: dict[str, Any], **options: Any) -> Any:
    """Call a function of sigrnn's; `given` holds its differentiable arguments in the order of its signature."""
    arrays = arrays_of(given)
    lengths = options.pop("lengths", None)
    if lengths is not None:
        if "x" in arrays and not isinstance(lengths, jax.core.Tracer):
            x = arrays["x"]
            batch, steps = x.shape[:2] if x.ndim == 3 else (0, 0)
            counts(np.asarray(lengths), batch, steps, x.ndim < 3)
        arrays["lengths"] = jnp.asarray(lengths)
    call = Call(function, tuple(arrays), tuple(a.ndim for a in arrays.values()), tuple(options.items()))
    call.results(tuple(arrays.values()))  # raises; an error while the program runs would come with pages of tracebacks
    return nested(outputs(call, *arrays.values()))


def arrays_of(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments as arrays: lists in the dtype of the arrays, integers as floats."""
    for name, value in given.items():
        refuse_masked(name, isinstance(value, np.ma.MaskedArray), f"give {name}.filled(value)")
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
    """A list or a number as an array."""
    try:
        return jnp.asarray(given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must be an array of numbers, got {short(given)}: {error}") from None


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def outputs(call: Call, *arrays: Any) -> Any:
    return on_host(callback(call), call.results(arrays), arrays)


def outputs_saved(call: Call, *arrays: Any) -> Any:
    return outputs(call, *arrays), arrays


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def gradients(call: Call, arrays: Any, slopes: Any) -> Any:
    expected = [Like(a.shape, a.dtype) for a, name in zip(arrays, call.names, strict=True) if name != "lengths"]
    found = on_host(callback(call, tuple(slope.ndim for slope in slopes)), expected, (*arrays, *slopes))
    return (*found, None) if "lengths" in call.names else tuple(found)


def refused(call: Call, *_: Any) -> Any:
    raise TypeError("sigrnn.jax has gradients of first order only: gradients of gradients are not supported")


gradients.defvjp(refused, refused)
outputs.defvjp(outputs_saved, gradients)


@lru_cache(maxsize=1024)
def callback(call: Call, slopes: tuple[int, ...] = ()) -> Callable[..., list[Array]]:
    """The forward pass, or the backward pass with slopes of given numbers of axes, on NumPy arrays.

    One object for equal calls, as JAX recompiles for each callback: 40 ms for a call that takes 2 ms.
    """
    return partial(each, call.pull if slopes else call.forward, (*call.axes, *slopes))


def on_host(function: Callable[..., list[Array]], expected: Sequence[Like], arrays: tuple[Any, ...]) -> Any:
    """Leave the compiled program for one call, or, under `vmap`, for one call a sample."""
    made = [jax.ShapeDtypeStruct(like.shape, like.dtype) for like in expected]
    return jax.pure_callback(function, made, *arrays, vmap_method="expand_dims")


def each(function: Callable[..., list[Array]], axes: tuple[int, ...], *given: Any) -> list[Array]:
    """Call with NumPy arrays. Leading axes beyond `axes` are those of `vmap`, of length 1 where an array is not mapped."""
    arrays = [np.asarray(a) for a in given]
    leads = [a.shape[: a.ndim - n] for a, n in zip(arrays, axes, strict=True)]
    batch = np.broadcast_shapes(*leads)
    if not batch:
        return function(*arrays)
    spread = [np.broadcast_to(a, (*batch, *a.shape[a.ndim - n :])) for a, n in zip(arrays, axes, strict=True)]
    rows = [function(*(a[index] for a in spread)) for index in np.ndindex(batch)]
    return [np.reshape(np.stack(column), (*batch, *column[0].shape)) for column in zip(*rows, strict=True)]
