"""Parameters of a model: the dict that users see, and which of its entries a trainer moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from sigrnn._arrays import F8, Array


class Params(dict[str, Array]):
    """Named arrays of a model. Assigning to a name goes through the model, which checks the shape and keeps a copy."""

    def __init__(self, named: Mapping[str, Array], assign: Callable[[str, Any], Array]) -> None:
        super().__init__(named)
        self._assign = assign

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, self._assign(name, value))

    def __missing__(self, name: str) -> Array:
        raise KeyError(f"{name}: the parameters are {', '.join(self)}")

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __ior__(self, other: Any) -> Params:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __delitem__(self, name: str) -> None:
        raise TypeError("parameters of a model cannot be removed")

    def _fixed(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("parameters of a model cannot be added or removed")

    pop = popitem = clear = setdefault = _fixed

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


class Trainable(Protocol):
    """How one array stands in the vector that a trainer moves. `array` is the one there is."""

    def pack(self, array: Array) -> Array:
        """Its entries in the vector."""

    def unpack(self, vector: Array, array: Array) -> Array:
        """A new array from such entries."""

    def gradient(self, array: Array, gradient: Array) -> Array:
        """The gradient by the entries, from that by the array."""

    def free(self, array: Array) -> Array:
        """Which entries of the array have rows of sensitivities: a mask."""

    def count(self, array: Array) -> int:
        """How many entries it has in the vector."""

    def rows(self, array: Array, rows: Array) -> Array:
        """Sensitivities to the entries in the vector, from those to the free entries of the array."""


class All:
    """All entries are trained, as they are."""

    def free(self, array: Array) -> Array:
        return np.ones(array.shape, bool)

    def count(self, array: Array) -> int:
        return array.size

    def pack(self, array: Array) -> Array:
        return array.reshape(-1).astype(F8)

    def unpack(self, vector: Array, array: Array) -> Array:
        return vector.reshape(array.shape)

    def gradient(self, array: Array, gradient: Array) -> Array:
        return np.asarray(gradient, F8).reshape(-1)

    def rows(self, array: Array, rows: Array) -> Array:
        return rows


class Free:
    """Entries are their own; those outside of `mask` stay as they are."""

    def __init__(self, mask: Callable[[Array], Array]) -> None:
        self.free = mask

    def count(self, array: Array) -> int:
        return int(np.count_nonzero(self.free(array)))

    def pack(self, array: Array) -> Array:
        return array[self.free(array)].astype(F8)

    def unpack(self, vector: Array, array: Array) -> Array:
        new = array.copy()
        new[self.free(array)] = vector
        return new

    def gradient(self, array: Array, gradient: Array) -> Array:
        return np.asarray(gradient, F8)[self.free(array)]

    def rows(self, array: Array, rows: Array) -> Array:
        return rows


ALL = All()


def subset(prefix: int, named: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the names that begin with "prefix.", without it."""
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in named.items() if name.startswith(start)}


def check_names(given: Mapping[str, Any], expected: Any) -> None:
    """All names, and no others."""
    missing, unknown = [n for n in expected if n not in given], [n for n in given if n not in expected]
    if missing or unknown:
        parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(unknown)}"] * bool(unknown)
        raise ValueError(f"params: {'; '.join(parts)}; the model has {', '.join(expected)}")
