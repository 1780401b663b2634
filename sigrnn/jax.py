"""sigrnn on JAX's arrays: the functions with gradients, under `jit`, `vmap` and `grad`.

A call leaves the compiled program for the host (`jax.pure_callback`), so it works on CPUs. Nothing but arrays can be kept
for the way back, which therefore runs the function again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

try:
    import jax
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("sigrnn.jax needs JAX: pip install 'sigrnn[jax]'") from error
import jax.numpy as jnp
import numpy as np

import sigrnn
from sigrnn._arrays import Array
from sigrnn._shapes import Like, results
from sigrnn.activations import Activation
from sigrnn.gradients import vjp

__all__ = ["dense", "filtfilt", "gru", "lfilter", "lstm", "nlfilter", "rnn", "sosfilt", "sosfiltfilt"]

ARRAYS = jax.Array, np.ndarray, np.generic
SERVED = "float32", "float64", "complex64", "complex128"


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None, *, method: str = "auto") -> Any:
    """
    Filter arrays along one axis with an IIR or FIR filter: `sigrnn.lfilter` in JAX.

    Parameters
    ----------
    b, a, x, zi : array_like
        Coefficients, signal and initial state; all can be differentiated. Lists take the dtype of the arrays.
    axis : int, default -1
        The axis of time.
    method : str, default 'auto'
        As in `sigrnn.lfilter`.

    Returns
    -------
    y : jax.Array
        The filtered signal.
    zf : jax.Array
        Final state, returned only if `zi` was given.

    Raises
    ------
    TypeError
        If an array is of half precision; or in forward mode, which is not there.

    See Also
    --------
    sigrnn.lfilter : What it computes, and all about its arguments.

    Notes
    -----
    Gradients are of first order, in reverse mode, by `sigrnn.vjp`. The results have JAX's dtypes: float32 unless
    ``jax_enable_x64`` is set.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> x = jnp.array([8.0, 0.0, 0.0])
    >>> last = jax.jit(lambda a: sigrnn.jax.lfilter([1.0], a, x)[-1])
    >>> a = jnp.array([1.0, -0.5])
    >>> print(last(a), jax.grad(last)(a))
    2.0 [-6. -8.]
    """
    return run(sigrnn.lfilter, {"b": b, "a": a, "x": x, "zi": zi}, axis=axis, method=method)


def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None, *, method: str = "auto") -> Any:
    """
    Filter arrays along one axis with second-order sections: `sigrnn.sosfilt` in JAX.

    Parameters
    ----------
    sos, x, zi : array_like
        Sections, signal and initial state, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    method : str, default 'auto'
        As in `sigrnn.sosfilt`.

    Returns
    -------
    y : jax.Array
        The filtered signal.
    zf : jax.Array
        Final state, returned only if `zi` was given.

    See Also
    --------
    sigrnn.sosfilt : What it computes, and all about its arguments.
    """
    return run(sigrnn.sosfilt, {"sos": sos, "x": x, "zi": zi}, axis=axis, method=method)


def filtfilt(b: Any, a: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None) -> Any:
    """
    Filter arrays forward and backward along one axis: `sigrnn.filtfilt` in JAX.

    Parameters
    ----------
    b, a, x : array_like
        Coefficients and signal, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends.
    padlen : int, optional
        By how many samples.

    Returns
    -------
    y : jax.Array
        The filtered signal.

    See Also
    --------
    sigrnn.filtfilt : What it computes, and all about its arguments.
    """
    return run(sigrnn.filtfilt, {"b": b, "a": a, "x": x}, axis=axis, padtype=padtype, padlen=padlen)


def sosfiltfilt(sos: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None) -> Any:
    """
    Filter arrays forward and backward with second-order sections: `sigrnn.sosfiltfilt` in JAX.

    Parameters
    ----------
    sos, x : array_like
        Sections and signal, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends.
    padlen : int, optional
        By how many samples.

    Returns
    -------
    y : jax.Array
        The filtered signal.

    See Also
    --------
    sigrnn.sosfiltfilt : What it computes, and all about its arguments.
    """
    return run(sigrnn.sosfiltfilt, {"sos": sos, "x": x}, axis=axis, padtype=padtype, padlen=padlen)


def nlfilter(
    b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None, *, activation: str | Activation = "tanh", bias: Any = 0.0
) -> Any:
    """
    Filter arrays along one axis with a nonlinear filter: `sigrnn.nlfilter` in JAX.

    Parameters
    ----------
    b, a, x, zi : array_like
        Coefficients, signal and initial state, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    activation : str or Activation, default 'tanh'
        As in `sigrnn.nlfilter`.
    bias : array_like, default 0.0
        Added to each excitation.

    Returns
    -------
    y : jax.Array
        The filtered signal.
    zf : jax.Array
        Final state, returned only if `zi` was given.

    See Also
    --------
    sigrnn.nlfilter : What it computes, and all about its arguments.
    """
    given = {"b": b, "a": a, "x": x, "zi": zi, "bias": bias}
    return run(sigrnn.nlfilter, given, axis=axis, activation=activation)


def rnn(
    x: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    h0: Any = None,
    *,
    activation: str | Activation = "tanh",
    lengths: Any = None,
) -> Any:
    """
    Run a recurrent layer over arrays: `sigrnn.rnn` in JAX.

    Parameters
    ----------
    x : array_like, shape (N, I) or (B, N, I)
        Inputs.
    w_ih, w_hh, b_ih, b_hh : array_like
        Weights and biases.
    h0 : array_like, shape (H,) or (B, H), optional
        Initial state.
    activation : str or Activation, default 'tanh'
        As in `sigrnn.rnn`.
    lengths : array_like of int, shape (B,), optional
        How many steps of each sequence count.

    Returns
    -------
    h : jax.Array, shape (N, H) or (B, N, H)
        The units after each step.
    h_N : jax.Array, shape (H,) or (B, H)
        Final state.

    See Also
    --------
    sigrnn.rnn : What it computes, and all about its arguments.
    """
    given = {"x": x, "w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh, "h0": h0}
    return run(sigrnn.rnn, given, activation=activation, lengths=lengths)


def gru(
    x: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    h0: Any = None,
    *,
    reset_after: bool = True,
    lengths: Any = None,
) -> Any:
    """
    Run a layer of gated recurrent units over arrays: `sigrnn.gru` in JAX.

    Parameters
    ----------
    x : array_like, shape (N, I) or (B, N, I)
        Inputs.
    w_ih, w_hh, b_ih, b_hh : array_like
        Weights and biases.
    h0 : array_like, shape (H,) or (B, H), optional
        Initial state.
    reset_after : bool, default True
        As in `sigrnn.gru`.
    lengths : array_like of int, shape (B,), optional
        How many steps of each sequence count.

    Returns
    -------
    h : jax.Array, shape (N, H) or (B, N, H)
        The units after each step.
    h_N : jax.Array, shape (H,) or (B, H)
        Final state.

    See Also
    --------
    sigrnn.gru : What it computes, and all about its arguments.
    """
    given = {"x": x, "w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh, "h0": h0}
    return run(sigrnn.gru, given, reset_after=reset_after, lengths=lengths)


def lstm(
    x: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    h0: Any = None,
    c0: Any = None,
    *,
    peephole: Any = None,
    lengths: Any = None,
) -> Any:
    """
    Run a layer of long short-term memory cells over arrays: `sigrnn.lstm` in JAX.

    Parameters
    ----------
    x : array_like, shape (N, I) or (B, N, I)
        Inputs.
    w_ih, w_hh, b_ih, b_hh : array_like
        Weights and biases.
    h0, c0 : array_like, shape (H,) or (B, H), optional
        Initial state.
    peephole : array_like, shape (3, H), optional
        Weights by which gates see the cell.
    lengths : array_like of int, shape (B,), optional
        How many steps of each sequence count.

    Returns
    -------
    h : jax.Array, shape (N, H) or (B, N, H)
        The units after each step.
    (h_N, c_N) : tuple of jax.Array, shape (H,) or (B, H)
        Final state.

    See Also
    --------
    sigrnn.lstm : What it computes, and all about its arguments.
    """
    given = {"x": x, "w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh, "h0": h0, "c0": c0, "peephole": peephole}
    return run(sigrnn.lstm, given, lengths=lengths)


def dense(x: Any, v: Any, bias: Any = None, *, activation: str | Activation = "linear") -> Any:
    """
    Weigh inputs: `sigrnn.dense` in JAX.

    Parameters
    ----------
    x : array_like, shape (..., I)
        Inputs.
    v : array_like, shape (O, I)
        Weights.
    bias : array_like, shape (O,), optional
        The bias.
    activation : str or Activation, default 'linear'
        As in `sigrnn.nlfilter`.

    Returns
    -------
    z : jax.Array, shape (..., O)
        Outputs.

    See Also
    --------
    sigrnn.dense : What it computes, and all about its arguments.
    """
    return run(sigrnn.dense, {"x": x, "v": v, "bias": bias}, activation=activation)


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
        arrays["lengths"] = jnp.asarray(lengths)
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
    found = {name: arrays[name] if name in arrays else jnp.asarray(v) for name, v in given.items() if v is not None}
    for name, value in found.items():
        if name not in arrays or value.dtype not in floats:
            found[name] = value.astype(jnp.result_type(dtype, value.dtype) if value.dtype.kind == "c" else dtype)
    return found


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
