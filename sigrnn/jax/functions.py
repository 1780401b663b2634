"""The functions of sigrnn on JAX arrays, with gradients."""

from __future__ import annotations

import jax

import sigrnn
from sigrnn.gradients.bridges import bridged
from sigrnn.gradients.signatures import Filter, Function, Sections
from sigrnn.jax._bridge import run

__all__ = ["dense", "filtfilt", "gru", "lfilter", "lstm", "nlfilter", "rnn", "sosfilt", "sosfiltfilt"]

NOTE = """
    All arrays may be JAX arrays, under ``jax.jit``, ``jax.vmap`` and ``jax.grad``; lists and numbers take their dtype.
    Results are JAX arrays: of float32, unless ``jax_enable_x64`` is set. Gradients are of first order and in reverse mode,
    by `sigrnn.vjp`. Forward mode, and arrays of half precision, raise a TypeError.
"""

lfilter: Filter[jax.Array] = bridged(sigrnn.lfilter, run, NOTE, __name__)
sosfilt: Sections[jax.Array] = bridged(sigrnn.sosfilt, run, NOTE, __name__)
filtfilt: Function[jax.Array] = bridged(sigrnn.filtfilt, run, NOTE, __name__)
sosfiltfilt: Function[jax.Array] = bridged(sigrnn.sosfiltfilt, run, NOTE, __name__)
nlfilter: Filter[jax.Array] = bridged(sigrnn.nlfilter, run, NOTE, __name__)
rnn: Function[tuple[jax.Array, jax.Array]] = bridged(sigrnn.rnn, run, NOTE, __name__)
gru: Function[tuple[jax.Array, jax.Array]] = bridged(sigrnn.gru, run, NOTE, __name__)
lstm: Function[tuple[jax.Array, tuple[jax.Array, jax.Array]]] = bridged(sigrnn.lstm, run, NOTE, __name__)
dense: Function[jax.Array] = bridged(sigrnn.dense, run, NOTE, __name__)
