"""Streams of models: what keeps the state from block to block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array


class Stream(Protocol):
    """A callable with memory."""

    def __call__(self, x: ArrayLike, /) -> Array:
        """The outputs of the next block."""

    def reset(self) -> None:
        """Back to rest."""

    def copy(self) -> Self:
        """Another one with the same past."""


class Kept:
    """Any model, by its `run`: the state goes from call to call."""

    def __init__(self, model: Any) -> None:
        self.model, self.state = model, None

    def __call__(self, x: ArrayLike) -> Array:
        y, self.state = self.model.run(x, self.state)
        return y

    def reset(self) -> None:
        self.state = None

    def copy(self) -> Self:
        other = type(self)(self.model)
        other.state = self.state  # no run changes a state, it returns another
        return other


class OneFilter:
    """A filter of one input by a stream of the library's own: `filtered` takes (N,), or channels (B, N)."""

    def __init__(self, filtered: Any, dtype: np.dtype[Any]) -> None:
        self.filtered, self.dtype = filtered, dtype

    def __call__(self, x: ArrayLike) -> Array:
        if type(x) is np.ndarray and x.ndim == 1 and x.dtype is F8 is self.dtype:
            return self.filtered(x)
        return self._other(np.asarray(x))

    def _other(self, x: Array) -> Array:
        if x.ndim not in (1, 2, 3) or (x.ndim > 1 and x.shape[-1] != 1):
            raise ValueError(f"x has shape {x.shape}, expected (N,), (N, 1) or (B, N, 1): the model has 1 input(s)")
        if x.dtype.kind not in "biuf":
            raise TypeError(f"x has dtype {x.dtype}: models are for real signals")
        x = x.astype(F8)
        y = self.filtered(x) if x.ndim == 1 else self.filtered(x[..., 0])[..., None]
        return y.astype(self.dtype, copy=False)

    def reset(self) -> None:
        self.filtered.reset()

    def copy(self) -> Self:
        return type(self)(self.filtered.copy(), self.dtype)


class Joined:
    """Streams of the parts of a composition, and how to make one signal of theirs."""

    def __init__(self, streams: Sequence[Stream], join: Callable[[Any, Sequence[Stream]], Array]) -> None:
        self.streams, self.join = tuple(streams), join

    def __call__(self, x: ArrayLike) -> Array:
        return self.join(x, self.streams)

    def reset(self) -> None:
        for stream in self.streams:
            stream.reset()

    def copy(self) -> Self:
        return type(self)([stream.copy() for stream in self.streams], self.join)
