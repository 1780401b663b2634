"""The linear filter with coefficients that change at every sample: `lfilter_tv`."""

from __future__ import annotations

from typing import TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigrnn._arrays import NATIVE, Array, Double, Sample, array, promoted, time_axis
from sigrnn.filters._call import Varying, apply, matched
from sigrnn.filters._coefficients import normalised, weak
from sigrnn.filters._options import FORWARD, PROPAGATE, options, real_for

__all__ = ["lfilter_tv"]


class Choices(TypedDict, total=False):
    """Keyword-only arguments that leave the dtype of the result as it is."""

    direction: str
    nan_policy: str


class Keywords(Choices, total=False):
    """All keyword-only arguments."""

    out: Array | None


@overload
def lfilter_tv(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int = -1,
    zi: None = None,
    **options: Unpack[Choices],
) -> NDArray[Sample]: ...
@overload
def lfilter_tv(
    b: Double, a: Double, x: Double, axis: int = -1, zi: None = None, **options: Unpack[Choices]
) -> NDArray[np.float64]: ...
@overload
def lfilter_tv(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, zi: None = None, **options: Unpack[Keywords]
) -> Array: ...
@overload
def lfilter_tv(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int,
    zi: NDArray[Sample] | float,
    **options: Unpack[Choices],
) -> tuple[NDArray[Sample], NDArray[Sample]]: ...
@overload
def lfilter_tv(  # type: ignore[overload-overlap]
    b: Double, a: Double, x: Double, axis: int, zi: Double, **options: Unpack[Choices]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def lfilter_tv(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int, zi: ArrayLike, **options: Unpack[Keywords]
) -> tuple[Array, Array]: ...
@overload
def lfilter_tv(  # type: ignore[overload-overlap]
    b: NDArray[Sample],
    a: NDArray[Sample],
    x: NDArray[Sample],
    axis: int = -1,
    *,
    zi: NDArray[Sample] | float,
    **options: Unpack[Choices],
) -> tuple[NDArray[Sample], NDArray[Sample]]: ...
@overload
def lfilter_tv(
    b: Double, a: Double, x: Double, axis: int = -1, *, zi: Double, **options: Unpack[Choices]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def lfilter_tv(
    b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, *, zi: ArrayLike, **options: Unpack[Keywords]
) -> tuple[Array, Array]: ...
def lfilter_tv(
    b: ArrayLike,
    a: ArrayLike,
    x: ArrayLike,
    axis: int = -1,
    zi: ArrayLike | None = None,
    *,
    out: Array | None = None,
    direction: str = FORWARD,
    nan_policy: str = PROPAGATE,
) -> Array | tuple[Array, Array]:
    r"""
    Filter data along one axis with coefficients that change at every sample.

    .. math:: y[n] = z_0[n-1] + b_0[n] x[n], \qquad z_p[n] = z_{p+1}[n-1] + b_{p+1}[n] x[n] - a_{p+1}[n] y[n]

    the transposed direct form II with row `n` of the coefficients, each row divided by its ``a[n, 0]``.

    Parameters
    ----------
    b : array_like, shape (N, M + 1) or (..., N, M + 1)
        Numerators, a row a sample. Leading axes are broadcast against the channels of `x`.
    a : array_like, shape (N, P + 1) or (..., N, P + 1)
        Denominators.
    x : array_like
        Signal with N samples along `axis`.
    axis : int, default -1
        The axis of time.
    zi : array_like, optional
        Initial state, as in `lfilter`.
    out : ndarray, optional
        As in `lfilter`.
    direction : {'forward', 'backward'}, default 'forward'
        As in `lfilter`; each row of coefficients belongs to its sample.
    nan_policy : {'propagate', 'omit', 'segments'}, default 'propagate'
        As in `lfilter`; each row of coefficients belongs to its sample.

    Returns
    -------
    y : ndarray
        The filtered signal.
    zf : ndarray
        Final state, returned only if `zi` was given.

    Raises
    ------
    ValueError
        If there is not one row of coefficients for each sample, or an ``a[n, 0]`` is 0.
    NotImplementedError
        If the common dtype is not float32, float64 or a complex one of that precision.

    See Also
    --------
    lfilter : The same with constant coefficients; equal rows give equal results.

    Notes
    -----
    Cost: O((M + P) N) time for each channel, and a normalised copy of the coefficients. A filter that is stable with
    each row of coefficients can still grow when they change fast.

    Examples
    --------
    A gain that rises with time, then a leak that is switched on:

    >>> import sigrnn
    >>> sigrnn.lfilter_tv([[1.0], [2.0], [3.0]], [[1.0], [1.0], [1.0]], [1.0, 1.0, 1.0])
    array([1., 2., 3.])
    >>> sigrnn.lfilter_tv([[1.0]] * 4, [[1.0, -1.0]] * 2 + [[1.0, -0.5]] * 2, [4.0, 0.0, 0.0, 0.0])
    array([4., 4., 4., 2.])
    """
    how = options(direction, nan_policy)
    b, a, x = array("b", b), array("a", a), how.signal(x)
    axis = time_axis(axis, x)
    for name, c in (("b", b), ("a", a)):
        if c.ndim < 2 or c.shape[-1] == 0 or c.shape[-2] != x.shape[axis]:
            raise ValueError(f"{name} has shape {c.shape}, expected (..., {x.shape[axis]}, taps): a row a sample of x")
    dtype = real_for(out, promoted(b=b, a=a, x=x) if zi is None else promoted(b=b, a=a, x=x, zi=weak(zi)))
    if dtype.char not in NATIVE:
        raise NotImplementedError(f"lfilter_tv serves float32, float64, complex64 and complex128, not {dtype}")
    b, a = normalised(b, a, dtype, fir=False)
    (b, a), x = matched({"b": b, "a": a}, 2, x, axis)
    return apply(Varying(how.turned(b, b.ndim - 2), how.turned(a, a.ndim - 2)), x, axis, zi, out, dtype, how)
