"""`Delay`: whole samples of delay, which `fit` finds from the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, whole
from sigrnn.models.base import Model, Pull
from sigrnn.models.parameters import HELD, Constraint, precision

__all__ = ["Delay"]


class Delay(Model):
    r"""
    A delay of whole samples, for each channel its own: what comes before is zero.

    .. math:: y_i[n] = x_i[n - k_i], \qquad 0 \le k_i \le K

    Parameters
    ----------
    longest : int
        K, the longest delay that `fit` tries.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs.

    See Also
    --------
    FIR : Its first taps can be a delay, too, each of them a parameter.
    Chain : Puts it before a model.

    Notes
    -----
    ``params["samples"]`` is (I,), the delay of each channel: 0 as drawn, or what was assigned. Steps of a solver do not change
    it. As the first part of a `Chain`, it is found by `fit` with its automatic start: for each delay, a linear difference
    equation is fitted to the data, and the delay with the smallest error is taken.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> t = sigrnn.lfilter([1.0, 0.5], [1.0, -0.9], np.append(np.zeros(17), x[:-17]))
    >>> result = sigrnn.fit(sigrnn.Chain(sigrnn.Delay(50), sigrnn.IIR(1)), x, t, progress=False)
    >>> result.model.params["0.samples"], bool(result.loss < 1e-12)
    (array([17.]), True)
    """

    def __init__(self, longest: int, *, dtype: str = "float64") -> None:
        self.longest, self.dtype = whole("longest", longest, 1), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        return {"samples": np.zeros(inputs)}, inputs

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"samples": (inputs,)}

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return len(np.atleast_1d(params["samples"]))

    def _constraint(self, name: str) -> Constraint:
        return HELD

    def _checked(self, name: str, value: Array) -> Array:
        if not ((value >= 0.0) & (value <= self.longest) & (value == np.round(value))).all():
            raise ValueError(f"samples must be whole numbers from 0 to {self.longest}, got {value.tolist()}")
        return value

    def _late(self, full: Array) -> Array:
        """The delayed channels of (..., longest + N, I), which begin with the samples before."""
        samples = full.shape[-2] - self.longest
        y = np.empty((*full.shape[:-2], samples, full.shape[-1]), full.dtype)
        for i, k in enumerate(self._named()["samples"].astype(int)):
            y[..., i] = full[..., self.longest - k : self.longest - k + samples, i]
        return y

    def _past(self, x: Array, state: Any) -> Array:
        past = np.zeros((*x.shape[:-2], self.longest, x.shape[-1]), x.dtype) if state is None else state
        return np.concatenate([past, x], axis=-2)

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        full = self._past(x, state)
        return self._late(full), full[:, x.shape[1] :].copy()

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        delays = self._named()["samples"].astype(int)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            dx = np.zeros(x.shape)
            for i, k in enumerate(delays):
                dx[:, : max(x.shape[1] - k, 0), i] = dy[:, k:, i]
            return {"samples": np.zeros(len(delays))}, dx

        return self._run(x, state), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        y = self._run(x, state)[0]
        return y, np.zeros(y.shape) if dx is None else self._late(self._past(dx, None))

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        y = self._run(x, state)[0]
        return y, np.empty((0, *y.shape))

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        return self._late(self._past(rows, None).astype(F8, copy=False))
