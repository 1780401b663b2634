"""Filters over `dask.array`: lazy, in chunks along channels and along time, and exact across chunks."""

try:
    import dask as _dask  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("sigrnn.dask needs dask: pip install 'sigrnn[dask]'") from error

from sigrnn.dask.adaptive import map_adaptive
from sigrnn.dask.filters import lfilter, sosfilt
from sigrnn.dask.resampling import decimate, resample_poly, savgol_filter, upfirdn
from sigrnn.dask.zerophase import filtfilt, sosfiltfilt

__all__ = [
    "decimate",
    "filtfilt",
    "lfilter",
    "map_adaptive",
    "resample_poly",
    "savgol_filter",
    "sosfilt",
    "sosfiltfilt",
    "upfirdn",
]
