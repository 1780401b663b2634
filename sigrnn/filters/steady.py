"""Initial states: the steady state for a constant input, or the state after a known past."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array, array, numbers, short

__all__ = ["lfilter_zi", "lfiltic", "sosfilt_zi"]


def lfilter_zi(b: ArrayLike, a: ArrayLike) -> Array:
    r"""
    Find the steady state of `lfilter` for a constant input of 1.

    .. math:: z_p = \sum_{m > p} (b_m - g a_m), \qquad g = \sum_m b_m \Big/ \sum_m a_m

    for a[0] = 1, with the gain g at frequency 0: the state of the transposed direct form II.

    Parameters
    ----------
    b : array_like, shape (M + 1,)
        Numerator.
    a : array_like, shape (P + 1,)
        Denominator; leading zeros are dropped.

    Returns
    -------
    zi : ndarray, shape (max(M, P),)
        The state; multiplied by the first sample of a signal, it avoids the initial transient.

    Raises
    ------
    ValueError
        If `b` or `a` is not 1-D, or all of `a` is 0.
    numpy.linalg.LinAlgError
        If the filter has a pole at z = 1: its response to a constant is a ramp.

    See Also
    --------
    scipy.signal.lfilter_zi : The same.
    lfiltic : The state after given inputs and outputs.

    Notes
    -----
    Cost: O(max(M, P)). Before 1.18 SciPy solves a linear system, whose rounding errors are larger for poles near z = 1:
    for a Butterworth filter of order 4 at a thousandth of the Nyquist frequency it has five correct digits, sigrnn 15.

    Examples
    --------
    >>> import sigrnn
    >>> b, a = [0.5, 0.5], [1.0, -0.25]
    >>> zi = sigrnn.lfilter_zi(b, a)
    >>> y, _ = sigrnn.lfilter(b, a, [3.0, 3.0, 3.0], zi=3.0 * zi)
    >>> y
    array([4., 4., 4.])
    """
    b, a = np.atleast_1d(numbers("b", b)), np.atleast_1d(numbers("a", a))
    for name, c in (("b", b), ("a", a)):
        if c.ndim != 1:
            raise ValueError(f"Numerator `b` and Denominator `a` must be 1-D, got {name} of shape {c.shape}")
    if not a.any():
        raise ValueError(
            "First coefficient of parameter `a` must be non-zero: there must be at least one nonzero `a` coefficient"
        )
    return constant_state(b, a[np.flatnonzero(a)[0] :])


def constant_state(b: Array, a: Array) -> Array:
    """`lfilter_zi` for coefficients (..., M + 1) and (..., P + 1)."""
    if not a.shape[-1]:
        raise ValueError("Denominator `a` must have at least one coefficient")
    divided = bool((a[..., 0] != 1.0).any())
    kind = np.result_type(b, a)
    if kind.kind in "iub" or (divided and a.dtype.kind in "iub"):
        kind = np.result_type(kind, np.float64)
    length = max(b.shape[-1], a.shape[-1])
    channels = np.broadcast_shapes(b.shape[:-1], a.shape[:-1])
    # In double precision also for single: the sums cancel, as all poles near z = 1 make them do.
    b, a = (_widened(c, channels, length, np.result_type(kind, np.float64)) for c in (b, a))
    whole = a.sum(axis=-1, keepdims=True)  # before the division: -3, 1, 2 in thirds do not cancel
    if not whole.all():
        raise np.linalg.LinAlgError(
            "Filter not stable due to sum(a) == 0: it has a pole at z = 1 and answers a constant with a ramp"
        )
    with np.errstate(invalid="ignore", over="ignore"):  # inf and NaN travel as they do through a linear system
        gain = b.sum(axis=-1, keepdims=True) / whole
        if divided:
            b, a = b / a[..., :1], a / a[..., :1]
        return np.cumsum((b - gain * a)[..., :0:-1], axis=-1)[..., ::-1].astype(kind)


def _widened(c: Array, channels: tuple[int, ...], length: int, kind: np.dtype[Any]) -> Array:
    full = np.zeros((*channels, length), kind)
    full[..., : c.shape[-1]] = c
    return full


def sosfilt_zi(sos: ArrayLike) -> Array:
    """
    Find the steady state of `sosfilt` for a constant input of 1.

    Parameters
    ----------
    sos : array_like, shape (S, 6)
        Second-order sections.

    Returns
    -------
    zi : ndarray, shape (S, 2)
        The state of each section.

    Raises
    ------
    ValueError
        If `sos` has not that shape, or a section has no a[0].
    numpy.linalg.LinAlgError
        If a section has a pole at z = 1.

    See Also
    --------
    scipy.signal.sosfilt_zi : The same.
    lfilter_zi : The same for a filter in one piece.

    Notes
    -----
    The input of each section is the gain of the sections before it at frequency 0.

    Examples
    --------
    >>> import sigrnn
    >>> sos = [[1.0, 1.0, 0.0, 1.0, -0.5, 0.0]]
    >>> sigrnn.sosfilt_zi(sos)
    array([[3., 0.]])
    """
    given, sos = sos, array("sos", sos)
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ValueError(f"sos must be shape (n_sections, 6), got {sos.shape if sos.ndim else short(given)}")
    numbers("sos", sos)
    if (sos[:, 3] == 0).any():
        raise ValueError("First coefficient of parameter `a` must be non-zero in each section: sos[:, 3] has a zero")
    return constant_sections(sos.astype(float) if sos.dtype.kind in "iub" else sos)


def constant_sections(sos: Array) -> Array:
    """`sosfilt_zi` for sections (..., S, 6)."""
    b, a = sos[..., :3], sos[..., 3:]
    state = constant_state(b, a)  # first: a section without one has no gain either
    gain = np.cumprod(b.sum(axis=-1) / a.sum(axis=-1), axis=-1)
    before = np.concatenate([np.ones_like(gain[..., :1]), gain[..., :-1]], axis=-1)
    return before[..., None] * state


def lfiltic(b: ArrayLike, a: ArrayLike, y: ArrayLike, x: ArrayLike | None = None) -> Array:
    r"""
    Find the state of `lfilter` from its last outputs and inputs.

    .. math:: a_0 z_p = \sum_{m > p} b_m x[-(m-p)] - \sum_{m > p} a_m y[-(m-p)]

    Parameters
    ----------
    b : array_like, shape (M + 1,)
        Numerator.
    a : array_like, shape (P + 1,)
        Denominator.
    y : array_like
        Past outputs, newest first: ``y[-1], y[-2], ...``; zeros before those given.
    x : array_like, optional
        Past inputs, newest first; zeros before those given.

    Returns
    -------
    zi : ndarray, shape (max(M, P),)
        The state, ready for ``lfilter(..., zi=zi)``.

    Raises
    ------
    ValueError
        If `b`, `a`, `y` or `x` is not 1-D, or `a` is empty or starts with 0.

    See Also
    --------
    scipy.signal.lfiltic : The same.
    lfilter_zi : The steady state for a constant input.

    Notes
    -----
    Cost: O(max(M, P) ** 2).

    Examples
    --------
    >>> import sigrnn
    >>> zi = sigrnn.lfiltic([1.0], [1.0, -0.5], y=[4.0])
    >>> sigrnn.lfilter([1.0], [1.0, -0.5], [0.0, 0.0], zi=zi)[0]
    array([2., 1.])
    """
    b, a = np.atleast_1d(numbers("b", b)), np.atleast_1d(numbers("a", a))
    for name, c in (("b", b), ("a", a)):
        if c.ndim > 1:
            raise ValueError(f"Filter coefficients `{name}` must be 1-D, got shape {c.shape}.")
    if not a.size:
        raise ValueError("There must be at least one `a` coefficient.")
    if a[0] == 0:
        raise ValueError("First `a` filter coefficient must be non-zero.")
    past_y, past_x = np.atleast_1d(numbers("y", y)), np.atleast_1d(numbers("x", 0.0 if x is None else x))
    for name, past in (("y", past_y), ("x", past_x)):
        if past.ndim > 1:
            raise ValueError(f"{name} must be 1-D, the latest first, got shape {past.shape}")
    kind = np.result_type(b, a, past_y) if x is None else np.result_type(b, a, past_y, past_x)
    if kind.kind in "iub":
        kind = np.dtype(np.float64)
    zi = np.zeros(max(len(b), len(a)) - 1, kind)
    for c, past, sign in ((b, past_x.astype(kind), 1), (a, past_y.astype(kind), -1)):
        for p in range(len(c) - 1):
            known = past[: len(c) - 1 - p]
            zi[p] += sign * (c[p + 1 : p + 1 + len(known)] * known).sum()
    return zi / a[0] if a[0] != 1.0 else zi
