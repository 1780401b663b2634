"""Streams of models: callables that keep the state from block to block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array, array
from sigrnn._utils.errors import overlapping
from sigrnn.activations import respond
from sigrnn.models.parameters import wrong_inputs


class Stream(Protocol):
    """A callable with memory."""

    def __call__(self, x: ArrayLike, /) -> Array:
        """The outputs of the next block."""

    def reset(self) -> None:
        """Back to rest."""

    def copy(self) -> Self:
        """Another one with the same past."""


class Titled:
    """A stream that shows whose it is."""

    title = "a model"

    def __repr__(self) -> str:
        return f"<stream of {self.title}>"

    def _like(self, other: Any) -> Any:
        """A copy with the title."""
        other.title = self.title
        return other


class ModelStream(Titled):
    """Any model, by its `run`: the state goes from call to call."""

    def __init__(self, model: Any) -> None:
        self.model, self.state = model, None

    def __call__(self, x: ArrayLike) -> Array:
        before = self.state
        y, after = self.model.run(x, before)
        if self.state is not before:
            raise overlapping(self)
        self.state = after
        return y

    def reset(self) -> None:
        self.state = None

    def copy(self) -> Self:
        other: Self = self._like(type(self)(self.model))
        other.state = self.state  # no run changes a state, it returns another
        return other

    __copy__ = copy


class BlockStream(Titled):
    """
    A stream of the library with the conversions of a model: its layouts, and its dtypes.

    inner : takes (N, I) or (B, N, I) of the dtype `compute`; if `flat`, (N,) or (B, N), which is a filter of one input.
    """

    def __init__(
        self, inner: Any, inputs: Any, compute: np.dtype[Any], dtype: np.dtype[Any], flat: bool = False
    ) -> None:
        self.inner, self.inputs, self.compute, self.dtype, self.flat = inner, inputs, compute, dtype, flat

    def __call__(self, x: ArrayLike) -> Array:
        if type(x) is not np.ndarray or x.dtype is not self.compute:
            x = array("x", x)
            if x.dtype.kind not in "biuf":
                raise TypeError(f"x has dtype {x.dtype}: models are for real signals")
            x = x.astype(self.compute)
        if x.ndim == 1 and self.inputs == 1:
            y = self.inner(x if self.flat else x[:, None])
            y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        elif x.ndim in (2, 3) and x.shape[-1] == self.inputs:
            y = self.inner(x[..., 0])[..., None] if self.flat else self.inner(x)
        else:
            raise ValueError(wrong_inputs(x.shape, self.inputs))
        return y if y.dtype is self.dtype else y.astype(self.dtype)

    def reset(self) -> None:
        self.inner.reset()

    def copy(self) -> Self:
        other = type(self)(self.inner.copy(), self.inputs, self.compute, self.dtype, self.flat)
        found: Self = self._like(other)
        return found

    __copy__ = copy


class Affine:
    """The stream of a dense layer, which has no memory: `dense` without its checks."""

    def __init__(self, v: Array, bias: Array, activation: Any) -> None:
        self.v, self.bias, self.activation = np.ascontiguousarray(v.T), bias.copy(), activation

    def __call__(self, x: Array) -> Array:
        e = (x * self.v if len(self.v) == 1 else x @ self.v) + self.bias
        return e if self.activation == "linear" else respond(self.activation, e).astype(e.dtype, copy=False)

    def reset(self) -> None:
        """Nothing is kept."""

    def copy(self) -> Self:
        return self


class JoinedStream(Titled):
    """The streams of a composition's parts, and a function that runs them on a block.

    A block is run by copies, which take their places when all are through it.
    """

    def __init__(self, streams: Sequence[Stream], join: Callable[[Any, Sequence[Stream]], Array]) -> None:
        self.streams, self.join = tuple(streams), join

    def __call__(self, x: ArrayLike) -> Array:
        before = self.streams
        after = tuple([stream.copy() for stream in before])
        y = self.join(x, after)
        if self.streams is not before:
            raise overlapping(self)
        self.streams = after
        return y

    def reset(self) -> None:
        after = tuple([stream.copy() for stream in self.streams])
        for stream in after:
            stream.reset()
        self.streams = after

    def copy(self) -> Self:
        found: Self = self._like(type(self)([stream.copy() for stream in self.streams], self.join))
        return found

    __copy__ = copy
