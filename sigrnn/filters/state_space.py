"""Linear systems in state space with SciPy's signatures: `dlsim`, `dstep`, `dimpulse`, `lsim`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, short
from sigrnn._kernels.sizes import STATE_SPACE_WIDTH
from sigrnn._lookup import Kernels, entry_point
from sigrnn._scipy import own
from sigrnn.filters._memory import aligned

__all__ = ["dimpulse", "dlsim", "dstep", "lsim"]

FORMS = """a dlti, or a tuple (num, den, dt), (zeros, poles, gain, dt) or (A, B, C, D, dt)"""


def dlsim(system: Any, u: ArrayLike, t: ArrayLike | None = None, x0: ArrayLike | None = None) -> tuple[Array, ...]:
    r"""
    Simulate a linear system in discrete time.

    .. math:: x[n+1] = A x[n] + B u[n], \qquad y[n] = C x[n] + D u[n]

    Parameters
    ----------
    system : scipy.signal.dlti or tuple
        A ``dlti`` (`TransferFunction`, `ZerosPolesGain` or `StateSpace`), or a tuple ``(num, den, dt)``,
        ``(zeros, poles, gain, dt)`` or ``(A, B, C, D, dt)``, with K states, I inputs and O outputs.
    u : array_like, shape (N,) or (N, I)
        Inputs, a row for each time.
    t : array_like, shape (N,), optional
        Times of the inputs, from 0; between them they are interpolated linearly. Multiples of `dt` by default.
    x0 : array_like, shape (K,), optional
        The state at time 0; zeros by default.

    Returns
    -------
    tout : ndarray, shape (M,)
        Times of the outputs.
    yout : ndarray, shape (M, O)
        Outputs.
    xout : ndarray, shape (M, K)
        States; only for a system given as ``(A, B, C, D, dt)`` or as a `StateSpace`.

    Raises
    ------
    AttributeError
        If the system is one in continuous time.
    ValueError
        If shapes do not fit each other.
    IndexError
        If there is no sample.

    See Also
    --------
    scipy.signal.dlsim : The same.
    lfilter : Faster for one input and one output.

    Notes
    -----
    Cost: (K + I)(K + O) products for each sample, in float64. Complex systems and inputs go to SciPy, which drops their
    imaginary parts. `vjp` and `jvp` differentiate by A, B, C, D, `u` and `x0`, `dstep` and `dimpulse` likewise.

    Examples
    --------
    >>> import sigrnn
    >>> t, y = sigrnn.dlsim(([1.0], [1.0, -0.5], 0.1), [8.0, 0.0, 0.0, 0.0])
    >>> y[:, 0]
    array([0., 8., 4., 2.])
    >>> t, y, x = sigrnn.dlsim(([[0.5]], [[1.0]], [[1.0]], [[0.0]], 0.1), [0.0, 0.0, 0.0], x0=[8.0])
    >>> x[:, 0]
    array([8., 4., 2.])
    """
    found, full = discrete(system, "dlsim")
    u = np.atleast_1d(u)
    if not all(served(c) for c in (*matrices(found), u, x0)):
        return by_scipy("dlsim", system, u, t, x0)
    tout, yout, xout = simulated(found, u[:, None] if u.ndim == 1 else u, t, x0)
    return (tout, yout, xout) if full else (tout, yout)


def dimpulse(
    system: Any, x0: ArrayLike | None = None, t: ArrayLike | None = None, n: int | None = None
) -> tuple[Array, tuple[Array, ...]]:
    """
    Compute the impulse response of a linear system in discrete time.

    Parameters
    ----------
    system : scipy.signal.dlti or tuple
        As for `dlsim`.
    x0 : array_like, shape (K,), optional
        The state at time 0; zeros by default.
    t : array_like, shape (M,), optional
        Times; multiples of `dt` by default.
    n : int, optional
        Number of samples, where `t` is not given; 100 by default.

    Returns
    -------
    tout : ndarray, shape (M,)
        Times of the outputs.
    yout : tuple of ndarray, shape (M, O)
        The outputs for an impulse in each input.

    Raises
    ------
    AttributeError
        If the system is one in continuous time.
    ValueError
        If shapes do not fit each other.

    See Also
    --------
    scipy.signal.dimpulse : The same.
    dstep : The step response.

    Examples
    --------
    >>> import sigrnn
    >>> t, (y,) = sigrnn.dimpulse(([1.0], [1.0, -0.5], 1.0), n=4)
    >>> y[:, 0]
    array([0.  , 1.  , 0.5 , 0.25])
    """
    return _responses("dimpulse", slice(0, 1), system, x0, t, n)


def dstep(
    system: Any, x0: ArrayLike | None = None, t: ArrayLike | None = None, n: int | None = None
) -> tuple[Array, tuple[Array, ...]]:
    """
    Compute the step response of a linear system in discrete time.

    Parameters
    ----------
    system : scipy.signal.dlti or tuple
        As for `dlsim`.
    x0 : array_like, shape (K,), optional
        The state at time 0; zeros by default.
    t : array_like, shape (M,), optional
        Times; multiples of `dt` by default.
    n : int, optional
        Number of samples, where `t` is not given; 100 by default.

    Returns
    -------
    tout : ndarray, shape (M,)
        Times of the outputs.
    yout : tuple of ndarray, shape (M, O)
        The outputs for a step in each input.

    Raises
    ------
    AttributeError
        If the system is one in continuous time.
    ValueError
        If shapes do not fit each other.

    See Also
    --------
    scipy.signal.dstep : The same.
    dimpulse : The impulse response.

    Examples
    --------
    >>> import sigrnn
    >>> t, (y,) = sigrnn.dstep(([1.0], [1.0, -0.5], 1.0), n=4)
    >>> y[:, 0]
    array([0.  , 1.  , 1.5 , 1.75])
    """
    return _responses("dstep", slice(None), system, x0, t, n)


def lsim(
    system: Any, U: ArrayLike | None, T: ArrayLike, X0: ArrayLike | None = None, interp: bool = True
) -> tuple[Array, Array, Array]:
    r"""
    Simulate a linear system in continuous time.

    .. math:: \dot x = A x + B u, \qquad y = C x + D u

    Parameters
    ----------
    system : scipy.signal.lti or tuple
        An ``lti``, or a tuple ``(num, den)``, ``(zeros, poles, gain)`` or ``(A, B, C, D)``, with K states, I inputs and O
        outputs.
    U : array_like, shape (N,) or (N, I), or None or 0
        Inputs, a row for each time; None and 0 for none.
    T : array_like, shape (N,)
        Times, at equal steps, not negative.
    X0 : array_like, shape (K,), optional
        The state at time 0; zeros by default.
    interp : bool, default True
        Whether inputs are interpolated linearly between times, or held constant.

    Returns
    -------
    T : ndarray, shape (N,)
        Times.
    yout : ndarray
        Outputs, shape (N, O), without axes of length 1.
    xout : ndarray
        States, shape (N, K), without axes of length 1.

    Raises
    ------
    AttributeError
        If the system is one in discrete time.
    ValueError
        If times are negative or not at equal steps, or shapes do not fit each other.

    See Also
    --------
    scipy.signal.lsim : The same.
    dlsim : In discrete time.

    Notes
    -----
    Exact for such inputs: the matrix exponential makes a system in discrete time of it. Cost: (K + 2 I) K products for
    each sample. Complex systems and inputs go to SciPy. `vjp` and `jvp` differentiate by A, B, C, D, `U` and `X0`, A and B
    through the exponential.

    Examples
    --------
    A double integrator: the output of a constant 1 is t^2 / 2.

    >>> import numpy as np
    >>> import sigrnn
    >>> system = [[0.0, 1.0], [0.0, 0.0]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]]
    >>> t, y, x = sigrnn.lsim(system, np.ones(4), [0.0, 1.0, 2.0, 3.0])
    >>> y
    array([0. , 0.5, 2. , 4.5])
    """
    a, b, c, d = matrices(continuous(system))
    times = np.atleast_1d(T)
    if not all(served(part) for part in (a, b, c, d, U, times, X0)) or a.dtype != F8 or times.size < 2:
        return by_scipy("lsim", system, U, T, X0, interp)
    if times.ndim != 1:
        raise ValueError(f"T must be a rank-1 array, got shape {times.shape}")
    dt = times[1] - times[0]
    if not np.allclose(np.diff(times), dt):
        raise ValueError("Time steps are not equally spaced.")
    idle = U is None or not np.any(U)
    u = np.zeros((len(times), 0)) if idle else np.atleast_1d(np.asarray(U))
    u = (u[:, None] if u.ndim == 1 else u).astype(F8, copy=False)
    if len(u) != len(times):
        raise ValueError(f"U must have the same number of rows as elements in T, {len(times)}; got shape {u.shape}")
    if not idle and u.shape[1:] != b.shape[1:]:
        raise ValueError(f"System does not define that many inputs: it has {b.shape[1]}, U has shape {u.shape}")
    start = started(a, times[0], X0)
    power, *inputs = held(a, b[:, : u.shape[1]], dt, interp)
    xout, _ = run(np.concatenate([power, *inputs]), start, pairs(u) if interp else u)
    yout = np.squeeze(xout @ c.T)
    if not idle:
        yout = yout + np.squeeze(u @ d.T)
    return times, yout, np.squeeze(xout)


def started(a: Array, time: float, x0: ArrayLike | None) -> Array:
    """The state at the first time."""
    from scipy.linalg import expm

    if time < 0:
        raise ValueError(f"Initial time must be nonnegative, got {time}")
    start = np.zeros(len(a))
    start[...] = 0.0 if x0 is None else np.asarray(x0)
    return start @ expm(a.T * time) if time else start


def held(a: Array, b: Array, dt: float, interp: bool) -> tuple[Array, ...]:
    """A system in discrete time, transposed: of the state, of an input, and, if that runs linearly, of the next one."""
    from scipy.linalg import expm

    return held_parts(expm(joined(a, b, dt, interp).T), b, interp)


def joined(a: Array, b: Array, dt: float, interp: bool) -> Array:
    """The matrix whose exponential has a system in discrete time: inputs are states that stay, or grow by their difference."""
    states, inputs = b.shape
    matrix = np.zeros((states + (1 + interp) * inputs,) * 2)
    matrix[:states, :states], matrix[:states, states : states + inputs] = a * dt, b * dt
    if interp:
        matrix[states : states + inputs, states + inputs :] = np.identity(inputs)
    return matrix


def held_parts(power: Array, b: Array, interp: bool) -> tuple[Array, ...]:
    """What `held` returns, of the transposed exponential of `joined`, or the change of it for a change of that."""
    states, inputs = b.shape
    power = power[:, :states]
    if not interp:
        return power[:states], power[states:]
    rise = power[states + inputs :]
    return power[:states], power[states : states + inputs] - rise, rise


def pairs(u: Array) -> Array:
    """Each input with the next one; zeros follow the last."""
    return np.concatenate([u, np.concatenate([u[1:], np.zeros_like(u[:1])])], axis=1)


def discrete(system: Any, name: str) -> tuple[Any, bool]:
    """A system in state space, and whether it was given so."""
    from scipy.signal import StateSpace, dlti, lti

    if isinstance(system, lti):
        raise AttributeError(f"{name} can only be used with discrete-time dlti systems.")
    if not isinstance(system, dlti):
        try:
            parts, dt = system[:-1], system[-1]
        except (TypeError, IndexError):
            raise TypeError(f"system must be {FORMS}, got {short(system)}") from None
        system = dlti(*parts, dt=dt)
    full = isinstance(system, StateSpace)
    return (system if full else system.to_ss()), full


def continuous(system: Any) -> Any:
    """A system in state space."""
    from scipy.signal import StateSpace, dlti, lti

    if isinstance(system, dlti):
        raise AttributeError("lsim can only be used with continuous-time systems.")
    if not isinstance(system, lti):
        system = lti(*system)
    return system if isinstance(system, StateSpace) else system.to_ss()


def matrices(system: Any) -> tuple[Array, ...]:
    """A, B, C, D."""
    return tuple(np.asarray(c) for c in (system.A, system.B, system.C, system.D))


def served(given: Any) -> bool:
    """Whether these are real numbers that fit into float64, or nothing."""
    kind = np.asarray(0.0 if given is None else given).dtype
    return kind.kind in "biuf" and kind.itemsize <= F8.itemsize


def simulated(system: Any, u: Array, t: ArrayLike | None, x0: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Times, outputs and states of a system in state space for inputs (N, I)."""
    a, b, c, d = matrices(system)
    times, u = sampled(u, t, system.dt)
    if u.ndim != 2 or u.shape[1] != b.shape[1]:
        raise ValueError(f"u must have {b.shape[1]} columns, one for each input of the system, got shape {u.shape}")
    start = np.zeros(len(a))
    start[...] = 0.0 if x0 is None else np.asarray(x0)
    xout, yout = run(np.block([[a, b], [c, d]]).T, start, u)
    return times, yout, xout


def sampled(u: Array, t: ArrayLike | None, dt: float) -> tuple[Array, Array]:
    """The times of the outputs, and the inputs there."""
    if t is None:
        count, stop = len(u), (len(u) - 1) * dt
    else:
        t = np.asarray(t)
        stop = t[-1]
        count = int(np.floor(stop / dt)) + 1
    if count < 1:
        raise IndexError(f"there must be at least one sample, got u of shape {u.shape}")
    times = np.linspace(0.0, stop, num=count)
    if t is None or (len(t) == len(u) and np.array_equal(t, times)):
        return times, u
    from scipy.interpolate import make_interp_spline

    return times, make_interp_spline(t, u, k=1)(times)


def run(columns: Array, start: Array, u: Array) -> tuple[Array, Array]:
    """States (N, K) and outputs (N, O) for inputs (N, I); columns (K + I, K + O) are those of [[A, B], [C, D]]."""
    total, rows = columns.shape
    states, outputs = len(start), rows - len(start)
    width = STATE_SPACE_WIDTH
    padded = -(-max(rows, 1) // width) * width
    matrix = aligned(total, padded)
    matrix[:, :rows], matrix[:, rows:] = columns, 0.0
    vectors = aligned(2, max(padded, -(-total // width) * width))
    vectors[0, :states] = start
    x, y = np.empty((len(u), states)), np.empty((len(u), outputs))
    u = u.astype(F8, copy=False)
    _simulate()(matrix, u if u.flags.aligned else u.copy(), vectors, x, y)
    return x, y


def by_scipy(name: str, *args: Any) -> Any:
    """What no kernel serves."""
    return own(name)(*args)


def _responses(
    name: str, active: slice, system: Any, x0: ArrayLike | None, t: ArrayLike | None, n: int | None
) -> tuple[Array, tuple[Array, ...]]:
    """The outputs for a 1 at the active samples of each input."""
    found, _ = discrete(system, name)
    if not all(served(c) for c in (*matrices(found), x0)):
        return by_scipy(name, system, x0, t, n)
    t, inputs = driven(found, active, t, n)
    outputs = []
    for u in inputs:
        times, y, _ = simulated(found, u, t, x0)
        outputs.append(y)
    return times, tuple(outputs)


def driven(system: Any, active: slice, t: ArrayLike | None, n: int | None) -> tuple[Array, list[Array]]:
    """The times, and for each input the inputs (N, I) with a 1 at the active samples of that one."""
    n = 100 if n is None else n
    t = np.linspace(0, n * system.dt, n, endpoint=False) if t is None else np.asarray(t)
    count = np.asarray(system.B).shape[1]
    inputs = [np.zeros((len(t), count)) for _ in range(count)]
    for i, u in enumerate(inputs):
        u[active, i] = 1.0
    return t, inputs


@cache
def _simulate() -> Any:
    """The compiled loop."""
    return entry_point(Kernels("filters.state_space").simulate())
