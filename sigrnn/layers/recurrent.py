"""Recurrent layers with PyTorch's weights: `rnn`, `gru`, `lstm`, `mingru`; and `dense`, which maps units to outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array
from sigrnn.activations import Activation, known, respond
from sigrnn.layers._cells import GRU, LSTM, MINGRU, PEEPHOLE, RESET_BEFORE, RNN
from sigrnn.layers._layout import Given
from sigrnn.layers._prepare import common, prepare, shaped
from sigrnn.layers._product import product

__all__ = ["dense", "gru", "lstm", "mingru", "rnn"]


def rnn(
    x: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    activation: str | Activation = "tanh",
    lengths: ArrayLike | None = None,
) -> tuple[Array, Array]:
    r"""
    Run a recurrent layer over one sequence or several.

    .. math:: h[n] = g(W_{ih} x[n] + b_{ih} + W_{hh} h[n-1] + b_{hh})

    Parameters
    ----------
    x : array_like, shape (N, I) or (B, N, I)
        Inputs: N steps of I numbers, B sequences.
    w_ih : array_like, shape (H, I)
        Weights of the inputs.
    w_hh : array_like, shape (H, H)
        Weights of the units.
    b_ih, b_hh : array_like, shape (H,), optional
        Biases; none by default.
    h0 : array_like, shape (H,) or (B, H), optional
        Initial state, zero by default.
    activation : str or Activation, default 'tanh'
        As in `nlfilter`.
    lengths : array_like of int, shape (B,), optional
        Number of valid steps of each sequence. Outputs after them are zero, final states are those after the last valid
        step.

    Returns
    -------
    h : ndarray, shape (N, H) or (B, N, H)
        The units after each step, in the common dtype of all arrays given.
    h_N : ndarray, shape (H,) or (B, H)
        Final state.

    Raises
    ------
    ValueError
        If shapes do not fit, `lengths` are not between 0 and N, or there is no activation of that name.
    NotImplementedError
        If the common dtype is neither float32 nor float64.

    See Also
    --------
    lstm, gru : Layers whose gradients do not vanish as soon.
    nlfilter : A single unit that sees more than one step back.
    torch.nn.RNN : The same weights.

    Notes
    -----
    Cost: O(N B H (H + I)); all in the precision of the arrays.

    References
    ----------
    .. [1] J. L. Elman, "Finding structure in time", Cognitive Science 14 (2), 179-211, 1990,
       doi:10.1207/s15516709cog1402_1.

    Examples
    --------
    >>> import sigrnn
    >>> h, h_N = sigrnn.rnn([[1.0], [0.0], [0.0]], [[1.0], [2.0]], [[0.5, 0.0], [0.0, 0.25]], activation='relu')
    >>> h
    array([[1.   , 2.   ],
           [0.5  , 0.5  ],
           [0.25 , 0.125]])
    """
    given = Given(x, w_ih, w_hh, b_ih, b_hh, h0)
    return prepare(RNN, given, lengths, known(activation)).value()


def gru(
    x: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    reset_after: bool = True,
    lengths: ArrayLike | None = None,
) -> tuple[Array, Array]:
    r"""
    Run a layer of gated recurrent units over one sequence or several.

    .. math::
        r &= \sigma(W_{ir} x[n] + b_{ir} + W_{hr} h[n-1] + b_{hr}) \\
        z &= \sigma(W_{iz} x[n] + b_{iz} + W_{hz} h[n-1] + b_{hz}) \\
        \tilde h &= \tanh(W_{in} x[n] + b_{in} + r \odot (W_{hn} h[n-1] + b_{hn})) \\
        h[n] &= (1 - z) \odot \tilde h + z \odot h[n-1]

    Parameters
    ----------
    x : array_like, shape (N, I) or (B, N, I)
        Inputs: N steps of I numbers, B sequences.
    w_ih : array_like, shape (3 H, I)
        Weights of the inputs, gates in the order r z n.
    w_hh : array_like, shape (3 H, H)
        Weights of the units.
    b_ih, b_hh : array_like, shape (3 H,), optional
        Biases; none by default.
    h0 : array_like, shape (H,) or (B, H), optional
        Initial state, zero by default.
    reset_after : bool, default True
        Whether r multiplies the weighted units, as above and in PyTorch; if not, the units themselves [1]_:
        :math:`W_{hn} (r \odot h[n-1]) + b_{hn}`.
    lengths : array_like of int, shape (B,), optional
        Number of valid steps of each sequence. Outputs after them are zero, final states are those after the last valid
        step.

    Returns
    -------
    h : ndarray, shape (N, H) or (B, N, H)
        The units after each step, in the common dtype of all arrays given.
    h_N : ndarray, shape (H,) or (B, H)
        Final state.

    Raises
    ------
    ValueError
        If shapes do not fit, or `lengths` are not between 0 and N.
    NotImplementedError
        If the common dtype is neither float32 nor float64.

    See Also
    --------
    lstm, rnn : Other layers.
    torch.nn.GRU : The same weights.

    Notes
    -----
    Cost: O(N B H (H + I)); all in the precision of the arrays. With ``reset_after=False`` a step has two matrix
    products, one after the other.

    References
    ----------
    .. [1] K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
       translation", EMNLP 2014, arXiv:1406.1078.

    Examples
    --------
    A unit with z = 1, by a large bias, keeps its value:

    >>> import sigrnn
    >>> h, h_N = sigrnn.gru([[5.0]] * 3, [[1.0]] * 3, [[0.0]] * 3, [0.0, 800.0, 0.0], h0=[0.25])
    >>> h_N
    array([0.25])
    """
    given = Given(x, w_ih, w_hh, b_ih, b_hh, h0)
    return prepare(GRU if reset_after else RESET_BEFORE, given, lengths).value()


def lstm(
    x: ArrayLike,
    w_ih: ArrayLike,
    w_hh: ArrayLike,
    b_ih: ArrayLike | None = None,
    b_hh: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    *,
    peephole: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
) -> tuple[Array, tuple[Array, Array]]:
    r"""
    Run a layer of long short-term memory cells over one sequence or several.

    .. math::
        i &= \sigma(W_{ii} x[n] + b_{ii} + W_{hi} h[n-1] + b_{hi} + p_i \odot c[n-1]) \\
        f &= \sigma(W_{if} x[n] + b_{if} + W_{hf} h[n-1] + b_{hf} + p_f \odot c[n-1]) \\
        g &= \tanh(W_{ig} x[n] + b_{ig} + W_{hg} h[n-1] + b_{hg}) \\
        c[n] &= f \odot c[n-1] + i \odot g \\
        o &= \sigma(W_{io} x[n] + b_{io} + W_{ho} h[n-1] + b_{ho} + p_o \odot c[n]) \\
        h[n] &= o \odot \tanh(c[n])

    Parameters
    ----------
    x : array_like, shape (N, I) or (B, N, I)
        Inputs: N steps of I numbers, B sequences.
    w_ih : array_like, shape (4 H, I)
        Weights of the inputs, gates in the order i f g o.
    w_hh : array_like, shape (4 H, H)
        Weights of the units.
    b_ih, b_hh : array_like, shape (4 H,), optional
        Biases; none by default.
    h0, c0 : array_like, shape (H,) or (B, H), optional
        Initial state, zero by default.
    peephole : array_like, shape (3, H), optional
        Weights of the cell in the gates i, f and o [2]_; none by default.
    lengths : array_like of int, shape (B,), optional
        Number of valid steps of each sequence. Outputs after them are zero, final states are those after the last valid
        step.

    Returns
    -------
    h : ndarray, shape (N, H) or (B, N, H)
        The units after each step, in the common dtype of all arrays given.
    (h_N, c_N) : tuple of ndarray, shape (H,) or (B, H)
        Final state.

    Raises
    ------
    ValueError
        If shapes do not fit, or `lengths` are not between 0 and N.
    NotImplementedError
        If the common dtype is neither float32 nor float64.

    See Also
    --------
    gru, rnn : Other layers.
    torch.nn.LSTM : The same weights.

    Notes
    -----
    Cost: O(N B H (H + I)); all in the precision of the arrays. Block by block gives the same bits as one call. Calls by
    `vjp`, and those with `lengths`, may differ from others in the last bit, since they also store the gates.

    References
    ----------
    .. [1] S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (8), 1735-1780, 1997,
       doi:10.1162/neco.1997.9.8.1735.
    .. [2] F. A. Gers, N. N. Schraudolph, J. Schmidhuber, "Learning precise timing with LSTM recurrent networks", Journal
       of Machine Learning Research 3, 115-143, 2002.

    Examples
    --------
    A cell whose gates are open, by large biases, adds up what comes in:

    >>> import sigrnn
    >>> b = [800.0, 800.0, 0.0, 800.0]
    >>> h, (h_N, c_N) = sigrnn.lstm([[9.0], [9.0], [-9.0]], [[0.0], [0.0], [9.0], [0.0]], [[0.0]] * 4, b)
    >>> c_N
    array([1.])
    """
    given = Given(x, w_ih, w_hh, b_ih, b_hh, h0, c0, peephole)
    return prepare(LSTM if peephole is None else PEEPHOLE, given, lengths).value()


def mingru(
    x: ArrayLike,
    w_ih: ArrayLike,
    b_ih: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    *,
    lengths: ArrayLike | None = None,
) -> tuple[Array, Array]:
    r"""
    Run a layer of minimal gated recurrent units over one sequence or several.

    .. math::
        z &= \sigma(W_{iz} x[n] + b_{iz}) \\
        \tilde h &= W_{ih} x[n] + b_{ih} \\
        h[n] &= (1 - z) \odot h[n-1] + z \odot \tilde h

    Parameters
    ----------
    x : array_like, shape (N, I) or (B, N, I)
        Inputs: N steps of I numbers, B sequences.
    w_ih : array_like, shape (2 H, I)
        Weights of the inputs, gates in the order z h.
    b_ih : array_like, shape (2 H,), optional
        Biases; none by default.
    h0 : array_like, shape (H,) or (B, H), optional
        Initial state, zero by default.
    lengths : array_like of int, shape (B,), optional
        Number of valid steps of each sequence. Outputs after them are zero, final states are those after the last valid
        step.

    Returns
    -------
    h : ndarray, shape (N, H) or (B, N, H)
        The units after each step, in the common dtype of all arrays given.
    h_N : ndarray, shape (H,) or (B, H)
        Final state.

    Raises
    ------
    ValueError
        If shapes do not fit, or `lengths` are not between 0 and N.
    NotImplementedError
        If the common dtype is neither float32 nor float64.

    See Also
    --------
    gru : The layer it is a part of; its gates also see the units.

    Notes
    -----
    Each unit is a filter of order 1 whose pole 1 - z depends on the input [1]_: it is linear in its state, and the
    candidate :math:`\tilde h` has no activation. Cost: O(N B H I).

    References
    ----------
    .. [1] L. Feng, F. Tung, M. O. Ahmed, Y. Bengio, H. Hajimirsadeghi, "Were RNNs all we needed?", 2024,
       arXiv:2410.01201.

    Examples
    --------
    A unit whose z is 1/2 averages its inputs:

    >>> import sigrnn
    >>> h, h_N = sigrnn.mingru([[8.0], [0.0], [0.0]], [[0.0], [1.0]])
    >>> h[:, 0]
    array([4., 2., 1.])
    """
    return prepare(MINGRU, Given(x, w_ih, b_ih=b_ih, h0=h0), lengths).value()


def dense(
    x: ArrayLike, v: ArrayLike, bias: ArrayLike | None = None, *, activation: str | Activation = "linear"
) -> Array:
    r"""
    Run a fully connected layer.

    .. math:: z[n] = g(V x[n] + v_0)

    Parameters
    ----------
    x : array_like, shape (..., I)
        Inputs.
    v : array_like, shape (O, I)
        Weights.
    bias : array_like, shape (O,), optional
        The bias :math:`v_0`; none by default.
    activation : str or Activation, default 'linear'
        As in `nlfilter`.

    Returns
    -------
    z : ndarray, shape (..., O)
        Outputs, in the common dtype of all arrays given.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no activation of that name.
    NotImplementedError
        If the common dtype is neither float32 nor float64.

    See Also
    --------
    rnn, gru, lstm : Layers that remember.

    Notes
    -----
    Cost: one matrix product.

    Examples
    --------
    >>> import sigrnn
    >>> sigrnn.dense([[1.0, 2.0], [0.0, -1.0]], [[1.0, 1.0]], [0.5], activation='relu')
    array([[3.5],
           [0. ]])
    """
    activation = known(activation)
    e = weighed(x, v, bias)
    return e if activation == "linear" else respond(activation, e.astype(F8)).astype(e.dtype, copy=False)


def weighed(x: ArrayLike, v: ArrayLike, bias: ArrayLike | None, dtype: np.dtype[Any] | None = None) -> Array:
    """V x + v_0, checked; `dtype`: the common one, if it is known."""
    dtype = common({"x": x, "v": v, "bias": bias}) if dtype is None else dtype
    x, v = np.asarray(x, dtype), np.asarray(v, dtype)
    if v.ndim != 2:
        raise ValueError(f"v has shape {v.shape}, expected (outputs, inputs)")
    if x.ndim == 0 or x.shape[-1] != v.shape[1]:
        raise ValueError(f"x has shape {x.shape}, expected (..., {v.shape[1]}): v has shape {v.shape}")
    e = product(x, v.T)
    return e if bias is None else e + shaped("bias", bias, (v.shape[0],), dtype)
