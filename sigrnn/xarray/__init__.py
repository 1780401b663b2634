"""Filters over `xarray` objects: by dimension name, and the sampling rate of a coordinate."""

try:
    import xarray as _xarray  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("sigrnn.xarray needs xarray: pip install 'sigrnn[xarray]'") from error

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
