"""The functions of sigrnn on tensors. What they compute, and all arguments, are documented there."""

from __future__ import annotations

from typing import Any

import torch

import sigrnn
from sigrnn.activations import Activation
from sigrnn.torch._bridge import run as run_now
from sigrnn.torch._compiled import traced

__all__ = ["dense", "filtfilt", "gru", "lfilter", "lstm", "nlfilter", "rnn", "sosfilt", "sosfiltfilt"]


def run(function: Any, given: dict[str, Any], **options: Any) -> Any:
    if torch.compiler.is_compiling():
        return traced(function.__name__, given, options)
    return run_now(function, given, **options)


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None, *, method: str = "auto") -> Any:
    """
    Filter tensors along one axis with an IIR or FIR filter: `sigrnn.lfilter`, with autograd.

    Parameters
    ----------
    b, a, x : Tensor
        Coefficients and signal, any of them with ``requires_grad``. Arrays, lists and numbers are
        constants.
    axis : int, default -1
        The axis of time.
    zi : Tensor, optional
        Initial state; then the final state is returned, too.
    method : str, default 'auto'
        As in `sigrnn.lfilter`.

    Returns
    -------
    y : Tensor
        The filtered signal.
    zf : Tensor
        Final state, returned only if `zi` was given.

    Raises
    ------
    ValueError
        If a tensor is not on the CPU, or as `sigrnn.lfilter`.
    TypeError
        If a tensor is sparse or of half precision.

    See Also
    --------
    sigrnn.lfilter : What it computes, and all about its arguments.
    torchaudio.functional.lfilter : Takes `x` first and `a` before `b`, and clamps unless told not to.

    Notes
    -----
    Gradients are of first order, by `sigrnn.vjp`; forward mode and `torch.func` work too. Memory is shared with the
    arrays that are computed with: nothing is copied to get there and back.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> a = torch.tensor([1.0, -0.5], requires_grad=True)
    >>> y = sigrnn.torch.lfilter([1.0], a, torch.tensor([8.0, 0.0, 0.0]))
    >>> y.detach()
    tensor([8., 4., 2.])
    >>> y[2].backward()
    >>> a.grad
    tensor([-6., -8.])
    """
    return run(sigrnn.lfilter, {"b": b, "a": a, "x": x, "zi": zi}, axis=axis, method=method)


def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None, *, method: str = "auto") -> Any:
    """
    Filter tensors along one axis with second-order sections: `sigrnn.sosfilt`, with autograd.

    Parameters
    ----------
    sos, x : Tensor
        Sections and signal, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    zi : Tensor, optional
        Initial state; then the final state is returned, too.
    method : str, default 'auto'
        As in `sigrnn.sosfilt`.

    Returns
    -------
    y : Tensor
        The filtered signal.
    zf : Tensor
        Final state, returned only if `zi` was given.

    See Also
    --------
    sigrnn.sosfilt : What it computes, and all about its arguments.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> sos = torch.tensor([[1.0, 0.0, 0.0, 1.0, -0.5, 0.0]])
    >>> sigrnn.torch.sosfilt(sos, torch.tensor([8.0, 0.0, 0.0]))
    tensor([8., 4., 2.])
    """
    return run(sigrnn.sosfilt, {"sos": sos, "x": x, "zi": zi}, axis=axis, method=method)


def filtfilt(b: Any, a: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None) -> Any:
    """
    Filter tensors forward and backward along one axis: `sigrnn.filtfilt`, with autograd.

    Parameters
    ----------
    b, a, x : Tensor
        Coefficients and signal, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends.
    padlen : int, optional
        By how many samples.

    Returns
    -------
    y : Tensor
        The filtered signal.

    See Also
    --------
    sigrnn.filtfilt : What it computes, and all about its arguments.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> x = torch.tensor([0.0, 4.0, 0.0, 0.0])
    >>> sigrnn.torch.filtfilt([0.5, 0.5], [1.0], x, padtype=None)
    tensor([1., 2., 1., 0.])
    """
    return run(sigrnn.filtfilt, {"b": b, "a": a, "x": x}, axis=axis, padtype=padtype, padlen=padlen)


def sosfiltfilt(sos: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None) -> Any:
    """
    Filter tensors forward and backward with second-order sections: `sigrnn.sosfiltfilt`, with autograd.

    Parameters
    ----------
    sos, x : Tensor
        Sections and signal, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends.
    padlen : int, optional
        By how many samples.

    Returns
    -------
    y : Tensor
        The filtered signal.

    See Also
    --------
    sigrnn.sosfiltfilt : What it computes, and all about its arguments.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> x = torch.tensor([0.0, 4.0, 0.0, 0.0])
    >>> sigrnn.torch.sosfiltfilt([[0.5, 0.5, 0.0, 1.0, 0.0, 0.0]], x, padtype=None)
    tensor([1., 2., 1., 0.])
    """
    return run(sigrnn.sosfiltfilt, {"sos": sos, "x": x}, axis=axis, padtype=padtype, padlen=padlen)


def nlfilter(
    b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None, *, activation: str | Activation = "tanh", bias: Any = 0.0
) -> Any:
    """
    Filter tensors along one axis with a nonlinear filter: `sigrnn.nlfilter`, with autograd.

    Parameters
    ----------
    b, a, x : Tensor
        Coefficients and signal, as for `lfilter`.
    axis : int, default -1
        The axis of time.
    zi : Tensor, optional
        Initial state; then the final state is returned, too.
    activation : str or Activation, default 'tanh'
        As in `sigrnn.nlfilter`.
    bias : Tensor, default 0.0
        Added to each excitation.

    Returns
    -------
    y : Tensor
        The filtered signal.
    zf : Tensor
        Final state, returned only if `zi` was given.

    See Also
    --------
    sigrnn.nlfilter : What it computes, and all about its arguments.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> x = torch.tensor([8.0, 0.0, -8.0])
    >>> sigrnn.torch.nlfilter([1.0], [1.0, -0.5], x, activation="relu")
    tensor([8., 4., 0.])
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
    Run a recurrent layer over tensors: `sigrnn.rnn`, with autograd.

    Parameters
    ----------
    x : Tensor, shape (N, I) or (B, N, I)
        Inputs.
    w_ih, w_hh, b_ih, b_hh : Tensor
        Weights and biases.
    h0 : Tensor, shape (H,) or (B, H), optional
        Initial state.
    activation : str or Activation, default 'tanh'
        As in `sigrnn.rnn`.
    lengths : array_like or Tensor of int, shape (B,), optional
        How many steps of each sequence count.

    Returns
    -------
    h : Tensor, shape (N, H) or (B, N, H)
        The units after each step.
    h_N : Tensor, shape (H,) or (B, H)
        Final state.

    See Also
    --------
    RNN : The same as a module.
    sigrnn.rnn : What it computes, and all about its arguments.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> x, w_ih, w_hh = torch.tensor([[8.0], [0.0], [0.0]]), torch.tensor([[1.0]]), torch.tensor([[0.5]])
    >>> h, h_N = sigrnn.torch.rnn(x, w_ih, w_hh, activation="relu")
    >>> h[:, 0]
    tensor([8., 4., 2.])
    >>> h_N
    tensor([2.])
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
    Run a layer of gated recurrent units over tensors: `sigrnn.gru`, with autograd.

    Parameters
    ----------
    x : Tensor, shape (N, I) or (B, N, I)
        Inputs.
    w_ih, w_hh, b_ih, b_hh : Tensor
        Weights and biases.
    h0 : Tensor, shape (H,) or (B, H), optional
        Initial state.
    reset_after : bool, default True
        As in `sigrnn.gru`.
    lengths : array_like or Tensor of int, shape (B,), optional
        How many steps of each sequence count.

    Returns
    -------
    h : Tensor, shape (N, H) or (B, N, H)
        The units after each step.
    h_N : Tensor, shape (H,) or (B, H)
        Final state.

    See Also
    --------
    GRU : The same as a module.
    sigrnn.gru : What it computes, and all about its arguments.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> x, w_ih, w_hh = torch.ones(4, 100, 1), torch.ones(6, 1), torch.ones(6, 2)
    >>> h, h_N = sigrnn.torch.gru(x, w_ih, w_hh)
    >>> h.shape, h_N.shape
    (torch.Size([4, 100, 2]), torch.Size([4, 2]))
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
    Run a layer of long short-term memory cells over tensors: `sigrnn.lstm`, with autograd.

    Parameters
    ----------
    x : Tensor, shape (N, I) or (B, N, I)
        Inputs.
    w_ih, w_hh, b_ih, b_hh : Tensor
        Weights and biases.
    h0, c0 : Tensor, shape (H,) or (B, H), optional
        Initial state.
    peephole : Tensor, shape (3, H), optional
        Weights by which gates see the cell.
    lengths : array_like or Tensor of int, shape (B,), optional
        How many steps of each sequence count.

    Returns
    -------
    h : Tensor, shape (N, H) or (B, N, H)
        The units after each step.
    (h_N, c_N) : tuple of Tensor, shape (H,) or (B, H)
        Final state.

    See Also
    --------
    LSTM : The same as a module.
    sigrnn.lstm : What it computes, and all about its arguments.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> x, w_ih, w_hh = torch.ones(4, 100, 1), torch.ones(8, 1), torch.ones(8, 2)
    >>> h, (h_N, c_N) = sigrnn.torch.lstm(x, w_ih, w_hh)
    >>> h.shape, c_N.shape
    (torch.Size([4, 100, 2]), torch.Size([4, 2]))
    """
    given = {"x": x, "w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh, "h0": h0, "c0": c0, "peephole": peephole}
    return run(sigrnn.lstm, given, lengths=lengths)


def dense(x: Any, v: Any, bias: Any = None, *, activation: str | Activation = "linear") -> Any:
    """
    Weigh inputs: `sigrnn.dense` on tensors, with autograd.

    Parameters
    ----------
    x : Tensor, shape (..., I)
        Inputs.
    v : Tensor, shape (O, I)
        Weights.
    bias : Tensor, shape (O,), optional
        The bias.
    activation : str or Activation, default 'linear'
        As in `sigrnn.nlfilter`.

    Returns
    -------
    z : Tensor, shape (..., O)
        Outputs.

    See Also
    --------
    sigrnn.dense : What it computes, and all about its arguments.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> sigrnn.torch.dense(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 4.0]]))
    tensor([11.])
    """
    return run(sigrnn.dense, {"x": x, "v": v, "bias": bias}, activation=activation)
