"""Parameters of a model: named arrays that users see, the vector that a trainer moves, and constraints between the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, array

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}


def check_like(name: str, given: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of real numbers of this shape, as this dtype."""
    found = array(name, given)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got dtype {found.dtype}")
    if found.shape != shape:
        raise ValueError(f"{name} has shape {found.shape}, expected {shape}")
    return found.astype(dtype, copy=False)


def wrong_inputs(shape: tuple[int, ...], inputs: int) -> str:
    """The message for a signal with another number of inputs than the model."""
    expected = f"(N,), (N, {inputs}) or (B, N, {inputs})" if inputs == 1 else f"(N, {inputs}) or (B, N, {inputs})"
    return f"x has shape {shape}, expected {expected}: the model has {inputs} input(s)"


def check_names(given: Mapping[str, Any], expected: Any) -> None:
    """All names, and no others."""
    missing, unknown = [n for n in expected if n not in given], [n for n in given if n not in expected]
    if missing or unknown:
        parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(unknown)}"] * bool(unknown)
        raise ValueError(f"params: {'; '.join(parts)}; the model has {', '.join(expected)}")


def precision(dtype: Any) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in FLOATS:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return found


def subset(prefix: int, named: Mapping[str, Any]) -> dict[str, Any]:
    """The entries whose names begin with "prefix.", without it."""
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in named.items() if name.startswith(start)}


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


class Constraint:
    """How one array of a model is represented in the vector of the trainer; here: all its entries, unchanged."""

    def free(self, array: Array) -> Array:
        """A mask of the entries that have rows of sensitivities."""
        return np.ones(array.shape, bool)

    def count(self, array: Array) -> int:
        """The number of its entries in the vector."""
        return array.size

    def pack(self, array: Array) -> Array:
        """Its entries in the vector."""
        return array.reshape(-1).astype(F8)

    def unpack(self, vector: Array, array: Array) -> Array:
        """A new array of the same shape and dtype from such entries."""
        return vector.astype(array.dtype).reshape(array.shape)

    def gradient(self, array: Array, gradient: Array) -> Array:
        """The gradient with respect to the entries, from that with respect to the array."""
        flat = np.asarray(gradient, F8)
        return flat if flat.ndim == 1 else flat.reshape(-1)

    def rows(self, array: Array, rows: Array) -> Array:
        """Sensitivities to the entries in the vector, from those to the free entries of the array."""
        return rows


class Fixed(Constraint):
    """All entries are trained but those at one index of the last axis, which stay as they are."""

    def __init__(self, index: int) -> None:
        self.index = index

    def free(self, array: Array) -> Array:
        return np.broadcast_to(np.arange(array.shape[-1]) != self.index, array.shape)

    def count(self, array: Array) -> int:
        return array.size // array.shape[-1] * (array.shape[-1] - 1)

    def pack(self, array: Array) -> Array:
        if not self.index and array.ndim == 1:  # what trainers do in each step
            return array[1:].astype(F8, copy=False)
        others = array[..., : self.index], array[..., self.index + 1 :]
        return np.concatenate(others, axis=-1).reshape(-1).astype(F8, copy=False)

    def unpack(self, vector: Array, array: Array) -> Array:
        new = array.copy()
        if not self.index and array.ndim == 1:
            new[1:] = vector
            return new
        others = vector.reshape(*array.shape[:-1], -1)
        new[..., : self.index], new[..., self.index + 1 :] = others[..., : self.index], others[..., self.index :]
        return new

    def gradient(self, array: Array, gradient: Array) -> Array:
        return self.pack(np.asarray(gradient))


class Held(Constraint):
    """No entry is trained."""

    def free(self, array: Array) -> Array:
        return np.zeros(array.shape, bool)

    def count(self, array: Array) -> int:
        return 0

    def pack(self, array: Array) -> Array:
        return np.empty(0)

    def unpack(self, vector: Array, array: Array) -> Array:
        return array.copy()

    def gradient(self, array: Array, gradient: Array) -> Array:
        return np.empty(0)


ALL_FREE, FIRST_FIXED, FOURTH_FIXED, HELD = (
    Constraint(),
    Fixed(0),
    Fixed(3),
    Held(),
)  # all; but a[0]; but sos[..., 3]; none


class Parametrised:
    """Named arrays, and the vector of their trained entries."""

    _values: dict[str, Array] | None = None
    _drawn = False  # whether the parameters are as `init` has drawn them

    def _touch(self) -> None:
        """Note that parameters were given, or trained."""
        self._drawn = False

    def _constraint(self, name: str) -> Constraint:
        """Which entries of an array a trainer moves, and how."""
        return ALL_FREE

    def _checked(self, name: str, value: Array) -> Array:
        """A parameter that was assigned, after further checks."""
        return value

    def _sized(self) -> bool:
        return self._values is not None

    def _named(self) -> dict[str, Array]:
        return self._values or {}

    def _need_sizes(self, what: str) -> None:
        if not self._sized():
            raise ValueError(f"{what}: {self!r} has no sizes yet: call init(inputs), or the model itself, first")

    def _size_by(self, params: Mapping[str, Any]) -> None:
        """Set sizes from parameters that are assigned all at once."""
        raise NotImplementedError

    @property
    def params(self) -> Params:
        return Params(self._named(), self._assign)

    @params.setter
    def params(self, params: Mapping[str, Any]) -> None:
        if not isinstance(params, Mapping):
            raise TypeError(f"params must be a dict of arrays, got {type(params).__name__}")
        if not self._sized():
            self._size_by(params)
        check_names(params, self._named())
        before = dict(self._named())
        try:
            for name, value in params.items():
                self._assign(name, value)
        except BaseException:
            for name, array in before.items():  # all or nothing
                self._assign(name, array)
            raise

    def _assign(self, name: str, value: Any) -> Array:
        if self._values is None:
            raise ValueError(f"{self!r} has no sizes yet: call init(inputs), or assign all parameters at once")
        if name not in self._values:
            raise KeyError(f"{name}: the parameters are {', '.join(self._values)}")
        old = self._values[name]
        new = np.array(check_like(name, value, old.shape, old.dtype))
        self._values[name] = self._checked(name, new)
        self._touch()
        return self._values[name]

    @property
    def n_parameters(self) -> int:
        """Number of entries that are trained; 0 before sizes are known."""
        return sum(self._constraint(name).count(value) for name, value in self._named().items())

    def to_vector(self) -> Array:
        """
        Put all trained parameters into one vector.

        Returns
        -------
        theta : ndarray, shape (n_parameters,)
            For a filter that stays stable, any numbers stand for a stable one.
        """
        self._need_sizes("to_vector")
        parts = [self._constraint(name).pack(value).reshape(-1) for name, value in self._named().items()]
        return np.concatenate(parts) if parts else np.empty(0)

    def from_vector(self, theta: ArrayLike) -> Self:
        """
        Take parameters from such a vector.

        Parameters
        ----------
        theta : array_like, shape (n_parameters,)
            As from `to_vector`.

        Returns
        -------
        Model
            The model itself.
        """
        self._need_sizes("from_vector")
        self._unpack(check_like("theta", theta, (self.n_parameters,), F8))
        self._touch()
        return self

    def _unpack(self, theta: Array) -> int:
        """`from_vector` without its checks, from the first entries of theta; returns how many there are."""
        assert self._values is not None
        start, values = 0, {}
        for name, value in self._values.items():
            constraint = self._constraint(name)
            stop = start + constraint.count(value)
            values[name] = constraint.unpack(theta[start:stop], value)
            start = stop
        self._values = values  # all at once, whatever interrupts
        return start

    def vector_gradient(self, grads: Mapping[str, Any]) -> Array:
        """
        Convert gradients with respect to parameters to that with respect to the vector.

        Parameters
        ----------
        grads : dict
            As from the pull-back of `vjp`.

        Returns
        -------
        gradient : ndarray, shape (n_parameters,)
            The gradient with respect to the vector.
        """
        check_names(grads, self._named())
        return self._vector_gradient(grads)

    def _vector_gradient(self, grads: Mapping[str, Any]) -> Array:
        """`vector_gradient` without its checks."""
        parts = self._gradient_parts(grads, "")
        return np.concatenate(parts) if parts else np.empty(0)

    def _gradient_parts(self, grads: Mapping[str, Any], prefix: str) -> list[Array]:
        """Its parts, a vector for each parameter, whose names in `grads` begin with `prefix`."""
        return [self._constraint(name).gradient(value, grads[prefix + name]) for name, value in self._named().items()]

    def vector_sensitivities(self, J: Array) -> Array:
        """
        Turn sensitivities to parameters into those to the entries of the vector.

        Parameters
        ----------
        J : ndarray, shape (n_parameters, ...)
            As from `sensitivities`.

        Returns
        -------
        J : ndarray, shape (n_parameters, ...)
            The derivative with respect to each entry of the vector.
        """
        named = self._named()
        ends = np.cumsum([self._constraint(name).count(value) for name, value in named.items()], dtype=int)[:-1]
        given = np.split(J, ends)
        found = [self._constraint(name).rows(named[name], own) for name, own in zip(named, given, strict=False)]
        return J if all(new is own for new, own in zip(found, given, strict=False)) else np.concatenate(found)
