"""Algorithms that adapt at every sample: one loop in `_kernels/adaptive/loops.py`, and the state that it keeps."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from sigrnn._arrays import F8, Array, whole
from sigrnn._kernels.adaptive.sizes import AT, DELAY, GROUP, HOLD, MEMBER, PHASE
from sigrnn._lookup import Kernels, entry_point
from sigrnn.adaptive.base import AdaptiveFilter
from sigrnn.filters._memory import aligned

GROUPED, LONG = frozenset({"lms", "nlms", "sign_error", "lmf"}), 384  # by which rules, from how many weights on
SPARE = 2048  # samples that a line takes before its end is brought back to the front


@cache
def compiled(rule: str, dtype: str, leaky: bool, grouped: bool) -> Any:
    """The loop with this rule."""
    return entry_point(Kernels("adaptive.loops").adapt(rule, dtype, leaky, grouped))


def realigned(a: Array) -> Array:
    """A copy that begins with a line of the cache: vectors of lanes in its rows then lie in one line each."""
    result = aligned(a.nbytes // F8.itemsize).view(a.dtype).reshape(a.shape)
    result[...] = a
    return result


class SampleFilter(AdaptiveFilter):
    """A filter whose rule is one of `RULES` in `_kernels/adaptive/rules.py`; ``delay=0`` is by how many samples `x` is late."""

    _rule: ClassVar[str]
    _learnt = ("w", "q", "s", "m")
    _lags: ClassVar[int] = 0  # sums u(n) . conj u(n - j) that the rule wants, as in `RULES`
    _errors: ClassVar[int] = 0  # errors it remembers, this one included

    def __init__(self, n_taps: int, *, delay: int = 0, **settings: Any) -> None:
        self._delay = whole("delay", delay, 0)
        super().__init__(n_taps, **settings)
        if delay:
            self._given["delay"] = self._delay

    @property
    def _leaky(self) -> bool:
        """Whether the loop is the one with leakage; affine projections have it always."""
        return getattr(self, "_leakage", 0.0) > 0.0 and self._rule != "ap"

    def _memory(self, size: int) -> tuple[Array, Array]:
        """What the rule keeps for that many weights, before the first sample: real numbers, and a matrix."""
        return np.zeros(2), np.zeros((0, 0))

    def _ordered(self, matrix: Array) -> Array:
        """Rows and columns with the newest sample of each channel first."""
        order = np.arange(len(matrix)).reshape(-1, self.n_taps)[:, ::-1].reshape(-1)
        return matrix[np.ix_(order, order)]

    def _arrays(self, channels: int, dtype: np.dtype[Any]) -> dict[str, Array]:
        taps, lags, past = self.n_taps, self._lags, self._lags
        scalars, matrix = self._memory(taps * channels)
        if self._rule in GROUPED and not self._leaky and dtype == F8 and taps * channels >= LONG:
            lags, past, matrix = GROUP, 1, np.zeros((2, GROUP))
        self._reach = taps + lags + self._delay
        return {
            "line": np.zeros((channels, self._reach + max(SPARE, 2 * taps) + GROUP), dtype),
            "w": np.zeros((channels, taps), dtype),
            "r": np.zeros((past, lags), dtype),
            "tails": np.zeros((lags, taps + 2), dtype),
            "q": np.zeros(self._errors, dtype),
            "s": scalars,
            "m": matrix.astype(dtype),
        }

    def _places(self) -> dict[int, int]:
        return {AT: self._reach - 1, DELAY: self._delay}

    def _valid(self) -> bool:
        s = self._state
        most = {
            AT: s["line"].shape[1] - GROUP - 1,
            PHASE: self.n_taps - 1,
            HOLD: max(self._errors, 1),
            MEMBER: GROUP - 1 if s["m"].shape == (2, GROUP) else 0,
        }
        least = s["counts"][AT] >= self._reach - 1 and s["counts"][DELAY] == self._delay
        return super()._valid() and bool(least) and all(s["counts"][place] <= end for place, end in most.items())

    def _copied(self, a: Array) -> Array:
        return a  # `_ready` makes the copy

    def _ready(self) -> None:
        self._state = {name: realigned(a) for name, a in self._state.items()}
        s = self._state
        self._waits = self._rule in GROUPED and len(s["m"]) > 0 and s["w"].dtype == F8
        self._run_loop = compiled(self._rule, s["w"].dtype.char, self._leaky, self._waits)
        rest = s["levels"], s["s"], s["m"], s["counts"], self._policy
        self._run_state = s["line"], s["w"], s["r"], s["tails"], s["q"], self._p, *rest
        super()._ready()

    def _current(self) -> Array:
        w, waiting = self._state["w"], int(self._state["counts"][MEMBER])
        if not waiting:
            return w
        w, end = w.copy(), int(self._state["counts"][AT]) - self._delay - waiting + 2
        for i, g in enumerate(self._state["m"][1, :waiting]):
            if g != 0.0:
                w += g * self._state["line"][:, end + i - self.n_taps : end + i]
        return w

    def _settle(self) -> None:
        self._state["w"][...] = self._current()
        self._state["counts"][MEMBER] = 0

    def _run(self, x: Array, d: Array, y: Array, e: Array, history: Array) -> int:
        return int(self._run_loop(x, d, y, e, history, *self._run_state))

    @property
    def delay(self) -> int:
        return self._delay

    def _filtered(self, x: Array, w: Array) -> Array:
        y = super()._filtered(x, w)
        return np.concatenate([np.zeros(min(self._delay, len(y)), y.dtype), y[: max(len(y) - self._delay, 0)]])
