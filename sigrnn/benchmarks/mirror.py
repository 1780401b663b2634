"""The Fine Steering Mirror data, read from a folder: 3 inputs, 3 outputs, mostly linear of high order.

M. Floren et al., "Data-driven nonlinear modelling of a fine steering mirror", ISMA-USD 2024, pp. 2042-2052; KU Leuven, CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sigrnn._arrays import Array

from .task import Record, Task

SETTLING = 1000  # samples of a record that are not judged: a period begins in the state the one before ended in


def mirror(folder: str | Path, level: str = "100mV", thin: int = 1) -> Task:
    """
    The task of one level of excitation, '100mV' or '300mV'.

    folder : with u_100mV_train.npy and so on, each (samples, 3, realisations, periods). thin : take each `thin`-th realisation.
    """
    folder = Path(folder)

    def records(part: str) -> list[Record]:
        u, y = (signals(np.load(folder / f"{name}_{level}_{part}.npy", allow_pickle=False)) for name in "uy")
        return [Record(a, b, SETTLING) for a, b in zip(u[::thin], y[::thin], strict=True)]

    test = {f"{k + 1}": record for k, record in enumerate(records("test"))}
    deviation = float(np.std(np.concatenate([record.y for record in test.values()])))
    name = f"Fine Steering Mirror, {level[:-2]} mV"
    return Task(name, "mirror", records("train"), test, "% of the deviation", 100.0 / deviation)


def signals(data: Array) -> Array:
    """(samples, 3, realisations, periods) as (realisations, periods x samples, 3)."""
    if data.ndim != 4 or data.shape[1] != 3:
        raise ValueError(f"data must be (samples, 3, realisations, periods), got {data.shape}")
    found = data.transpose(2, 3, 0, 1)
    return np.ascontiguousarray(found.reshape(len(found), -1, 3), np.float64)
