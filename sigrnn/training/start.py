"""Initial linear filters: Steiglitz and McBride's iteration, linear least squares for numerator and denominator.

The output error of a filter with feedback has poor local minima. The equation error has none, as it is linear in both
polynomials. Filtering both signals by the previous denominator turns it into the output error, iteration by iteration.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters.linear import lfilter
from sigrnn.models.stability import stable

from .data import Data
from .losses import Named
from .problem import Problem

ROUNDS, TURNED = 10, 0.999  # and the largest radius of poles that were reflected into the unit circle
MOST = 2_000_000  # numbers in the linear equations; the samples beyond are for the solver


def better_start(problem: Problem, theta: Array) -> Array:
    """Return the vector of the best filter of the iteration; theta if none is better, or the model is no linear filter."""
    model, kind = problem.model, type(problem.model).__name__
    if (
        kind not in ("FIR", "IIR", "SOS")
        or not isinstance(problem.loss, Named)
        or (kind == "SOS" and problem.data.inputs > 1)
    ):
        return theta
    order = 0 if kind == "FIR" else model.order if kind == "IIR" else 2 * model.n_sections
    given = {name: np.array(value) for name, value in model.params.items()}
    best, lowest = theta, problem.value(theta) + problem.penalty(theta)
    taps = model.n_taps if kind == "FIR" else order + 1
    for b, a in polynomials(problem.data, taps, order):
        try:
            model.params = parameters(kind, b, a, given)
        except ValueError:  # not stable, for a model that has to be
            continue
        vector = np.array(model.to_vector(), F8)
        value = problem.value(vector) + problem.penalty(vector)
        if value < lowest:
            best, lowest = vector, value
    model.params = given
    return best


def polynomials(data: Data, taps: int, order: int) -> Iterator[tuple[Array, Array]]:
    """Numerators (inputs, taps) and denominators of each round."""
    a = np.eye(1, order + 1)[0]
    for _ in range(ROUNDS if order else 1):
        rows, wanted = equations(data, inside(a), taps, order)
        if not (np.isfinite(rows).all() and np.isfinite(wanted).all()):
            return
        found = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        b, a = found[: data.inputs * taps].reshape(data.inputs, taps), np.append(1.0, found[data.inputs * taps :])
        yield b, a
        if inside(a) is not a:
            yield b, inside(a)


def equations(data: Data, a: Array, taps: int, order: int) -> tuple[Array, Array]:
    """t[n] = sum b x[n-m] - sum a t[n-m], of signals filtered by 1/a, for all samples that count."""
    rows, wanted, width = [], [], data.inputs * taps + order
    left = max(MOST // width, 2 * width)
    for x, t, w in zip(data.x, data.t, data.w, strict=True):
        if left <= 0:
            break
        u, v = lfilter([1.0], a, x[:left].astype(F8), axis=0), lfilter([1.0], a, t[:left, 0].astype(F8))
        late = [*(delayed(u[:, i], m) for i in range(data.inputs) for m in range(taps))]
        late += [-delayed(v, m) for m in range(1, order + 1)]
        weight = np.sqrt(w[:left, 0].astype(F8))
        counted = weight > 0
        rows.append((np.stack(late, axis=1) * weight[:, None])[counted])
        wanted.append((v * weight)[counted])
        left -= len(v)
    return np.concatenate(rows), np.concatenate(wanted)


def delayed(x: Array, samples: int) -> Array:
    y = np.zeros(len(x))
    y[samples:] = x[: max(len(x) - samples, 0)]  # a sequence may be shorter than the filter
    return y


def inside(a: Array) -> Array:
    """The denominator with the same magnitude response, but for a factor, whose poles are inside the unit circle."""
    if stable(a):
        return a
    poles = np.roots(a)
    radii = np.abs(poles)
    radii = np.where(radii >= 1.0, np.minimum(1.0 / np.maximum(radii, 1e-9), TURNED), radii)
    turned = np.real(np.poly(radii * np.exp(1j * np.angle(poles))))
    return np.concatenate([turned, np.zeros(len(a) - len(turned))])  # np.roots drops zeros at the end


def parameters(kind: str, b: Array, a: Array, like: dict[str, Array]) -> dict[str, Any]:
    """As parameters of a model."""
    if kind == "SOS":
        from scipy.signal import tf2sos

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a numerator that begins with zeros: it is compared anyway
            found = tf2sos(b[0], a)
        sos = np.tile(np.eye(1, 6) + np.eye(1, 6, 3), (len(like["sos"]), 1))
        sos[: len(found)] = found
        return {"sos": sos}
    found = {"b": b.reshape(like["b"].shape)}
    return found if kind == "FIR" else {**found, "a": a}
