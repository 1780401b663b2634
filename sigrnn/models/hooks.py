"""What a model of one's own says: how it is drawn, run and differentiated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.models.vectors import Vector

Pull = Callable[..., tuple[dict[str, Array], Array]]


class Hooks(Vector):
    """Methods that `Model` calls. They see signals as (B, N, I)."""

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        raise NotImplementedError(f"{type(self).__name__} does not say how it is drawn: give it a method _draw")

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        raise NotImplementedError(f"{type(self).__name__} does not say how it is run: give it a method _run")

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        raise TypeError(f"{type(self).__name__} has no gradients: give it a method _vjp")

    def _vjp_by_blocks(self, x: Array, state: Any, size: int) -> tuple[tuple[Array, Any], Pull]:
        return self._vjp(x, state)

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        raise TypeError(
            f"{type(self).__name__} has no forward mode (_jvp), which sensitivities and the solver 'lm' need; "
            "'lbfgs', 'adam' and 'sgd' do without"
        )

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        """Y and its rows (R, B, N, O): one run in forward mode for each entry that is not fixed."""
        rows = []
        y = None
        for name, value in self._named().items():
            for index in np.argwhere(self._trainable(name).free(value)):
                tangent = np.zeros(value.shape, value.dtype)
                tangent[tuple(index)] = 1.0
                y, dy = self._jvp(x, {name: tangent}, None, state)
                rows.append(dy)
        if y is None:
            y = self._run(x, state)[0]
        return y, np.stack(rows) if rows else np.empty((0, *y.shape))

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        """Tangents (R, B, N, O) of y for tangents (R, B, N, I) of x."""
        found = [self._jvp(x, {}, row, state)[1] for row in rows]
        return np.stack(found) if found else np.empty((0, *self._run(x, state)[0].shape))

    def _checked(self, name: str, value: Array) -> Array:
        """A parameter as it is to be kept."""
        return value

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        """The number of inputs that parameters, given all at once, speak of."""
        raise ValueError(f"{type(self).__name__} has no sizes yet: call init(inputs) before parameters are assigned")

    @property
    def _kind(self) -> np.dtype[Any] | None:
        """What signals are computed in, and parameters kept in; None: in what they are."""
        return F8
