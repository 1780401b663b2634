"""The nonlinear FIR and IIR filter: `nlfilter`, in the form of `lfilter`, and the parts of its derivatives."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Self, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigrnn._arrays import F8, Array, Double, Sample, array, time_axis
from sigrnn.activations import Activation, known, respond
from sigrnn.filters._call import Recursion, Taps, apply, matched, one_channel, repeated
from sigrnn.filters._coefficients import coefficients, normalised, weak
from sigrnn.filters._options import FORWARD, PROPAGATE, Runner, options
from sigrnn.filters._recursive import RecursiveFilter
from sigrnn.filters.linear import lfilter

__all__ = ["nlfilter"]

ndarray = np.ndarray
PIECE = 1 << 15  # samples of all channels taken at a time where there is no feedback: they stay in the cache


class Keywords(TypedDict, total=False):
    """Keyword-only arguments of `nlfilter`."""

    activation: str | Activation
    bias: ArrayLike
    direction: str
    nan_policy: str


@overload
def nlfilter(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int = -1,
    zi: None = None,
    **options: Unpack[Keywords],
) -> NDArray[Sample]: ...
@overload
def nlfilter(
    b: Double, a: Double, x: Double, axis: int = -1, zi: None = None, **options: Unpack[Keywords]
) -> NDArray[np.float64]: ...
@overload
def nlfilter(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, zi: None = None, **options: Unpack[Keywords]
) -> Array: ...
@overload
def nlfilter(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int,
    zi: NDArray[Sample] | float,
    **options: Unpack[Keywords],
) -> tuple[NDArray[Sample], NDArray[Sample]]: ...
@overload
def nlfilter(  # type: ignore[overload-overlap]
    b: Double, a: Double, x: Double, axis: int, zi: Double, **options: Unpack[Keywords]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def nlfilter(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int, zi: ArrayLike, **options: Unpack[Keywords]
) -> tuple[Array, Array]: ...
@overload
def nlfilter(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int = -1,
    *,
    zi: NDArray[Sample] | float,
    **options: Unpack[Keywords],
) -> tuple[NDArray[Sample], NDArray[Sample]]: ...
@overload
def nlfilter(
    b: Double, a: Double, x: Double, axis: int = -1, *, zi: Double, **options: Unpack[Keywords]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def nlfilter(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, *, zi: ArrayLike, **options: Unpack[Keywords]
) -> tuple[Array, Array]: ...
def nlfilter(
    b: ArrayLike,
    a: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    zi: ArrayLike | None = None,
    *,
    activation: str | Activation = "tanh",
    bias: ArrayLike = 0.0,
    direction: str = FORWARD,
    nan_policy: str = PROPAGATE,
) -> Array | tuple[Array, Array]:
    r"""
    Filter data along one axis with a nonlinear FIR or IIR filter.

    .. math:: e[n] = \beta + \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m], \qquad y[n] = g(e[n])

    with the excitation e, the bias :math:`\beta` and the activation function g. With ``a = [1]`` it is a convolutional
    network of one unit, with ``b = [1]`` a recurrent one; with ``activation='linear'`` it is `lfilter`.

    Parameters
    ----------
    b : array_like, shape (M + 1,) or (..., M + 1)
        Numerator. Leading axes are broadcast against the channels of `x`: a filter for each.
    a : array_like, shape (P + 1,) or (..., P + 1)
        Denominator; `b` and `a` are divided by ``a[0]``. Signs are those of `lfilter`: the lecture [1]_ writes
        :math:`+a_m y[n-m]`, its coefficients are ``-a[1:]``.
    x : array_like
        Signal, any number of axes. All axes but `axis` are channels.
    axis : int, default -1
        The axis of time.
    zi : array_like, optional
        Initial state (transposed direct form II), as in `lfilter`: the contribution of samples before `x` to the
        excitations.
    activation : str or Activation, default 'tanh'
        'tanh', 'relu' or another name of the table in :doc:`/howto/nonlinear`; or an `Activation` of your own.
    bias : array_like, default 0.0
        Added to each excitation; one for all channels, or an array that broadcasts against the channels of `x`.
    direction : {'forward', 'backward'}, default 'forward'
        As in `lfilter`.
    nan_policy : {'propagate', 'omit', 'segments'}, default 'propagate'
        As in `lfilter`.

    Returns
    -------
    y : ndarray
        The filtered signal, in the common dtype of all arrays given; float64 if that is an integer one.
    zf : ndarray
        Final state, returned only if `zi` was given.

    Raises
    ------
    ValueError
        If `b` or `a` is empty, ``a[0]`` is 0, shapes do not fit, or there is no activation of that name.
    NotImplementedError
        If the common dtype is neither float32 nor float64.

    See Also
    --------
    lfilter : The linear filter.
    vjp : Its gradients, by back-propagation through time.
    Stream : The same block by block, with ``activation=``.

    Notes
    -----
    Cost: for each sample and channel, O(M + P) and one g. With feedback, a single channel has to wait for each g; many
    channels, and filters without feedback, compute several at a time and are several times faster per sample. So is one
    channel of 4096 samples or more if the filter has fading memory, as stable ones have: time segments run in parallel,
    and again from the final states of their predecessors, until not even the last bit changes. Only 'tanh' is computed
    by other operations for many samples than for one: results of long and short pieces of a signal differ by rounding.
    float32 signals are filtered in float64 and rounded once. NaN and inf propagate as in the equation.

    References
    ----------
    .. [1] M. Hasegawa-Johnson, "Recurrent Neural Nets", ECE 417 Multimedia Signal Processing, University of Illinois:
       the nonlinear FIR filter (CNN) and the nonlinear IIR filter (RNN).

    Examples
    --------
    >>> import sigrnn
    >>> sigrnn.nlfilter([1.0], [1.0, -0.5], [2.0, -2.0, 4.0], activation='relu')
    array([2., 0., 4.])
    >>> y, zf = sigrnn.nlfilter([1.0, 1.0], [1.0], [2.0, -4.0, 1.0], zi=[0.0], activation='hard_tanh', bias=0.5)
    >>> y, zf
    (array([ 1., -1., -1.]), array([1.]))
    """
    plain = direction is FORWARD and nan_policy is PROPAGATE
    if plain and type(axis) is int and axis in (-1, 0) and isinstance(bias, float | int):
        result = _one_channel(b, a, x, zi, known(activation), float(bias))
        if result is not None:
            return result
    activation, beta, how = known(activation), array("bias", bias), options(direction, nan_policy)
    b, a, x = coefficients(b, "b"), coefficients(a, "a"), how.signal(x)
    dtype = common_dtype(b, a, x, zi, bias)
    if activation == "linear" and not beta.any():
        b, a, x = (c.astype(dtype, copy=False) for c in (b, a, x))
        return lfilter(b, a, x, axis, zi, direction=direction, nan_policy=nan_policy)
    if dtype.char not in "fd":
        raise NotImplementedError(f"nlfilter serves float32 and float64, not {dtype}, which b, a, x, zi and bias make")
    axis = time_axis(axis, x)
    runner, x = excited(b, a, beta, x, axis, dtype, activation)
    return apply(runner, x, axis, zi, None, dtype, how)


def _one_channel(b: Any, a: Any, x: Any, zi: Any, activation: Any, bias: float) -> Any:
    """A real filter with feedback over one channel in float64; None for others."""
    if not (type(b) is type(a) is type(x) is ndarray and b.dtype is a.dtype is x.dtype is F8):
        return None
    filter = recursive(b.tobytes(), a.tobytes(), bias, activation) if b.ndim == a.ndim == x.ndim == 1 else None
    return None if filter is None else one_channel(filter, F8, x, zi, None, "auto")


@lru_cache(maxsize=128)
def recursive(b: bytes, a: bytes, bias: float, activation: Any) -> RecursiveFilter | None:
    """The filter of float64 coefficients, kept between calls; None without feedback, and where it is linear."""
    if not b or len(a) <= F8.itemsize or activation == "linear":
        return None
    normal_b, normal_a = normalised(np.frombuffer(b), np.frombuffer(a), F8)
    normal_a[0] = bias
    return RecursiveFilter(normal_b[None], normal_a[None], activation)


def common_dtype(b: Array, a: Array, x: Array, zi: Any, bias: Any) -> np.dtype[Any]:
    """That of the result; integers become float64."""
    given = [b, a, x, weak(bias)] if zi is None else [b, a, x, weak(bias), weak(zi)]
    dtype = np.result_type(*given)
    return F8 if dtype.kind in "biu" else dtype


def excited(
    b: Array, a: Array, bias: Array, x: Array, axis: int, dtype: np.dtype[Any], activation: Any
) -> tuple[Runner, Array]:
    """The filter ready to run, and the signal with its channels of length 1 repeated if the filter has more."""
    if bias.ndim >= x.ndim and bias.ndim:
        channels = x.shape[:axis] + x.shape[axis + 1 :]
        raise ValueError(f"bias has shape {bias.shape}, expected a number, or one for each of x's channels: {channels}")
    bias = bias.astype(F8)[..., None]
    x = repeated({"b": b, "a": a, "bias": bias}, 1, x, axis)
    b, a = normalised(b, a, dtype)
    (b, a, bias), x = matched({"b": b, "a": a, "bias": bias}, 1, x, axis)
    if a.shape[-1] == 1:
        return ExcitedTaps(b, bias, activation), x
    a = np.concatenate([bias, a[..., 1:]], axis=-1)  # where a[0] = 1 is not read, kernels find the bias
    return Recursion(RecursiveFilter(b[..., None, :], a[..., None, :], activation), "auto"), x


class ExcitedTaps:
    """A filter without feedback, and an activation."""

    def __init__(self, b: Array, bias: Array, activation: Any) -> None:
        self.taps, self.bias, self.activation = Taps(b, "auto"), bias, activation
        self.state = self.taps.state

    def filter(self, x: Array, y: Array, z: Array | None) -> None:
        state = np.zeros((len(x), *self.state)) if z is None else z
        size = max(PIECE // len(x), self.state[0], 64)
        for start in range(0, x.shape[1], size):
            part = slice(start, start + size)
            e = np.array(x[:, part], F8, order="C")
            self.taps.filter(e, e, state)
            e += self.bias
            y[:, part] = respond(self.activation, e)

    def of(self, part: slice) -> Self:
        if self.taps.b.ndim == 1:
            return self
        return type(self)(self.taps.b[part], self.bias[part], self.activation)

    def at(self, samples: slice | Array) -> Self:
        return self
