"""Least squares: affine projections, recursive least squares, and the Kalman filter for a random walk of the
weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, short, whole
from sigrnn._kernels.adaptive.sizes import DELTA, FORGETTING, MEASUREMENT, NARROW, P_MAX, P_SHARE, SHARE
from sigrnn.adaptive.lms import GradientFilter
from sigrnn.adaptive.parameters import Parameter, Regularisation, Relative, positive
from sigrnn.adaptive.per_sample import SampleFilter
from sigrnn.adaptive.step_sizes import SuggestsStep


class AP(SuggestsStep, GradientFilter):
    r"""
    Adapt by affine projections: a step that cancels the last K errors at once.

    .. math:: \mathbf w \leftarrow (1 - \mu\gamma)\, \mathbf w
        + \mu\, \mathbf X^* (\mathbf X^{\mathsf T} \mathbf X^* + \varepsilon \mathbf I)^{-1} \mathbf e, \qquad
        \mathbf X = (\mathbf u[n], \dots, \mathbf u[n-K+1]), \quad
        \mathbf e = (d[n], \dots, d[n-K+1]) - \mathbf X^{\mathsf T} \mathbf w

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, without unit; with 1 each step cancels all K errors.
    order : int, default 4
        Number K of errors that are cancelled at once; 1 is `NLMS`.
    eps : float, default 1e-3 of the mean power of a window
        Regularisation :math:`\varepsilon`: a number is absolute, the default relative, as in `NLMS`.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    NLMS, RLS : The two it lies between.

    Notes
    -----
    Stable for :math:`0 < \mu < 2` [1]_. It converges faster than `NLMS` for coloured signals, but noise affects the
    weights more.

    Neither the matrix nor the errors are recomputed. The entries of the matrix are sliding sums of products, like the
    power in `NLMS`; the errors of past windows follow from those before the step, :math:`\mathbf e - \mu \mathbf
    X^{\mathsf T} \mathbf X^* \mathbf c = (1 - \mu)\, \mathbf e + \mu \varepsilon \mathbf c` where :math:`\mathbf c` is
    the solution (with leakage, up to the share that leaks). Each is updated for K - 1 samples only, so rounding errors
    do not accumulate. Cost: (K + 1) L products a sample, and K^3 / 6.

    References
    ----------
    .. [1] K. Ozeki, T. Umeda, "An adaptive filtering algorithm using an orthogonal projection to an affine subspace and its
       properties", Electronics and Communications in Japan 67-A(5), 1984.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import AP
    >>> x = np.cumsum(np.random.default_rng(0).standard_normal(1000))
    >>> f = AP(n_taps=3, mu=0.5, order=2)
    >>> f(x, np.convolve(x, [1.0, -0.5, 0.25])[:1000]).w_final.round(3)
    array([ 1.  , -0.5 ,  0.25])
    """

    _rule = "ap"
    eps = Regularisation()

    def __init__(self, n_taps: int, mu: float, order: int = 4, eps: float = Relative(1e-3), **settings: Any) -> None:
        self._order = whole("order", order, 1)
        self._lags = self._errors = self._order  # type: ignore[misc]
        super().__init__(n_taps, mu, **settings)
        self.eps = eps
        self._given["order"] = self._order

    @property
    def order(self) -> int:
        return self._order

    def _memory(self, size: int) -> tuple[Array, Array]:
        return np.zeros(2), np.zeros((self._order + 1, self._order))


def padded(size: int) -> Array:
    """A square matrix, and two more rows for vectors, filled up to whole vectors of lanes."""
    return np.zeros((size + 2, -(-size // NARROW) * NARROW))


class RLS(SampleFilter):
    r"""
    Adapt by recursive least squares.

    .. math:: \mathbf k = \frac{\mathbf P \mathbf u^*[n]}{\lambda + \mathbf u^{\mathsf T}[n] \mathbf P \mathbf u^*[n]}, \qquad
        \mathbf w \leftarrow \mathbf w + e[n]\, \mathbf k, \qquad
        \mathbf P \leftarrow \frac{1}{\lambda} \bigl(\mathbf P - \mathbf k \mathbf u^{\mathsf T}[n] \mathbf P\bigr)

    from :math:`\mathbf P = \mathbf I / \delta`. The weights minimise
    :math:`\sum_i \lambda^{n-i} |e[i]|^2 + \delta \lambda^{n+1} \|\mathbf w - \mathbf w_0\|^2` at each sample.

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    forgetting : float, default 0.99
        :math:`\lambda`, above 0 and at most 1; the memory is :math:`1/(1-\lambda)` samples long.
    delta : float, default 0.1 of the power of a sample
        :math:`\delta`: P begins at ``I / delta``. A number is absolute, in units of the power of `x`. By default it is
        0.1 times the power :math:`|x|^2` of the first non-zero sample, at which P then begins.
    p_max : float, optional
        Upper bound of the variances on the diagonal of P, by default ``1e10 / delta``, in units of one over the same
        power; see the notes.
    **settings
        `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    Attributes
    ----------
    P : ndarray, shape (L, L)
        The inverse of the correlation matrix, newest sample first (channel after channel if there are several).

    See Also
    --------
    KalmanFilter : A model of how weights wander, in place of forgetting.
    AP : Cheaper.

    Notes
    -----
    P is kept as :math:`\mathbf U \mathbf D \mathbf U^{\mathsf H}`, U triangular with ones on its diagonal, D diagonal,
    and updated by Bierman's method [2]_. D is multiplied by quotients of positive numbers only, so P is symmetric by
    construction and stays positive definite in spite of rounding, with half the work of the plain update.

    In directions that the input does not excite, forgetting makes P grow by :math:`1/\lambda` at each sample without
    bound. So each sample checks one variance :math:`P_{jj}` in turn. If it exceeds twice `p_max`, P is updated as if
    weight j had been measured with the accuracy that brings the variance to `p_max`. Excited directions keep
    forgetting, and until a variance reaches the bound the method is that of textbooks. Cost: 2 L^2 products a sample,
    memory L^2, whatever the length of the signal.

    References
    ----------
    .. [1] S. Haykin, "Adaptive Filter Theory", 5th ed., Pearson, 2014, chapter 10.
    .. [2] G. J. Bierman, "Factorization Methods for Discrete Sequential Estimation", Academic Press, 1977, chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import RLS
    >>> x = np.random.default_rng(0).standard_normal(100)
    >>> f = RLS(n_taps=3, forgetting=0.95)
    >>> f(x, np.convolve(x, [1.0, -0.5, 0.25])[:100]).w_final.round(3)
    array([ 1.  , -0.5 ,  0.25])
    """

    _square = True
    _rule, _settings = "rls", "forgetting"
    forgetting = Parameter(FORGETTING, "above 0 and at most 1", lambda value: 0.0 < value <= 1.0)
    p_max = Parameter(P_MAX, "positive", lambda value: value > 0.0)
    delta = Regularisation()

    def __init__(
        self,
        n_taps: int,
        forgetting: float = 0.99,
        delta: float = Relative(0.1),
        p_max: float | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(n_taps, **settings)
        self.forgetting, self.delta = forgetting, delta
        self._p[P_MAX], self._p[P_SHARE] = 1e10 / self.delta, self._p[SHARE]
        if p_max is not None:
            self.p_max = p_max

    def _changed(self, name: str) -> None:
        if name == "p_max":
            self._p[P_SHARE] = 0.0  # absolute from now on

    def _memory(self, size: int) -> tuple[Array, Array]:
        absolute = 0.0 if self._p[SHARE] else 1.0  # 0: P begins at the first sample that is not 0
        return np.concatenate([np.full(size, absolute / self.delta), [0.0, absolute]]), padded(size)

    def _valid(self) -> bool:
        size = self._state["w"].size
        return super()._valid() and self._state["s"][size] in range(size)

    @property
    def P(self) -> Array:
        if not self._state:
            return np.eye(self.n_taps) / self.delta
        size = self._state["w"].size
        u = np.triu(self._state["m"][:size, :size].T, 1) + np.eye(size)
        return self._ordered((u * self._state["s"][:size]) @ u.conj().T)


class KalmanFilter(SampleFilter):
    r"""
    Adapt by the Kalman filter, for weights that follow a random walk.

    .. math:: \mathbf P \leftarrow \mathbf P + \mathbf Q, \qquad
        \mathbf k = \frac{\mathbf P \mathbf u^*[n]}{R + \mathbf u^{\mathsf T}[n] \mathbf P \mathbf u^*[n]}, \qquad
        \mathbf w \leftarrow \mathbf w + e[n]\, \mathbf k, \qquad
        \mathbf P \leftarrow \mathbf P - \mathbf k \mathbf u^{\mathsf T}[n] \mathbf P

    The model is :math:`\mathbf w[n+1] = \mathbf w[n] + \mathbf q[n]`, :math:`d[n] = \mathbf w^{\mathsf T}[n] \mathbf u[n] + r[n]` with noise of
    covariances Q and R. For Gaussian noise no other estimate of the weights has a smaller mean square error [1]_.

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    process : float or array_like, shape (n_taps,) or (n_taps, channels)
        Variance :math:`q` of the change of each weight per sample, one for all or one for each; Q is diagonal.
    measurement : float
        Variance R of the noise in `d`, in the square of its unit. The other settings are variances of weights, which do
        not change if `x` and `d` are scaled together.
    delta : float, default 0.1
        P begins at ``I / delta``: the inverse variance of the weights before the first sample.
    **settings
        `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    Attributes
    ----------
    P : ndarray, shape (L, L)
        Covariance of the weights, newest sample first (channel after channel if there are several).

    See Also
    --------
    RLS : Forgets instead.

    Notes
    -----
    P changes by the outer product of a vector with itself, so it is symmetric to the last bit. Process noise above 0
    keeps it from becoming singular, and in silence it grows by q at each sample, not exponentially. Cost: 2 L^2
    products a sample.

    References
    ----------
    .. [1] S. Haykin, "Adaptive Filter Theory", 5th ed., Pearson, 2014, chapter 14.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import KalmanFilter
    >>> x = np.random.default_rng(0).standard_normal(500)
    >>> f = KalmanFilter(n_taps=3, process=1e-6, measurement=1e-2)
    >>> f(x, np.convolve(x, [1.0, -0.5, 0.25])[:500]).w_final.round(2)
    array([ 1.  , -0.5 ,  0.25])
    """

    _square = True
    _rule, _settings = "kalman", "measurement"
    measurement, delta = positive(MEASUREMENT), positive(DELTA)

    def __init__(
        self, n_taps: int, process: ArrayLike, measurement: float, delta: float = 0.1, **settings: Any
    ) -> None:
        super().__init__(n_taps, **settings)
        self.measurement, self.delta = measurement, delta
        try:
            noise = np.array(process, F8)
        except (TypeError, ValueError):
            raise TypeError(f"process must be a number, or one for each weight, got {short(process)}") from None
        if noise.ndim > 2 or noise.shape[:1] not in ((), (self.n_taps,)):
            raise ValueError(f"process has shape {noise.shape}, expected (), ({n_taps},) or ({n_taps}, channels)")
        if not (noise >= 0.0).all() or not np.isfinite(noise).all():
            raise ValueError(f"process must be finite and not negative, got {short(process)}")
        self._noise = noise
        self._given["process"] = float(noise) if noise.ndim == 0 else noise

    def _memory(self, size: int) -> tuple[Array, Array]:
        noise = self._noise
        if noise.ndim == 2 and noise.size != size:
            raise ValueError(f"process has shape {noise.shape}, expected ({self.n_taps}, {size // self.n_taps})")
        each = np.broadcast_to(noise if noise.ndim != 1 else noise[:, None], (self.n_taps, size // self.n_taps))
        m = padded(size)
        m[np.arange(size), np.arange(size)] = 1.0 / self.delta
        return self._to_inner(each).reshape(-1), m

    @property
    def process(self) -> float | Array:
        return self._given["process"]

    @property
    def P(self) -> Array:
        if not self._state:
            return np.eye(self.n_taps) / self.delta
        size = self._state["w"].size
        return self._ordered(self._state["m"][:size, :size])
