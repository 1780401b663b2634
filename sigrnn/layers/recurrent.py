"""Recurrent layers with PyTorch's weights: `rnn`, `gru`, `lstm`; and `dense`, which weighs what they give."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, array, promoted, whole
from sigrnn.activations import Activation, known, respond
from sigrnn.layers._run import GATES, Layer, Run, Runs

__all__ = ["dense", "gru", "lstm", "rnn"]

SMALL = 1 << 16  # bytes of weights that are looked up faster than packed


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
        How many steps of each sequence count. Outputs after them are zero, final states are those they lead to.

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
    call = prepared(known(activation), locals())
    return call.value(call.run(taped=False))


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
        Whether r acts after the units are weighed, as above and in PyTorch; if not, on the units themselves [1]_:
        :math:`W_{hn} (r \odot h[n-1]) + b_{hn}`.
    lengths : array_like of int, shape (B,), optional
        How many steps of each sequence count. Outputs after them are zero, final states are those they lead to.

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
    Cost: O(N B H (H + I)); all in the precision of the arrays. With ``reset_after=False`` the units are weighed twice in
    a step, the second time after the first.

    References
    ----------
    .. [1] K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
       translation", EMNLP 2014, arXiv:1406.1078.

    Examples
    --------
    A unit whose z is 1, by a large bias, keeps what it has:

    >>> import sigrnn
    >>> h, h_N = sigrnn.gru([[5.0]] * 3, [[1.0]] * 3, [[0.0]] * 3, [0.0, 800.0, 0.0], h0=[0.25])
    >>> h_N
    array([0.25])
    """
    call = prepared("gru" if reset_after else "gru_before", locals())
    return call.value(call.run(taped=False))


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
        Weights by which the gates i, f and o see the cell [2]_; none by default.
    lengths : array_like of int, shape (B,), optional
        How many steps of each sequence count. Outputs after them are zero, final states are those they lead to.

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
    Cost: O(N B H (H + I)); all in the precision of the arrays. Block by block gives the bits of all at once. Calls by way
    of `vjp`, and those with `lengths`, may differ from others in the last bit: they keep the gates, others need not.

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
    call = prepared("lstm" if peephole is None else "peephole", locals())
    return call.value(call.run(taped=False))


def dense(
    x: ArrayLike, v: ArrayLike, bias: ArrayLike | None = None, *, activation: str | Activation = "linear"
) -> Array:
    r"""
    Weigh inputs: the lecture's fully connected layer.

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
    Cost: one product of matrices.

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


def weighed(x: ArrayLike, v: ArrayLike, bias: ArrayLike | None) -> Array:
    """V x + v_0, checked."""
    dtype = common({"x": x, "v": v, "bias": bias})
    x, v = np.asarray(x, dtype), np.asarray(v, dtype)
    if v.ndim != 2:
        raise ValueError(f"v has shape {v.shape}, expected (outputs, inputs)")
    if x.ndim == 0 or x.shape[-1] != v.shape[1]:
        raise ValueError(f"x has shape {x.shape}, expected (..., {v.shape[1]}): v has shape {v.shape}")
    e: Array = x @ v.T
    return e if bias is None else e + shaped("bias", bias, (v.shape[0],), dtype)


def common(arrays: dict[str, Any]) -> np.dtype[Any]:
    """The common dtype; integers become float64."""
    given = {name: array(name, value) for name, value in arrays.items() if value is not None}
    dtype = promoted(**given)
    if dtype.kind in "biu":
        return F8
    if dtype.char not in "fd":
        kinds = ", ".join(f"{name} {value.dtype}" for name, value in given.items())
        raise NotImplementedError(
            f"layers serve float32 and float64, not {dtype}, which x and the weights make: {kinds}"
        )
    return dtype


def shaped(name: str, given: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    array = np.asarray(given, dtype)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    return array


class Call(NamedTuple):
    """One call of a layer: all arguments checked, sequences side by side."""

    layer: Layer
    x: Array  # (T, B, I), zero after the lengths
    h0: Array  # (B, H)
    c0: Array
    lengths: Array | None
    alone: bool  # one sequence, given without an axis for it

    def run(self, taped: bool) -> Runs:
        return Runs(self.layer, self.x, self.h0, self.c0, taped or self.lengths is not None)

    def run_whole(self) -> tuple[Array, Run]:
        """Outputs (B, T, H), and all that a run leaves, of all sequences in one piece."""
        h = np.empty((self.x.shape[1], self.x.shape[0], self.layer.hidden), self.layer.dtype)
        return h, self.layer.run(self.x, self.h0, self.c0, h, taped=True, alone=len(h) == 1)

    def value(self, runs: Runs) -> Any:
        """What the user gets."""
        return self.shown(runs.h, *runs.states(self.lengths))

    def shown(self, h: Array, h_n: Array, c_n: Array) -> Any:
        """The same from outputs (B, T, H) and final states (B, H)."""
        if self.lengths is not None:
            h[np.arange(h.shape[1]) >= self.lengths[:, None]] = 0.0
        if self.alone:
            h, h_n, c_n = h[0], h_n[0], c_n[0]
        return (h, (h_n, c_n)) if self.layer.memory else (h, h_n)


def prepared(kind: Any, arguments: dict[str, Any]) -> Call:
    """Check the arguments of a layer."""
    given = {name: arguments.get(name) for name in ("x", "w_ih", "w_hh", "b_ih", "b_hh", "h0", "c0", "peephole")}
    dtype = common(given)
    x, w_hh = np.asarray(given["x"], dtype), np.asarray(given["w_hh"], dtype)
    if x.ndim not in (2, 3):
        raise ValueError(f"x has shape {x.shape}, expected (N, I) or (B, N, I)")
    gates = GATES.get(kind, 1) if isinstance(kind, str) else 1
    if w_hh.ndim != 2 or not w_hh.shape[1] or w_hh.shape[0] != gates * w_hh.shape[1]:
        raise ValueError(f"w_hh has shape {w_hh.shape}, expected ({f'{gates} * ' if gates > 1 else ''}H, H)")
    hidden, inputs, alone = w_hh.shape[1], x.shape[-1], x.ndim == 2
    x = x[None] if alone else x
    rows = gates * hidden
    w_ih = np.asarray(given["w_ih"], dtype)
    if w_ih.shape != (rows, inputs):
        told = f"x has {inputs} inputs, w_hh {hidden} units"
        raise ValueError(f"w_ih has shape {w_ih.shape}, expected {(rows, inputs)}: {told}")
    biases = [None if given[b] is None else shaped(b, given[b], (rows,), dtype) for b in ("b_ih", "b_hh")]
    peephole = None if given["peephole"] is None else shaped("peephole", given["peephole"], (3, hidden), dtype)
    states = []
    for name in ("h0", "c0"):
        shape = (hidden,) if alone else (len(x), hidden)
        state = np.zeros(shape, dtype) if given[name] is None else shaped(name, given[name], shape, dtype)
        states.append(state.reshape(len(x), hidden))
    lengths = None if arguments.get("lengths") is None else counts(arguments["lengths"], x, alone)
    steps = x.transpose(1, 0, 2)
    if lengths is not None:
        steps = np.where((np.arange(len(steps))[:, None] < lengths)[..., None], steps, dtype.type(0))
    layer = packed(kind, w_ih, w_hh, biases[0], biases[1], peephole)
    return Call(layer, steps, states[0], states[1], lengths, alone)


def packed(kind: Any, *weights: Array | None) -> Layer:
    """The layer of these weights; the last small ones are kept: packing takes longer than a short block."""
    w_ih, w_hh, b_ih, b_hh, peephole = weights
    assert w_ih is not None
    assert w_hh is not None
    if not 0 < w_ih.nbytes < SMALL - w_hh.nbytes:
        return Layer(kind, w_ih, w_hh, b_ih, b_hh, peephole)
    return remembered(kind, w_hh.dtype.char, w_ih.shape[1], *(w if w is None else w.tobytes() for w in weights))


@lru_cache(maxsize=32)
def remembered(kind: Any, dtype: str, inputs: int, *weights: bytes | None) -> Layer:
    w_ih, w_hh, b_ih, b_hh, peephole = (None if w is None else np.frombuffer(w, dtype) for w in weights)
    assert w_ih is not None
    assert w_hh is not None
    w_ih = w_ih.reshape(-1, inputs)
    peephole = None if peephole is None else peephole.reshape(3, -1)
    return Layer(kind, w_ih, w_hh.reshape(len(w_ih), -1), b_ih, b_hh, peephole)


def counts(lengths: ArrayLike, x: Array, alone: bool) -> Array:
    given = array("lengths", lengths)
    if alone or given.shape != (len(x),):
        expected = "none for a single sequence" if alone else f"{(len(x),)}"
        raise ValueError(f"lengths has shape {given.shape}, expected {expected}")
    found = np.array([whole("each of lengths", length) for length in given.tolist()], int)
    if ((found < 0) | (found > x.shape[1])).any():
        raise ValueError(f"lengths must be between 0 and the number of steps {x.shape[1]}, got {found.tolist()}")
    return found
