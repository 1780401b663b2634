"""Adaptive filters with feedback: `IIRLMS`, `EquationErrorLMS`, and the nonlinear `RTRL`."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from sigrnn._arrays import F8, Array, number_of, whole
from sigrnn._kernels.adaptive.sizes import AT, EPS, HELD, KEEP_STABLE, OF_TARGET, RADIUS, RECURSIVE
from sigrnn._lookup import Kernels, entry_point
from sigrnn.activations import Activation, known
from sigrnn.adaptive.base import OneChannel
from sigrnn.adaptive.parameters import not_negative
from sigrnn.adaptive.step_sizes import SuggestsStep
from sigrnn.adaptive.stepped import SteppedFilter
from sigrnn.filters.linear import lfilter
from sigrnn.filters.nonlinear import nlfilter

UNSTABLE = {"hold": KEEP_STABLE, "ignore": 0}


@cache
def compiled(activation: Any, dtype: str) -> Any:
    """The loop."""
    return entry_point(Kernels("adaptive.iir").feedback(activation, dtype))


class FeedbackFilter(OneChannel, SteppedFilter):
    """A filter whose window holds past outputs, too; mode: bits for what is fed back, which gradient, and unstable steps."""

    _learnt = ("w", "memory")
    eps = not_negative(EPS)
    _extra: ClassVar[int] = 0  # weights beyond b and a: a bias
    _activation: Any = None

    def __init__(
        self, n_taps: int, n_feedback: int, mu: float, eps: float, mode: int, radius: float = 1.0, **settings: Any
    ) -> None:
        self.n_feedback, self._mode = whole("n_feedback", n_feedback, 0), mode
        self.n_taps = whole("n_taps", n_taps, 1)
        super().__init__(n_taps, mu, **settings)
        self.eps = eps
        radius = number_of("radius", radius)
        if not 0.0 < radius < np.inf:
            raise ValueError(f"radius must be finite and positive, got {radius}")
        self._p[RADIUS] = radius
        self._given["n_feedback"] = self.n_feedback

    @property
    def _length(self) -> int:
        return self.n_taps + self.n_feedback + self._extra

    def _arrays(self, channels: int, dtype: np.dtype[Any]) -> dict[str, Array]:
        window = np.zeros(self._length, dtype)
        window[self.n_taps + self.n_feedback :] = 1.0
        return {
            "w": np.zeros(self._length, dtype),
            "window": window,
            "memory": np.zeros((self.n_feedback + 1, self._length), dtype),
        }

    def _restart(self, fresh: dict[str, Array]) -> None:
        if not self._mode & OF_TARGET:
            self._state["window"][self.n_taps : self.n_taps + self.n_feedback] = 0.0
        super()._restart(fresh)

    def _valid(self) -> bool:
        return super()._valid() and bool(self._state["counts"][AT] <= self.n_feedback)

    def _ready(self) -> None:
        super()._ready()
        s = self._state
        self._run_loop = compiled(self._activation, s["w"].dtype.char)
        trial = np.empty(self._length + self.n_feedback, s["w"].dtype)
        rest = self._p, s["levels"], s["counts"], self._policy
        self._run_state = s["w"], s["window"], s["memory"], trial, self.n_taps, self._mode, *rest

    def _run(self, x: Array, d: Array, y: Array, e: Array, history: Array) -> int:
        return int(self._run_loop(x, d, y, e, history, *self._run_state))

    def _split(self, w: Array) -> tuple[Array, Array]:
        """Coefficients as filters take them."""
        end = self.n_taps + self.n_feedback
        return w[: self.n_taps], np.concatenate([[1.0], w[self.n_taps : end]])

    @property
    def b(self) -> Array:
        return self._split(self.weights)[0]

    @property
    def a(self) -> Array:
        return self._split(self.weights)[1]

    @property
    def poles(self) -> Array:
        return np.roots(self.a)

    @property
    def held(self) -> int:
        return int(self._state["counts"][HELD]) if self._state else 0

    def _filtered(self, x: Array, w: Array) -> Array:
        b, a = self._split(w[:, 0])
        return np.asarray(lfilter(b, a, x[:, 0].astype(np.result_type(x, F8))))


def bit(value: str, name: str, bits: dict[str, int]) -> int:
    """What a choice by name stands for."""
    if value not in tuple(bits):  # a list would not be looked up in a dict
        raise ValueError(f"{name} must be one of {', '.join(map(repr, bits))}, got {value!r}")
    return bits[value]


class IIRLMS(SuggestsStep, FeedbackFilter):
    r"""
    Adapt a recursive filter by its output error.

    .. math:: y[n] = \sum_m b_m\, x[n-m] - \sum_k a_k\, y[n-k], \qquad e[n] = d[n] - y[n], \qquad
        \theta \leftarrow (1 - \mu\gamma)\,\theta + \mu\, e[n]\, \psi^*[n]

    with the weights :math:`\theta = (b_0 \dots, a_1 \dots)` and the sensitivities of the output, recursive as the filter is:

    .. math:: \psi[n] = (x[n] \dots, -y[n-1] \dots) - \sum_k a_k\, \psi[n-k]

    Parameters
    ----------
    n_taps : int
        Coefficients `b`.
    n_feedback : int
        Coefficients `a[1:]`, the number of poles.
    mu : float
        Step size :math:`\mu`. May be assigned between calls.
    eps : float, default 0.0
        If positive, steps are divided by :math:`\varepsilon + \|\psi[n]\|^2`.
    gradient : {'full', 'feintuch'}
        The sensitivities above, or without their recursion: Feintuch's filter, at a fraction of the cost, whose mean
        step may have another direction.
    unstable : {'hold', 'ignore'}
        What to do with a step after which a pole would lie on or beyond the circle of `radius`: skip its part for `a`,
        or take it.
    radius : float, default 1.0
        Of that circle.
    **settings
        ``leakage=0.0``: :math:`\gamma`; `w0`, `nan_policy` and `on_divergence` as in `AdaptiveFilter`, with weights of shape
        (n_taps + n_feedback,).

    Attributes
    ----------
    b, a : ndarray
        Coefficients as `lfilter` takes them, ``a[0]`` being 1.
    poles : ndarray of complex
        Where they are now.
    held : int
        How many steps were held back.

    See Also
    --------
    EquationErrorLMS : With one minimum, and a bias by noise.
    RTRL : The same with an activation.

    Notes
    -----
    A few coefficients do what takes an FIR filter hundreds of taps. The error of the output is not quadratic in `a`: there may
    be local minima if the filter has too few coefficients, and convergence is slow near the unit circle [1]_. No bound
    of the step is known; begin with `suggest_mu`. Poles are watched by the reflection coefficients of each
    new `a`. Cost: of the order of (n_taps + n_feedback) n_feedback products a sample.

    References
    ----------
    .. [1] J. J. Shynk, "Adaptive IIR filtering", IEEE ASSP Magazine 6(2), 1989.
    .. [2] P. L. Feintuch, "An adaptive recursive LMS filter", Proceedings of the IEEE 64(11), 1976.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.random.default_rng(0).standard_normal(20000)
    >>> f = sigrnn.adaptive.IIRLMS(n_taps=1, n_feedback=1, mu=0.01)
    >>> r = f(x, sigrnn.lfilter([0.5], [1.0, -0.8], x))
    >>> f.b.round(4), f.a.round(4), f.held
    (array([0.5]), array([ 1. , -0.8]), 0)
    """

    def __init__(
        self,
        n_taps: int,
        n_feedback: int,
        mu: float,
        eps: float = 0.0,
        *,
        gradient: str = "full",
        unstable: str = "hold",
        radius: float = 1.0,
        **settings: Any,
    ) -> None:
        mode = bit(gradient, "gradient", {"full": RECURSIVE, "feintuch": 0}) | bit(unstable, "unstable", UNSTABLE)
        super().__init__(n_taps, n_feedback, mu, eps, mode, radius, **settings)
        self._given |= {"gradient": gradient, "unstable": unstable, "radius": float(radius)}


class EquationErrorLMS(SuggestsStep, FeedbackFilter):
    r"""
    Adapt a recursive filter by its equation error: the desired output is fed back.

    .. math:: y[n] = \sum_m b_m\, x[n-m] - \sum_k a_k\, d[n-k], \qquad e[n] = d[n] - y[n], \qquad
        \theta \leftarrow (1 - \mu\gamma)\,\theta + \mu\, e[n]\, (x[n] \dots, -d[n-1] \dots)^*

    Parameters
    ----------
    n_taps : int
        Coefficients `b`.
    n_feedback : int
        Coefficients `a[1:]`, the number of poles.
    mu : float
        Step size :math:`\mu`. May be assigned between calls.
    eps : float, default 0.0
        If positive, steps are divided by :math:`\varepsilon` plus the power of the window of `x` and `d`.
    unstable : {'ignore', 'hold'}
        As in `IIRLMS`. The adapting filter is always stable; `predict` may not be.
    radius : float, default 1.0
        As in `IIRLMS`.
    **settings
        ``leakage=0.0``: :math:`\gamma`; `w0`, `nan_policy` and `on_divergence` as in `AdaptiveFilter`, with weights of shape
        (n_taps + n_feedback,).

    Attributes
    ----------
    b, a : ndarray
        Coefficients as `lfilter` takes them, ``a[0]`` being 1.
    poles : ndarray of complex
        Where they are now.
    held : int
        How many steps were held back.

    See Also
    --------
    IIRLMS : No bias, but local minima.

    Notes
    -----
    It is an LMS filter with two inputs, so there is one minimum, and `suggest_mu` has a bound of the step size. Noise
    in `d` is fed back with it and biases the poles towards zero [1]_. `predict` feeds back the filter's own outputs.

    References
    ----------
    .. [1] J. J. Shynk, "Adaptive IIR filtering", IEEE ASSP Magazine 6(2), 1989.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.random.default_rng(0).standard_normal(5000)
    >>> f = sigrnn.adaptive.EquationErrorLMS(n_taps=1, n_feedback=1, mu=0.01)
    >>> r = f(x, sigrnn.lfilter([0.5], [1.0, -0.8], x))
    >>> f.b.round(4), f.a.round(4)
    (array([0.5]), array([ 1. , -0.8]))
    """

    def __init__(
        self,
        n_taps: int,
        n_feedback: int,
        mu: float,
        eps: float = 0.0,
        *,
        unstable: str = "ignore",
        radius: float = 1.0,
        **settings: Any,
    ) -> None:
        mode = OF_TARGET | bit(unstable, "unstable", UNSTABLE)
        super().__init__(n_taps, n_feedback, mu, eps, mode, radius, **settings)
        self._given |= {"unstable": unstable, "radius": float(radius)}


class RTRL(FeedbackFilter):
    r"""
    Adapt a nonlinear recursive filter by real-time recurrent learning: the total derivative, forward in time.

    .. math:: y[n] = g\Bigl(\beta + \sum_m b_m\, x[n-m] - \sum_k a_k\, y[n-k]\Bigr), \qquad
        \theta \leftarrow (1 - \mu\gamma)\,\theta + \mu\, e[n]\, \psi[n]

    .. math:: \psi[n] = \frac{\partial y[n]}{\partial \theta} =
        g'(\cdot)\,\Bigl((x[n] \dots, -y[n-1] \dots, 1) - \sum_k a_k\, \psi[n-k]\Bigr)

    Parameters
    ----------
    n_taps : int
        Coefficients `b`.
    n_feedback : int
        Coefficients `a[1:]`.
    mu : float
        Step size :math:`\mu`. May be assigned between calls.
    activation : str or Activation, default 'tanh'
        :math:`g`, as in `nlfilter`.
    eps : float, default 0.0
        If positive, steps are divided by :math:`\varepsilon + \|\psi[n]\|^2`.
    **settings
        ``leakage=0.0``: :math:`\gamma`; `w0`, `nan_policy` and `on_divergence` as in `AdaptiveFilter`, with weights of shape
        (n_taps + n_feedback + 1,): `b`, `a[1:]`, the bias.

    Attributes
    ----------
    b, a : ndarray
        Coefficients as `nlfilter` takes them, ``a[0]`` being 1.
    bias : float
        :math:`\beta`.

    See Also
    --------
    sigrnn.nlfilter : The filter that is adapted.
    sigrnn.vjp : Its total derivative backward in time, for a whole signal.

    Notes
    -----
    With :math:`\mu = 0` the sum of :math:`e[n]\,\psi[n]` is minus the gradient of half the squared error that back-propagation
    through time finds, at the price of a sensitivity for each weight and without keeping the past. With steps it is the
    gradient along the weights as they were, exact as they change slowly. No bound of the step is known. Activations have a
    unit: divide `x` and `d` by what brings them into the range of :math:`g`. Signals are real.
    Cost: of the order of (n_taps + n_feedback) n_feedback products a sample.

    References
    ----------
    .. [1] R. J. Williams, D. Zipser, "A learning algorithm for continually running fully recurrent neural networks", Neural
       Computation 1(2), 1989.
    .. [2] ECE 417, "Recurrent Neural Nets", lecture notes, University of Illinois.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.random.default_rng(0).standard_normal(20000)
    >>> d = sigrnn.nlfilter([0.5], [1.0, -0.6], x, activation="tanh", bias=0.2)
    >>> f = sigrnn.adaptive.RTRL(n_taps=1, n_feedback=1, mu=0.05)
    >>> r = f(x, d)
    >>> r.w_final.round(4)
    array([ 0.5, -0.6,  0.2])
    """

    _extra, _real = 1, True

    def __init__(
        self,
        n_taps: int,
        n_feedback: int,
        mu: float,
        activation: str | Activation = "tanh",
        eps: float = 0.0,
        **settings: Any,
    ) -> None:
        self._activation = known(activation)
        super().__init__(n_taps, n_feedback, mu, eps, RECURSIVE, **settings)
        self._given["activation"] = activation

    @property
    def activation(self) -> str | Activation:
        chosen: str | Activation = self._activation
        return chosen

    @property
    def bias(self) -> float:
        return float(self.weights[-1])

    def save(self, path: Any) -> None:
        """
        Write settings, weights and state to a file that `load` reads.

        Parameters
        ----------
        path : str or path
            Where to, by custom ``*.npz``. Nothing in it is pickled.

        Raises
        ------
        TypeError
            If the activation is not one by name: functions cannot be written without pickling.
        """
        if not isinstance(self._activation, str):
            raise TypeError(
                f"{self._activation!r} cannot be saved, only activations by name; pickle the filter instead"
            )
        super().save(path)

    def _filtered(self, x: Array, w: Array) -> Array:
        b, a = self._split(w[:, 0])
        signal = x[:, 0].astype(np.result_type(x, F8))
        return np.asarray(nlfilter(b, a, signal, activation=self._activation, bias=float(w[-1, 0])))
