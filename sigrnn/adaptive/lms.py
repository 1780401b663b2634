"""Steps along the gradient: LMS, NLMS and leakage."""

from __future__ import annotations

from typing import Any

from sigrnn.adaptive.parameters import Regularisation, Relative
from sigrnn.adaptive.per_sample import SampleFilter
from sigrnn.adaptive.step_sizes import SuggestsStep
from sigrnn.adaptive.stepped import SteppedFilter


class GradientFilter(SteppedFilter, SampleFilter):
    """A filter that steps along the gradient at every sample."""


class LMS(SuggestsStep, GradientFilter):
    r"""
    Adapt by the least-mean-square rule of Widrow and Hoff.

    .. math:: y[n] = \mathbf w^{\mathsf T} \mathbf u[n], \qquad e[n] = d[n] - y[n], \qquad
        \mathbf w \leftarrow (1 - \mu \gamma)\, \mathbf w + \mu\, e[n]\, \mathbf u^*[n]

    with the window :math:`\mathbf u[n] = (x[n], x[n-1], \dots)`, all channels together.

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, in units of one over the power of `x`. May be assigned between blocks.
    **settings
        ``leakage=0.0``: :math:`\gamma`, the decay of weights without excitation (MATLAB's ``LeakageFactor`` is :math:`1
        - \mu\gamma`); ``delay=0``: delay of `x` in samples; `w0`, `nan_policy` and `on_divergence` as in
        `AdaptiveFilter`.

    See Also
    --------
    NLMS : Its step does not depend on the power of `x`.

    Notes
    -----
    The mean of the weights converges for :math:`0 < \mu < 2/\lambda_{max}`, the largest eigenvalue of the
    autocorrelation matrix of `x`; the mean square of the error, for white Gaussian `x` of power :math:`\sigma^2`, for
    :math:`\mu < 2/((L+2)\sigma^2)` [2]_. A sufficient bound for any Gaussian `x` is :math:`\mu < 2/(3 L \sigma^2)`
    [3]_: `suggest_mu` returns half of it. Cost: 2 L products a sample.

    References
    ----------
    .. [1] B. Widrow, M. E. Hoff, "Adaptive switching circuits", IRE WESCON Convention Record, 1960.
    .. [2] S. Haykin, "Adaptive Filter Theory", 5th ed., Pearson, 2014, chapter 6.
    .. [3] A. Feuer, E. Weinstein, "Convergence analysis of LMS filters with uncorrelated Gaussian data", IEEE Trans.
       Acoustics, Speech, and Signal Processing 33(1), 1985.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import LMS
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> f = LMS(n_taps=3, mu=0.05)
    >>> r = f(x, np.convolve(x, [1.0, -0.5, 0.25])[:1000])
    >>> r.w_final.round(6)
    array([ 1.  , -0.5 ,  0.25])
    """

    _rule = "lms"


class LeakyLMS(LMS):
    r"""
    Adapt by the LMS rule with leakage.

    .. math:: \mathbf w \leftarrow (1 - \mu \gamma)\, \mathbf w + \mu\, e[n]\, \mathbf u^*[n]

    which descends :math:`|e[n]|^2 + \gamma \|\mathbf w\|^2` instead of the error alone: weights that nothing excites go
    back to 0, where those of `LMS` would drift with rounding and offsets.

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, in units of one over the power of `x`.
    leakage : float, default 0.01
        :math:`\gamma`, in units of the power of `x`. MATLAB's ``LeakageFactor`` is :math:`1 - \mu\gamma`.
    **settings
        `delay`, `w0`, `nan_policy` and `on_divergence`, as for `LMS`.

    See Also
    --------
    LMS : With ``leakage=`` it is the same.

    Notes
    -----
    The mean of the weights converges for :math:`0 < \mu < 2 / (\gamma + \lambda_{max})` [1]_, to weights that are too small:
    leakage adds :math:`\gamma` to the diagonal of the autocorrelation matrix. Cost: 2 L products a sample.

    References
    ----------
    .. [1] A. H. Sayed, "Adaptive Filters", Wiley, 2008, chapter 10.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import LeakyLMS
    >>> x = np.random.default_rng(0).standard_normal(5000)
    >>> LeakyLMS(n_taps=2, mu=0.001, leakage=1.0)(x, x).w_final.round(1) + 0.0
    array([0.5, 0. ])
    """

    def __init__(self, n_taps: int, mu: float, leakage: float = 0.01, **settings: Any) -> None:
        super().__init__(n_taps, mu, leakage=leakage, **settings)


class NLMS(SuggestsStep, GradientFilter):
    r"""
    Adapt by the normalised LMS rule.

    .. math:: \mathbf w \leftarrow (1 - \mu \gamma)\, \mathbf w +
        \frac{\mu}{\varepsilon + \|\mathbf u[n]\|^2}\, e[n]\, \mathbf u^*[n], \qquad e[n] = d[n] - \mathbf w^{\mathsf T} \mathbf u[n]

    with the window :math:`\mathbf u[n] = (x[n], x[n-1], \dots)`, all channels together.

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, without unit; with 1 each step cancels the error of its sample. May be assigned between
        blocks.
    eps : float, default 1e-3 of the mean power of a window
        Regularisation :math:`\varepsilon`, which bounds the step in silence. A number is absolute, in units of the
        power of a window, as padasip's is; by default it is 1e-3 times the mean of :math:`\|\mathbf u\|^2` over all
        samples so far, so the filter adapts in the same way in volts and in microvolts.
    **settings
        ``leakage=0.0``: :math:`\gamma`, the decay of weights without excitation (MATLAB's ``LeakageFactor`` is :math:`1
        - \mu\gamma`); ``delay=0``: delay of `x` in samples; `w0`, `nan_policy` and `on_divergence` as in
        `AdaptiveFilter`.

    See Also
    --------
    LMS : Without the normalisation.

    Notes
    -----
    Stable for :math:`0 < \mu < 2`, whatever the signal [1]_; fastest at 1. Nothing is subtracted from the sum of the
    power of the window, so after a loud passage no rounding error remains that silence would be divided by. Cost: 2 L
    products a sample.

    References
    ----------
    .. [1] S. Haykin, "Adaptive Filter Theory", 5th ed., Pearson, 2014, chapter 7.
    .. [2] J. Nagumo, A. Noda, "A learning method for system identification", IEEE Trans. Automatic Control 12(3), 1967.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import NLMS
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> f = NLMS(n_taps=3, mu=0.5)
    >>> r = f(x, np.convolve(x, [1.0, -0.5, 0.25])[:1000])
    >>> r.w_final.round(6)
    array([ 1.  , -0.5 ,  0.25])
    >>> f.predict([1.0, 0.0, 0.0, 0.0]).round(6) + 0.0
    array([ 1.  , -0.5 ,  0.25,  0.  ])
    """

    _rule, _lags = "nlms", 1
    eps = Regularisation()

    def __init__(self, n_taps: int, mu: float, eps: float = Relative(1e-3), **settings: Any) -> None:
        super().__init__(n_taps, mu, **settings)
        self.eps = eps
