"""Settings of adaptive filters: numbers that may be changed between blocks, counts, and dtypes of signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, number_of
from sigrnn._kernels.adaptive.sizes import EPS, SHARE

TINY = 2.0**-500  # added to a regularisation that is relative, so that nothing is divided by 0 in silence


class Parameter:
    """A number of an algorithm that may be changed between blocks; `check` tests it, `wanted` is that test in words.

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


def positive(place: int) -> Parameter:
    """A parameter above 0."""
    return Parameter(place, "finite and positive", lambda value: 0.0 < value < np.inf)


def not_negative(place: int, most: float = np.inf) -> Parameter:
    """A parameter that is at least 0, and finite."""
    return Parameter(place, "finite and not negative", lambda value: 0.0 <= value < most)


class Relative(float):
    """A default in units of the power of the input, where a number that a user gives is absolute."""


class Regularisation(Parameter):
    """A number in units of the power of x: as it is if the user gives it, by default multiplied by that power, averaged so far.

    `_p[EPS]` holds the absolute part, `_p[SHARE]` the share of the power that the kernels add to it.
    """

    def __init__(self) -> None:
        super().__init__(EPS, "finite and positive", lambda value: 0.0 < value < np.inf)

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        share = instance._p[SHARE]
        return Relative(share) if share else float(instance._p[EPS])

    def __set__(self, instance: Any, value: float) -> None:
        if isinstance(value, Relative):
            instance._p[EPS], instance._p[SHARE] = instance._tiny, value
            instance._given.pop(self.name, None)
        else:
            super().__set__(instance, value)
            instance._p[SHARE] = 0.0


def result_dtype(*arrays: Array) -> np.dtype[Any]:
    """The dtype of results: float32 and complex64 stay, whole numbers become float64."""
    dtype = np.result_type(*arrays)
    if dtype.kind in "biu" or dtype == np.float16:
        dtype = F8
    if dtype.char not in "fdFD":
        raise NotImplementedError(f"adaptive filters support float32, float64, complex64 and complex128, got {dtype}")
    return dtype
