"""Filters over `xarray` objects: by dimension name, and the sampling rate of a coordinate."""

from sigrnn.xarray.filters import filtfilt, lfilter, sosfilt, sosfiltfilt
from sigrnn.xarray.resampling import decimate, resample_poly, savgol_filter
from sigrnn.xarray.sampling import sampling_rate

__all__ = [
    "decimate",
    "filtfilt",
    "lfilter",
    "resample_poly",
    "sampling_rate",
    "savgol_filter",
    "sosfilt",
    "sosfiltfilt",
]
