"""Levenberg and Marquardt's method for sums of squares: steps from the Gram matrix, from an orthogonal one near the end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sigrnn._arrays import Array

FIRST, LEAST, NONE = 1e-3, 1e-14, 1e-30  # damping, of the diagonal of the Gram matrix
ROUGH = 1e-4  # decrease of the sum in an iteration, relative, below which products are no longer accurate enough
FLAT = 1e-14  # largest entry of the gradient that is taken for zero
TRIES = 40  # steps, each shorter than the one before, until an iteration gives up


class Model:
    """The sum of squares along a step, as the residuals' derivative sees it: in coordinates in which its matrix is diagonal."""

    def __init__(self, J: Array, r: Array, scale: Array, accurate: bool) -> None:
        self.scale = scale
        if accurate:
            from scipy.linalg import qr

            (whole,) = qr(np.column_stack([J, r]), mode="r", check_finite=False)
            u, s, self.axes = np.linalg.svd(whole[:, :-1] / scale, full_matrices=False)
            self.curvature, self.slope = s**2, s * (u.T @ whole[:, -1])
        else:
            gram = J.T @ J
            w, v = np.linalg.eigh(gram / np.outer(scale, scale))
            self.curvature, self.axes, self.slope = np.maximum(w, 0.0), v.T, v.T @ ((J.T @ r) / scale)

    def step(self, damping: float) -> tuple[Array, float]:
        """The step, and how much it makes the sum smaller if the residuals are linear."""
        along = -self.slope / (self.curvature + damping)
        return (along @ self.axes) / self.scale, float(-along @ (2.0 * self.slope + self.curvature * along))


def minimise(
    residuals: Callable[[Array], Array],
    jacobian: Callable[[Array], Array],
    theta: Array,
    scaled: bool,
    tolerance: float,
    after: Callable[[Array, float], None],
) -> tuple[str, str]:
    """
    Go down until nothing changes; returns the reason, as a word and as a sentence.

    scaled : damp each parameter by the largest sensitivity it has had, else all by the largest of all. after : called
    with the vector and the sum of squares after each iteration; it ends the run by raising.
    """
    r = residuals(theta)
    value, damping, growth, accurate, last = float(r @ r), FIRST, 2.0, False, False
    lengths = np.zeros(theta.size)
    while True:
        J = jacobian(theta)
        lengths = np.maximum(lengths, np.einsum("np,np->p", J, J))
        if not np.isfinite(lengths).all():
            return "stalled", "squares of the sensitivities overflow: no step can be found from here"
        if np.abs(J.T @ r).max(initial=0.0) <= FLAT:
            return "converged", "the gradient is zero"
        each = lengths if scaled else np.full(theta.size, lengths.max(initial=0.0))
        scale = np.sqrt(np.where(each > 0.0, each, 1.0))
        try:
            model = Model(J, r, scale, accurate)
        except np.linalg.LinAlgError:
            return "stalled", "the sensitivities are so large that no step can be found from here"
        gain, moved = 0.0, False
        for _ in range(TRIES):
            step, promised = model.step(damping)
            new = residuals(theta + step)
            reached = float(new @ new)
            if reached < value:
                gain, moved = (value - reached) / value, True
                share = (value - reached) / promised if promised > 0.0 else 0.0
                damping, growth = max(damping * max(0.2, 1.0 - (2.0 * share - 1.0) ** 3), LEAST), 2.0
                theta, r, value = theta + step, new, reached
                break
            damping, growth = damping * growth, 2.0 * growth
            if promised <= tolerance * value or not np.isfinite(damping):
                break
        if moved:
            after(theta, value)
        if accurate and gain <= tolerance:
            if last or not value:
                return "converged", "the loss does not change" if value else "the loss is zero"
            last, damping, growth = True, NONE, 2.0  # parameters may be left that hardly matter
            continue
        last = False
        if gain <= ROUGH and not accurate:
            accurate, damping, growth = True, min(damping, FIRST), 2.0
