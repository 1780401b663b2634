"""Static nonlinearities with parameters, for use between filters: `Polynomial`, `PiecewiseLinear`, `TanhNetwork`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, whole
from sigrnn.activations import respond
from sigrnn.models.base import Model, Pull
from sigrnn.models.multi_input import inputs_of, of_inputs
from sigrnn.models.parameters import ALL_FREE, HELD, Constraint, precision

__all__ = ["PiecewiseLinear", "Polynomial", "TanhNetwork"]

SPAN = 3.0  # knots are drawn from -SPAN to SPAN


class Static(Model):
    """A function of the sample, without memory: gradients are products with its slopes."""

    def _slopes(self, x: Array) -> tuple[Array, Array, Array]:
        """
        The value and its derivatives.

        Returns y (B, N, O), its derivative with respect to the inputs (B, N, O, I), and the rows of the parameters (R, B, N, O).
        """
        raise NotImplementedError

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        y, _, rows = self._slopes(x)
        return y, rows

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        return moved(self._slopes(x)[1], rows)

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        y, by_x, rows = self._slopes(x)
        dy = np.zeros(y.shape) if dx is None else moved(by_x, dx)
        start = 0
        for name, value in self._named().items():
            free = self._constraint(name).free(value)
            stop = start + int(free.sum())
            if name in tangents:
                dy = dy + np.tensordot(tangents[name][free], rows[start:stop], axes=1)
            start = stop
        return y, dy


def moved(by_x: Array, dx: Array) -> Array:
    """Tangents (..., B, N, O) of the outputs for those (..., B, N, I) of the inputs."""
    if by_x.shape[-2:] == (1, 1):
        return dx * by_x[..., 0]
    return np.asarray((by_x @ dx[..., None])[..., 0])


class ByChannel(Static):
    """The same kind of curve for each channel, with coefficients of its own."""

    trained: str  # the name of the coefficients

    def _basis(self, x: Array) -> tuple[Array, Array, Array]:
        """Curves that are added (B, N, C, K), their slopes, and their coefficients (C, K)."""
        raise NotImplementedError

    def _slopes(self, x: Array) -> tuple[Array, Array, Array]:
        basis, slopes, c = self._basis(x)
        y, by_x = np.einsum("bnik,ik->bni", basis, c), np.einsum("bnik,ik->bni", slopes, c)
        channels, width = c.shape
        rows = np.zeros((channels, width, *y.shape))
        for i in range(channels):
            rows[i, ..., i] = np.moveaxis(basis[:, :, i], -1, 0)
        return y, by_x[..., None] * np.eye(channels), rows.reshape(-1, *y.shape)

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        basis, slopes, c = self._basis(x)
        y, by_x = np.einsum("bnik,ik->bni", basis, c), np.einsum("bnik,ik->bni", slopes, c)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            grads = {name: np.zeros(value.shape) for name, value in self._named().items()}
            grads[self.trained] = np.einsum("bni,bnik->ik", dy, basis).reshape(grads[self.trained].shape)
            return grads, dy * by_x

        return (y, None), pull


class Polynomial(ByChannel):
    r"""
    A polynomial of each sample, to be trained.

    .. math:: y[n] = \sum_{k=0}^{K} c_k\, x[n]^k

    Parameters
    ----------
    degree : int
        K, the highest power.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; coefficients and sums are float64.

    See Also
    --------
    PiecewiseLinear, TanhNetwork : Curves that do not rise so steeply beyond the data.

    Notes
    -----
    ``params["c"]`` is (K + 1,), from the lowest power to the highest, or (I, K + 1) for I channels: each has its own
    polynomial. It is drawn near the identity.

    Cost: K products and sums for each sample.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.Polynomial(3)
    >>> model.params = {"c": [0.0, 1.0, 0.0, -0.1]}
    >>> model([0.0, 1.0, 2.0])
    array([0. , 0.9, 1.2])
    """

    trained = "c"

    def __init__(self, degree: int, *, dtype: str = "float64") -> None:
        self.degree, self.dtype = whole("degree", degree, 1), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        c = 0.01 * rng.standard_normal((inputs, self.degree + 1))
        c[:, 1] += 1.0
        return {"c": c[0] if inputs == 1 else c}, inputs

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"c": of_inputs(inputs, self.degree + 1)}

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return inputs_of(params["c"])

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        c = np.atleast_2d(self._named()["c"])
        y = np.broadcast_to(c[:, -1], x.shape)
        for k in range(self.degree - 1, -1, -1):
            y = y * x + c[:, k]
        return y, None

    def _basis(self, x: Array) -> tuple[Array, Array, Array]:
        powers = np.empty((*x.shape, self.degree + 1))
        powers[..., 0] = 1.0
        for k in range(1, self.degree + 1):
            np.multiply(powers[..., k - 1], x, out=powers[..., k])
        slopes = np.zeros_like(powers)
        slopes[..., 1:] = powers[..., :-1] * np.arange(1.0, self.degree + 1)
        return powers, slopes, np.atleast_2d(self._named()["c"])


class PiecewiseLinear(ByChannel):
    r"""
    A piecewise linear curve between knots, to be trained, for each sample.

    .. math:: y[n] = v_k + (v_{k+1} - v_k) \frac{x[n] - u_k}{u_{k+1} - u_k}, \qquad u_k \le x[n] < u_{k+1}

    The first and the last line go on beyond the knots u.

    Parameters
    ----------
    n_knots : int
        The number of knots, 2 at least.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; coefficients and sums are float64.

    See Also
    --------
    Polynomial, TanhNetwork : Smooth curves.

    Notes
    -----
    ``params["knots"]`` and ``params["values"]`` are (n_knots,), or (I, n_knots) for I channels. Values are trained,
    knots are not: initially they cover -3 to 3, and `fit` with its own start spreads them over the signal.

    Cost: a binary search and a product for each sample.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.PiecewiseLinear(3)
    >>> model.params = {"knots": [-1.0, 0.0, 1.0], "values": [0.0, 0.0, 2.0]}
    >>> model([-5.0, 0.5, 2.0])
    array([0., 1., 4.])
    """

    trained = "values"

    def __init__(self, n_knots: int, *, dtype: str = "float64") -> None:
        self.n_knots, self.dtype = whole("n_knots", n_knots, 2), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        knots = np.broadcast_to(np.linspace(-SPAN, SPAN, self.n_knots), of_inputs(inputs, self.n_knots))
        return {"knots": knots, "values": knots + 0.01 * rng.standard_normal(knots.shape)}, inputs

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("knots", "values"), of_inputs(inputs, self.n_knots))

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return inputs_of(params["values"])

    def _constraint(self, name: str) -> Constraint:
        return HELD if name == "knots" else ALL_FREE

    def _checked(self, name: str, value: Array) -> Array:
        if name == "knots" and not (np.diff(value, axis=-1) > 0.0).all():
            raise ValueError(f"knots must rise, got {value}")
        return value

    def _pieces(self, x: Array) -> tuple[Array, Array, Array]:
        """The line of each sample (B, N, C), how far along it is, and its length."""
        knots = np.atleast_2d(self._named()["knots"])
        line = np.stack([np.searchsorted(u, x[..., i], "right") - 1 for i, u in enumerate(knots)], axis=-1)
        line = np.clip(line, 0, self.n_knots - 2)
        channel = np.arange(len(knots))
        left, length = knots[channel, line], np.diff(knots, axis=-1)[channel, line]
        return line, (x - left) / length, length

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        line, along, _ = self._pieces(x)
        v, channel = np.atleast_2d(self._named()["values"]), np.arange(x.shape[-1])
        left = v[channel, line]
        return left + along * (v[channel, line + 1] - left), None

    def _basis(self, x: Array) -> tuple[Array, Array, Array]:
        line, along, length = self._pieces(x)
        basis, slopes = np.zeros((*x.shape, self.n_knots)), np.zeros((*x.shape, self.n_knots))
        for full, at_left, at_right in ((basis, 1.0 - along, along), (slopes, -1.0 / length, 1.0 / length)):
            np.put_along_axis(full, line[..., None], at_left[..., None], -1)
            np.put_along_axis(full, line[..., None] + 1, at_right[..., None], -1)
        return basis, slopes, np.atleast_2d(self._named()["values"])


class TanhNetwork(Static):
    r"""
    One layer of tanh units in parallel with a direct path, to be trained, for each sample.

    .. math:: y[n] = D x[n] + d + V \tanh(W x[n] + \beta)

    Parameters
    ----------
    units : int
        The number of tanh units.
    outputs : int, default 1
        The number of outputs.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; weights and sums are float64.

    See Also
    --------
    Polynomial, PiecewiseLinear : Other curves.
    Dense : A single layer of units.

    Notes
    -----
    ``params`` are ``w`` (units, I), ``bias`` (units,), ``v`` (outputs, units), ``direct`` (outputs, I) and ``offset``
    (outputs,). They are drawn near the identity for one input and output, with units of different thresholds.

    Cost: for each sample a tanh and I + outputs products for each unit.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.linspace(-3.0, 3.0, 301)
    >>> result = sigrnn.fit(sigrnn.TanhNetwork(4), x, np.clip(x, -1.0, 2.0), progress=False)
    >>> bool(result.loss < 1e-3)
    True
    """

    def __init__(self, units: int, outputs: int = 1, *, dtype: str = "float64") -> None:
        self.units, self.n_outputs, self.dtype = (
            whole("units", units, 1),
            whole("outputs", outputs, 1),
            precision(dtype),
        )

    def _argument(self, name: str) -> Any:
        return self.n_outputs if name == "outputs" else super()._argument(name)

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        units, outputs = self.units, self.n_outputs
        return {
            "w": (units, inputs),
            "bias": (units,),
            "v": (outputs, units),
            "direct": (outputs, inputs),
            "offset": (outputs,),
        }

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        shapes = self._shapes(inputs)
        w = rng.standard_normal(shapes["w"]) / np.sqrt(inputs)
        direct = np.eye(inputs) if inputs == self.n_outputs else rng.standard_normal(shapes["direct"])
        return {
            "w": w,
            "bias": rng.uniform(-2.0, 2.0, self.units),
            "v": 0.1 / np.sqrt(self.units) * rng.standard_normal(shapes["v"]),
            "direct": direct / np.sqrt(max(inputs / self.n_outputs, 1.0)),
            "offset": np.zeros(self.n_outputs),
        }, self.n_outputs

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return np.asarray(params["w"]).shape[1]

    def _units(self, x: Array) -> Array:
        p = self._named()
        return respond("tanh", np.ascontiguousarray(x @ p["w"].T + p["bias"], F8))

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        p = self._named()
        return self._units(x) @ p["v"].T + x @ p["direct"].T + p["offset"], None

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        p, h = {name: value.copy() for name, value in self._named().items()}, self._units(x)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            de = (dy @ p["v"]) * (1.0 - h * h)
            grads = {
                "w": np.einsum("bnu,bni->ui", de, x, optimize=True),
                "bias": de.sum(axis=(0, 1)),
                "v": np.einsum("bno,bnu->ou", dy, h, optimize=True),
                "direct": np.einsum("bno,bni->oi", dy, x, optimize=True),
                "offset": dy.sum(axis=(0, 1)),
            }
            return grads, de @ p["w"] + dy @ p["direct"]

        return (h @ p["v"].T + x @ p["direct"].T + p["offset"], None), pull

    def _slopes(self, x: Array) -> tuple[Array, Array, Array]:
        p, h = self._named(), self._units(x)
        y, (units, inputs), outputs = h @ p["v"].T + x @ p["direct"].T + p["offset"], p["w"].shape, self.n_outputs
        by_h = (1.0 - h * h)[..., None, :] * p["v"]  # (B, N, O, units)
        rows = np.zeros((units * (inputs + 1 + outputs) + outputs * (inputs + 1), *y.shape))
        wide = np.moveaxis(by_h, -1, 0)  # (units, B, N, O)
        each, signals = np.moveaxis(h, -1, 0), np.moveaxis(x, -1, 0)
        rows[: units * inputs] = (wide[:, None] * signals[None, ..., None]).reshape(-1, *y.shape)
        at = units * inputs
        rows[at : at + units] = wide
        at += units
        for o in range(outputs):
            rows[at + o * units : at + (o + 1) * units, ..., o] = each
        at += units * outputs
        for o in range(outputs):
            rows[at + o * inputs : at + (o + 1) * inputs, ..., o] = signals
            rows[at + outputs * inputs + o, ..., o] = 1.0
        return y, by_h @ p["w"] + p["direct"], rows
