"""Gradients and nonlinear filters: beside what has no gradients, and what has them."""

from sigrnn.bench import measure

CASES = [case for case in measure.CASES if case.group in ("Gradients", "Nonlinear filters")]


def test_gradients(run):
    run()
