"""Every q-th sample of channels through a filter with feedback, in memory that does not grow with their length or number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sigrnn._arrays import Array
from sigrnn.filters._passes import continuation, edge_length, taps_of
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.filters.steady import constant_sections, constant_state
from sigrnn.filters.zerophase import filtfilt, sosfiltfilt

TOGETHER = 1 << 22  # samples of a group of channels that is filtered at a time
BLOCK = 1 << 20  # samples of a longer channel that are filtered at a time


def decimated(filter: tuple[Array, ...], x: Array, q: int, zero_phase: bool, y: Array) -> None:
    """Every q-th sample of x (A, N, B) through sections, or b and a, in double precision, some channels at a time."""
    most = 0 if len(x) > 1 else 2
    if x.size > TOGETHER and x.shape[most] > 1:
        group = max(1, TOGETHER * x.shape[most] // x.size)
        for low in range(0, x.shape[most], group):
            part = slice(low, low + group) if most == 0 else (slice(None), slice(None), slice(low, low + group))
            decimated(filter, x[part], q, zero_phase, y[part])
        return
    if x.size > TOGETHER:
        _long(filter, x[0, :, 0], q, zero_phase, y[0, :, 0])
        return
    if len(filter) == 1:
        run: Any = sosfiltfilt if zero_phase else sosfilt
    else:
        run = filtfilt if zero_phase else lfilter
    wide = x.astype(np.result_type(x, np.float64), copy=False)
    if len(x) == x.shape[2] == 1:
        y[0, :, 0] = run(*filter, wide[0, :, 0])[::q]
    else:
        y[...] = run(*filter, wide, axis=1)[:, ::q]


def _long(filter: tuple[Array, ...], x: Array, q: int, zero_phase: bool, y: Array) -> None:
    """The same for one channel (N,), block by block.

    With `zero_phase` the states before all blocks are found first; then each block, from the last on, is filtered forward once
    more and backward at once: three passes in place of two.
    """
    forward: Callable[..., Any] = sosfilt if len(filter) == 1 else lfilter
    steady = constant_sections(*filter) if len(filter) == 1 else constant_state(*filter)
    kind = np.result_type(x, np.float64, *filter)

    def run(part: Array, z: Array) -> tuple[Array, Array]:
        found: tuple[Array, Array] = forward(*filter, part.astype(kind, copy=False), zi=z)
        return found

    def put(start: int, part: Array) -> None:
        first = -start % q
        kept = part[first::q]
        y[(start + first) // q :][: len(kept)] = kept

    starts, z = range(0, len(x), BLOCK), steady * kind.type(0)
    if not zero_phase:
        for start in starts:
            part, z = run(x[start : start + BLOCK], z)
            put(start, part)
        return
    edge = edge_length("odd", None, x, 0, taps_of(*filter) if len(filter) == 1 else max(map(len, filter)))
    before = continuation(x[: edge + 1].astype(kind), "odd", edge)[0]
    after = continuation(x[-edge - 1 :].astype(kind), "odd", edge)[1]
    _, z = run(before, steady * before[0])
    states = []
    for start in starts:
        states.append(z)
        _, z = run(x[start : start + BLOCK], z)
    end, _ = run(after, z)
    _, z = run(end[::-1], steady * end[-1])
    for start, state in zip(reversed(starts), reversed(states), strict=True):
        part, _ = run(x[start : start + BLOCK], state)
        part, z = run(part[::-1], z)
        put(start, part[::-1])
