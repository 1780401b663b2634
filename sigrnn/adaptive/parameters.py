"""What adaptive filters are told: numbers that may be changed between blocks, counts, and dtypes of what comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, number_of, whole


class Parameter:
    """A number of an algorithm that may be changed between blocks; `check` tells what it may be, in words, if not that.

    Its owner keeps it in `_p`, where the kernels read it, and in `_given`, from which the filter is made again.
    """

    def __init__(self, place: int, wanted: str, check: Callable[[float], bool]) -> None:
        self.place, self.wanted, self.check = place, wanted, check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else float(instance._p[self.place])

    def __set__(self, instance: Any, value: float) -> None:
        number = number_of(self.name, value)
        if not self.check(number):
            raise ValueError(f"{self.name} must be {self.wanted}, got {value}")
        before = instance._p[self.place]
        instance._p[self.place] = number
        try:
            instance._changed(self.name)
        except ValueError:  # it does not go with the others
            instance._p[self.place] = before
            raise
        instance._given[self.name] = number


def count_of(value: Any, name: str, least: int = 1) -> int:
    """A whole number, checked."""
    return whole(name, value, least)


def result_dtype(*arrays: Array) -> np.dtype[Any]:
    """What a result comes in: float32 and complex64 stay, whole numbers become float64."""
    dtype = np.result_type(*arrays)
    if dtype.kind in "biu" or dtype == np.float16:
        dtype = F8
    if dtype.char not in "fdFD":
        raise NotImplementedError(f"adaptive filters serve float32, float64, complex64 and complex128, not {dtype}")
    return dtype
