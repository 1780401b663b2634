"""Change of the sampling rate with SciPy's signatures: `upfirdn`, `resample_poly`, `decimate`; `Resampler`, block by block."""

from __future__ import annotations

import math
import operator
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, NATIVE, Array, array, short, signal, time_axis, whole
from sigrnn._scipy import own
from sigrnn.filters._decimation import decimated
from sigrnn.filters._extension import MODES
from sigrnn.filters._polyphase import Rates, one_channel, resampled

__all__ = ["Resampler", "decimate", "resample_poly", "upfirdn"]

BACKGROUNDS: dict[str, Any] = {"mean": np.mean, "median": np.median, "minimum": np.min, "maximum": np.max}


def upfirdn(
    h: ArrayLike,
    x: ArrayLike,
    up: int = 1,
    down: int = 1,
    axis: int = -1,
    mode: str = "constant",
    cval: float = 0,
) -> Array:
    r"""
    Raise the sampling rate, filter without feedback, and lower it.

    .. math:: y[n] = \sum_k h[k]\, v[n D - k], \qquad v[i U] = x[i], \quad v[j] = 0 \text{ elsewhere}

    for `up` U and `down` D. Nothing is computed that is thrown away, and no zero is multiplied.

    Parameters
    ----------
    h : array_like, shape (L,)
        Taps of the filter, at the raised rate.
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    up, down : int, default 1
        Factors of the sampling rate.
    axis : int, default -1
        The axis of time.
    mode : str, default 'constant'
        What the signal is beyond its ends: 'constant' (`cval`), 'edge' (its last sample), 'wrap', 'symmetric',
        'reflect', 'antisymmetric', 'antireflect', 'smooth' (along the slope of the last two samples), or 'line' (along
        that from the first sample to the last).
    cval : float, default 0
        The value of 'constant'.

    Returns
    -------
    y : ndarray
        The filtered signal, ``((N - 1) * up + L - 1) // down + 1`` samples along `axis`, in the common dtype of `h`, `x`
        and float32.

    Raises
    ------
    ValueError
        If `h` is not 1-D or empty, `up` or `down` is less than 1, or `mode` is unknown.
    IndexError
        If there is no such axis.
    TypeError
        If `h` or `x` is not of numbers with a kernel here or in SciPy.

    See Also
    --------
    scipy.signal.upfirdn : The same.
    resample_poly : With a low-pass that is designed, and its delay taken out.

    Notes
    -----
    Cost: L / up products for each output; memory is the result and a scratch that does not grow with the signal.
    Vectors run over outputs of one phase, over taps, or over channels that are adjacent in memory. float32 signals are
    filtered in float64 and rounded once. A single sample is continued as a constant where SciPy reads beyond it. Taps
    without imaginary part filter the two parts of a complex signal by themselves.

    References
    ----------
    .. [1] P. P. Vaidyanathan, "Multirate Systems and Filter Banks", Prentice Hall 1993, section 4.3.

    Examples
    --------
    Linear interpolation, then every third sample:

    >>> import sigrnn
    >>> sigrnn.upfirdn([0.5, 1.0, 0.5], [1.0, 1.0, 1.0], 2)
    array([0.5, 1. , 1. , 1. , 1. , 1. , 0.5])
    >>> sigrnn.upfirdn([0.5, 1.0, 0.5], range(10), 2, 3)
    array([0. , 1. , 2.5, 4. , 5.5, 7. , 8.5])
    """
    if type(h) is type(x) is np.ndarray and h.dtype is x.dtype is F8 and h.ndim == x.ndim == 1 and mode == "constant":
        plain = x.size and h.size and x.flags.carray and h.flags.carray and type(up) is type(down) is int
        if plain and min(up, down) > 0 and cval == 0 and axis in (0, -1):
            y = one_channel(h, x, up, down)
            if y is not None:
                return y
    h, x = array("h", h), array("x", x)
    if h.ndim != 1 or h.size == 0:
        raise ValueError(f"h must be 1-D with non-zero length, got shape {h.shape}")
    dtype = common(h, x)
    up, down = int(up), int(down)
    if up < 1 or down < 1:
        raise ValueError(f"Both up and down must be >= 1, got up={up}, down={down}")
    axis = time_axis(axis, x)
    mode = mode.lower()
    if mode not in MODES:
        raise ValueError(f"Unknown mode: {mode}; it must be one of {', '.join(MODES)}")
    if dtype.char not in NATIVE or not x.size:
        return by_scipy("upfirdn", {"h": h, "x": x}, up, down, axis, mode, cval)
    outputs = ((x.shape[axis] - 1) * up + len(h) - 1) // down + 1
    return resampled(h, x, Rates(up, down, 0, outputs), axis, dtype, mode, float(cval))


def resample_poly(
    x: ArrayLike,
    up: int,
    down: int,
    axis: int = 0,
    window: Any = ("kaiser", 5.0),
    padtype: str = "constant",
    cval: float | None = None,
) -> Array:
    r"""
    Change the sampling rate by a rational factor: `upfirdn` with a low-pass, its delay taken out.

    Parameters
    ----------
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    up, down : int
        The rate becomes ``up / down`` of what it was; only the reduced fraction counts.
    axis : int, default 0
        The axis of time.
    window : str, tuple, float, list or ndarray, default ('kaiser', 5.0)
        The window of the low-pass, as for `scipy.signal.get_window`: it has ``20 * max(up, down) + 1`` taps and is cut
        off at the lower of the two Nyquist frequencies. A list or an array holds the taps themselves.
    padtype : str, default 'constant'
        What the signal is beyond its ends: a mode of `upfirdn`; or 'mean', 'median', 'minimum', 'maximum', that value
        of the channel.
    cval : float, optional
        The value for 'constant'; 0 by default.

    Returns
    -------
    y : ndarray
        ``ceil(N * up / down)`` samples along `axis`; float32 and complex64 stay so, integers become float64. Its first
        sample is at the time of the first of `x`.

    Raises
    ------
    ValueError
        If `up` or `down` is not a positive whole number, `padtype` is unknown, `cval` is given for another one than
        'constant', or taps are not 1-D.
    IndexError
        If there is no such axis.
    TypeError
        If `x` is not of numbers with a kernel here or in SciPy.

    See Also
    --------
    scipy.signal.resample_poly : The same.
    Resampler : The same block by block.
    decimate : For a lower rate, with IIR filters, too.

    Notes
    -----
    Cost: about ``20 * max(1, down / up)`` products for each output; only the outputs that remain are computed. Filters that
    were designed are kept between calls, in float64 also for float32 signals.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.sin(2 * np.pi * 50 * np.arange(441) / 44100)
    >>> y = sigrnn.resample_poly(x, 160, 147)  # 44.1 kHz to 48 kHz
    >>> y.shape, bool(np.abs(y - np.sin(2 * np.pi * 50 * np.arange(480) / 48000))[50:-50].max() < 1e-3)
    ((480,), True)
    """
    x = array("x", x)
    up, down = reduced(up, down)
    if cval is not None and padtype != "constant":
        raise ValueError(f"cval has no effect when padtype is {padtype!r}")
    if padtype not in MODES and padtype not in BACKGROUNDS:
        raise ValueError(f"padtype must be one of: {', '.join((*BACKGROUNDS, *MODES))}; got {padtype!r}")
    if up == down:
        return x.copy()
    axis = time_axis(axis, x)
    h, kind = taps_of(window, up, down, x.dtype)
    dtype = common(np.empty(0, kind), x)
    if dtype.char not in NATIVE or not h.size:
        return by_scipy("resample_poly", {"x": x}, up, down, axis, window, padtype, cval)
    if not x.size:
        return np.zeros((*x.shape[:axis], -(-x.shape[axis] * up // down), *x.shape[axis + 1 :]), dtype)
    rates = Rates(up, down, (len(h) - 1) // 2, -(-x.shape[axis] * up // down))
    if padtype in BACKGROUNDS:
        background = BACKGROUNDS[padtype](x, axis=axis, keepdims=True)
        y = resampled(h, x - background, rates, axis, dtype)
        y += background
        return y
    return resampled(h, x, rates, axis, dtype, padtype, 0.0 if cval is None else float(cval))


def decimate(
    x: ArrayLike,
    q: int,
    n: int | None = None,
    ftype: Any = "iir",
    axis: int = -1,
    zero_phase: bool = True,
) -> Array:
    r"""
    Lower the sampling rate by a whole factor, after a filter against aliasing.

    Parameters
    ----------
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    q : int
        The factor. With an IIR filter, large ones are better taken in steps of at most 13.
    n : int, optional
        Order of the filter: 8 for 'iir', ``20 * q`` for 'fir' by default.
    ftype : {'iir', 'fir'} or scipy.signal.dlti, default 'iir'
        A Chebyshev filter of type I, a Hamming-windowed low-pass without feedback, or a filter of your own.
    axis : int, default -1
        The axis of time.
    zero_phase : bool, default True
        Filter forward and backward ('iir'), or take out the delay ('fir').

    Returns
    -------
    y : ndarray
        Every q-th sample of the filtered signal; float32 and complex64 stay so, integers become float64.

    Raises
    ------
    TypeError
        If `q` or `n` is not a whole number.
    ValueError
        If `ftype` is unknown, the filter cannot be designed, or the signal is too short for 'iir' with `zero_phase`.
    IndexError
        If there is no such axis.

    See Also
    --------
    scipy.signal.decimate : The same.
    resample_poly : For a factor that is not whole.

    Notes
    -----
    With 'fir' only the samples that are kept are computed: 20 products for each sample of `x`. The IIR filter runs as
    second-order sections with float64 coefficients and states, also for float32 signals: SciPy rounds the coefficients to
    float32, which is another filter for large q (by 150 the result is 9e-3 off; its issues 15072 and 15393). Channels are
    filtered in groups, and longer channels in blocks, so that beyond the result memory for about four million samples is
    needed; with `zero_phase`, those of more than four million are filtered forward twice.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> x = np.sin(2 * np.pi * np.arange(1000) / 100)
    >>> y = sigrnn.decimate(x, 5)
    >>> y.shape, bool(np.abs(y - x[::5]).max() < 0.02)
    ((200,), True)
    """
    x, q = array("x", x), operator.index(q)
    n = n if n is None else operator.index(n)
    inexact = x.dtype.kind in "fc" and x.dtype.char != "e"
    kind = np.dtype(x.dtype.char) if inexact or x.dtype.kind not in "biuf" else np.dtype(np.float64)
    if kind.char not in NATIVE:
        return by_scipy("decimate", {"x": x}, q, n, ftype, axis, zero_phase)
    fir, filter, dtype = against_aliasing(ftype, n, q, kind)
    axis = time_axis(axis, x)
    if not fir:
        y = np.empty((*x.shape[:axis], -(-x.shape[axis] // q), *x.shape[axis + 1 :]), dtype)
        before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
        shapes = ((before, c.shape[axis], after) for c in (x, y))
        decimated(filter, x.reshape(next(shapes)), q, zero_phase, y.reshape(next(shapes)))
        return y
    (h,) = filter
    if h.ndim != 1:
        raise ValueError(f"the numerator of ftype must be 1-D, got shape {h.shape}")
    if q == 1 and zero_phase:  # as resample_poly by 1 / 1
        return x.copy()
    rates = Rates(1, q, (len(h) - 1) // 2 if zero_phase else 0, -(-x.shape[axis] // q))
    return resampled(h, x, rates, axis, dtype)


class Resampler:
    r"""
    `resample_poly` with memory: a callable that changes the sampling rate of block after block.

    Calling it with the blocks of a signal in turn, and then `flush`, gives what `resample_poly` gives for the whole, to
    rounding.

    Parameters
    ----------
    up, down : int
        The rate becomes ``up / down`` of what it was.
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
        If `up` or `down` is not a positive whole number, taps are not 1-D or there are none, or a block has other channels
        than the blocks before it.
    NotImplementedError
        If a block and the taps make a dtype other than float32, float64 or a complex one of that precision.

    See Also
    --------
    resample_poly : The same for a whole signal.
    Stream : Filters block by block at one rate.

    Notes
    -----
    Beyond both ends the signal is 0. A call returns all outputs that no later sample can change: about
    ``len(x) * up / down``, none if the block is short. The last ``delay * up / down`` outputs come from `flush`, which ends
    the signal. Kept are the samples that the next output sees, as many as the filter has taps of one phase. A resampler
    belongs to one thread at a time; `copy` makes another with the same past, and resamplers can be pickled.

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
        """Forget the past; the next block may have other channels."""
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
        Make another resampler with the same past.

        Returns
        -------
        Resampler
            It shares nothing with this one that either changes.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    __copy__ = copy


def reduced(up: Any, down: Any) -> tuple[int, int]:
    """The factors of the sampling rate without a common divisor."""
    for name, factor in (("up", up), ("down", down)):
        if factor != int(factor):
            raise ValueError(f"{name} must be an integer, got {factor!r}")
        if factor < 1:
            raise ValueError(f"up and down must be >= 1, got {name}={factor!r}")
    shared = math.gcd(int(up), int(down))
    return int(up) // shared, int(down) // shared


def common(h: Array, x: Array) -> np.dtype[Any]:
    """The dtype of the result."""
    try:
        return np.result_type(h.dtype, x.dtype, np.float32)
    except TypeError:
        raise TypeError(f"h and x must be numbers, got dtypes {h.dtype} and {x.dtype}") from None


def taps_of(window: Any, up: int, down: int, kind: np.dtype[Any]) -> tuple[Array, np.dtype[Any]]:
    """The taps, in double precision, and the dtype for which they count, for a signal of dtype `kind`."""
    if isinstance(window, list | np.ndarray):
        h = array("window", window)
        if h.ndim != 1:
            raise ValueError(f"window must be 1-D, got shape {h.shape}")
        if h.dtype.kind not in "biufc":
            raise TypeError(f"window must be numbers, got dtype {h.dtype}")
        return up * h.astype(np.complex128 if h.dtype.kind == "c" else np.float64), h.dtype
    try:
        h = low_pass(max(up, down), window)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        h = low_pass.__wrapped__(max(up, down), window)
    return up * h, kind if kind.kind in "fc" else np.dtype(np.float64)


@lru_cache(maxsize=128)
def low_pass(rate: int, window: Any) -> Array:
    """The filter of `resample_poly` for the larger of both factors."""
    from scipy.signal import firwin

    return np.asarray(firwin(20 * rate + 1, 1.0 / rate, window=window), np.float64)


@lru_cache(maxsize=128)
def windowed(n: int, q: int) -> Array:
    """The filter without feedback of `decimate`."""
    from scipy.signal import firwin

    return np.asarray(firwin(n + 1, 1.0 / q, window="hamming"), np.float64)


@lru_cache(maxsize=128)
def chebyshev(n: int, q: int) -> Array:
    """The sections of `decimate`."""
    from scipy.signal import cheby1

    return np.asarray(cheby1(n, 0.05, 0.8 / q, output="sos"), np.float64)


def against_aliasing(
    ftype: Any, n: int | None, q: int, kind: np.dtype[Any]
) -> tuple[bool, tuple[Array, ...], np.dtype[Any]]:
    """The filter of `decimate`: whether it has no feedback; its taps, its sections, or b and a; the dtype of the result."""
    if isinstance(ftype, str) and ftype == "fir":
        return True, (windowed(20 * q if n is None else n, q),), kind
    if isinstance(ftype, str) and ftype == "iir":
        return False, (chebyshev(8 if n is None else n, q),), kind
    from scipy.signal import dlti, zpk2sos

    if not isinstance(ftype, dlti):
        raise ValueError(f"invalid ftype: it must be 'iir', 'fir' or a dlti, got {short(ftype)}")
    form = ftype.to_zpk()
    if np.iscomplex(form.poles).any() or np.iscomplex(form.gain) or not len(form.poles):
        form = ftype.to_tf()
        taps = np.asarray(form.num), np.asarray(form.den)
        if len(taps[1]) > 1:
            return False, taps, np.result_type(*taps, kind)
        h = taps[0] / taps[1]
        return True, (h,), common(h, np.empty(0, kind))
    return False, (zpk2sos(form.zeros, form.poles, form.gain),), kind


def by_scipy(name: str, arrays: dict[str, Array], *args: Any) -> Any:
    """What no kernel serves."""
    try:
        return own(name)(*arrays.values(), *args)
    except TypeError as error:
        kinds = ", ".join(f"{key} has dtype {c.dtype}" for key, c in arrays.items())
        raise TypeError(f"{kinds}: there is no kernel for that, and scipy.signal.{name} raises: {error}") from None
