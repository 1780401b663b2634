"""The functions of sigrnn on JAX arrays, with gradients."""

from __future__ import annotations

import sigrnn
from sigrnn.gradients.bridges import bridged
from sigrnn.jax._bridge import run

__all__ = ["dense", "filtfilt", "gru", "lfilter", "lstm", "nlfilter", "rnn", "sosfilt", "sosfiltfilt"]

NOTE = """
    All arrays may be JAX arrays, under ``jax.jit``, ``jax.vmap`` and ``jax.grad``; lists and numbers take their dtype.
    Results are JAX arrays: of float32, unless ``jax_enable_x64`` is set. Gradients are of first order and in reverse mode,
    by `sigrnn.vjp`. Forward mode, and arrays of half precision, raise a TypeError.
"""

lfilter = bridged(sigrnn.lfilter, run, NOTE, __name__)
sosfilt = bridged(sigrnn.sosfilt, run, NOTE, __name__)
filtfilt = bridged(sigrnn.filtfilt, run, NOTE, __name__)
sosfiltfilt = bridged(sigrnn.sosfiltfilt, run, NOTE, __name__)
nlfilter = bridged(sigrnn.nlfilter, run, NOTE, __name__)
rnn = bridged(sigrnn.rnn, run, NOTE, __name__)
gru = bridged(sigrnn.gru, run, NOTE, __name__)
lstm = bridged(sigrnn.lstm, run, NOTE, __name__)
dense = bridged(sigrnn.dense, run, NOTE, __name__)
