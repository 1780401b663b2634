"""All cases of `sigrnn bench`, in the order of the tables."""

from __future__ import annotations

from fnmatch import fnmatch

from . import adaptive, bridges, calls, dask_arrays, extensions, family, filters, layers, training
from .case import Case

_FILES = (calls, filters, family, extensions, layers, training, adaptive, bridges, dask_arrays)
CASES: tuple[Case, ...] = tuple(case for file in _FILES for case in file.CASES)
NOTES = {group: note for file in _FILES for group, note in file.NOTES.items()}  # text above a table
# Sampling rates in Hz, for groups whose tables give the speed as a multiple of real time.
RATES = {group: rate for file in _FILES for group, rate in file.RATES.items()}


def select(pattern: str = "*", cases: tuple[Case, ...] = CASES) -> tuple[Case, ...]:
    """Return the cases whose name contains `pattern`, or matches it as a file name would."""
    return tuple(case for case in cases if pattern in case.name or fnmatch(case.name, pattern))
