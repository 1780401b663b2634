"""Filters over `dask.array`: lazy, in chunks along channels and along time, and exact across chunks."""

from sigrnn.dask.adaptive import map_adaptive
from sigrnn.dask.filters import lfilter, sosfilt
from sigrnn.dask.zerophase import filtfilt, sosfiltfilt

__all__ = ["filtfilt", "lfilter", "map_adaptive", "sosfilt", "sosfiltfilt"]
