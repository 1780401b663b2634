"""Filters over `xarray` objects: by dimension name, and the sampling rate of a coordinate."""

from sigrnn.xarray.filters import filtfilt, lfilter, sosfilt, sosfiltfilt
from sigrnn.xarray.sampling import sampling_rate

__all__ = ["filtfilt", "lfilter", "sampling_rate", "sosfilt", "sosfiltfilt"]
