"""Delays at the input of a model, from difference equations fitted to the data for each of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.models import IIR, Chain, Delay
from sigrnn.models.composition import leaves_of

from .blocks import linear, orders_of, without_means
from .data import Data
from .losses import Named
from .problem import Problem
from .short import shortened
from .start import delayed, polynomials, settles, vectors

NUMBERS, SAMPLES = 4_000_000, 20_000  # in the equations, and samples they are made of, at most
ORDER, HIGHEST = 4, 8  # of the equation of a model without filters; of any
ALIKE = 1e-3  # relative difference of two errors below which the longer delay is taken: it needs fewer taps
ROUNDS = 3  # through the inputs, as the delay of one depends on those of the others
RIDGE = 1e-12  # of the power
FEW = 3  # delays that are compared by the error of the output
SQUARES = Named("mse", 1.0)


def parted(model: Any) -> tuple[Delay, Any] | None:
    """The delay at the input of a model, and what comes after it; None if there is no such delay."""
    if type(model) is not Chain or not isinstance(model.parts[0], Delay) or len(model.parts) == 1:
        return None
    return model.parts[0], model.parts[1] if len(model.parts) == 2 else Chain(*model.parts[1:])


def after(delay: Delay, data: Data) -> Data:
    """The data of the model after a delay."""
    x = [delay._forward(each[None])[0][0].astype(each.dtype, copy=False) for each in data.x]
    return Data(x, data.t, data.w, data.flat, data.rows, data.starts)


def found(data: Data, longest: int, rest: Any) -> Array:
    """The delay of each input, (I,), for the model that comes after it."""
    filters = [leaf for leaf in leaves_of(rest) if linear(leaf)]
    zeros, order = orders_of(filters)
    order = min(order or ORDER * (not filters), HIGHEST)
    taps = min(zeros or order, 2 * HIGHEST) + 1
    gram, cross, power = equations(data, longest + taps, order)
    samples = np.zeros(data.inputs, int)
    for _ in range(ROUNDS if data.inputs > 1 else 1):
        before = samples.copy()
        for i in range(data.inputs):
            errors = np.empty(longest + 1)
            for k in range(longest + 1):
                samples[i] = k
                errors[k] = error_of(gram, cross, power, samples, longest + taps, taps)
            samples[i] = longest_of_best(errors)
        if (samples == before).all():
            break
    if data.inputs == data.outputs == 1 and order:
        samples[0] = by_output(data, errors, taps, order)
    return samples.astype(F8)


def longest_of_best(errors: Array) -> int:
    """The longest delay whose error is about the smallest."""
    return int(np.flatnonzero(errors <= errors.min() * (1.0 + ALIKE) + RIDGE)[-1])


def by_output(data: Data, errors: Array, taps: int, order: int) -> int:
    """The best of a few delays by the error of a filter's output: noise misleads that of the equation by some samples."""
    data = shortened(data, SAMPLES)
    best = longest_of_best(errors)
    tried = {*np.argsort(errors)[:FEW].tolist(), *range(max(best - FEW, 0), best + 1)}
    left = np.full(len(errors), np.inf)
    model = IIR(max(order, taps - 1)).init(1, rng=0)
    for k in sorted(tried):
        x = [delayed(each[:, 0].astype(F8), k)[:, None] for each in data.x]
        problem = Problem(model, without_means(Data(x, data.t, data.w, data.flat, data.rows, data.starts)), SQUARES)
        found = vectors(problem, "", polynomials(problem.data, taps, order))
        stable = [loss for _, loss, theta in found if settles(model, theta)]
        left[k] = min(stable, default=np.inf)
    power = float(np.mean(np.concatenate([t[w > 0] for t, w in zip(data.t, data.w, strict=True)]) ** 2))
    return longest_of_best(left / max(power, 1e-300)) if np.isfinite(left).any() else best


def equations(data: Data, lags: int, order: int) -> tuple[Array, Array, Array]:
    """
    Products of the columns of t[n] = sum b x[n-m] - sum a t[n-m], for each output.

    Columns are `lags` delays of each input, then `order` of the output: (O, K, K), with t (O, K), and of t (O,).
    """
    width = data.inputs * lags + order
    data = without_means(shortened(data, min(SAMPLES, max(NUMBERS // width, 4 * width))))
    gram, cross, power = np.zeros((data.outputs, width, width)), np.zeros((data.outputs, width)), np.zeros(data.outputs)
    for x, t, w in zip(data.x, data.t, data.w, strict=True):
        inputs = [delayed(x[:, i].astype(F8), m) for i in range(data.inputs) for m in range(lags)]
        for o in range(data.outputs):
            late = [delayed(np.where(w[:, o] > 0, t[:, o], 0.0).astype(F8), m) for m in range(order + 1)]
            rows = np.stack([*inputs, *late[1:]], axis=1)
            counted = w[:, o] > 0
            for m in range(1, order + 1):  # an equation needs all its samples
                counted[m:] &= w[:-m, o] > 0
            rows, wanted = rows[counted], late[0][counted]
            gram[o] += rows.T @ rows
            cross[o] += rows.T @ wanted
            power[o] += wanted @ wanted
    return gram, cross, power


def error_of(gram: Array, cross: Array, power: Array, samples: Array, lags: int, taps: int) -> float:
    """The sum of squares that is left with these delays, of all outputs relative to their power."""
    columns = [range(i * lags + k, i * lags + k + taps) for i, k in enumerate(samples)]
    used = np.concatenate([*columns, np.arange(len(samples) * lags, gram.shape[1])]).astype(int)
    left = 0.0
    for g, c, p in zip(gram, cross, power, strict=True):
        square = g[np.ix_(used, used)]
        square = square + RIDGE * np.trace(square) / len(used) * np.eye(len(used))
        left += max(float(p - c[used] @ np.linalg.solve(square, c[used])), 0.0) / max(float(p), 1e-300)
    return left
