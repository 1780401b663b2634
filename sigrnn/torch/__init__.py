"""sigrnn on PyTorch's CPU tensors: functions with autograd, and modules."""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("sigrnn.torch needs PyTorch: pip install 'sigrnn[torch]'") from error

from sigrnn.torch.filters import FIR, IIR, SOS, NonlinearIIR
from sigrnn.torch.functions import dense, filtfilt, gru, lfilter, lstm, nlfilter, rnn, sosfilt, sosfiltfilt
from sigrnn.torch.layers import GRU, LSTM, RNN

__all__ = [
    "FIR",
    "GRU",
    "IIR",
    "LSTM",
    "RNN",
    "SOS",
    "NonlinearIIR",
    "dense",
    "filtfilt",
    "gru",
    "lfilter",
    "lstm",
    "nlfilter",
    "rnn",
    "sosfilt",
    "sosfiltfilt",
]
