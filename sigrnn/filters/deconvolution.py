"""Division of polynomials, the inverse of a convolution, with SciPy's signature: `deconvolve`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import NATIVE, Array, array, promoted
from sigrnn._scipy import own
from sigrnn.filters.linear import lfilter

__all__ = ["deconvolve"]


def deconvolve(signal: ArrayLike, divisor: ArrayLike) -> tuple[Array | list[float], Array]:
    r"""
    Divide a signal by a filter: inverse filtering.

    .. math:: s[n] = \sum_k d[k]\, q[n-k] + r[n], \qquad r[n] = 0 \text{ for } n \le N - D

    Parameters
    ----------
    signal : array_like, shape (N,)
        The signal s, as a filter gave it.
    divisor : array_like, shape (D,)
        The taps d of the filter; ``divisor[0]`` must not be 0.

    Returns
    -------
    quotient : ndarray, shape (N - D + 1,)
        What went into the filter; an empty list if ``D > N``.
    remainder : ndarray, shape (N,)
        What the filter cannot have made of it.

    Raises
    ------
    ValueError
        If one of them is empty or not 1-D, or ``divisor[0]`` is 0.

    See Also
    --------
    scipy.signal.deconvolve : The same.
    lfilter : Does the division.
    numpy.polydiv : The same for polynomials.

    Notes
    -----
    The quotient is the output of a filter whose denominator is the divisor: if the divisor has zeros outside the unit
    circle, errors grow. Cost: O(D N), where SciPy, which uses the signal as a numerator, needs O(N^2).

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> recorded = np.convolve([2.0, 1.0], [0.0, 1.0, 0.0, 0.0, 1.0])
    >>> quotient, remainder = sigrnn.deconvolve(recorded, [2.0, 1.0])
    >>> quotient
    array([0., 1., 0., 0., 1.])
    """
    s, d = np.atleast_1d(array("signal", signal)), np.atleast_1d(array("divisor", divisor))
    for name, c in (("signal", s), ("divisor", d)):
        if c.ndim != 1 or not c.size:
            raise ValueError(f"Parameter {name} must be non-empty 1d array, but its shape is {c.shape}!")
    if len(d) > len(s):
        return [], s
    if promoted(signal=s, divisor=d, samples=np.empty(0)).char not in NATIVE:
        result: tuple[Array, Array] = own("deconvolve")(s, d)
        return result
    quotient = lfilter([1.0], d, s[: len(s) - len(d) + 1])
    return quotient, s - lfilter(d, [1.0], np.concatenate([quotient, np.zeros(len(d) - 1)]))
