"""Starts of linear filters: Steiglitz and McBride's iteration, linear least squares for numerator and denominator.

The output error of a filter with feedback has poor local minima. The equation error has none, as it is linear in both
polynomials. Filtering both signals by the previous denominator turns it into the output error, iteration by iteration.
A filter of lower order, trained and filled up with zeros, is a start of the next order: so a higher order is never worse.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters.linear import lfilter
from sigrnn.models import FIR, IIR, SOS
from sigrnn.models.stability import stable

from .data import Data
from .losses import Named
from .problem import Problem
from .short import descended, scored, shortened

ROUNDS, TURNED = 10, 0.999  # and the largest radius of poles that were reflected into the unit circle
MOST = 2_000_000  # numbers in the linear equations; the samples beyond are for the solver
RUNGS = 8  # orders tried, up to that of the model
EXACT = 1e-20  # of the target's power: where nothing is left to be found
SHORT_RUN, SHORT_DATA = 15, 20_000  # iterations and samples of the lower orders

Filter = tuple[Array, Array]  # b (inputs, taps), a
Start = tuple[str, float, Array]  # name, loss with the penalty, vector


def served(problem: Problem) -> bool:
    """Whether the model is a linear filter with such a start."""
    model, single = problem.model, problem.data.inputs == 1
    kind = type(model) in (FIR, IIR) or (type(model) is SOS and single)
    return kind and isinstance(problem.loss, Named)


def better_start(problem: Problem, theta: Array, solver: str) -> list[Start]:
    """Name, loss and vector of the starts of a linear filter; the first is theta."""
    model = problem.model
    order = 0 if isinstance(model, FIR) else model.order if isinstance(model, IIR) else 2 * model.n_sections
    taps = model.n_taps if isinstance(model, FIR) else order + 1
    found = [("given", scored(problem, theta), theta)]
    found += lowest(vectors(problem, "linear least squares", polynomials(problem.data, taps, order)))
    power = sum(float(np.sum(np.where(w > 0, t, 0.0).astype(F8) ** 2)) for t, w in targets(problem.data))
    reached = min(loss for _, loss, _ in found)
    if order > 1 and reached > EXACT * power / max(problem.data.counted, 1):
        for name, filter in lower_orders(problem, order, solver):
            found += vectors(problem, name, [filter])
        part = Problem(model.copy(), shortened(problem.data, SHORT_DATA), problem.loss, problem.regularization)
        for name, _, vector in found[1:]:
            vector = descended(part, vector, solver, SHORT_RUN)[0]
            found.append((name, scored(problem, vector), vector))
    found[1:] = [start for start in found[1:] if settles(model, start[2])]
    model.from_vector(theta)
    return found


def targets(data: Data) -> Iterator[tuple[Array, Array]]:
    """Targets and weights, sequence by sequence."""
    return zip(data.t, data.w, strict=True)


def lowest(starts: list[Start]) -> list[Start]:
    """The best of them, if there is one."""
    return sorted(starts, key=lambda start: start[1])[:1]


def settles(model: Any, theta: Array) -> bool:
    """Whether a filter is stable: a good fit of an unstable one to short data is no good start."""
    model.from_vector(theta)
    return all(stable(a) for _, a in model._filters())


def vectors(problem: Problem, name: str, filters: Iterable[Filter]) -> list[Start]:
    """Filters as vectors of the model, and their losses; without those that the model cannot be."""
    model, found = problem.model, []
    for filter in filters:
        try:
            put(model, filter)
        except ValueError:  # not stable, for a model that has to be
            continue
        vector = np.array(model.to_vector(), F8)
        found.append((name, scored(problem, vector), vector))
    return found


def lower_orders(problem: Problem, order: int, solver: str) -> Iterator[tuple[str, Filter]]:
    """The filter of the highest of the lower orders, trained from the better of its own start and the order below it."""
    data = shortened(problem.data, SHORT_DATA)
    step = 2 if isinstance(problem.model, SOS) else 1
    orders = sorted({int(m) // step * step for m in np.linspace(step, order - step, min(order // step, RUNGS))} - {0})
    filter: Filter | None = None
    for m in orders:
        model = IIR(m, stable=problem.model.stable).init(data.inputs, rng=0)
        own = Problem(model, data, problem.loss, problem.regularization)
        starts = vectors(own, "", polynomials(data, m + 1, m))
        starts = lowest(starts) + (vectors(own, "", [filter]) if filter else [])
        runs = [descended(own, vector, solver, SHORT_RUN) for _, _, vector in starts]
        if not runs:
            continue
        model.from_vector(min(runs, key=lambda run: run[1])[0])
        filter = np.atleast_2d(model.params["b"]), np.array(model.params["a"])
    if filter:
        yield f"order {orders[-1]}, filled up", filter


def polynomials(data: Data, taps: int, order: int) -> Iterator[Filter]:
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


def put(model: Any, filter: Filter) -> None:
    """Give a filter of at most its order to a linear model; raises ValueError if it has to be stable and is not."""
    b, a = filter
    if isinstance(model, SOS):
        from scipy.signal import tf2sos

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a numerator that begins with zeros: it is compared anyway
            found = tf2sos(b[0], a)
        sos = np.tile(np.eye(1, 6) + np.eye(1, 6, 3), (model.n_sections, 1))
        sos[: len(found)] = found
        model.params = {"sos": sos}
        return
    shape = model.params["b"].shape
    full = np.zeros((len(b), shape[-1]))
    full[:, : b.shape[1]] = b
    given = {"b": full.reshape(shape)}
    if isinstance(model, IIR):
        given["a"] = np.append(a, np.zeros(model.order + 1 - len(a)))
    model.params = given
