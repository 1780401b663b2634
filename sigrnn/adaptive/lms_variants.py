"""Variants of LMS: signs, a fourth power, and variable step sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import Array
from sigrnn._kernels.adaptive.sizes import DECAY, EPS, EPS_MIN, EPS_START, MU_MAX, MU_MIN, RHO, SHARE
from sigrnn.adaptive.lms import GradientFilter
from sigrnn.adaptive.parameters import TINY, Parameter, Relative, positive
from sigrnn.adaptive.step_sizes import SuggestsStep


def at_least_0(place: int) -> Parameter:
    """A parameter that is not negative, infinity allowed."""
    return Parameter(place, "not negative", lambda value: value >= 0.0)


class SignErrorLMS(SuggestsStep, GradientFilter):
    r"""
    Adapt by the sign of the error: least mean absolute error.

    .. math:: \mathbf w \leftarrow (1 - \mu \gamma)\, \mathbf w + \mu\, \operatorname{sgn}(e[n])\, \mathbf u^*[n]

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, in units of the error over the power of `x`.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    SignRegressorLMS, SignSignLMS : The signs of the input, or of both.

    Notes
    -----
    All errors have the same weight, so single outliers do little harm. The step does not decrease with the error, so
    the weights converge to within a distance proportional to :math:`\mu`; with noise they stay bounded for any
    :math:`\mu > 0` [1]_. Of a complex number sgn takes the signs of real and imaginary part. MATLAB's 'Sign-Error LMS'.

    References
    ----------
    .. [1] A. Gersho, "Adaptive filtering with binary reinforcement", IEEE Trans. Information Theory 30(2), 1984.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import SignErrorLMS
    >>> x = np.random.default_rng(0).standard_normal(4000)
    >>> SignErrorLMS(n_taps=2, mu=0.001)(x, x).w_final.round(1) + 0.0
    array([1., 0.])
    """

    _rule = "sign_error"


class SignRegressorLMS(SuggestsStep, GradientFilter):
    r"""
    Adapt by the signs of the input.

    .. math:: \mathbf w \leftarrow (1 - \mu \gamma)\, \mathbf w + \mu\, e[n]\, \operatorname{sgn}(\mathbf u^*[n])

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, in units of one over the amplitude of `x`.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    SignErrorLMS : The sign of the error.

    Notes
    -----
    The error of sample n is multiplied by :math:`1 - \mu \sum |x|` over the window, so
    :math:`\mu < 2 / \max \sum |x|` never makes it larger; for Gaussian `x` the mean converges for
    :math:`\mu < \sqrt{\pi/2}\; 2 \sigma / \lambda_{max}` [1]_. Of a complex number sgn takes the signs of real and imaginary
    part. MATLAB's 'Sign-Data LMS'.

    References
    ----------
    .. [1] A. H. Sayed, "Adaptive Filters", Wiley, 2008, chapters 10 and 24.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import SignRegressorLMS
    >>> x = np.random.default_rng(0).standard_normal(2000)
    >>> SignRegressorLMS(n_taps=2, mu=0.02)(x, x).w_final.round(6) + 0.0
    array([1., 0.])
    """

    _rule = "sign_regressor"


class SignSignLMS(SignErrorLMS):
    r"""
    Adapt by the signs of error and input.

    .. math:: \mathbf w \leftarrow (1 - \mu \gamma)\, \mathbf w
        + \mu\, \operatorname{sgn}(e[n])\, \operatorname{sgn}(\mathbf u^*[n])

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, in units of the weights: the change of each of them per sample.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    SignErrorLMS, SignRegressorLMS : The sign of one of them.

    Notes
    -----
    The rule of ITU-T G.721 and G.726, there with leakage: without it the weights may diverge for some inputs [1]_.
    MATLAB's 'Sign-Sign LMS'.

    References
    ----------
    .. [1] S. Dasgupta, C. R. Johnson, "Some comments on the behavior of sign-sign adaptive identifiers", Systems & Control
       Letters 7(2), 1986.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import SignSignLMS
    >>> x = np.random.default_rng(0).standard_normal(4000)
    >>> SignSignLMS(n_taps=2, mu=0.001)(x, x).w_final.round(1) + 0.0
    array([1., 0.])
    """

    _rule = "sign_sign"


class LMF(SuggestsStep, GradientFilter):
    r"""
    Adapt by the least mean fourth power of the error.

    .. math:: \mathbf w \leftarrow (1 - \mu \gamma)\, \mathbf w + \mu\, |e[n]|^2 e[n]\, \mathbf u^*[n]

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, in units of one over the powers of `x` and of the error.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    LMS : The mean square.

    Notes
    -----
    More accurate than `LMS` at the same speed where the noise has shorter tails than a Gaussian: uniform, or of two
    values [1]_. Its stability depends on the initial error: it is LMS with a step of :math:`\mu |e|^2`.

    References
    ----------
    .. [1] E. Walach, B. Widrow, "The least mean fourth (LMF) adaptive algorithm and its family", IEEE Trans. Information
       Theory 30(2), 1984.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import LMF
    >>> x = np.random.default_rng(0).standard_normal(4000)
    >>> LMF(n_taps=2, mu=0.02)(x, x).w_final.round(1) + 0.0
    array([1., 0.])
    """

    _rule = "lmf"


class VSSLMS(SuggestsStep, GradientFilter):
    r"""
    Adapt by the LMS rule with a variable step size.

    Mathews and Xie let it follow the gradient of the squared error [1]_,

    .. math:: \mu[n] = \mu[n-1] + \rho\, \operatorname{Re}\bigl(e^*[n]\, e[n-1]\, \mathbf u^{\mathsf T}[n] \mathbf u^*[n-1]\bigr),
        \qquad \mathbf w \leftarrow \mathbf w + \mu[n]\, e[n]\, \mathbf u^*[n]

    Kwong and Johnston let it follow the error itself [2]_: :math:`\mu[n+1] = \alpha \mu[n] + \rho\, |e[n]|^2`.

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size to begin with.
    rho : float, default 1e-4
        :math:`\rho`, how fast the step size changes. It has a unit: for `x` and `d` times c divide it by :math:`c^6`, or
        :math:`c^4` with Kwong and Johnston's rule.
    mu_min, mu_max : float, default 0.0 and inf
        Bounds of the step size. No step is larger than the one that cancels the error, one over the power of the
        window.
    method : {'mathews', 'kwong'}
        By whom.
    decay : float, default 0.97
        :math:`\alpha` of Kwong and Johnston.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    Attributes
    ----------
    step : float
        The step size now.

    See Also
    --------
    GNGD : Adapts the regularisation of `NLMS`.

    Notes
    -----
    For the mean square to converge :math:`\mu` must stay below :math:`2 / (3 L \sigma^2)`: ``mu_max=f.suggest_mu(x)`` is safe.
    Cost: 2 L products a sample.

    References
    ----------
    .. [1] V. J. Mathews, Z. Xie, "A stochastic gradient adaptive filter with gradient adaptive step size", IEEE Trans.
       Signal Processing 41(6), 1993.
    .. [2] R. H. Kwong, E. W. Johnston, "A variable step size LMS algorithm", IEEE Trans. Signal Processing 40(7), 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import VSSLMS
    >>> x = np.random.default_rng(0).standard_normal(2000)
    >>> VSSLMS(n_taps=2, mu=0.01, rho=1e-3)(x, x).w_final.round(6) + 0.0
    array([1., 0.])
    """

    _lags = _errors = 2
    rho, mu_min, mu_max = at_least_0(RHO), at_least_0(MU_MIN), at_least_0(MU_MAX)
    decay = Parameter(DECAY, "between 0 and 1", lambda decay: 0.0 <= decay <= 1.0)

    def __init__(
        self,
        n_taps: int,
        mu: float,
        rho: float = 1e-4,
        mu_min: float = 0.0,
        mu_max: float = np.inf,
        *,
        method: str = "mathews",
        decay: float = 0.97,
        **settings: Any,
    ) -> None:
        if method not in ("mathews", "kwong"):
            raise ValueError(f"method must be 'mathews' or 'kwong', got {method!r}")
        self._rule = method  # type: ignore[misc]
        super().__init__(n_taps, mu, **settings)
        self.rho, self.mu_min, self.mu_max, self.decay = rho, mu_min, mu_max, decay
        self._given["method"] = method

    def _memory(self, size: int) -> tuple[Array, Array]:
        return np.array([self.mu]), np.zeros((0, 0))

    def _changed(self, name: str) -> None:
        super()._changed(name)
        if self._state and name == "mu":
            self._state["s"][0] = self.mu

    @property
    def step(self) -> float:
        return float(self._state["s"][0]) if self._state else self.mu


class GNGD(SuggestsStep, GradientFilter):
    r"""
    Adapt by generalised normalised gradient descent: NLMS with an adaptive regularisation.

    .. math:: \varepsilon[n] = \varepsilon[n-1] - \rho \mu \frac{\operatorname{Re}(e^*[n]\, e[n-1]\, \mathbf u^{\mathsf T}[n]
        \mathbf u^*[n-1])}{(\varepsilon[n-1] + \|\mathbf u[n-1]\|^2)^2}, \qquad
        \mathbf w \leftarrow \mathbf w + \frac{\mu}{\varepsilon[n] + \|\mathbf u[n]\|^2}\, e[n]\, \mathbf u^*[n]

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float, default 1.0
        Step size :math:`\mu`, without unit.
    eps : float, default 1.0 of the mean power of a window
        Initial :math:`\varepsilon`. A number is absolute, in units of the power of a window, as padasip's is. If
        neither it nor `eps_min` is given, :math:`\varepsilon` in the equation is multiplied by the mean of
        :math:`\|\mathbf u\|^2` over all samples so far: the filter adapts in the same way in volts and in microvolts.
    rho : float, default 0.1
        :math:`\rho`, how fast :math:`\varepsilon` changes.
    eps_min : float, default 1e-6 of the mean power of a window
        Lower bound of :math:`\varepsilon`, which bounds the step in silence.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    NLMS : With a fixed regularisation.

    Notes
    -----
    Stable for :math:`0 < \mu < 2`, as `NLMS`; for larger steps :math:`\varepsilon` grows and delays divergence [1]_.
    Cost: 2 L products a sample.

    References
    ----------
    .. [1] D. P. Mandic, "A generalized normalized gradient descent algorithm", IEEE Signal Processing Letters 11(2), 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import GNGD
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> GNGD(n_taps=2)(x, x).w_final.round(6) + 0.0
    array([1., 0.])
    """

    _rule = "gngd"
    _lags = _errors = 2
    eps, eps_min, rho = positive(EPS_START), positive(EPS_MIN), at_least_0(RHO)

    def __init__(
        self,
        n_taps: int,
        mu: float = 1.0,
        eps: float = Relative(1.0),
        rho: float = 0.1,
        eps_min: float = Relative(1e-6),
        **settings: Any,
    ) -> None:
        super().__init__(n_taps, mu, **settings)
        self._p[EPS] = 1.0  # the unit of eps
        self.eps, self.rho, self.eps_min = eps, rho, eps_min
        if isinstance(eps, Relative) and isinstance(eps_min, Relative):
            self._p[EPS], self._p[SHARE] = TINY, 1.0
            del self._given["eps"], self._given["eps_min"]

    def _changed(self, name: str) -> None:
        super()._changed(name)
        if name in ("eps", "eps_min") and self._p[SHARE]:  # absolute from now on
            self._p[EPS], self._p[SHARE] = 1.0, 0.0
            self._given |= {"eps": self.eps, "eps_min": self.eps_min}
            if self._state:
                s = self._state["s"]
                s[2:] = s[2] * s[3], 1.0

    def _memory(self, size: int) -> tuple[Array, Array]:
        return np.array([0.0, 0.0, self.eps, self._p[EPS]]), np.zeros((0, 0))
