"""Change of the sampling rate, block by block: `Resampler`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import NATIVE, Array, signal, time_axis, whole
from sigrnn.filters._polyphase import Rates, resampled
from sigrnn.filters._rates import common, reduced, taps_of

__all__ = ["Resampler"]


class Resampler:
    r"""
    `resample_poly` with memory: a callable that resamples a signal block by block.

    Calling it with the blocks of a signal in turn, and then `flush`, gives what `resample_poly` gives for the whole, to
    rounding.

    Parameters
    ----------
    up, down : int
        The rate is multiplied by ``up / down``.
    window : str, tuple, float, list or ndarray, default ('kaiser', 5.0)
        The window of the low-pass, or its taps, as in `resample_poly`.
    axis : int, default 0
        The axis of time in the blocks; all others are channels.

    Attributes
    ----------
    up, down : int
        The reduced factors.
    delay : float
        Of the output, in samples of the input: half of the filter. The output at the time of a sample can be computed
        when as many samples have followed.

    Raises
    ------
    ValueError
        If `up` or `down` is not a positive integer, taps are not 1-D or there are none, or a block has other channels
        than the blocks before it.
    NotImplementedError
        If the common dtype of a block and the taps is not float32, float64 or a complex one of that precision.

    See Also
    --------
    resample_poly : The same for a whole signal.
    Stream : Filters block by block at one rate.

    Notes
    -----
    Beyond both ends the signal is 0. A call returns all outputs that no later sample can change: about ``len(x) * up /
    down``, none if the block is short. The last ``delay * up / down`` outputs come from `flush`, which ends the signal.
    It keeps the samples that the next output depends on, one for each tap of a phase. Use a resampler in one thread at
    a time. Resamplers can be copied and pickled.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> resampler = sigrnn.Resampler(3, 2)
    >>> parts = [resampler(block) for block in np.split(x, 10)] + [resampler.flush()]
    >>> [len(part) for part in parts]
    [135, 150, 150, 150, 150, 150, 150, 150, 150, 150, 15]
    >>> np.allclose(np.concatenate(parts), sigrnn.resample_poly(x, 3, 2))
    True
    """

    def __init__(self, up: int, down: int, window: Any = ("kaiser", 5.0), *, axis: int = 0) -> None:
        self.up, self.down = reduced(up, down)
        self._axis = whole("axis", axis)
        self._designed = not isinstance(window, list | np.ndarray)
        self._h, self._kind = np.ones(1), np.dtype(np.float64)  # at equal rates nothing is filtered
        if self.up != self.down:
            self._h, self._kind = taps_of(window, self.up, self.down, self._kind)
        if self._h.size == 0:
            raise ValueError("window has no taps")
        self._half, self._reach = (len(self._h) - 1) // 2, -(-len(self._h) // self.up)
        self.delay = self._half / self.up
        self.reset()

    def reset(self) -> None:
        """Clear the past samples; the next block may have other channels."""
        self._past: Array | None = None  # the samples that outputs to come will see
        self._begin = 0  # of which the first is this one of the signal
        self._done = 0  # outputs so far

    def __call__(self, x: ArrayLike) -> Array:
        """
        Take the next block.

        Parameters
        ----------
        x : array_like
            The block, of any length; its channels must be those of the blocks before.

        Returns
        -------
        y : ndarray
            The outputs that are complete.
        """
        x = signal(x)
        axis = time_axis(self._axis, x)
        kind = x.dtype if self._designed and x.dtype.kind in "fc" else self._kind
        dtype = common(np.empty(0, kind), x)
        if dtype.char not in NATIVE:
            raise NotImplementedError(
                f"Resampler serves float32, float64, complex64 and complex128, not {dtype}, which x and the taps make"
            )
        if self._past is not None:
            channels = [c.shape[:axis] + c.shape[axis + 1 :] for c in (x, self._past) if c.ndim == x.ndim]
            if len(channels) < 2 or channels[0] != channels[1]:
                raise ValueError(
                    f"x has shape {x.shape}, other channels than the blocks before ({self._past.shape}): reset() comes first"
                )
            x = np.concatenate([self._past, x], axis=axis)
        ready = ((self._begin + x.shape[axis]) * self.up - 1 - self._half) // self.down + 1
        return self._outputs(x.astype(dtype, copy=False), axis, max(ready, self._done))

    def flush(self) -> Array:
        """
        End the signal.

        Returns
        -------
        y : ndarray
            The outputs that were waiting for samples: zeros take their place. Afterwards the resampler is as new.
        """
        if self._past is None:
            return np.empty(0)
        axis = self._axis % self._past.ndim
        samples = self._begin + self._past.shape[axis]
        y = self._outputs(self._past, axis, -(-samples * self.up // self.down))
        self.reset()
        return y

    def _outputs(self, x: Array, axis: int, ready: int) -> Array:
        """The outputs before `ready`, from x, the past included; keep what later ones will see."""
        start = self._half - self._begin * self.up
        rates = Rates(self.up, self.down, start + self._done * self.down, ready - self._done)
        y = resampled(self._h, x, rates, axis, x.dtype)
        oldest = max(0, (start + ready * self.down) // self.up - self._reach + 1)
        self._past = x[(slice(None),) * axis + (slice(oldest, None),)].copy()
        self._begin, self._done = self._begin + min(oldest, x.shape[axis]), ready
        return y

    def copy(self) -> Self:
        """
        Copy the resampler, with its past samples.

        Returns
        -------
        Resampler
            It shares nothing with this one that either changes.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    __copy__ = copy
