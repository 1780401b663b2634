"""The functions of sigrnn on JAX's arrays. What they compute, and all arguments, are documented there."""

from __future__ import annotations

from typing import Any

import sigrnn
from sigrnn.activations import Activation
from sigrnn.jax._bridge import run

__all__ = ["dense", "filtfilt", "gru", "lfilter", "lstm", "nlfilter", "rnn", "sosfilt", "sosfiltfilt"]


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None, *, method: str = "auto") -> Any:
    """
    Filter arrays along one axis with an IIR or FIR filter: `sigrnn.lfilter` in JAX.

    Parameters
    ----------
    b, a, x : array_like
        Coefficients and signal; all can be differentiated. Lists take the dtype of the arrays.
    axis : int, default -1
        The axis of time.
    zi : array_like, optional
        Initial state; then the final state is returned, too.
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
    sos, x : array_like
        Sections and signal, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    zi : array_like, optional
        Initial state; then the final state is returned, too.
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

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> sos = jnp.array([[1.0, 0.0, 0.0, 1.0, -0.5, 0.0]])
    >>> sigrnn.jax.sosfilt(sos, jnp.array([8.0, 0.0, 0.0]))
    Array([8., 4., 2.], dtype=float32)
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

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> x = jnp.array([0.0, 4.0, 0.0, 0.0])
    >>> sigrnn.jax.filtfilt([0.5, 0.5], [1.0], x, padtype=None)
    Array([1., 2., 1., 0.], dtype=float32)
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

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> x = jnp.array([0.0, 4.0, 0.0, 0.0])
    >>> sigrnn.jax.sosfiltfilt([[0.5, 0.5, 0.0, 1.0, 0.0, 0.0]], x, padtype=None)
    Array([1., 2., 1., 0.], dtype=float32)
    """
    return run(sigrnn.sosfiltfilt, {"sos": sos, "x": x}, axis=axis, padtype=padtype, padlen=padlen)


def nlfilter(
    b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None, *, activation: str | Activation = "tanh", bias: Any = 0.0
) -> Any:
    """
    Filter arrays along one axis with a nonlinear filter: `sigrnn.nlfilter` in JAX.

    Parameters
    ----------
    b, a, x : array_like
        Coefficients and signal, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    zi : array_like, optional
        Initial state; then the final state is returned, too.
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

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> x = jnp.array([8.0, 0.0, -8.0])
    >>> sigrnn.jax.nlfilter([1.0], [1.0, -0.5], x, activation="relu")
    Array([8., 4., 0.], dtype=float32)
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

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> x, w_ih, w_hh = jnp.array([[8.0], [0.0], [0.0]]), jnp.array([[1.0]]), jnp.array([[0.5]])
    >>> h, h_N = sigrnn.jax.rnn(x, w_ih, w_hh, activation="relu")
    >>> h[:, 0]
    Array([8., 4., 2.], dtype=float32)
    >>> h_N
    Array([2.], dtype=float32)
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

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> x, w_ih, w_hh = jnp.ones((4, 100, 1)), jnp.ones((6, 1)), jnp.ones((6, 2))
    >>> h, h_N = sigrnn.jax.gru(x, w_ih, w_hh)
    >>> h.shape, h_N.shape
    ((4, 100, 2), (4, 2))
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

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> x, w_ih, w_hh = jnp.ones((4, 100, 1)), jnp.ones((8, 1)), jnp.ones((8, 2))
    >>> h, (h_N, c_N) = sigrnn.jax.lstm(x, w_ih, w_hh)
    >>> h.shape, c_N.shape
    ((4, 100, 2), (4, 2))
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

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import sigrnn.jax
    >>> sigrnn.jax.dense(jnp.array([1.0, 2.0]), jnp.array([[3.0, 4.0]]))
    Array([11.], dtype=float32)
    """
    return run(sigrnn.dense, {"x": x, "v": v, "bias": bias}, activation=activation)
