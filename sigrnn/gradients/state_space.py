"""Gradients of linear systems in state space: the transposed system over reversed time.

With l[n] the gradient of x[n], in all that it does later:

    l[n] = dx[n] + C^T dy[n] + A^T l[n+1],    du[n] = D^T dy[n] + B^T l[n+1]

and dA = sum l[n+1] x[n]^T, dB = sum l[n+1] u[n]^T, dC = sum dy[n] x[n]^T, dD = sum dy[n] u[n]^T. In continuous time A and B of
these equations are parts of a matrix exponential, whose derivative is Frechet's, the adjoint being that at the transposed matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters.state_space import (
    continuous,
    dimpulse,
    discrete,
    dlsim,
    driven,
    dstep,
    held_parts,
    joined,
    lsim,
    matrices,
    pairs,
    run,
    sampled,
    served,
)
from sigrnn.gradients.linear import Named, Pull

PARTS = "A", "B", "C", "D"


def backwards(a: Array, slope: Array) -> Array:
    """l (N + 1, K) for the slopes dx + C^T dy (N, K); the last row is zero."""
    given = np.concatenate([slope[::-1], np.zeros((1, len(a)))])
    states, _ = run(np.concatenate([a, np.identity(len(a))]), np.zeros(len(a)), given)
    return states[::-1]


def _given(arguments: Named) -> Any:
    """The system as it was given, its matrices copied."""
    if arguments["system"] is not None:
        return arguments["system"]
    parts = tuple(np.array(arguments[name], F8) for name in PARTS)
    return (*parts, arguments["dt"]) if "dt" in arguments else parts


def _discrete(arguments: Named) -> tuple[Any, Any, tuple[Array, ...], Array]:
    """The system as it was given; the value; A, B, C, D; the inputs as columns."""
    if arguments["t"] is not None:
        raise NotImplementedError("dlsim has a gradient without t=, where nothing is interpolated")
    given = _given(arguments)
    u = np.atleast_1d(np.array(arguments["u"]))
    parts = matrices(discrete(given, "dlsim")[0])
    if not all(served(c) for c in (*parts, u, arguments["x0"])):
        raise NotImplementedError("dlsim has a gradient for real systems and inputs")
    return given, dlsim(given, u, None, arguments["x0"]), parts, (u[:, None] if u.ndim == 1 else u).astype(F8)


def _simulated(parts: tuple[Array, ...], start: Array, u: Array) -> Array:
    """The states."""
    a, b, c, d = parts
    return run(np.block([[a, b], [c, d]]).T, start, u)[0]


def _pulled(
    parts: tuple[Array, ...], x: Array, u: Array, dy: Array, dx: Array | float
) -> tuple[list[Array], Array, Array]:
    """Gradients of A, B, C, D, of the inputs and of the first state."""
    a, b, c, d = parts
    late = backwards(a, dy @ c + dx)
    after = late[1:]
    return [after.T @ x, after.T @ u, dy.T @ x, dy.T @ u], dy @ d + after @ b, late[0]


def _pushed(
    parts: tuple[Array, ...], changes: list[Array], x: Array, u: Array, du: Array | None, start: Array
) -> tuple[Array, Array]:
    """Tangents of outputs and states, for those of A, B, C, D, of the inputs and of the first state."""
    (a, b, c, d), (da, db, dc, dd) = parts, changes
    driving = x @ da.T + u @ db.T + (0.0 if du is None else du @ b.T)
    dx, _ = run(np.concatenate([a.T, np.identity(len(a))]), start, driving)
    return dx @ c.T + x @ dc.T + u @ dd.T + (0.0 if du is None else du @ d.T), dx


def _changes(parts: tuple[Array, ...], tangents: Named) -> list[Array]:
    """Tangents of A, B, C, D."""
    return [np.reshape(tangents.get(name, np.zeros_like(p)), p.shape) for name, p in zip(PARTS, parts, strict=True)]


def dlsim_vjp(arguments: Named) -> tuple[Any, Pull]:
    _, value, parts, u = _discrete(arguments)
    shape = np.shape(arguments["u"])
    x = _simulated(parts, _start(arguments, parts[0]), u)

    def pull(dt: Array, dy: Array, dx: Array | None = None) -> Named:
        found, du, first = _pulled(parts, x, u, dy, 0.0 if dx is None else dx)
        start = _like_given(first, arguments["x0"])
        return {**dict(zip(PARTS, found, strict=True)), "u": du.reshape(shape), "x0": start}

    return value, pull


def dlsim_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    _, value, parts, u = _discrete(arguments)
    x = _simulated(parts, _start(arguments, parts[0]), u)
    du = tangents["u"].reshape(u.shape) if "u" in tangents else None
    dy, dx = _pushed(parts, _changes(parts, tangents), x, u, du, _first(tangents.get("x0", 0.0), parts[0]))
    return value, (np.zeros_like(value[0]), dy, dx)[: len(value)]


def _responses(
    function: Any, active: slice, arguments: Named
) -> tuple[Any, tuple[Array, ...], list[tuple[Array, Array]]]:
    """The value of `dstep` or `dimpulse`, A, B, C, D, and for each input the states and inputs."""
    given, (t, n, x0) = _given(arguments), (arguments[name] for name in ("t", "n", "x0"))
    system = discrete(given, function.__name__)[0]
    parts = matrices(system)
    if not all(served(c) for c in (*parts, x0)):
        raise NotImplementedError(f"{function.__name__} has a gradient for real systems")
    times, inputs = driven(system, active, t, n)
    inputs = [np.asarray(sampled(u, times, system.dt)[1], F8) for u in inputs]
    start = _start(arguments, parts[0])
    return function(given, x0, t, n), parts, [(_simulated(parts, start, u), u) for u in inputs]


def responses_vjp(function: Any, active: slice, arguments: Named) -> tuple[Any, Pull]:
    value, parts, runs = _responses(function, active, arguments)

    def pull(dt: Array, dys: tuple[Array, ...]) -> Named:
        found = [_pulled(parts, x, u, dy, 0.0) for (x, u), dy in zip(runs, dys, strict=True)]
        summed = (np.sum(of_part, axis=0) for of_part in zip(*(each[0] for each in found), strict=True))
        start = _like_given(np.sum([first for _, _, first in found], axis=0), arguments["x0"])
        return {**dict(zip(PARTS, summed, strict=True)), "x0": start}

    return value, pull


def responses_jvp(function: Any, active: slice, arguments: Named, tangents: Named) -> tuple[Any, Any]:
    value, parts, runs = _responses(function, active, arguments)
    changes, start = _changes(parts, tangents), _first(tangents.get("x0", 0.0), parts[0])
    return value, (np.zeros_like(value[0]), tuple(_pushed(parts, changes, x, u, None, start)[0] for x, u in runs))


STEP, IMPULSE = (dstep, slice(None)), (dimpulse, slice(0, 1))


class _Held:
    """A run of `lsim`: its value, and the system in discrete time with its states and inputs."""

    def __init__(self, arguments: Named) -> None:
        given, (u, x0) = _given(arguments), (arguments[name] for name in ("U", "X0"))
        self.parts = matrices(continuous(given))
        times, self.interp = np.atleast_1d(arguments["T"]), bool(arguments["interp"])
        if not all(served(c) for c in (*self.parts, u, x0)) or times.size < 2:
            raise NotImplementedError("lsim has a gradient for real systems and inputs, and at least two times")
        self.parts = tuple(c.astype(F8) for c in self.parts)
        a, b, c, _ = self.parts
        self.value = lsim(given, u, arguments["T"], x0, arguments["interp"])
        self.begin, self.dt = float(times[0]), float(times[1] - times[0])
        self.start = _first(0.0 if x0 is None else x0, a)
        self.x = self.value[2].reshape(len(times), len(a)).copy()
        self.outputs = len(times), len(c)
        idle = u is None or np.ndim(u) == 0
        self.u = np.zeros((len(times), b.shape[1])) if idle else np.array(u, F8).reshape(len(times), -1)
        self.matrix = joined(a, b, self.dt, self.interp)

    def held(self) -> tuple[Array, ...]:
        from scipy.linalg import expm

        return held_parts(expm(self.matrix.T), self.parts[1], self.interp)


def lsim_vjp(arguments: Named) -> tuple[Any, Pull]:
    run_of = _Held(arguments)
    (a, b, c, d), x, u, dt = run_of.parts, run_of.x, run_of.u, run_of.dt
    power, *inputs = run_of.held()
    states, count = b.shape

    def pull(dt_out: Array, dy: Array, dx: Array) -> Named:
        from scipy.linalg import expm, expm_frechet

        dy = dy.reshape(run_of.outputs)
        late = backwards(power.T, dy @ c + dx.reshape(x.shape))
        after = late[1:]
        du, slopes = dy @ d + after @ inputs[0].T, np.zeros_like(run_of.matrix)
        slopes[:states, :states], slopes[states : states + count, :states] = x.T @ after, u.T @ after
        if run_of.interp:
            du[1:] += after[:-1] @ inputs[1].T
            slopes[states + count :, :states] = u[1:].T @ after[:-1] - u.T @ after
        joint = dt * expm_frechet(run_of.matrix, slopes, compute_expm=False).T
        da, first = joint[:states, :states], late[0]
        if run_of.begin:
            at_first = expm_frechet(a * run_of.begin, np.outer(run_of.start, first), compute_expm=False)
            da = da + run_of.begin * at_first.T
            first = expm(a.T * run_of.begin) @ first
        found = da, joint[:states, states : states + count], dy.T @ x, dy.T @ u
        given = arguments["U"]
        return {
            **dict(zip(PARTS, found, strict=True)),
            "U": None if given is None else du.reshape(np.shape(given)) if np.ndim(given) else du.sum(),
            "X0": _like_given(first, arguments["X0"]),
        }

    return run_of.value, pull


def lsim_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    from scipy.linalg import expm_frechet

    run_of = _Held(arguments)
    (a, b, c, d), x, u, value = run_of.parts, run_of.x, run_of.u, run_of.value
    da, db, dc, dd = _changes(run_of.parts, tangents)
    du = tangents["U"].reshape(u.shape) if "U" in tangents else np.zeros_like(u)
    moved = joined(da, db, run_of.dt, run_of.interp)
    if run_of.interp:  # what leads from an input to the next one is constant
        moved[len(a) : len(a) + b.shape[1], len(a) + b.shape[1] :] = 0.0
    power, *inputs = run_of.held()
    change = expm_frechet(run_of.matrix.T, moved.T, compute_expm=False)
    dpower, *dinputs = held_parts(change, b, run_of.interp)
    beside = pairs if run_of.interp else np.asarray
    driving = x @ dpower + beside(u) @ np.concatenate(dinputs) + beside(du) @ np.concatenate(inputs)
    start = _first(tangents.get("X0", 0.0), a)
    if run_of.begin:
        at_first, moved_first = expm_frechet(a.T * run_of.begin, da.T * run_of.begin)
        start = start @ at_first + run_of.start @ moved_first
    dx, _ = run(np.concatenate([power, np.identity(len(a))]), start, driving)
    dy = dx @ c.T + x @ dc.T + u @ dd.T + du @ d.T
    return value, (np.zeros_like(value[0]), dy.reshape(value[1].shape), dx.reshape(value[2].shape))


def _start(arguments: Named, a: Array) -> Array:
    return _first(0.0 if arguments["x0"] is None else arguments["x0"], a)


def _first(given: Any, a: Array) -> Array:
    """A state, for which one number may stand."""
    start = np.zeros(len(a))
    start[...] = given
    return start


def _like_given(gradient: Array, given: Any) -> Array | None:
    """The gradient of a state as it was given: one number may have stood for all."""
    if given is None:
        return None
    shape = np.shape(given)
    return gradient if shape == gradient.shape else np.asarray(gradient.sum()).reshape(shape)
