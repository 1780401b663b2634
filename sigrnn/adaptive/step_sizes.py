"""Safe step sizes for a signal: one method, and a table of the bounds of each algorithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import array
from sigrnn.filters.linear import lfilter

SILENT = "x is silent: any step would do"


def power_of(x: Any, n_taps: int) -> tuple[float, float]:
    """Mean and largest value of |u(n)|^2, the power in a window of n_taps samples."""
    x = array("x", x)
    if x.ndim not in (1, 2):
        raise ValueError(f"x must have shape (N,) or (N, channels), got {x.shape}")
    power = np.abs(x.astype(np.result_type(x, np.float64)).reshape(len(x), -1)) ** 2
    if not power.size or not np.isfinite(power).all():
        raise ValueError("x must hold samples, all of them finite")
    power = power.sum(1)
    sums = np.concatenate([np.zeros(n_taps), np.cumsum(power)])
    return float(n_taps * power.mean()), float((sums[n_taps:] - sums[:-n_taps]).max())


def third(mean: float, largest: float, why: str = SILENT) -> float:
    """Half the bound for Gaussian signals, and at most one over the largest power."""
    if not largest:
        raise ValueError(why)
    return min(1.0 / (3.0 * mean), 1.0 / largest)


def lms(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    return third(*power_of(x, f.n_taps))


def half(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    return 0.5


def block(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    return 0.5 if getattr(f, "normalised", False) else lms(f, x, d) / f.block


def sign_error(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    mean, level = _levels(f, x, d)
    return 0.01 * level / mean


def sign_sign(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    mean, level = _levels(f, x, d)
    return 0.01 * level / float(np.sqrt(mean * f.n_taps))


def _levels(f: Any, x: ArrayLike, d: ArrayLike) -> tuple[float, float]:
    """Mean power of a window of x, and the mean of |d|."""
    mean, level = power_of(x, f.n_taps)[0], float(np.abs(array("d", d)).mean())
    if not mean or not level or not np.isfinite(level):
        raise ValueError("x and d must be finite, and neither silent")
    return mean, level


def sign_regressor(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    return third(*power_of(np.sqrt(np.abs(array("x", x))), f.n_taps))


def lmf(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    (mean, largest), (power, peak) = power_of(x, f.n_taps), power_of(d, 1)
    if not largest or not peak:
        raise ValueError("x and d must not be silent")
    return min(1.0 / (6.0 * mean * power), 1.0 / (largest * peak))


def fxlms(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    power = np.abs(f.secondary_path) ** 2
    delay = float(np.sum(np.arange(power.size) * power) / power.sum()) if power.any() else 0.0
    share = f.n_taps / (f.n_taps + delay)
    if f.eps:
        return 0.5 * share
    reference = power_of(lfilter(f.secondary_path, [1.0], array("x", x)), f.n_taps)
    return share * third(*reference, "the filtered reference is silent: any step would do")


def equation_error(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    if f.eps:
        return 0.5
    of_x, of_d = power_of(x, f.n_taps), power_of(d, max(f.n_feedback, 1))
    return third(of_x[0] + of_d[0], of_x[1] + of_d[1], "x and d are silent: any step would do")


def output_error(f: Any, x: ArrayLike, d: ArrayLike) -> float:
    if f.eps:
        return 0.01
    return 0.05 * equation_error(f, x, d)


def volterra(f: Any, x: ArrayLike, d: ArrayLike) -> float | tuple[float, ...]:
    if f.eps:
        return 0.5
    squares = array("x", x).astype(float) ** 2
    if squares.ndim != 1 or not squares.size or not np.isfinite(squares).all():
        raise ValueError("x must have shape (N,) and hold samples, all of them finite")
    power = np.zeros((f.order + 1, len(squares)))  # of all products of k samples, sample of the window by sample
    power[0] = 1.0
    for i in range(f.n_taps):
        late = np.concatenate([np.zeros(min(i, len(squares))), squares[: max(len(squares) - i, 0)]])
        for k in range(1, f.order + 1):
            power[k] += late * power[k - 1]
    steps = [third(float(of_order.mean()), float(of_order.max())) / f.order for of_order in power[1:]]
    return tuple(steps) if f.order > 1 else steps[0]


Bound = Callable[[Any, ArrayLike, ArrayLike], float | tuple[float, ...]]
OF_BOTH = (sign_error, sign_sign, lmf, equation_error, output_error)  # bounds that need d, too
BOUNDS: dict[str, Bound] = {
    "LMS": lms,
    "VSSLMS": lms,
    "NLMS": half,
    "GNGD": half,
    "AP": half,
    "SignSignLMS": sign_sign,
    "SignErrorLMS": sign_error,
    "SignRegressorLMS": sign_regressor,
    "LMF": lmf,
    "BlockLMS": block,
    "SpectralFilter": block,
    "FxLMS": fxlms,
    "EquationErrorLMS": equation_error,
    "IIRLMS": output_error,
    "VolterraLMS": volterra,
}


class SuggestsStep:
    """A filter for which a bound of the step size is known."""

    def suggest_mu(self, x: ArrayLike, d: ArrayLike | None = None) -> Any:
        r"""
        Find a step size that is safe for signals like these.

        Parameters
        ----------
        x : array_like, shape (N,) or (N, channels)
            Input like that to come.
        d : array_like, shape (N,), optional
            Desired output like that to come, for `SignErrorLMS`, `SignSignLMS`, `LMF`, `EquationErrorLMS` and `IIRLMS`, whose
            steps depend on it.

        Returns
        -------
        float or tuple of float
            Half the bound for Gaussian signals, a third of one over the mean power of a window, and at most one over the
            largest; divided by the samples of a block for block filters, and less by the delay of the path for `FxLMS`.
            A quarter of the bound, 0.5, where steps are normalised. `SignRegressorLMS` has \|x\| in place of the power, `LMF`
            a sixth, divided by the power of d, too; for `SignErrorLMS` it is a hundredth of the mean \|d\| over the power, for
            `SignSignLMS` over the root of the power times L, since its step has the unit of a weight. `VolterraLMS` gets a step
            for each order, from the power of its products, divided by the number of orders. For `IIRLMS`, of whose step no
            bound is known, it is a twentieth of that of `EquationErrorLMS` (0.01 where steps are normalised).
        """
        bound = next(BOUNDS[kind.__name__] for kind in type(self).__mro__ if kind.__name__ in BOUNDS)
        if bound in OF_BOTH and d is None:
            raise TypeError(f"suggest_mu of {type(self).__name__} needs d, too: its step depends on it")
        return bound(self, x, () if d is None else d)
