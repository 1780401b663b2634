"""Gradients of linear systems in state space: the transposed system over reversed time.

With l[n] the gradient of x[n], in all that it does later:

    l[n] = dx[n] + C^T dy[n] + A^T l[n+1],    du[n] = D^T dy[n] + B^T l[n+1]

and dA = sum l[n+1] x[n]^T, dB = sum l[n+1] u[n]^T, dC = sum dy[n] x[n]^T, dD = sum dy[n] u[n]^T.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.filters.state_space import continuous, discrete, dlsim, held, lsim, matrices, run, served, started
from sigrnn.gradients.linear import Named, Pull

PARTS = "A", "B", "C", "D"


def backwards(a: Array, slope: Array) -> Array:
    """l (N + 1, K) for the slopes dx + C^T dy (N, K); the last row is zero."""
    given = np.concatenate([slope[::-1], np.zeros((1, len(a)))])
    states, _ = run(np.concatenate([a, np.identity(len(a))]), np.zeros(len(a)), given)
    return states[::-1]


def _discrete(arguments: Named) -> tuple[Any, Any, tuple[Array, ...], Array]:
    """The system as it was given; the value; A, B, C, D; the inputs as columns."""
    if arguments["t"] is not None:
        raise NotImplementedError("dlsim has a gradient without t=, where nothing is interpolated")
    given = arguments["system"]
    if given is None:
        given = *(np.array(arguments[name], F8) for name in PARTS), arguments["dt"]
    u = np.atleast_1d(np.array(arguments["u"]))
    parts = matrices(discrete(given, "dlsim")[0])
    if not all(served(c) for c in (*parts, u, arguments["x0"])):
        raise NotImplementedError("dlsim has a gradient for real systems and inputs")
    return given, dlsim(given, u, None, arguments["x0"]), parts, (u[:, None] if u.ndim == 1 else u).astype(F8)


def dlsim_vjp(arguments: Named) -> tuple[Any, Pull]:
    _, value, (a, b, c, d), u = _discrete(arguments)
    shape = np.shape(arguments["u"])
    x = run(np.block([[a, b], [c, d]]).T, _start(arguments, a), u)[0]

    def pull(dt: Array, dy: Array, dx: Array | None = None) -> Named:
        late = backwards(a, dy @ c + (0.0 if dx is None else dx))
        after = late[1:]
        found = after.T @ x, after.T @ u, dy.T @ x, dy.T @ u
        start = _like_given(late[0], arguments["x0"])
        return {**dict(zip(PARTS, found, strict=True)), "u": (dy @ d + after @ b).reshape(shape), "x0": start}

    return value, pull


def dlsim_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    _, value, (a, b, c, d), u = _discrete(arguments)
    x = run(np.block([[a, b], [c, d]]).T, _start(arguments, a), u)[0]
    da, db, dc, dd = (tangents.get(name, np.zeros_like(p)) for name, p in zip(PARTS, (a, b, c, d), strict=True))
    du = tangents["u"].reshape(u.shape) if "u" in tangents else np.zeros_like(u)
    start = np.zeros(len(a))
    start[...] = tangents.get("x0", 0.0)
    driven = x @ da.T + u @ db.T + du @ b.T
    dx, _ = run(np.concatenate([a.T, np.identity(len(a))]), start, driven)
    changes = np.zeros_like(value[0]), dx @ c.T + x @ dc.T + u @ dd.T + du @ d.T, dx
    return value, changes[: len(value)]


def lsim_vjp(arguments: Named) -> tuple[Any, Pull]:
    times, value = np.atleast_1d(arguments["T"]), lsim(**arguments)
    a, b, c, d = _continuous(arguments)
    shape, interp = np.shape(arguments["U"]), arguments["interp"]
    power, *inputs = held(a, b, times[1] - times[0], interp)
    states, outputs = (len(times), len(a)), (len(times), len(c))

    def pull(dt: Array, dy: Array, dx: Array) -> Named:
        dy = dy.reshape(outputs)
        late = backwards(power.T, dy @ c + dx.reshape(states))
        du = dy @ d + late[1:] @ inputs[0].T
        if interp:
            du[1:] += late[1:-1] @ inputs[1].T
        from_start = np.stack([started(a, times[0], row) for row in np.identity(len(a))])
        start = _like_given(from_start @ late[0], arguments["X0"])
        return {"U": du.reshape(shape) if arguments["U"] is not None else None, "X0": start}

    return value, pull


def lsim_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    _continuous(arguments)
    value = lsim(**arguments)
    u = tangents.get("U", None if arguments["U"] is None else np.zeros_like(arguments["U"]))
    _, dy, dx = lsim(**{**arguments, "U": u, "X0": tangents.get("X0")})
    return value, (np.zeros_like(value[0]), dy.reshape(value[1].shape), dx)


def _continuous(arguments: Named) -> tuple[Array, ...]:
    parts = matrices(continuous(arguments["system"]))
    if not all(served(c) for c in (*parts, arguments["U"], arguments["X0"])) or np.size(arguments["T"]) < 2:
        raise NotImplementedError("lsim has a gradient for real systems and inputs, and at least two times")
    return parts


def _start(arguments: Named, a: Array) -> Array:
    start = np.zeros(len(a))
    start[...] = 0.0 if arguments["x0"] is None else arguments["x0"]
    return start


def _like_given(gradient: Array, given: Any) -> Array | None:
    """The gradient of a state as it was given: one number may have stood for all."""
    if given is None:
        return None
    shape = np.shape(given)
    return gradient if shape == gradient.shape else np.asarray(gradient.sum()).reshape(shape)
