"""Units of signals in training: volts or millivolts make no difference if the model can include gains and offsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.models import Model, Residual
from sigrnn.models.scaling import GAIN, OFFSET, input_level, output_level, take_input, take_output

from .data import Data


@dataclass(frozen=True)
class Units:
    """
    What signals are divided by in training, after offsets are subtracted.

    Powers of ten, so that signals of ordinary size stay as they are; the standard deviation where the mean is larger
    than it, and is subtracted. So a gain of 10, 1000, ... of all signals changes nothing.
    """

    x_gain: Array
    x_offset: Array
    t_gain: float
    t_offset: Array

    def scaled(self, data: Data) -> Data:
        """Signals in these units."""
        x = [((x - self.x_offset) / self.x_gain).astype(x.dtype) for x in data.x]
        t = [((t - self.t_offset) / self.t_gain).astype(t.dtype) for t in data.t]
        return Data(x, t, data.w, data.flat, data.rows, data.starts)

    def enter(self, model: Model) -> None:
        """Change the model's parameters to those for scaled signals."""
        part = model.parts[0] if isinstance(model, Residual) else model
        take_input(part, self.x_gain, self.x_offset)
        take_output(part, np.full(len(self.t_offset), 1.0 / self.t_gain), -self.t_offset / self.t_gain)

    def leave(self, model: Model) -> None:
        """Change the parameters to those for signals as they were given."""
        part = model.parts[0] if isinstance(model, Residual) else model
        take_input(part, 1.0 / self.x_gain, -self.x_offset / self.x_gain)
        take_output(part, np.full(len(self.t_offset), self.t_gain), self.t_offset)


def units_of(model: Model, data: Data, of_targets: bool) -> Units | None:
    """The units of the data, as far as the model can take them in exactly; None if nothing is to be scaled."""
    x = np.concatenate(data.x).astype(F8)
    t = np.concatenate([np.where(w > 0, t, np.nan) for t, w in zip(data.t, data.w, strict=True)]).astype(F8)
    still = np.ones(x.shape[1]), np.zeros(x.shape[1]), 1.0, np.zeros(t.shape[1])
    if isinstance(model, Residual):
        both = min(input_level(model.parts[0]), output_level(model.parts[0])) >= GAIN
        gain = decade(x.ravel()) if both and of_targets else 1.0
        found = Units(np.full(x.shape[1], gain), still[1], gain, still[3])
    else:
        x_gain, x_offset, t_gain, t_offset = still
        level = input_level(model)
        if level >= GAIN:
            each = [ordinary(column, level) for column in x.T]
            x_gain, x_offset = np.array([gain for gain, _ in each]), np.array([offset for _, offset in each])
        level = output_level(model) if of_targets else 0
        if level >= GAIN:
            each = [ordinary(column, level) for column in t.T]
            t_offset = np.array([offset for _, offset in each])
            rest = (t - t_offset)[np.isfinite(t)]
            t_gain = each[0][0] if len(each) == 1 else decade(rest)
        found = Units(x_gain, x_offset, t_gain, t_offset)
    plain = (found.x_gain == 1.0).all() and not found.x_offset.any() and found.t_gain == 1.0
    return None if plain and not found.t_offset.any() else found


def ordinary(x: Array, level: int) -> tuple[float, float]:
    """Gain and offset of a channel."""
    x = x[np.isfinite(x)]
    if level >= OFFSET and x.size and abs(mean := float(x.mean())) > (spread := float(x.std())) > 1e-9 * abs(mean):
        return spread, mean
    return decade(x), 0.0


def decade(x: Array) -> float:
    """The power of ten nearest to the root mean square."""
    x = x[np.isfinite(x)]
    with np.errstate(all="ignore"):
        size = float(np.sqrt(np.mean(x * x))) if x.size else 0.0
    return 10.0 ** round(float(np.log10(size))) if 0.0 < size < np.inf else 1.0


def factor(units: Units | None, loss: Any) -> float:
    """The loss for signals as they were given, over that for scaled ones."""
    name = getattr(loss, "name", "")
    return 1.0 if units is None else units.t_gain**2 if name == "mse" else units.t_gain if name == "mae" else 1.0
