"""Polynomial filters: `VolterraLMS`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations_with_replacement, permutations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array, short, whole
from sigrnn._kernels.adaptive.sizes import EPS, STEPS, UNGUARDED
from sigrnn._lookup import Kernels, entry_point
from sigrnn.adaptive.base import OneChannel
from sigrnn.adaptive.parameters import not_negative
from sigrnn.adaptive.step_sizes import SuggestsStep

MOST = 5  # orders whose steps have a place among the parameters


@cache
def compiled() -> Any:
    """The loop."""
    return entry_point(Kernels("adaptive.volterra").volterra())


def places(n_taps: int, order: int) -> Array:
    """Where the products that begin with each sample lie, for each order, and in the last row where each order ends."""
    starts = np.zeros((order + 1, max(n_taps, order)), np.int64)
    end = 0
    for k in range(1, order + 1):
        for i in range(n_taps):
            starts[k - 1, i] = end
            end += comb(n_taps - i + k - 2, k - 1)
        starts[order, k - 1] = end
    return starts


class VolterraLMS(SuggestsStep, OneChannel):
    r"""
    Adapt a Volterra filter: a polynomial in the last samples.

    .. math:: y[n] = \sum_i h_1[i]\, x[n-i] + \sum_{i,j} h_2[i, j]\, x[n-i]\, x[n-j] + \dots, \qquad
        w_t \leftarrow w_t + \mu_k\, e[n]\, u_t[n]

    with a weight for each product :math:`u_t = x[n-i]\, x[n-j] \dots` of k samples, :math:`i \le j \le \dots`; kernels are
    symmetric.

    Parameters
    ----------
    n_taps : int
        Samples M that the polynomial sees.
    mu : float or sequence of float
        Step size, for all orders alike or one for each.
    order : int, default 2
        Largest number of samples in a product, from 1 (`LMS`) to 5.
    eps : float, default 0.0
        If positive, steps are divided by :math:`\varepsilon` plus the power of all products.
    **settings
        `w0`, `nan_policy` and `on_divergence` as in `AdaptiveFilter`, with as many weights as there are products: M, then
        M (M + 1) / 2, and so on, in lexical order.

    Attributes
    ----------
    n_taps, order : int
        As given.

    See Also
    --------
    RTRL : Nonlinear with feedback.

    Notes
    -----
    The filter is linear in its weights, so the theory of LMS holds, with the products as inputs: `suggest_mu` returns a
    bound of the step size. The products are correlated and differ in power: a step size for each order, larger for high
    orders if `x` is small, makes convergence faster. Signals are real. Cost: 3 products for each weight a sample.

    References
    ----------
    .. [1] V. J. Mathews, G. L. Sicuranza, "Polynomial Signal Processing", Wiley, 2000, chapter 7.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import VolterraLMS
    >>> x = np.random.default_rng(0).uniform(-1.0, 1.0, 20000)
    >>> late = np.concatenate([[0.0], x[:-1]])
    >>> f = VolterraLMS(n_taps=2, mu=0.2)
    >>> r = f(x, x - 0.5 * late + 0.8 * x * late)
    >>> f.kernel(1).round(4), f.kernel(2).round(4) + 0.0
    (array([ 1. , -0.5]), array([[0. , 0.4],
           [0.4, 0. ]]))
    """

    _real = True
    eps = not_negative(EPS)

    def __init__(
        self, n_taps: int, mu: float | Sequence[float], order: int = 2, eps: float = 0.0, **settings: Any
    ) -> None:
        self.order = whole("order", order, 1)
        if self.order > MOST:
            raise ValueError(f"order must be at most {MOST}, got {order}")
        self.n_taps = whole("n_taps", n_taps, 1)
        super().__init__(n_taps, **settings)
        self._given["order"] = self.order
        self.eps = eps
        self.mu = mu

    @property
    def mu(self) -> float | tuple[float, ...]:
        steps = tuple(self._p[STEPS : STEPS + self.order].tolist())
        return steps[0] if len(set(steps)) == 1 else steps

    @mu.setter
    def mu(self, mu: float | Sequence[float]) -> None:
        try:
            steps = np.asarray(mu, float)
        except (TypeError, ValueError):
            raise TypeError(f"mu must be a number, or one for each order, got {short(mu)}") from None
        if steps.shape not in ((), (self.order,)) or not (np.isfinite(steps) & (steps >= 0.0)).all():
            raise ValueError(f"mu must be finite and not negative, one or {self.order} of them, got {mu!r}")
        self._p[STEPS : STEPS + self.order] = steps
        self._given["mu"] = steps.tolist()

    def _step(self) -> str:
        return f"mu={self.mu}"

    @property
    def _length(self) -> int:
        return comb(self.n_taps + self.order, self.order) - 1

    def _checked(self, w: ArrayLike, name: str) -> Array:
        if np.iscomplexobj(w):
            raise ValueError(f"{name} must be real and have shape ({self._length},), got {np.shape(w)}")
        return super()._checked(w, name)

    def _arrays(self, channels: int, dtype: np.dtype[Any]) -> dict[str, Array]:
        size = self._length
        return {"w": np.zeros(size), "products": np.zeros(size)}

    def _ready(self) -> None:
        super()._ready()
        s = self._state
        starts = places(self.n_taps, self.order)
        rest = self._p, s["levels"], s["counts"], self._policy
        self._run_state = s["w"], s["products"], starts, self.n_taps, *rest

    def _run(self, x: Array, d: Array, y: Array, e: Array, history: Array) -> int:
        return int(compiled()(x, d, y, e, history, *self._run_state))

    def kernel(self, order: int) -> Array:
        """
        Return a kernel of the filter, symmetric in its indices.

        Parameters
        ----------
        order : int
            How many indices it has.

        Returns
        -------
        ndarray, shape (n_taps,) * order
            With which ``y`` is a sum over all indices, each product of different samples counted in every order.
        """
        if not 1 <= order <= self.order:
            raise ValueError(f"order must be from 1 to {self.order}, got {order}")
        first = comb(self.n_taps + order - 1, order - 1) - 1
        result = np.zeros((self.n_taps,) * order)
        for w, samples in zip(
            self.weights[first:], combinations_with_replacement(range(self.n_taps), order), strict=False
        ):
            ways = set(permutations(samples))
            for way in ways:
                result[way] = w / len(ways)
        return result

    def _filtered(self, x: Array, w: Array) -> Array:
        samples = np.ascontiguousarray(x, float)
        y, e, state = np.empty(len(x)), np.empty(len(x)), self._at_rest(1, np.dtype(float))
        rest = np.zeros_like(self._p), state["levels"], state["counts"], UNGUARDED
        starts = places(self.n_taps, self.order)
        weights = np.ascontiguousarray(w[:, 0])
        none = np.empty((0, 0, 0))
        compiled()(samples, np.zeros(len(x)), y, e, none, weights, state["products"], starts, self.n_taps, *rest)
        return y
