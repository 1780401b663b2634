"""Block LMS: the gradient of a whole block, then one step."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from sigrnn._arrays import Array, whole
from sigrnn._kernels.adaptive.sizes import AT, BLOCK_SPAN, TAKEN
from sigrnn._lookup import Kernels, entry_point
from sigrnn.adaptive.step_sizes import SuggestsStep
from sigrnn.adaptive.stepped import SteppedFilter

SPARE = 2048  # samples that a line takes before its end is brought back to the front


@cache
def compiled(dtype: str) -> Any:
    """The loop."""
    return entry_point(Kernels("adaptive.block_lms").block_lms(dtype))


class BlockLMS(SuggestsStep, SteppedFilter):
    r"""
    Adapt by block LMS: one update of the weights per block of samples.

    .. math:: y[n] = \mathbf w_k^{\mathsf T} \mathbf u[n], \qquad e[n] = d[n] - y[n], \qquad
        \mathbf w_{k+1} = (1 - \mu \gamma)\, \mathbf w_k + \mu \sum_{n \in \text{block } k} e[n]\, \mathbf u^*[n]

    with the window :math:`\mathbf u[n] = (x[n], x[n-1], \dots)`, all channels together.

    Parameters
    ----------
    n_taps : int
        Weights L of each channel.
    mu : float
        Step size :math:`\mu`, of the sum over a block. May be assigned between calls.
    block : int, optional
        Samples B of a block, `n_taps` by default; 1 makes it `LMS`.
    **settings
        ``leakage=0.0``: :math:`\gamma`; weights without excitation decay. Others are those of `AdaptiveFilter`.

    See Also
    --------
    FDAF : The same filter by Fourier transforms, for many taps.

    Notes
    -----
    Blocks are counted from the first sample, however the signal is divided into calls: outputs have no latency, and the
    next call completes an unfinished block. On average the weights follow those of `LMS`, for :math:`0 < \mu < 2/(B
    \lambda_{max})` [1]_; `suggest_mu` divides the step of `LMS` by B. Some texts divide the sum by B: their step is B
    times this one. Cost: 2 L products a sample.

    References
    ----------
    .. [1] G. A. Clark, S. K. Mitra, S. R. Parker, "Block implementation of adaptive digital filters", IEEE Trans. Circuits
       and Systems 28(6), 1981.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.adaptive import BlockLMS
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> f = BlockLMS(n_taps=3, mu=0.05, block=4)
    >>> r = f(x, np.convolve(x, [1.0, -0.5, 0.25])[:1000])
    >>> r.w_final.round(6)
    array([ 1.  , -0.5 ,  0.25])
    """

    def __init__(self, n_taps: int, mu: float, block: int | None = None, **settings: Any) -> None:
        self._block = whole("block", n_taps if block is None else block, 1)
        super().__init__(n_taps, mu, **settings)
        self._given["block"] = self._block

    @property
    def block(self) -> int:
        return self._block

    def _arrays(self, channels: int, dtype: np.dtype[Any]) -> dict[str, Array]:
        taps, block = self.n_taps, self._block
        return {
            "line": np.zeros((channels, taps - 1 + block + BLOCK_SPAN + max(SPARE, 2 * taps)), dtype),
            "w": np.zeros((channels, taps), dtype),
            "errors": np.zeros(block, dtype),
        }

    def _places(self) -> dict[int, int]:
        return {AT: self.n_taps - 1}

    def _reassigned(self) -> None:
        super()._reassigned()
        self._state["errors"][: self._state["counts"][TAKEN]] = 0.0  # of other weights

    def _valid(self) -> bool:
        (at, taken), last = self._state["counts"][[AT, TAKEN]], self._state["line"].shape[1] - BLOCK_SPAN
        return super()._valid() and bool(self.n_taps - 1 <= at <= last - taken and taken < self._block)

    def _ready(self) -> None:
        super()._ready()
        s = self._state
        self._run_loop = compiled(s["w"].dtype.char)
        out = np.empty(self._block + BLOCK_SPAN, s["w"].dtype)
        self._run_state = s["w"], s["line"], out, s["errors"], self._p, s["levels"], s["counts"], self._policy

    def _run(self, x: Array, d: Array, y: Array, e: Array, history: Array) -> int:
        return int(self._run_loop(x, d, y, e, history, *self._run_state))
