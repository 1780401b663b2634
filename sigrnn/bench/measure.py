"""What is measured: all cases of `sigrnn bench`, in the order of the tables."""

from __future__ import annotations

from fnmatch import fnmatch

from . import adaptive, bridges, filters, layer_streams, scale_out, training
from .filters import Case
from .task import Task

Measured = Case | Task

ROOMS = (filters, layer_streams, training, adaptive, bridges, scale_out)
CASES: tuple[Measured, ...] = tuple(case for room in ROOMS for case in room.CASES)

# What a reader must know of a group of cases; and groups whose steps are samples that come at such a rate, in Hz: the
# page says how many times faster they are taken.
NOTES = {group: note for room in ROOMS for group, note in room.NOTES.items()}
RATES = {group: rate for room in ROOMS for group, rate in room.RATES.items()}


def select(pattern: str = "*") -> tuple[Measured, ...]:
    """Return the cases whose name has `pattern` in it, or matches it as a file name would.

    Parameters
    ----------
    pattern : str
        Text, with `*` and `?` if wanted.

    Returns
    -------
    tuple of Case or Task
        In the order of the tables.
    """
    return tuple(case for case in CASES if pattern in case.name or fnmatch(case.name, pattern))
