"""`lfilter`, `nlfilter`, `sosfilt` and `lfilter_zi`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from sigrnn._kernels.activation_table import TABLE
from sigrnn._kernels.base.activations import ACTIVATIONS
from sigrnn._kernels.base.vec import stack
from sigrnn._kernels.filters.steps import biquad, direct_form, excited
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.filters.nonlinear import nlfilter
from sigrnn.filters.steady import lfilter_zi
from sigrnn.numba_extension._arguments import STRICT, common_dtype, compiled, missing, sums

STATES = 64  # of a filter, on the stack; above, one of feedback needs arrays
TAPS = STATES + 1
SECTIONS = STATES // 2
ROWS = 3 * SECTIONS


@compiled
def check_axis(axis, ndim):
    if axis != -1 and axis != ndim - 1:
        raise ValueError("axis must be the last one")


@compiled
def order_of(b, a):
    if len(b) == 0 or len(a) == 0:
        raise ValueError("b and a must not be empty")
    if a[0] == 0.0:
        raise ValueError("filter coefficient a[0] must not be 0")
    return max(len(b), len(a)) - 1


@compiled
def normalise(b, a, order, over_b, over_a):
    """Both divided by a[0], and filled up with zeros to the same length."""
    first = np.float64(a[0])
    for k in range(order + 1):
        over_b[k] = np.float64(b[k]) / first if k < len(b) else 0.0
        over_a[k] = np.float64(a[k]) / first if k < len(a) else 0.0


@compiled
def without_state(b, first, x, y, zi, zf, bias):
    """A long filter without feedback: sums over x itself, no state to keep."""
    order, samples = len(b) - 1, len(x)
    first = np.float64(first)
    for n in range(samples):
        y[n] = convolved(b, x, n) / first + bias + (zi[n] if n < len(zi) else 0.0)
    for p in range(len(zf)):
        rest = np.float64(zi[p + samples]) if p + samples < order else 0.0
        for m in range(p + 1, min(order, p + samples) + 1):
            rest += np.float64(b[m]) / first * x[samples - (m - p)]
        zf[p] = rest


@sums
def convolved(b, x, n):
    total = 0.0
    for m in range(min(n, len(b) - 1) + 1):
        total += np.float64(b[m]) * x[n - m]
    return total


def row_filter(name: str, step: Any, g: Any) -> tuple[Any, Any]:
    """The loops of a step over a row, with a state of any kind and with one on the stack; g: of the activation, or None.

    Their names differ from step to step: Numba takes two functions of the same name for one.
    """

    def steps(order, b, a, z, x, y):
        for n in range(len(x)):
            y[n] = step(order, b, a, z, 0, 0, np.float64(x[n]))

    steps.__qualname__ = f"sigrnn_steps_{name}"
    steps = compiled(steps)
    linear = g is None
    respond = ACTIVATIONS["linear"].g if linear else g

    def row(b, a, x, y, zi, zf, bias):
        order = order_of(b, a)
        if order == 0:
            gain = np.float64(b[0]) / np.float64(a[0])
            for n in range(len(x)):
                y[n] = respond(gain * x[n] + bias)
        elif len(a) == 1 and order > STATES and linear:
            without_state(b, a[0], x, y, zi, zf, bias)
        elif order <= STATES:
            over_b, over_a, z = stack(TAPS, 0.0), stack(TAPS, 0.0), stack(STATES, 0.0)
            normalise(b, a, order, over_b, over_a)
            if not linear:
                over_a[0] = bias
            for p in range(order):
                z[p] = zi[p] if len(zi) else 0.0
            steps(order, over_b, over_a, z, x, y)
            for p in range(len(zf)):
                zf[p] = z[p]
        else:
            long_b, long_a, long_z = np.empty(order + 1), np.empty(order + 1), np.zeros(order)
            normalise(b, a, order, long_b, long_a)
            if not linear:
                long_a[0] = bias
            long_z[: len(zi)] = zi
            steps(order, long_b, long_a, long_z, x, y)
            zf[:] = long_z[: len(zf)]

    row.__qualname__ = f"sigrnn_row_{name}"
    return compiled(row)


direct_row = row_filter("lfilter", direct_form, None)
_nonlinear_rows: dict[str, Any] = {}


def nonlinear_row(activation: str) -> Any:
    if activation not in _nonlinear_rows:
        g = ACTIVATIONS[activation].g
        _nonlinear_rows[activation] = row_filter(f"nlfilter_{activation}", excited(g), g)
    return _nonlinear_rows[activation]


def filter_like(name: str, row: Any, dtype: np.dtype[Any], ndim: int, stateful: bool) -> Callable[..., Any]:
    """The function over a signal of one or two axes, with a state or at rest."""
    if ndim == 1 and not stateful:

        def run(b, a, x, axis, zi, bias):
            check_axis(axis, 1)
            y = np.empty(len(x), dtype)
            row(b, a, x, y, y[:0], y[:0], bias)
            return y

    elif ndim == 1:

        def run(b, a, x, axis, zi, bias):
            check_axis(axis, 1)
            if len(zi) != order_of(b, a):
                raise ValueError("zi must have max(len(a), len(b)) - 1 entries")
            y, zf = np.empty(len(x), dtype), np.empty(len(zi), dtype)
            row(b, a, x, y, zi, zf, bias)
            return y, zf

    elif not stateful:

        def run(b, a, x, axis, zi, bias):
            check_axis(axis, 2)
            y = np.empty(x.shape, dtype)
            for c in range(len(x)):
                row(b, a, x[c], y[c], y[c, :0], y[c, :0], bias)
            return y

    else:

        def run(b, a, x, axis, zi, bias):
            check_axis(axis, 2)
            if zi.shape != (len(x), order_of(b, a)):
                raise ValueError("zi must have shape (len(x), max(len(a), len(b)) - 1)")
            y, zf = np.empty(x.shape, dtype), np.empty(zi.shape, dtype)
            for c in range(len(x)):
                row(b, a, x[c], y[c], zi[c], zf[c], bias)
            return y, zf

    run.__qualname__ = f"sigrnn_{name}_{dtype.char}_{ndim}_{stateful}"
    return compiled(run)


def prepared(function: str, row: Any, b: Any, a: Any, x: Any, zi: Any) -> Any:
    axes = {"b": (1,), "a": (1,), "x": (1, 2), "zi": (getattr(x, "ndim", 1),)}
    dtype = common_dtype(function, axes, b=b, a=a, x=x, zi=zi)
    return filter_like(row.py_func.__qualname__, row, dtype, x.ndim, not missing(zi))


@overload(lfilter, jit_options=STRICT)
def _lfilter(b, a, x, axis=-1, zi=None):
    run = prepared("lfilter", direct_row, b, a, x, zi)
    return lambda b, a, x, axis=-1, zi=None: run(b, a, x, axis, zi, 0.0)


@overload(nlfilter, jit_options=STRICT, prefer_literal=True)
def _nlfilter(b, a, x, axis=-1, zi=None, activation="tanh", bias=0.0):
    name = activation.value if isinstance(activation, types.Omitted) else activation
    name = name.literal_value if isinstance(name, types.StringLiteral) else name
    if not isinstance(name, str) or name not in TABLE:
        names = ", ".join(map(repr, TABLE))
        raise TypingError(f"sigrnn.nlfilter: activation must be one of {names}, as a constant; got {name}")
    number = types.Omitted, types.Number, int, float
    if not isinstance(bias, number) or isinstance(bias, types.Complex):
        raise TypingError(f"sigrnn.nlfilter: bias must be a real number, got {bias}")
    run = prepared("nlfilter", nonlinear_row(name), b, a, x, zi)

    def nlfilter(b, a, x, axis=-1, zi=None, activation="tanh", bias=0.0):
        return run(b, a, x, axis, zi, np.float64(bias))

    nlfilter.__qualname__ = f"sigrnn_nlfilter_{name}"
    return nlfilter


@compiled
def cascade(sos, x, y, z, zi, zf, over_b, over_a):
    """Sections one after the other, sample after sample; zi and zf (S, 2), or without entries: at rest."""
    for s in range(len(sos)):
        for k in range(3):
            over_b[3 * s + k], over_a[3 * s + k] = sos[s, k], sos[s, 3 + k]
        for p in range(2):
            z[2 * s + p] = zi[s, p] if zi.size else 0.0
    for n in range(len(x)):
        value = np.float64(x[n])
        for s in range(len(sos)):
            value = biquad(2, over_b, over_a, z, 3 * s, 2 * s, value)
        y[n] = value
    if zf.size:
        for s in range(len(sos)):
            zf[s, 0], zf[s, 1] = z[2 * s], z[2 * s + 1]


@compiled
def cascade_row(sos, x, y, zi, zf):
    if len(sos) <= SECTIONS:
        cascade(sos, x, y, stack(STATES, 0.0), zi, zf, stack(ROWS, 0.0), stack(ROWS, 0.0))
    else:
        size = len(sos)
        cascade(sos, x, y, np.empty(2 * size), zi, zf, np.empty(3 * size), np.empty(3 * size))


@compiled
def check_sections(sos):
    if sos.shape[1] != 6:
        raise ValueError("sos array must be shape (n_sections, 6)")
    for s in range(len(sos)):
        if sos[s, 3] != 1.0:
            raise ValueError("sos[:, 3] should be all ones")


@overload(sosfilt, jit_options=STRICT)
def _sosfilt(sos, x, axis=-1, zi=None):
    axes = {"sos": (2,), "x": (1, 2), "zi": (getattr(x, "ndim", 1) + 1,)}
    dtype = common_dtype("sosfilt", axes, sos=sos, x=x, zi=zi)
    if x.ndim == 1 and missing(zi):

        def run(sos, x, axis=-1, zi=None):
            check_axis(axis, 1)
            check_sections(sos)
            y = np.empty(len(x), dtype)
            rest = y[:0].reshape(0, 2)
            cascade_row(sos, x, y, rest, rest)
            return y

    elif x.ndim == 1:

        def run(sos, x, axis=-1, zi=None):
            check_axis(axis, 1)
            check_sections(sos)
            if zi.shape != (len(sos), 2):
                raise ValueError("zi must have shape (n_sections, 2)")
            y, zf = np.empty(len(x), dtype), np.empty((len(sos), 2), dtype)
            cascade_row(sos, x, y, zi, zf)
            return y, zf

    elif missing(zi):

        def run(sos, x, axis=-1, zi=None):
            check_axis(axis, 2)
            check_sections(sos)
            y = np.empty(x.shape, dtype)
            for c in range(len(x)):
                cascade_row(sos, x[c], y[c], y[:0], y[:0])
            return y

    else:

        def run(sos, x, axis=-1, zi=None):
            check_axis(axis, 2)
            check_sections(sos)
            if zi.shape != (len(sos), len(x), 2):
                raise ValueError("zi must have shape (n_sections, len(x), 2)")
            y, zf = np.empty(x.shape, dtype), np.empty(zi.shape, dtype)
            for c in range(len(x)):
                cascade_row(sos, x[c], y[c], zi[:, c], zf[:, c])
            return y, zf

    run.__qualname__ = f"sigrnn_sosfilt_{dtype.char}"
    return run


@overload(lfilter_zi, jit_options=STRICT)
def _lfilter_zi(b, a):
    dtype = common_dtype("lfilter_zi", {"b": (1,), "a": (1,)}, b=b, a=a)

    def lfilter_zi(b, a):
        zeros = 0
        while zeros < len(a) and a[zeros] == 0.0:
            zeros += 1
        if zeros == len(a) or len(b) == 0:
            raise ValueError("b must not be empty, and there must be at least one nonzero a coefficient")
        a = a[zeros:]
        above, below = 0.0, 0.0
        for m in range(len(b)):
            above += b[m]
        for m in range(len(a)):
            below += a[m]
        if below == 0.0:
            raise np.linalg.LinAlgError("Filter not stable due to sum(a) == 0: it has a pole at z = 1")
        gain, first, total = above / below, np.float64(a[0]), 0.0
        zi = np.empty(max(len(b), len(a)) - 1, dtype)
        for p in range(len(zi) - 1, -1, -1):
            total += (b[p + 1] / first if p + 1 < len(b) else 0.0) - gain * (
                a[p + 1] / first if p + 1 < len(a) else 0.0
            )
            zi[p] = total
        return zi

    lfilter_zi.__qualname__ = f"sigrnn_lfilter_zi_{dtype.char}"
    return lfilter_zi
