"""sigrnn on PyTorch's CPU tensors: functions with autograd, and modules."""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("sigrnn.torch needs PyTorch: pip install 'sigrnn[torch]'") from error

from sigrnn.torch.functions import dense, filtfilt, gru, lfilter, lstm, nlfilter, rnn, sosfilt, sosfiltfilt

__all__ = ["dense", "filtfilt", "gru", "lfilter", "lstm", "nlfilter", "rnn", "sosfilt", "sosfiltfilt"]
