"""'lbfgs': quasi-Newton steps from the gradient over all data, by SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import Array

from .problem import Problem
from .watch import Watch

PAIRS = 20  # of steps and gradients that approximate the Hessian
FLAT = 1e-6  # of the first loss: what parameters moved by their own size, or 1, would gain by the slope at a minimum


def solve(problem: Problem, watch: Watch, max_iter: int) -> tuple[str, str]:
    """Minimise; returns the reason for the end, as a word and as a sentence."""
    from scipy.optimize import minimize

    theta = watch.latest.copy()
    problem.check(theta)
    objective = Objective(problem, theta)

    def after(intermediate_result: Any) -> None:
        x = np.array(intermediate_result.x)
        watch.bar.update()
        watch.note(x, max(float(intermediate_result.fun) * objective.unit - problem.penalty(x), 0.0))

    if not max_iter or not objective.value:
        return ("converged", "the loss is zero") if max_iter else ("max_iter", "0 iterations completed")
    options = {"maxiter": max_iter, "maxfun": 20 * max_iter + 100, "maxcor": PAIRS, "ftol": 1e-13, "gtol": 1e-12}
    with np.errstate(all="ignore"):
        found = minimize(objective, theta, jac=True, method="L-BFGS-B", callback=after, options=options)
    if found.status == 1:
        return "max_iter", f"{watch.iterations} iterations completed"
    if found.status == 0:
        return "converged", "the slope is zero" if "PGTOL" in str(found.message).upper() else "the loss does not change"
    # The line search gave up: at a minimum because of rounding, elsewhere because the loss is too rough or too steep.
    if np.abs(objective.slope) @ np.maximum(np.abs(objective.at), 1.0) <= FLAT:
        return "converged", "no lower loss is found along the last direction"
    norm = float(np.linalg.norm(objective.slope)) * objective.unit
    return "stalled", f"the line search finds no lower loss, though the gradient has the norm {norm:.3g}"


class Objective:
    """Loss and penalty in units of their first value: SciPy's tolerances are absolute for small numbers."""

    def __init__(self, problem: Problem, theta: Array) -> None:
        self.problem, self.unit = problem, 1.0
        self.at, (self.value, self.slope) = theta.copy(), self.measured(theta)
        self.unit = self.value or 1.0
        self.value, self.slope = self.value / self.unit, self.slope / self.unit

    def measured(self, theta: Array) -> tuple[float, Array]:
        loss, slope = self.problem.gradient(theta)
        return (loss + self.problem.penalty(theta)) / self.unit, slope / self.unit

    def __call__(self, theta: Array) -> tuple[float, Array]:
        value, slope = self.measured(theta)
        if np.isfinite(value) and np.isfinite(slope).all():
            self.at, self.value, self.slope = theta.copy(), value, slope
            return value, slope
        # The step was too long: the filter is unstable there. The line search cannot handle inf and NaN. For a rise as
        # large as the decrease that the slope predicts it shortens the step to about a quarter.
        return self.value + abs(float(self.slope @ (theta - self.at))), -self.slope
