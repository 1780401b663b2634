"""What a benchmark is: records of inputs and outputs to train with and to test on, and what is reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sigrnn._arrays import Array


class Record(NamedTuple):
    """Input u (N,) or (N, I), output y (N,) or (N, O), and how many of its first samples are not judged."""

    u: Array
    y: Array
    settling: int = 0


@dataclass(frozen=True)
class Task:
    """
    A benchmark.

    Parameters
    ----------
    name : str
        For the table.
    recipe : str
        The name of its recipe.
    train : list of Record
        To train with; settling samples do not count there either.
    test : dict of str to Record
        Test records by name.
    unit, scale : str, float
        What errors are reported in, and their factor to it.
    aims : dict of str to float
        Root mean square errors on test records that are aimed at, in that unit.
    """

    name: str
    recipe: str
    train: list[Record]
    test: dict[str, Record]
    unit: str = ""
    scale: float = 1.0
    aims: dict[str, float] = field(default_factory=dict)


def rmse(y: Array, record: Record) -> float:
    """Root mean square error of an output of the record's shape, after its settling samples."""
    return float(np.sqrt(np.mean((y - record.y)[record.settling :] ** 2)))
