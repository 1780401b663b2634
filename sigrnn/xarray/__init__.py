"""Filters over `xarray` objects: by dimension name, and the sampling rate of a coordinate."""

from importlib.util import find_spec as _find_spec
from sys import modules as _modules

if not _modules["xarray"] if "xarray" in _modules else _find_spec("xarray") is None:  # imported when it is used
    raise ModuleNotFoundError("sigrnn.xarray needs xarray: pip install 'sigrnn[xarray]'", name="xarray")

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
