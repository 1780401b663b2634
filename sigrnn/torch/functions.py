"""The functions of sigrnn on tensors, with autograd."""

from __future__ import annotations

from typing import Any

import torch

import sigrnn
from sigrnn.gradients.bridges import bridged
from sigrnn.gradients.signatures import Filter, Function, Sections
from sigrnn.torch._bridge import run as run_now
from sigrnn.torch._compiled import traced

__all__ = ["dense", "filtfilt", "gru", "lfilter", "lstm", "nlfilter", "rnn", "sosfilt", "sosfiltfilt"]

NOTE = """
    All arrays may be PyTorch tensors on the CPU, any of them with ``requires_grad``; results are tensors. Arrays, lists
    and numbers are constants. Memory is shared with the arrays that are computed with, nothing is copied. Gradients are
    of first order, by `sigrnn.vjp`; forward mode, ``torch.func`` and ``torch.compile`` work too. Tensors on another
    device raise a ValueError, sparse ones and those of half precision a TypeError.
"""


def run(function: Any, given: dict[str, Any], **options: Any) -> Any:
    """Call a function now, or put the call into the graph that is being compiled."""
    if torch.compiler.is_compiling():
        return traced(function.__name__, given, options)
    return run_now(function, given, **options)


lfilter: Filter[torch.Tensor] = bridged(sigrnn.lfilter, run, NOTE, __name__)
sosfilt: Sections[torch.Tensor] = bridged(sigrnn.sosfilt, run, NOTE, __name__)
filtfilt: Function[torch.Tensor] = bridged(sigrnn.filtfilt, run, NOTE, __name__)
sosfiltfilt: Function[torch.Tensor] = bridged(sigrnn.sosfiltfilt, run, NOTE, __name__)
nlfilter: Filter[torch.Tensor] = bridged(sigrnn.nlfilter, run, NOTE, __name__)
rnn: Function[tuple[torch.Tensor, torch.Tensor]] = bridged(sigrnn.rnn, run, NOTE, __name__)
gru: Function[tuple[torch.Tensor, torch.Tensor]] = bridged(sigrnn.gru, run, NOTE, __name__)
lstm: Function[tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]] = bridged(sigrnn.lstm, run, NOTE, __name__)
dense: Function[torch.Tensor] = bridged(sigrnn.dense, run, NOTE, __name__)
