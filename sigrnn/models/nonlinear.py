"""Filters with an activation: `NonlinearFIR`, `NonlinearIIR`. Their tangents are a filter whose gain varies in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import sigrnn.filters.streams
from sigrnn._arrays import F8, Array, whole
from sigrnn.activations import Activation, known, respond, slope_of_output
from sigrnn.filters._coefficients import normalised
from sigrnn.filters.linear import lfilter
from sigrnn.filters.nonlinear import nlfilter
from sigrnn.gradients.nonlinear import excitation, feed_back
from sigrnn.models.base import Model, Pull
from sigrnn.models.multi_input import (
    delay,
    first_feedback,
    first_taps,
    inputs_of,
    of_inputs,
    one_input,
    repeat_inputs,
    sum_inputs,
    time_first,
    time_last,
)
from sigrnn.models.parameters import ALL_FREE, FIRST_FIXED, Constraint, precision
from sigrnn.models.rules import checked_vjp
from sigrnn.models.streams import BlockStream, ModelStream, Stream

__all__ = ["NonlinearFIR", "NonlinearIIR"]

ONE = np.ones(1)


class Nonlinear(Model):
    """`nlfilter` with parameters. Several inputs are filtered without feedback before, and added."""

    activation: str | Activation
    n_taps: int
    order = 0
    _checkpoints = True

    def _feedback(self) -> Array:
        return ONE

    def _single_input(self) -> bool:
        return True

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        feedback = {"a": (self.order + 1,)} if self.order else {}
        return {"b": of_inputs(inputs, self.n_taps), **feedback, "bias": (1,)}

    def _parts(self, inputs: int) -> tuple[Array, Array, Array, Array]:
        """Taps (I, M) ahead, or none; then b, a and bias of the filter."""
        params = self._named()
        ahead, b = (params["b"], ONE) if inputs > 1 else (np.ones((0, 1)), params["b"])
        return ahead, b, self._feedback(), params["bias"]

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        ahead, b, a, bias = self._parts(x.shape[-1])
        z_ahead, z = (0.0, 0.0) if state is None else state
        u = time_last(x)
        if len(ahead):
            u, z_ahead = lfilter(ahead, ONE, u, zi=z_ahead)
            u = u.sum(axis=-2)
        y, z = nlfilter(b, a, u, zi=z, activation=self.activation, bias=bias)
        return y[..., None], (z_ahead, z)

    def _vjp(self, x: Array, state: Any, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        inputs = x.shape[-1]
        ahead, b, a, bias = self._parts(inputs)
        z_ahead, z = (0.0, 0.0) if state is None else state
        u, back_ahead = time_last(x), None
        if len(ahead):
            (u, z_ahead), back_ahead = checked_vjp(lfilter, size, b=ahead, a=ONE, x=u, zi=z_ahead)
            u = u.sum(axis=-2)
        given: dict[str, Any] = {"b": b, "a": a, "x": u, "zi": z, "activation": self.activation, "bias": bias}
        (y, z), back = checked_vjp(nlfilter, size, **given)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            found = back(dy[..., 0])
            db, dx = found["b"], found["x"]
            if back_ahead is not None:
                more = back_ahead(repeat_inputs(dx[..., None], inputs))
                db, dx = more["b"], more["x"]
            grads = {"b": db, "bias": found["bias"]}
            if self.order:
                found["a"][0] = 0.0
                grads = {"b": db, "a": found["a"], "bias": found["bias"]}
            return grads, time_first(dx, inputs)

        return (y[..., None], (z_ahead, z)), pull

    def _sloped(self, x: Array, state: Any) -> tuple[Array, Array]:
        """Y and g' of all samples, (B, N)."""
        y = self._run(x, state)[0][..., 0]
        if slope_of_output(self.activation):
            return y, respond(self.activation, np.array(y, F8), slope=True)
        ahead, b, a, bias = self._parts(x.shape[-1])
        z_ahead, z = (0.0, 0.0) if state is None else state
        u = time_last(x)
        if len(ahead):
            u = lfilter(ahead, ONE, u, zi=z_ahead)[0].sum(axis=-2)
        b, a = normalised(b, a, F8, fir=False)
        e = excitation(b, a, {"axis": -1, "zi": z, "bias": bias}, u, y)
        return y, respond(self.activation, np.array(e, F8), slope=True)

    def _weighed(self, x: Array) -> Array:
        """The filter without feedback over signals (..., N, I), from rest: (..., N)."""
        return sum_inputs(lfilter(self._named()["b"], ONE, time_last(x)), x.shape[-1])[..., 0]

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        y, slope = self._sloped(x, state)
        u = np.zeros(y.shape) if dx is None else self._weighed(dx)
        if "b" in tangents:
            u = u + sum_inputs(lfilter(tangents["b"], ONE, time_last(x)), x.shape[-1])[..., 0]
        if "a" in tangents:
            u = u - lfilter(np.append(0.0, tangents["a"][1:]), ONE, y)
        if "bias" in tangents:
            u = u + tangents["bias"]
        return y[..., None], fed_back(self._feedback(), slope, u[None])[0][..., None]

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        y, slope = self._sloped(x, state)
        inputs, taps, order = x.shape[-1], self.n_taps, self.order
        u = np.zeros((inputs * taps + order + 1, *y.shape))
        for i in range(inputs):
            for m in range(taps):
                delay(u, i * taps + m, one_input(time_last(x), i, inputs), m)
        for m in range(1, order + 1):
            delay(u, inputs * taps + m - 1, -y, m)
        u[-1] = 1.0
        return y[..., None], fed_back(self._feedback(), slope, u)[..., None]

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        _, slope = self._sloped(x, state)
        flat = self._weighed(rows.reshape(-1, *rows.shape[2:]))
        return fed_back(self._feedback(), slope, flat.reshape(rows.shape[:-1]))[..., None]

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return inputs_of(params["b"])

    def _stream(self) -> Stream:
        if self.inputs != 1:
            return ModelStream(self.copy())
        _, b, a, bias = self._parts(1)
        stream = sigrnn.filters.streams.Stream(b, a, activation=self.activation, bias=float(bias[0]))
        return BlockStream(stream, 1, F8, self.dtype, flat=True)


class NonlinearFIR(Nonlinear):
    r"""
    A nonlinear filter without feedback, to be trained: a convolutional network of one unit.

    .. math:: y[n] = g\Bigl(\beta + \sum_i \sum_{m=0}^{M-1} b_{im} x_i[n-m]\Bigr)

    Parameters
    ----------
    n_taps : int
        M, the number of coefficients for each input.
    activation : str or Activation, default 'tanh'
        The function g, as in `nlfilter`.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; coefficients and sums are float64.

    See Also
    --------
    FIR : Without an activation.
    nlfilter : The function.

    Notes
    -----
    ``params["b"]`` is (n_taps,), or (I, n_taps) for I inputs, ``params["bias"]`` is (1,).

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.NonlinearFIR(2, "relu")
    >>> model.params = {"b": [1.0, -1.0], "bias": [0.0]}
    >>> model([1.0, 3.0, 2.0])
    array([1., 2., 0.])
    """

    def __init__(self, n_taps: int, activation: str | Activation = "tanh", *, dtype: str = "float64") -> None:
        self.n_taps, self.activation, self.dtype = whole("n_taps", n_taps, 1), known(activation), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        return {"b": first_taps(rng, inputs, self.n_taps), "bias": np.zeros(1)}, 1


class NonlinearIIR(Nonlinear):
    r"""
    A nonlinear filter with feedback, to be trained: a recurrent network of one unit with several steps of memory.

    .. math:: y[n] = g\Bigl(\beta + \sum_i \sum_{m=0}^{M-1} b_{im} x_i[n-m] - \sum_{m=1}^{P} a_m y[n-m]\Bigr)

    Parameters
    ----------
    n_taps : int
        M, the number of coefficients for each input.
    order : int
        P, the number of earlier outputs that are fed back.
    activation : str or Activation, default 'tanh'
        The function g, as in `nlfilter`.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; coefficients and sums are float64.

    See Also
    --------
    IIR : Without an activation.
    RNN : Many such units, with feedback between them over one step.
    nlfilter : The function.

    Notes
    -----
    ``params["b"]`` is (n_taps,), or (I, n_taps) for I inputs, ``params["a"]`` is (P + 1,) with ``a[0]`` = 1, which is not
    trained, ``params["bias"]`` is (1,).

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.NonlinearIIR(1, 1, "relu")
    >>> model.params = {"b": [1.0], "a": [1.0, -0.5], "bias": [0.0]}
    >>> model([2.0, -2.0, 4.0])
    array([2., 0., 4.])
    """

    def __init__(
        self, n_taps: int, order: int, activation: str | Activation = "tanh", *, dtype: str = "float64"
    ) -> None:
        self.n_taps, self.order = whole("n_taps", n_taps, 1), whole("order", order, 1)
        self.activation, self.dtype = known(activation), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        b, a = first_taps(rng, inputs, self.n_taps), first_feedback(rng, self.order)
        return {"b": b, "a": a, "bias": np.zeros(1)}, 1

    def _feedback(self) -> Array:
        return self._named()["a"]

    def _constraint(self, name: str) -> Constraint:
        return FIRST_FIXED if name == "a" else ALL_FREE

    def _checked(self, name: str, value: Array) -> Array:
        if name == "a" and value[0] != 1.0:
            raise ValueError(f"a[0] must be 1, got {value[0]}: divide b and a by it")
        return value


def fed_back(a: Array, slope: Array, u: Array) -> Array:
    """Tangents dy = slope (u - sum_m a[m] dy[n-m]) for rows u (R, B, N) and one slope (B, N) for all."""
    order = len(a) - 1
    if not order or not u.size:
        return slope * u
    flat = u.reshape(-1, u.shape[-1])
    dy = np.zeros((len(flat), order + u.shape[-1]))
    each = np.broadcast_to(slope, u.shape)
    feed_back(a[None], each.reshape(flat.shape), np.ascontiguousarray(flat, F8), dy)
    return dy[:, order:].reshape(u.shape)
