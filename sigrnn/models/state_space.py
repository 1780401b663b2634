"""`StateSpace`: linear systems of several inputs and outputs, with tanh units or powers in state and input, to be trained."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, whole
from sigrnn.models.base import Model, Pull
from sigrnn.models.parameters import precision

__all__ = ["StateSpace"]

RADIUS = 0.7  # of the eigenvalues, as they are drawn
LINEAR, UNITS = ("A", "B", "C", "D"), ("E", "F", "W", "bias")


class StateSpace(Model):
    r"""
    A state-space system, linear or with a nonlinear term, to be trained.

    .. math:: s[n+1] = A s[n] + B x[n] + E\, \varphi(s[n], x[n]), \qquad y[n] = C s[n] + D x[n] + F\, \varphi(s[n], x[n])

    Parameters
    ----------
    order : int
        S, the number of states.
    outputs : int, default 1
        O, the number of outputs.
    units : int, default 0
        U, the number of tanh units: :math:`\varphi = \tanh(W [s; x] + \beta)`.
    degree : int, default 0
        From 2 on, :math:`\varphi` has all products of states and inputs of degree 2 to this one, as in a polynomial
        nonlinear state space model [1]_. Not together with `units`.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; parameters and sums are float64.

    See Also
    --------
    IIR, SOS : Linear filters of one output.
    Feedback : Filters and curves in a loop.
    RNN, GRU : States that are bounded.

    Notes
    -----
    Parameters are ``A`` (S, S), ``B`` (S, I), ``C`` (O, S), ``D`` (O, I), and with a nonlinear term ``E`` (S, U) and
    ``F`` (O, U), with units ``W`` (U, S + I) and ``bias`` (U,). It is drawn nearly linear, with eigenvalues of A within
    radius 0.7. `fit` with 'lm' or 'lbfgs' starts from a linear system, found from impulse responses by least squares
    [2]_.

    Cost: (S + O)(S + I + U) products for each sample, and some (S + O)(S + I) for each parameter in 'lm'.

    References
    ----------
    .. [1] J. Paduart et al., "Identification of nonlinear systems using polynomial nonlinear state space models", Automatica
       46 (4), 647-656, 2010, doi:10.1016/j.automatica.2010.01.001.
    .. [2] S. Y. Kung, "A new identification and model reduction algorithm via singular value decomposition", 12th Asilomar
       Conference on Circuits, Systems and Computers, 1978.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> t = sigrnn.StateSpace(3, 2).init(2, rng=1)(x)
    >>> bool(sigrnn.fit(sigrnn.StateSpace(3, 2), x, t, progress=False).loss < 1e-12)
    True
    """

    def __init__(
        self, order: int, outputs: int = 1, *, units: int = 0, degree: int = 0, dtype: str = "float64"
    ) -> None:
        self.order, self.n_outputs = whole("order", order, 1), whole("outputs", outputs, 1)
        self.units, self.degree, self.dtype = whole("units", units, 0), whole("degree", degree, 0), precision(dtype)
        if self.units and self.degree:
            raise ValueError(f"units and degree are two kinds of one term, give one of them; got {units} and {degree}")
        if self.degree == 1:
            raise ValueError("degree must be at least 2, got 1: A to D are the terms of degree 1")

    def _argument(self, name: str) -> Any:
        return self.n_outputs if name == "outputs" else super()._argument(name)

    def _exponents(self, inputs: int) -> Array:
        """The powers of [s; x] in each product (U, S + I)."""
        size, found = self.order + inputs, []
        for degree in range(2, self.degree + 1):
            for factors in itertools.combinations_with_replacement(range(size), degree):
                found.append(np.bincount(factors, minlength=size))
        return np.array(found, F8).reshape(-1, size)

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        states, outputs = self.order, self.n_outputs
        units = self.units or len(self._exponents(inputs))
        shapes: dict[str, tuple[int, ...]] = {
            "A": (states, states),
            "B": (states, inputs),
            "C": (outputs, states),
            "D": (outputs, inputs),
        }
        if units:
            shapes |= {"E": (states, units), "F": (outputs, units)}
        if self.units:
            shapes |= {"W": (units, states + inputs), "bias": (units,)}
        return shapes

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        drawn = {name: rng.standard_normal(shape) for name, shape in self._shapes(inputs).items()}
        drawn["A"] *= RADIUS / max(float(np.abs(np.linalg.eigvals(drawn["A"])).max()), 1e-9)
        for name, size in (("B", inputs), ("C", self.order), ("D", 4 * inputs)):
            drawn[name] /= np.sqrt(size)
        for name in {"E", "F"} & drawn.keys():
            drawn[name] *= 0.01 / np.sqrt(drawn[name].shape[1])
        if "W" in drawn:
            drawn["W"] /= np.sqrt(self.order + inputs)
        return drawn, self.n_outputs

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return np.asarray(params["B"]).shape[1]

    def eigenvalues(self) -> Array:
        """
        Find the eigenvalues of A.

        Returns
        -------
        eigenvalues : ndarray
            The poles of the linear system; of a nonlinear one, those at rest without the slopes of its units.
        """
        return np.asarray(np.linalg.eigvals(self._named()["A"]))

    def _matrices(self, inputs: int) -> tuple[bool, Array, Array, Array, Array]:
        """Arguments of the loops: kind of units, [A B; C D], [E; F], W or powers, bias."""
        p = self._named()
        m = np.block([[p["A"], p["B"]], [p["C"], p["D"]]])
        w = p["W"] if self.units else self._exponents(inputs)
        n = np.concatenate([p["E"], p["F"]]) if len(w) else np.zeros((len(m), 0))
        return not self.units, m, n, np.ascontiguousarray(w), p.get("bias", np.zeros(len(w)))

    def _loop(self, x: Array, state: Any) -> tuple[Array, Array, Array, Array]:
        """Inputs as the loops take them, states (B, N + 1, S), outputs and units of all samples."""
        from sigrnn._kernels.systems.state_space import run

        powers, m, n, w, bias = self._matrices(x.shape[-1])
        x, batch = np.ascontiguousarray(x, F8), x.shape[:2]
        s = np.zeros((batch[0], batch[1] + 1, self.order))
        if state is not None:
            s[:, 0] = state
        y, phi = np.empty((*batch, self.n_outputs)), np.empty((*batch, n.shape[1]))
        run()(powers, m, n, w, bias, x, s, y, phi, np.empty(m.shape[1]))
        return x, s, y, phi

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        _, s, y, _ = self._loop(x, state)
        return y, s[:, -1].copy()

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        from sigrnn._kernels.systems.state_space import pulled

        x, s, y, phi = self._loop(x, state)
        powers, m, n, w, _ = self._matrices(x.shape[-1])
        m, n, w, states = m.copy(), n.copy(), w.copy(), self.order

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            g, du = np.zeros((*x.shape[:2], len(m))), np.empty(x.shape)
            g[..., states:] = dy
            scratch = np.empty(m.shape[1]), np.empty(m.shape[1]), np.empty(n.shape[1])
            pulled()(powers, m, n, w, x, s, phi, g, du, *scratch)
            z = np.concatenate([s[:, :-1], x], axis=-1).reshape(-1, m.shape[1])
            flat, units = g.reshape(len(z), len(m)), phi.reshape(len(z), n.shape[1])
            by_e = (flat @ n) * (1.0 - units * units)
            return self._as_params(flat.T @ z, flat.T @ units, by_e.T @ z, by_e.sum(axis=0)), du

        return (y, s[:, -1].copy()), pull

    def _as_params(self, m: Array, n: Array, w: Array, bias: Array) -> dict[str, Array]:
        """Entries of the loops' matrices by the names of the parameters."""
        k = self.order
        found = {
            "A": m[:k, :k],
            "B": m[:k, k:],
            "C": m[k:, :k],
            "D": m[k:, k:],
            "E": n[:k],
            "F": n[k:],
            "W": w,
            "bias": bias,
        }
        return {name: found[name] for name in self._named()}

    def _pushed(self, x: Array, state: Any, rows: Array | None) -> tuple[Array, Array]:
        """Outputs, and tangents (R, B, N, O) of them for all parameters, or for rows of inputs."""
        from sigrnn._kernels.systems.state_space import pushed

        x, s, y, phi = self._loop(x, state)
        powers, m, n, w, bias = self._matrices(x.shape[-1])
        count = m.size + n.size + (0 if powers else w.size + bias.size) if rows is None else len(rows)
        given = np.empty((1, 1, 1, 1)) if rows is None else np.ascontiguousarray(np.moveaxis(rows, 0, -1), F8)
        dy = np.empty((*y.shape, count))
        scratch = np.empty(m.shape[1]), np.empty(m.shape), np.empty((self.order, count)), np.empty((self.order, count))
        pushed()(powers, m, n, w, x, s, phi, rows is None, given, dy, *scratch)
        return y, np.moveaxis(dy, -1, 0)

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        y, rows = self._pushed(x, state, None)
        _, m, n, w, bias = self._matrices(x.shape[-1])
        at = np.arange(m.size + n.size + w.size + bias.size)
        cut = np.split(at, np.cumsum([m.size, n.size, w.size]))
        each = [part.reshape(array.shape) for part, array in zip(cut, (m, n, w, bias), strict=True)]
        return y, rows[np.concatenate([index.ravel() for index in self._as_params(*each).values()])]

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        return self._pushed(x, state, rows)[1]

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        y = self._run(x, state)[0]
        dy = np.zeros(y.shape)
        if tangents:
            full = {name: tangents.get(name, np.zeros(value.shape)) for name, value in self._named().items()}
            dy = np.tensordot(
                np.concatenate([t.ravel() for t in full.values()]), self._sensitivities(x, state)[1], axes=1
            )
        if dx is not None:
            dy = dy + self._push(x, dx[None], state)[0]
        return y, dy
