"""Starts of state spaces: from impulse responses found by least squares, by Kung's realization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters.linear import lfilter
from sigrnn.models import IIR, StateSpace

from .blocks import trained, without_means
from .problem import Problem
from .short import shortened
from .start import delayed

SAMPLES, TAPS = 20_000, 100  # that are looked at, and the length of the responses
RADIUS = 0.999  # of eigenvalues, at most


def starts(problem: Problem, count: int, rng: np.random.Generator) -> list[tuple[str, StateSpace]]:
    """Names and models of `count` starts: linear ones, with small random nonlinear terms."""
    data = without_means(shortened(problem.data, SAMPLES))
    found: list[tuple[str, StateSpace]] = []
    known = list(responses(data, problem.model.order))
    for k in range(count if problem.model.units else min(count, len(known))):
        name, h = known[k % len(known)]
        model = problem.model.copy().init(data.inputs, rng)
        try:
            put(model, realized(h, model.order), data.x[0])
        except np.linalg.LinAlgError:
            continue
        found.append((f"{name}, {k + 1}", model))
    return found


def responses(data: Any, order: int) -> Iterator[tuple[str, Array]]:
    """Impulse responses (taps, O, I)."""
    samples = sum(map(len, data.x))
    taps = max(min(TAPS, samples // (3 * data.inputs)), 2 * order + 2)
    if data.inputs == data.outputs == 1:
        b, a = trained(IIR(order), data)
        yield "linear filter", lfilter(b, a, np.eye(1, max(4 * order, taps))[0])[:, None, None]
    rows = [
        np.stack([delayed(x[:, i].astype(F8), m) for m in range(taps) for i in range(data.inputs)], axis=1)
        for x in data.x
    ]
    counted = np.concatenate([(w > 0).all(axis=1) for w in data.w])
    seen, wanted = np.concatenate(rows)[counted], np.concatenate(data.t).astype(F8)[counted]
    h = np.linalg.lstsq(seen, wanted, rcond=None)[0]
    yield "impulse response", h.reshape(taps, data.inputs, -1).swapaxes(1, 2)


def realized(h: Array, order: int) -> tuple[Array, Array, Array, Array]:
    """A, B, C and D of a system with this impulse response (taps, O, I), as nearly as its order allows."""
    half, outputs, inputs = len(h) // 2, h.shape[1], h.shape[2]
    hankel = np.block([[h[i + j + 1] for j in range(half)] for i in range(len(h) - half - 1)])
    u, s, v = np.linalg.svd(hankel, full_matrices=False)
    seen, reached = u[:, :order] * np.sqrt(s[:order]), np.sqrt(s[:order])[:, None] * v[:order]
    A = np.linalg.lstsq(seen[:-outputs], seen[outputs:], rcond=None)[0]
    radius = float(np.abs(np.linalg.eigvals(A)).max())
    return A * min(RADIUS / max(radius, 1e-9), 1.0), reached[:, :inputs], seen[:outputs], h[0]


def put(model: StateSpace, system: tuple[Array, Array, Array, Array], x: Array) -> None:
    """Give the linear part to a model, with states of deviation 1 for this input."""
    A, B, C, D = system
    linear = StateSpace(model.order, model.order).init(x.shape[1], rng=0)
    linear.params = {"A": A, "B": B, "C": np.eye(model.order), "D": np.zeros(B.shape)}
    size = np.std(linear(x.astype(F8)), axis=0)
    size = np.where((size > 0.0) & np.isfinite(size), size, 1.0)
    model.params.update(A=A * size / size[:, None], B=B / size[:, None], C=C * size, D=D)
