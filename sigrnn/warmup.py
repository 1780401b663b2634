"""Compile the kernels ahead of time, so that no later call has to: `sigrnn warmup`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from sigrnn.activations import NAMES
from sigrnn.filters.linear import lfilter, lfilter_tv, sosfilt
from sigrnn.filters.nonlinear import nlfilter
from sigrnn.gradients import vjp
from sigrnn.layers import recurrent
from sigrnn.layers._cells import FUNCTIONS, Cell

__all__ = ["warmup"]

ORDERS = range(1, 10)  # each order up to 8 has kernels of its own, all others share one
DEPTHS = range(1, 5)  # so has each number of sections that run together


def warmup(progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None) -> int:
    """
    Compile every kernel for float32 and float64 into the cache, or load it from there.

    Those of `nlfilter` up to order 2, of `rnn` for 'tanh' alone, and none for activations of your own, which are not kept.

    Parameters
    ----------
    progress : callable, optional
        Wraps the sequence of steps, as `tqdm.tqdm` does.

    Returns
    -------
    int
        Number of steps done.

    See Also
    --------
    sigrnn.lfilter : Compiles what it needs at its first call otherwise.

    Notes
    -----
    Takes a minute or two with an empty cache. Run it when building an image, with ``NUMBA_CACHE_DIR`` set to a folder
    of the image; ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` must be the same there and where the image runs.

    Examples
    --------
    >>> from sigrnn.warmup import warmup
    >>> warmup() > 0  # doctest: +SKIP
    True
    """
    steps = [(run, kind) for kind in (np.float64, np.float32) for run in all_runs()]
    for run, kind in steps if progress is None else progress(steps):
        run(kind)
    return len(steps)


def all_runs() -> list[Callable[[Any], Any]]:
    """Calls that between them use every kernel."""
    runs: list[Callable[[Any], Any]] = [_varying, _taps]
    runs += [partial(_order, order) for order in ORDERS]
    runs += [partial(_sections, depth) for depth in DEPTHS]
    runs += [partial(_activation, name) for name in NAMES]
    runs += [partial(_layer, cell) for cell in FUNCTIONS.values()]
    return runs


def _order(order: int, kind: Any) -> None:
    b, a = np.zeros(order + 1, kind), np.zeros(order + 1, kind)
    b[0] = a[0] = 1.0
    a[-1] = 0.5
    for shape in ((8,), (2, 8), (2048,)):
        lfilter(b, a, np.zeros(shape, kind))
    lfilter(b, a[:1], np.zeros(8, kind), method="sequential")


def _sections(depth: int, kind: Any) -> None:
    sos = np.array([[1.0, 0.0, 0.0, 1.0, -0.5, 0.0]] * depth, kind)
    for shape in ((8,), (2, 8), (2048,)):
        sosfilt(sos, np.zeros(shape, kind))


def _taps(kind: Any) -> None:
    lfilter(np.ones(2, kind), np.ones(1, kind), np.zeros((2, 8), kind))


def _varying(kind: Any) -> None:
    lfilter_tv(np.ones((8, 2), kind), np.ones((8, 2), kind), np.zeros(8, kind))


def _activation(name: str, kind: Any) -> None:
    b, a = np.ones(1, kind), np.array([1.0, 0.5, 0.25], kind)
    for order in (0, 1, 2):
        for shape in ((8,), (2, 8)):
            _, pullback = vjp(nlfilter, b, a[: order + 1], np.zeros(shape, kind), activation=name, bias=0.5)
            pullback(np.zeros(shape, kind))


def _layer(cell: Cell, kind: Any) -> None:
    function = getattr(recurrent, cell.function)
    for hidden in (8, 16):
        rows = cell.gates * hidden
        weights = [np.zeros((rows, 1), kind), np.zeros((rows, hidden), kind)][: 1 + cell.recurrent]
        for shape in ((4, 1), (2, 4, 1)):
            function(np.zeros(shape, kind), *weights)
            _, pullback = vjp(function, np.zeros(shape, kind), *weights)
            pullback(None)
