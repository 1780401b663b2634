"""Filters over `dask.array`: lazy, in chunks along channels and along time, and exact across chunks."""

from sigrnn.dask.filters import lfilter, sosfilt

__all__ = ["lfilter", "sosfilt"]
