"""Recurrent layers as modules: PyTorch's own, with other forward and backward passes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from sigrnn._arrays import short
from sigrnn.torch import functions

__all__ = ["GRU", "LSTM", "RNN"]


class _Layers(nn.RNNBase):
    """The forward pass of PyTorch's modules replaced: a call of one of our functions for each layer and direction."""

    def forward(
        self, input: torch.Tensor | PackedSequence, hx: Any = None, lengths: Any = None
    ) -> tuple[torch.Tensor | PackedSequence, torch.Tensor | tuple[torch.Tensor, ...]]:
        """
        Run all layers.

        Parameters
        ----------
        input : Tensor or PackedSequence
            As PyTorch's modules take it: (N, I), (N, B, I), or (B, N, I) with ``batch_first=True``.
        hx : Tensor or tuple of Tensor, optional
            Initial state, (layers * directions, B, H); a pair (h, c) of an LSTM.
        lengths : array_like or Tensor of int, shape (B,), optional
            Number of valid steps of each sequence, which then need not be packed.

        Returns
        -------
        output : Tensor or PackedSequence
            The output of the last layer, both directions concatenated.
        state : Tensor or tuple of Tensor
            Final state of all layers.
        """
        packed = isinstance(input, PackedSequence)
        if not packed and not isinstance(input, torch.Tensor):
            raise TypeError(f"input must be a tensor or a PackedSequence, got {short(input)}")
        if packed:
            if lengths is not None:
                raise ValueError("lengths must be None for a packed sequence, which has its own: give one of both")
            x, lengths = pad_packed_sequence(input, batch_first=True)
        else:
            swapped = not self.batch_first and input.dim() == 3
            x = input.transpose(0, 1) if swapped else input
            lengths = None if lengths is None else torch.as_tensor(lengths)
        self._check(x)
        output, state = self._run(x, self._states(hx, x), lengths)
        if packed:
            ordered = input.sorted_indices is None
            output = pack_padded_sequence(output, lengths, batch_first=True, enforce_sorted=ordered)
        elif swapped:
            output = output.transpose(0, 1).contiguous()
        return output, state

    def _check(self, x: torch.Tensor) -> None:
        # The same errors as PyTorch's modules raise.
        if x.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: expected input to be 2D or 3D, got {x.dim()}D instead")
        if x.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {x.size(-1)}"
            )

    def _states(self, hx: Any, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The parts of the initial state, checked; none if it is zero."""
        if hx is None:
            return ()
        parts = (hx,) if isinstance(hx, torch.Tensor) else tuple(hx)
        names = ("h",) if self.mode != "LSTM" else ("h", "c")
        if len(parts) != len(names):
            raise RuntimeError(f"hx must hold {', '.join(names)} of {type(self).__name__}, got {len(parts)} of them")
        runs = self.num_layers * (2 if self.bidirectional else 1)
        shape = (runs, self.hidden_size) if x.dim() == 2 else (runs, x.size(0), self.hidden_size)
        for name, part in zip(names, parts, strict=True):
            if part.shape != shape:
                raise RuntimeError(f"Expected hidden size {shape} of {name} in hx, got {tuple(part.shape)}")
        return parts

    def _run(self, x: torch.Tensor, states: tuple[torch.Tensor, ...], lengths: Any) -> tuple[torch.Tensor, Any]:
        finals: list[Any] = []
        directions = 2 if self.bidirectional else 1
        for number, weights in enumerate(self.all_weights):
            back = number % directions == 1
            if not back:
                seen, outputs = x, []
            biases = weights[2:] or (None, None)
            state = [part[number] for part in states] or [None] * (2 if self.mode == "LSTM" else 1)
            h, final = self._layer(
                reversed_in_time(seen, lengths) if back else seen, *weights[:2], *biases, *state, lengths
            )
            outputs.append(reversed_in_time(h, lengths) if back else h)
            finals.append(final)
            if len(outputs) == directions:
                x = outputs[0] if directions == 1 else torch.cat(outputs, -1)
                if self.dropout and self.training and number < directions * (self.num_layers - 1):
                    x = nn.functional.dropout(x, self.dropout)
        if self.mode == "LSTM":
            return x, tuple(torch.stack(part) for part in zip(*finals, strict=True))
        return x, torch.stack(finals)

    def _layer(self, *arguments: Any) -> Any:
        raise NotImplementedError


class RNN(_Layers, nn.RNN):
    """
    Recurrent layers: `torch.nn.RNN` with the same arguments, parameters and results, run by `sigrnn.rnn`.

    Parameters
    ----------
    *args, **kwargs
        As of `torch.nn.RNN`: ``input_size, hidden_size, num_layers=1, nonlinearity='tanh', bias=True,
        batch_first=False, dropout=0.0, bidirectional=False``.

    See Also
    --------
    GRU, LSTM : Gated layers, with longer memory.
    sigrnn.rnn : The function of one layer.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> theirs, ours = torch.nn.RNN(3, 5), sigrnn.torch.RNN(3, 5)
    >>> ours.load_state_dict(theirs.state_dict())
    <All keys matched successfully>
    >>> x = torch.randn(20, 4, 3)
    >>> torch.allclose(ours(x)[0], theirs(x)[0], atol=1e-6)
    True
    """

    def _layer(self, *arguments: Any) -> Any:
        *given, lengths = arguments
        return functions.rnn(*given, activation=self.nonlinearity, lengths=lengths)


class GRU(_Layers, nn.GRU):
    """
    Layers of gated recurrent units: `torch.nn.GRU` with the same arguments, parameters and results, run by `sigrnn.gru`.

    Parameters
    ----------
    *args, **kwargs
        As of `torch.nn.GRU`: ``input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False``.

    See Also
    --------
    RNN, LSTM : Other layers.
    sigrnn.gru : The function of one layer.

    Notes
    -----
    State dicts are the same, so a trained net can be used in either. ``forward(input, hx, lengths=)`` takes sequences of
    different lengths without packing, or a packed sequence.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> theirs = torch.nn.GRU(3, 5, num_layers=2, bidirectional=True)
    >>> ours = sigrnn.torch.GRU(3, 5, num_layers=2, bidirectional=True)
    >>> ours.load_state_dict(theirs.state_dict())
    <All keys matched successfully>
    >>> x = torch.randn(20, 4, 3)
    >>> torch.allclose(ours(x)[0], theirs(x)[0], atol=1e-6)
    True
    """

    def _layer(self, *arguments: Any) -> Any:
        *given, lengths = arguments
        return functions.gru(*given, lengths=lengths)


class LSTM(_Layers, nn.LSTM):
    """
    Layers of long short-term memory: `torch.nn.LSTM` with the same arguments, parameters and results, run by `sigrnn.lstm`.

    Parameters
    ----------
    *args, **kwargs
        As of `torch.nn.LSTM`: ``input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False``. Projections (``proj_size``) are not supported.

    Raises
    ------
    NotImplementedError
        If `proj_size` is not 0.

    See Also
    --------
    GRU, RNN : Other layers.
    sigrnn.lstm : The function of one layer.

    Examples
    --------
    >>> import torch
    >>> import sigrnn.torch
    >>> theirs, ours = torch.nn.LSTM(3, 5), sigrnn.torch.LSTM(3, 5)
    >>> ours.load_state_dict(theirs.state_dict())
    <All keys matched successfully>
    >>> x = torch.randn(20, 4, 3)
    >>> torch.allclose(ours(x)[0], theirs(x)[0], atol=1e-6)
    True
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.proj_size:
            raise NotImplementedError(f"proj_size must be 0, got {self.proj_size}: sigrnn.lstm has no projection")

    def _layer(self, *arguments: Any) -> Any:
        *given, lengths = arguments
        return functions.lstm(*given, lengths=lengths)


def reversed_in_time(x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Sequences (..., N, features) reversed within their lengths; steps after a length stay."""
    if lengths is None:
        return x.flip(-2)
    steps = torch.arange(x.size(1))
    places = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return x[torch.arange(x.size(0))[:, None], places]
