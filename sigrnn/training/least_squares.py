"""'lm': Levenberg-Marquardt on exact sensitivities; for other losses than squares SciPy's trust-region least squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.models.composition import leaves_of
from sigrnn.models.layers import Recurrent

from .levenberg import minimise
from .losses import Named
from .problem import Problem
from .watch import Stopped, Watch

TOLERANCE = 1e-11  # of changes in cost and vector
MESSAGES = {  # by SciPy's status
    1: "the gradient is zero",
    2: "the loss does not change",
    3: "the parameters do not change",
    4: "neither loss nor parameters change",
}
CORNER = 1e-3  # of the target's root mean square: where |e| is rounded off for 'mae'


def solve(problem: Problem, watch: Watch, max_iter: int) -> tuple[str, str]:
    """Minimise; returns the reason for the end, as a word and as a sentence."""
    assert isinstance(problem.loss, Named)
    theta = watch.latest.copy()
    problem.check(theta)
    weights, size = problem.weights, theta.size
    robust = robust_of(problem, weights, size)
    scale = np.ones_like(weights) if robust else np.sqrt(weights)
    root = np.sqrt(problem.regularization)

    def residuals(theta: Array) -> Array:
        return with_penalty(problem.residuals(theta) * scale, root * theta)

    def jacobian(theta: Array) -> Array:
        columns = problem.jacobian(theta)
        if not robust:
            columns *= scale[:, None]
        return np.concatenate([columns, root * np.eye(size)]) if root else columns

    def with_penalty(errors: Array, pull: Array) -> Array:
        return np.concatenate([errors, pull]) if root else errors

    def after(x: Array, total: float) -> None:
        watch.bar.update()
        watch.note(x, max(total - problem.penalty(x), 0.0))
        if watch.iterations >= max_iter:
            raise Stopped("max_iter", f"{max_iter} iterations completed")

    if not max_iter:
        return "max_iter", "0 iterations completed"
    scaled = scale_of(problem.model)
    with np.errstate(all="ignore"):
        if robust is None:
            reason, message = minimise(residuals, jacobian, theta, scaled, TOLERANCE, after)
        else:
            reason, message = by_scipy(residuals, jacobian, theta, scaled, robust, after, max_iter)
    if reason == "converged" and not watch.iterations:
        message = f"the start is a minimum: {message}"
    return reason, message


def by_scipy(
    residuals: Callable[[Array], Array],
    jacobian: Callable[[Array], Array],
    theta: Array,
    scaled: bool,
    robust: Callable[[Array], Array],
    after: Callable[[Array, float], None],
    max_iter: int,
) -> tuple[str, str]:
    """Minimise a sum that is not of squares; returns as `minimise`."""
    from scipy.optimize import least_squares

    seen = 0

    def callback(intermediate_result: Any) -> None:
        nonlocal seen
        if seen < intermediate_result.nit:
            seen = intermediate_result.nit
            after(np.array(intermediate_result.x), 2.0 * float(intermediate_result.cost))

    found = least_squares(
        residuals,
        theta,
        jacobian,
        method="trf",
        x_scale="jac" if scaled else 1.0,
        loss=robust,
        ftol=TOLERANCE,
        xtol=TOLERANCE,
        gtol=1e-14,
        max_nfev=20 * max_iter + 100,
        callback=callback,
    )
    if not (np.isfinite((found.jac * found.jac).sum(axis=0)).all() and np.isfinite(found.grad).all()):
        return "stalled", "squares of the sensitivities overflow: no step can be found from here"
    if found.status == 0:
        return "max_iter", f"{found.nfev} evaluations completed"
    return "converged", MESSAGES[found.status]


def scale_of(model: Any) -> bool:
    """
    Whether columns of the Jacobian are scaled to one length.

    Taps, poles and biases need not be of one size, so columns of one length are best for filters. Weights of recurrent
    layers are of one size, and with scaling those that matter least would take the largest steps.
    """
    return not any(isinstance(leaf, Recurrent) for leaf in leaves_of(model))


def robust_of(problem: Problem, weights: Array, size: int) -> Callable[[Array], Array] | None:
    """
    For 'mae' and 'huber', the loss of squared errors z and its slope, as SciPy wants it; half of its sum is the cost.

    The second derivative is set to zero, which makes each iteration one of reweighted least squares and a descent. The
    true one is negative: where outliers dominate no curvature would be left.
    """
    assert isinstance(problem.loss, Named)
    name = problem.loss.name
    if name not in ("mae", "huber"):
        return None
    pulls = np.ones(size if problem.regularization else 0)
    power = np.average(np.concatenate([b.t[b.w > 0] for b in problem.batches]).astype(F8) ** 2, weights=weights)
    corner = (CORNER**2) * float(power) or CORNER**2

    def rho(z: Array) -> Array:
        errors, penalties = z[: len(weights)], z[len(weights) :]
        if name == "mae":
            distance = np.sqrt(errors + corner)
            value, slope = distance - np.sqrt(corner), 0.5 / distance
        else:
            distance = np.sqrt(np.maximum(errors, 1.0))
            value, slope = np.where(errors <= 1.0, 0.5 * errors, distance - 0.5), 0.5 / distance
        values, slopes = np.concatenate([weights * value, penalties]), np.concatenate([weights * slope, pulls])
        return np.stack([values, slopes, np.zeros(len(z))])

    return rho
