"""Recurrences over samples: SciPy's linear filters, several times faster."""

from sigrnn.linear import lfilter, lfilter_tv, sosfilt
from sigrnn.steady import lfilter_zi, lfiltic, sosfilt_zi
from sigrnn.streams import Stream
from sigrnn.workers import get_workers, set_workers
from sigrnn.zerophase import filtfilt, sosfiltfilt

__version__ = "0.1.0"

__all__ = [
    "Stream",
    "filtfilt",
    "get_workers",
    "lfilter",
    "lfilter_tv",
    "lfilter_zi",
    "lfiltic",
    "set_workers",
    "sosfilt",
    "sosfilt_zi",
    "sosfiltfilt",
]
