"""Filtered-x LMS for active control: `FxLMS`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import C16, F8, Array, array, short
from sigrnn._kernels.adaptive.sizes import AT, EPS, NOT_A_NUMBER, STOP, WAITING
from sigrnn._lookup import Kernels
from sigrnn._utils.errors import overlapping
from sigrnn.adaptive.base import OneChannel
from sigrnn.adaptive.parameters import not_negative, result_dtype
from sigrnn.adaptive.result import AdaptiveResult
from sigrnn.adaptive.step_sizes import SuggestsStep
from sigrnn.adaptive.stepped import SteppedFilter
from sigrnn.filters.linear import lfilter

MOST = 4096  # samples whose errors have not come yet
SPARE = 2048  # samples that the lines take before their ends are brought back to the front


@cache
def compiled(dtype: str) -> tuple[Any, Any, Any]:
    """The loops: with a plant in them, outputs alone, steps alone."""
    fxlms = Kernels("adaptive.fxlms")
    return fxlms.simulate(dtype), fxlms.control(dtype), fxlms.adapt(dtype)


@dataclass(slots=True)
class ControlResult(AdaptiveResult):
    """
    The result of `FxLMS` for a block.

    Parameters
    ----------
    y : ndarray, shape (N,)
        The output at the end of the path, with the weights before the update at each sample.
    e : ndarray, shape (N,)
        Error d - y.
    w_final : ndarray, shape (n_taps,)
        Weights after the last sample, newest sample first.
    w : ndarray, shape (N, n_taps), or None
        The weights before the update at each sample; only with ``history=True``.
    resets : ndarray of int
        Samples at which a diverging filter was reset.
    u : ndarray, shape (N,)
        What the filter sent into the path.
    """

    u: Array | None = None


class FxLMS(SuggestsStep, OneChannel, SteppedFilter):
    r"""
    Adapt by filtered-x LMS: the output passes through a secondary path before its error is measured.

    .. math:: u[n] = \mathbf w^{\mathsf T} \mathbf x[n], \qquad y[n] = \sum_k s_k\, u[n-k], \qquad e[n] = d[n] - y[n],

    .. math:: x'[n] = \sum_k \hat s_k\, x[n-k], \qquad
        \mathbf w \leftarrow (1 - \mu\gamma)\, \mathbf w + \mu\, e[n]\, \mathbf x'^*[n]

    with the windows :math:`\mathbf x[n] = (x[n], x[n-1], \dots)` of the reference and :math:`\mathbf x'[n]` of the filtered
    reference, as long as the filter. In active noise control `d` is the noise at the error microphone, `u` goes to the
    loudspeaker, and :math:`s` is the path from there to the microphone. The error is the difference, so a microphone that records
    the sum of noise and antinoise wants the loudspeaker's sign turned.

    Parameters
    ----------
    n_taps : int
        Weights L.
    mu : float
        Step size :math:`\mu`. May be assigned between calls.
    secondary_path : array_like, shape (S,)
        :math:`\hat s`, the estimated impulse response of the secondary path, which the steps use.
    eps : float, default 0.0
        If positive, steps are divided by :math:`\varepsilon + \|\mathbf x'[n]\|^2`.
    plant : array_like, shape (S2,), optional
        :math:`s`, the true secondary path that calls simulate; that of `secondary_path` by default.
    **settings
        ``leakage=0.0``: :math:`\gamma`; it limits the output of the loudspeaker. `w0`, `nan_policy` and `on_divergence`
        as in `AdaptiveFilter`.

    Attributes
    ----------
    secondary_path, plant : ndarray
        As given.

    See Also
    --------
    NLMS : Without a path.

    Notes
    -----
    A call simulates the loop, and returns `y` at the microphone, the error, and `u`. With a real path use `control`,
    which returns the output for a block of the reference, and `adapt` with the measured errors, in blocks of one sample
    or more; with blocks of one sample and a path equal to `plant` the numbers are those of a call.

    It converges for :math:`\mu < 2/(\sigma'^2 (L + \Delta))`, with the power :math:`\sigma'^2` of the filtered
    reference and the delay :math:`\Delta` of the path [1]_: `suggest_mu` returns a sixth of it. Phase errors of the
    estimate below 90 degrees slow it down, larger ones make it diverge [2]_. Cost: 2 L + S + S2 products a sample.

    References
    ----------
    .. [1] S. J. Elliott, "Signal Processing for Active Control", Academic Press, 2001, section 3.4.
    .. [2] D. R. Morgan, "An analysis of multiple correlation cancellation loops with a filter in the auxiliary path", IEEE
       Trans. Acoustics, Speech, and Signal Processing 28(4), 1980.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import FxLMS
    >>> x = np.random.default_rng(0).standard_normal(5000)
    >>> noise = np.convolve(x, [0.0, 0.0, 0.9, 0.5])[:5000]
    >>> f = FxLMS(n_taps=8, mu=0.01, secondary_path=[0.0, 0.8, 0.3])
    >>> r = f(x, noise)
    >>> bool(np.mean(r.e[-100:] ** 2) < 1e-3 * np.mean(noise**2))
    True
    """

    eps = not_negative(EPS)

    def __init__(
        self,
        n_taps: int,
        mu: float,
        secondary_path: ArrayLike,
        eps: float = 0.0,
        *,
        plant: ArrayLike | None = None,
        **settings: Any,
    ) -> None:
        self.secondary_path = path(secondary_path, "secondary_path")
        self.plant = self.secondary_path if plant is None else path(plant, "plant")
        super().__init__(n_taps, mu, **settings)
        self.eps = eps
        self._given["secondary_path"] = self.secondary_path
        if plant is not None:
            self._given["plant"] = self.plant

    def _check_channels(self, x: Array) -> None:
        super()._check_channels(x)
        if self._state and self._state["counts"][WAITING]:
            waiting = self._state["counts"][WAITING]
            raise ValueError(f"{waiting} samples given to control wait for their errors: give them to adapt first")

    def _prepare(self, channels: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        complex_path = "c" in (self.secondary_path.dtype.kind, self.plant.dtype.kind)
        super()._prepare(channels, C16 if complex_path else dtype)

    def _arrays(self, channels: int, dtype: np.dtype[Any]) -> dict[str, Array]:
        past = self._past()
        lines = np.zeros((3, past + MOST + 1 + max(SPARE, 2 * past)), dtype)
        return {"w": np.zeros(self.n_taps, dtype), "lines": lines}

    def _past(self) -> int:
        """Samples of the lines that outputs and steps depend on."""
        return max(self.n_taps, self.plant.size) + self.secondary_path.size

    def _places(self) -> dict[int, int]:
        return {AT: self._past() + MOST}

    def _to_front(self, w: Array) -> Array:
        return w[::-1]

    def _to_inner(self, w: Array) -> Array:
        return w[::-1]

    def _restart(self, fresh: dict[str, Array]) -> None:
        self._state["lines"][2] = 0.0  # the diverged signal is still in the delay line
        super()._restart(fresh)

    def _valid(self) -> bool:
        counts, last = self._state["counts"], self._state["lines"].shape[1] - 1
        return super()._valid() and bool(self._past() + counts[WAITING] <= counts[AT] <= last)

    def _ready(self) -> None:
        super()._ready()
        self._quick = None  # calls also allocate u
        self._run_sent: list[Array] = []
        s, kind = self._state, self._state["w"].dtype
        self._run_loops = compiled(kind.char)
        self._run_believed = np.ascontiguousarray(self.secondary_path[::-1], kind)
        self._run_plant = np.ascontiguousarray(self.plant[::-1], kind)
        self._run_rest = self._p, s["levels"], s["counts"], self._policy
        self._run_state = s["w"], self._run_believed, self._run_plant, s["lines"]

    def _run(self, x: Array, d: Array, y: Array, e: Array, history: Array) -> int:
        sent = np.empty(len(d), self._state["w"].dtype)
        n = self._run_loops[0](x, d, y, e, sent, history, *self._run_state, *self._run_rest)
        self._run_sent.append(sent[:n])
        return int(n)

    def __call__(self, x: ArrayLike, d: ArrayLike, *, history: bool = False) -> ControlResult:
        """
        Simulate the loop for the next block, with `plant` for the secondary path, and adapt.

        Parameters
        ----------
        x : array_like, shape (N,)
            Reference.
        d : array_like, shape (N,)
            What the output of the path should be: in noise control, the noise at the error microphone.
        history : bool, default False
            Whether to keep the weights of every sample.

        Returns
        -------
        ControlResult
            With `y` at the end of the path, `u` at its beginning, `e`, `w_final` and, if asked for, `w`.

        Raises
        ------
        ValueError
            If shapes do not fit, or samples given to `control` wait for their errors.
        DivergenceError
            If the filter diverges and ``on_divergence='raise'``.
        """
        self._run_sent = []
        r = super().__call__(x, d, history=history)
        sent = np.concatenate(self._run_sent) if self._run_sent else np.empty(0, r.y.dtype)
        return ControlResult(r.y, r.e, r.w_final, r.w, r.resets, sent.astype(r.y.dtype, copy=False))

    def control(self, x: ArrayLike) -> Array:
        """
        Filter the next block of the reference without adapting; `adapt` takes the errors.

        Parameters
        ----------
        x : array_like, shape (N,)
            Reference; at most 4096 samples may wait for their errors.

        Returns
        -------
        ndarray, shape (N,)
            What to send through the path.
        """
        x = array("x", x)
        if x.ndim != 1:
            raise ValueError(f"x must have shape (N,), got {x.shape}")
        dtype = result_dtype(x)
        waiting = int(self._state["counts"][WAITING]) if self._state else 0
        if waiting + len(x) > MOST:
            raise ValueError(f"{waiting} samples wait for their errors, with {len(x)} more it would be above {MOST}")
        if self._busy:
            raise overlapping(self)
        self._busy = True
        try:
            # What is appended to the lines counts for nothing as long as `counts` are as before; but they may be moved.
            moved = self._state and self._state["counts"][AT] + len(x) >= self._state["lines"].shape[1]
            other = self._twin(() if moved else ("lines",))
            other._prepare((), C16 if dtype.kind == "c" else F8)
            s = other._state
            u = np.empty(len(x), s["w"].dtype)
            rows = np.ascontiguousarray(x, u.dtype).reshape(-1, 1)
            other._run_loops[1](rows, u, *other._run_state, waiting, *other._run_rest[1:])
            s["counts"][WAITING] += len(x)
            self._become(other)
        finally:
            self._busy = False
        return u.astype(np.result_type(dtype, np.complex64) if u.dtype.kind == "c" else dtype, copy=False)

    def adapt(self, e: ArrayLike) -> None:
        """
        Adapt by the errors measured for the oldest samples given to `control`.

        Parameters
        ----------
        e : array_like, shape (M,)
            Errors, of at most as many samples as wait for them.

        Raises
        ------
        ValueError
            If there are more errors than samples waiting for them, or one is not finite and ``nan_policy='raise'``.
        DivergenceError
            If an error is more than :math:`10^8` times the largest ``|x|``, and the errors of the first `n_taps` samples, and
            ``on_divergence='raise'``.
        """
        e = array("e", e)
        waiting = int(self._state["counts"][WAITING]) if self._state else 0
        if not waiting and e.size:
            raise ValueError(
                f"e has shape {e.shape}, but no samples wait for it: call `control` with the reference first"
            )
        if e.ndim != 1 or len(e) > waiting:
            raise ValueError(f"e must have shape (M,) with M at most {waiting}, the samples that wait, got {e.shape}")
        if self._busy:
            raise overlapping(self)
        self._busy = True
        try:
            other = self._twin(() if self._resets else ("lines",))  # only a reset changes them
            other._prepare((), C16 if e.dtype.kind == "c" else F8)
            try:
                other._adapted(np.ascontiguousarray(e, other._state["w"].dtype))
            except ValueError:  # it diverged, or met a NaN, and stays where it stopped
                self._become(other)
                raise
            self._become(other)
        finally:
            self._busy = False

    def _adapted(self, e: Array) -> None:
        """Take the steps for these errors."""
        s, n = self._state, 0
        while n < len(e):
            w, believed, _, lines = self._run_state
            waiting = int(s["counts"][WAITING])
            done = int(self._run_loops[2](e[n:], w, believed, lines, waiting, *self._run_rest))
            s["counts"][WAITING] -= done
            n += done
            if n < len(e):
                if s["counts"][STOP] == NOT_A_NUMBER:
                    raise ValueError(f"e or the reference is not finite at sample {n}: see nan_policy")
                if not self._resets:
                    raise self._diverged(n, e[n].item())
                self._restart(self._fresh(s["w"].dtype))
                s["counts"][WAITING] -= 1  # the error of weights that are gone
                n += 1

    def _filtered(self, x: Array, w: Array) -> Array:
        return np.asarray(lfilter(w[:, 0], [1.0], x[:, 0].astype(np.result_type(x, F8))))


def path(taps: ArrayLike, name: str) -> Array:
    """An impulse response, checked."""
    s = array(name, taps)
    if s.ndim != 1 or not s.size or s.dtype.kind not in "biufc":
        raise ValueError(f"{name} must be an impulse response of shape (S,), got {short(taps)}")
    s = s.astype(C16 if s.dtype.kind == "c" else F8)
    if not np.isfinite(s).all():
        raise ValueError(f"{name} must be finite")
    return s
