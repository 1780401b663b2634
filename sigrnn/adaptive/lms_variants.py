"""Relatives of LMS: signs, a fourth power, and steps that find their own size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array
from sigrnn.adaptive.lms import LMS, GradientFilter, input_power, positive
from sigrnn.adaptive.parameters import Parameter
from sigrnn.adaptive.per_sample import rows_of

NOT_NEGATIVE = "not negative"


def not_negative(value: float) -> bool:
    """Whether 0 or above, infinity allowed."""
    return value >= 0.0


class SignErrorLMS(GradientFilter):
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
    All errors count the same, however large: single outliers do little harm. The step does not shrink with the error, so
    the weights settle within a distance that grows with :math:`\mu`; for any :math:`\mu > 0` they stay bounded where there
    is noise [1]_. Of a complex number sgn takes the signs of real and imaginary part. MATLAB's 'Sign-Error LMS'.

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

    def suggest_mu(self, x: ArrayLike, d: ArrayLike) -> float:
        """
        Find a step size from which the weights settle close to the best ones.

        Parameters
        ----------
        x : array_like, shape (N,) or (N, channels)
            Input like that to come.
        d : array_like, shape (N,)
            Desired output like that to come: the size of a step that ignores errors depends on it.

        Returns
        -------
        float
            A hundredth of the mean \\|d\\| over the mean power of a window.
        """
        mean, _ = input_power(x, self.n_taps)
        level = float(np.abs(np.asarray(d)).mean())
        if not mean or not level or not np.isfinite(level):
            raise ValueError("x and d must be finite, and neither silent")
        return 0.01 * level / mean


class SignRegressorLMS(GradientFilter):
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

    def suggest_mu(self, x: ArrayLike) -> float:
        r"""
        Find a step size that is safe for this input.

        Parameters
        ----------
        x : array_like, shape (N,) or (N, channels)
            Input like that to come.

        Returns
        -------
        float
            A third of one over the mean of :math:`\sum |x|` over a window, and not above one over the largest.
        """
        mean, largest = input_power(np.sqrt(np.abs(rows_of(x))), self.n_taps)
        if not largest:
            raise ValueError("x is silent: any step would do")
        return min(1.0 / (3.0 * mean), 1.0 / largest)


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
        Step size :math:`\mu`, in units of the weights: what each of them changes by at each sample.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    SignErrorLMS, SignRegressorLMS : The sign of one of them.

    Notes
    -----
    The rule of ITU-T G.721 and G.726, there with leakage: without it the weights may run away on some inputs [1]_. MATLAB's
    'Sign-Sign LMS'.

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


class LMF(GradientFilter):
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
    values [1]_. Whether it is stable depends on the error it starts from: LMS with a step of :math:`\mu |e|^2`.

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

    def suggest_mu(self, x: ArrayLike, d: ArrayLike) -> float:
        """
        Find a step size that is safe for these signals.

        Parameters
        ----------
        x : array_like, shape (N,) or (N, channels)
            Input like that to come.
        d : array_like, shape (N,)
            Desired output like that to come: the error the filter starts from, at weights of 0.

        Returns
        -------
        float
            One over the largest power of a window times the largest \\|d\\|^2, a sixth of that on average.
        """
        mean, largest = input_power(x, self.n_taps)
        power, peak = input_power(d, 1)
        if not largest or not peak:
            raise ValueError("x and d must not be silent")
        return min(1.0 / (6.0 * mean * power), 1.0 / (largest * peak))


class VSSLMS(GradientFilter):
    r"""
    Adapt by the LMS rule with a step size that is found on the way.

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
        :math:`\rho`, how fast the step size changes.
    mu_min, mu_max : float, default 0.0 and inf
        Bounds of the step size. In any case no step is larger than the one that makes the error vanish, one over the power
        of the window.
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
    rho = Parameter(1, NOT_NEGATIVE, not_negative)
    mu_min = Parameter(2, NOT_NEGATIVE, not_negative)
    mu_max = Parameter(3, NOT_NEGATIVE, not_negative)
    decay = Parameter(4, "between 0 and 1", lambda decay: 0.0 <= decay <= 1.0)

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
            self._state["s"][1] = self.mu

    @property
    def step(self) -> float:
        return float(self._state["s"][1]) if self._state else self.mu

    suggest_mu = LMS.suggest_mu


class GNGD(GradientFilter):
    r"""
    Adapt by the generalised normalised gradient descent: NLMS that finds its own regularisation.

    .. math:: \varepsilon[n] = \varepsilon[n-1] - \rho \mu \frac{\operatorname{Re}(e^*[n]\, e[n-1]\, \mathbf u^{\mathsf T}[n]
        \mathbf u^*[n-1])}{(\varepsilon[n-1] + \|\mathbf u[n-1]\|^2)^2}, \qquad
        \mathbf w \leftarrow \mathbf w + \frac{\mu}{\varepsilon[n] + \|\mathbf u[n]\|^2}\, e[n]\, \mathbf u^*[n]

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float, default 1.0
        Step size :math:`\mu`, without unit.
    eps : float, default 1.0
        :math:`\varepsilon` to begin with, in units of the power of a window.
    rho : float, default 0.1
        :math:`\rho`, how fast :math:`\varepsilon` changes.
    eps_min : float, default 1e-6
        :math:`\varepsilon` stays at least this, which bounds the step in silence.
    **settings
        `leakage`, `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    NLMS : With a fixed regularisation.

    Notes
    -----
    Stable for :math:`0 < \mu < 2`, as `NLMS`, and beyond for a while, as :math:`\varepsilon` grows to slow it down [1]_.
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
    eps = Parameter(1, "finite and positive", positive)
    rho = Parameter(2, NOT_NEGATIVE, not_negative)
    eps_min = Parameter(3, "finite and positive", positive)

    def __init__(
        self, n_taps: int, mu: float = 1.0, eps: float = 1.0, rho: float = 0.1, eps_min: float = 1e-6, **settings: Any
    ) -> None:
        super().__init__(n_taps, mu, **settings)
        self.eps, self.rho, self.eps_min = eps, rho, eps_min

    def _memory(self, size: int) -> tuple[Array, Array]:
        return np.array([self.eps]), np.zeros((0, 0))

    def suggest_mu(self, x: ArrayLike) -> float:
        """
        Find a step size that is safe for this input: 0.5, a quarter of the bound, for any.

        Parameters
        ----------
        x : array_like, shape (N,) or (N, channels)
            Input like that to come; the step does not depend on it.

        Returns
        -------
        float
            0.5.
        """
        return 0.5
