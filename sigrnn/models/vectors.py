"""All that is trained as one vector, the way solvers want it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array
from sigrnn.models.parameters import ALL, Trainable, check_names
from sigrnn.models.signals import alike


class Vector:
    """Named arrays, and the vector of those of their entries that are trained."""

    _values: dict[str, Array] | None = None

    def _trainable(self, name: str) -> Trainable:
        """Which entries of an array a trainer moves, and how."""
        return ALL

    def _sized(self) -> bool:
        return self._values is not None

    def _named(self) -> dict[str, Array]:
        return self._values or {}

    def _need_sizes(self, what: str) -> None:
        if not self._sized():
            raise ValueError(f"{what}: {self!r} has no sizes yet: call init(inputs), or the model itself, first")

    @property
    def n_parameters(self) -> int:
        """How many numbers are trained; 0 before sizes are known."""
        return sum(self._trainable(name).count(value) for name, value in self._named().items())

    def to_vector(self) -> Array:
        """
        Put all that is trained into one vector, the way a trainer wants it.

        Returns
        -------
        theta : ndarray, shape (n_parameters,)
            For a filter that stays stable, any numbers stand for a stable one.
        """
        self._need_sizes("to_vector")
        parts = [self._trainable(name).pack(value).reshape(-1) for name, value in self._named().items()]
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
        theta = alike("theta", theta, (self.n_parameters,), F8)
        assert self._values is not None
        start = 0
        for name, value in self._values.items():
            trained = self._trainable(name)
            stop = start + trained.count(value)
            self._values[name] = trained.unpack(theta[start:stop], value).reshape(value.shape).astype(value.dtype)
            start = stop
        return self

    def vector_gradient(self, grads: Mapping[str, Any]) -> Array:
        """
        Turn gradients by parameters into that by the vector.

        Parameters
        ----------
        grads : dict
            As from the pull-back of `vjp`.

        Returns
        -------
        gradient : ndarray, shape (n_parameters,)
            The gradient by the vector.
        """
        named = self._named()
        check_names(grads, named)
        parts = [self._trainable(name).gradient(value, grads[name]).reshape(-1) for name, value in named.items()]
        return np.concatenate(parts) if parts else np.empty(0)

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
            The derivative by each entry of the vector.
        """
        found, start = [], 0
        for name, value in self._named().items():
            trained = self._trainable(name)
            stop = start + trained.count(value)
            found.append(trained.rows(value, J[start:stop]))
            start = stop
        return found[0] if len(found) == 1 else np.concatenate(found) if found else J
