"""Extension of a signal beyond its ends, as sums of its samples, so that the gradient is the transpose."""

from __future__ import annotations

import numpy as np

from sigrnn._arrays import Array

MODES = "constant", "wrap", "edge", "smooth", "symmetric", "reflect", "antisymmetric", "antireflect", "line"

Terms = list[tuple[Array, Array]]  # indices, weights


def terms(mode: str, at: Array, samples: int) -> Terms:
    """Samples x[index] and their weights, whose sum is the extended signal at the positions `at` (any integers).

    A single sample is continued as it is where a mode takes two.
    """
    last, one = samples - 1, np.ones(at.shape)
    if mode == "wrap":
        return [(at % samples, one)]
    if mode in ("symmetric", "antisymmetric"):
        r = at % (2 * samples)
        sign = np.where(r > last, -1.0, 1.0) if mode == "antisymmetric" else one
        return [(np.minimum(r, 2 * samples - 1 - r), sign)]
    if mode == "edge" or samples == 1:
        return [(at.clip(0, last), one)]
    if mode == "reflect":
        r = at % (2 * last)
        return [(np.minimum(r, 2 * last - r), one)]
    if mode == "antireflect":  # with each period the signal rises by 2 (x[last] - x[0])
        turns, r = np.divmod(at, 2 * last)
        folded = r > last
        rise = [(0 * at, -2.0 * turns), (0 * at + last, 2.0 * (turns + folded))]
        return [(np.minimum(r, 2 * last - r), np.where(folded, -1.0, 1.0)), *rise]
    if mode == "smooth":  # the slope of the last two samples of each end
        end = np.where(at < 0, 0, last)
        away = np.abs(at - end).astype(float)
        return [(end, 1.0 + away), (np.where(at < 0, 1, last - 1), -away)]
    return [(0 * at, 1.0 - at / last), (0 * at + last, at / last)]  # line


def extended(x: Array, mode: str, cval: Array, at: Array) -> Array:
    """The signal x (A, N, B) at positions beyond its ends; `cval` (B,) is what 'constant' stands for."""
    shape = x.shape[0], len(at), x.shape[2]
    if mode == "constant":
        return np.broadcast_to(cval.astype(x.dtype), shape)
    found = np.zeros(shape, x.dtype)
    for index, weight in terms(mode, at, x.shape[1]):
        used = weight != 0.0  # NaN and inf pass where they have a share alone
        found[:, used] += weight[used, None].astype(x.dtype) * x[:, index[used]]
    return found


def extended_back(slope: Array, mode: str, at: Array, dx: Array) -> None:
    """The transpose: add the gradient `slope` (A, len(at), B) of the extension to that of the signal, dx (A, N, B)."""
    if mode != "constant":
        for index, weight in terms(mode, at, dx.shape[1]):
            np.add.at(np.moveaxis(dx, 1, 0), index, np.moveaxis(weight[:, None] * slope, 1, 0))
