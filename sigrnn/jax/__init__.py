"""sigrnn on JAX's arrays: the functions with gradients, under `jit`, `vmap` and `grad`."""

try:
    import jax as _jax  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("sigrnn.jax needs JAX: pip install 'sigrnn[jax]'") from error

from sigrnn.jax.functions import dense, filtfilt, gru, lfilter, lstm, nlfilter, rnn, sosfilt, sosfiltfilt

__all__ = ["dense", "filtfilt", "gru", "lfilter", "lstm", "nlfilter", "rnn", "sosfilt", "sosfiltfilt"]
