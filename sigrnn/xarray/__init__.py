"""Filters over `xarray` objects: by dimension name, with the sampling rate from the coordinate."""

from sigrnn.xarray.design import bessel, butter, cheby1, cheby2, ellip, sampling_rate
from sigrnn.xarray.filters import filtfilt, lfilter, sosfilt, sosfiltfilt

__all__ = [
    "bessel",
    "butter",
    "cheby1",
    "cheby2",
    "ellip",
    "filtfilt",
    "lfilter",
    "sampling_rate",
    "sosfilt",
    "sosfiltfilt",
]
