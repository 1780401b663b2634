"""`lstm` and `gru`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from sigrnn._kernels.base.activations import ACTIVATIONS
from sigrnn.layers.recurrent import gru, lstm
from sigrnn.numba_extension._arguments import STRICT, common_dtype, compiled, missing, sums

tanh, sigmoid = ACTIVATIONS["tanh"].g, ACTIVATIONS["sigmoid"].g


@sums
def weighed(w, row, v):
    total = 0.0
    for i in range(len(v)):
        total += np.float64(w[row, i]) * v[i]
    return total


def bias_of(b: Any, k: Any) -> Any:
    """An entry of a bias, which may be missing."""


@overload(bias_of, inline="always")
def _bias_of(b, k):
    return (lambda b, k: 0.0) if missing(b) else (lambda b, k: np.float64(b[k]))


def begin(state: Any, to: Any) -> None:
    """Copy an initial state, zero if it is missing."""


@overload(begin)
def _begin(state, to):
    if missing(state):

        def copy(state, to):
            to[:] = 0.0

    else:

        def copy(state, to):
            if len(state) != len(to):
                raise ValueError("initial states must have one entry for each unit")
            to[:] = state

    return copy


def length_of(b: Any, rows: int) -> int:
    """That of a bias, `rows` if it is missing."""


@overload(length_of, inline="always")
def _length_of(b, rows):
    return (lambda b, rows: rows) if missing(b) else (lambda b, rows: len(b))


@compiled
def units_of(x, w_ih, w_hh, b_ih, b_hh, gates):
    rows = gates * w_hh.shape[1]
    if w_hh.shape[0] != rows or w_ih.shape != (rows, x.shape[1]):
        raise ValueError(
            "w_ih and w_hh must have a row for each gate of each unit, and a column for each input or unit"
        )
    if length_of(b_ih, rows) != rows or length_of(b_hh, rows) != rows:
        raise ValueError("biases must have an entry for each gate of each unit")
    return w_hh.shape[1]


LAYER = {"x": (2,), "w_ih": (2,), "w_hh": (2,), "b_ih": (1,), "b_hh": (1,), "h0": (1,), "c0": (1,), "peephole": (2,)}


@overload(lstm, jit_options=STRICT)
def _lstm(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, c0=None, peephole=None):
    given = {"x": x, "w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh, "h0": h0, "c0": c0, "peephole": peephole}
    dtype, seen = common_dtype("lstm", LAYER, **given), not missing(peephole)

    def lstm(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, c0=None, peephole=None):
        units = units_of(x, w_ih, w_hh, b_ih, b_hh, 4)
        if seen and peephole.shape != (3, units):
            raise ValueError("peephole must have shape (3, H)")
        h, last, c = np.empty((len(x), units), dtype), np.empty(units, dtype), np.empty(units, dtype)
        begin(h0, last)
        begin(c0, c)
        for n in range(len(x)):
            before = h[n - 1] if n else last
            for k in range(units):
                i, f, g, o = k, units + k, 2 * units + k, 3 * units + k
                at_i = weighed(w_ih, i, x[n]) + weighed(w_hh, i, before) + bias_of(b_ih, i) + bias_of(b_hh, i)
                at_f = weighed(w_ih, f, x[n]) + weighed(w_hh, f, before) + bias_of(b_ih, f) + bias_of(b_hh, f)
                at_g = weighed(w_ih, g, x[n]) + weighed(w_hh, g, before) + bias_of(b_ih, g) + bias_of(b_hh, g)
                at_o = weighed(w_ih, o, x[n]) + weighed(w_hh, o, before) + bias_of(b_ih, o) + bias_of(b_hh, o)
                if seen:
                    at_i += peephole[0, k] * c[k]
                    at_f += peephole[1, k] * c[k]
                c[k] = sigmoid(at_f) * c[k] + sigmoid(at_i) * tanh(at_g)
                if seen:
                    at_o += peephole[2, k] * c[k]
                h[n, k] = sigmoid(at_o) * tanh(np.float64(c[k]))
        if len(x):
            last[:] = h[-1]
        return h, (last, c)

    lstm.__qualname__ = f"sigrnn_lstm_{dtype.char}_{seen}"
    return lstm


@overload(gru, jit_options=STRICT)
def _gru(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, reset_after=True):
    dtype = common_dtype("gru", LAYER, x=x, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh, h0=h0)

    def gru(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, reset_after=True):
        units = units_of(x, w_ih, w_hh, b_ih, b_hh, 3)
        h, last = np.empty((len(x), units), dtype), np.empty(units, dtype)
        begin(h0, last)
        gated = last if reset_after else np.empty(units, dtype)  # not used, or one array more
        for n in range(len(x)):
            before = h[n - 1] if n else last
            if not reset_after:
                for k in range(units):
                    s = weighed(w_ih, k, x[n]) + weighed(w_hh, k, before) + bias_of(b_ih, k) + bias_of(b_hh, k)
                    gated[k] = sigmoid(s) * before[k]
            for k in range(units):
                z, m = units + k, 2 * units + k
                at_z = weighed(w_ih, z, x[n]) + weighed(w_hh, z, before) + bias_of(b_ih, z) + bias_of(b_hh, z)
                at_n = weighed(w_ih, m, x[n]) + bias_of(b_ih, m)
                if reset_after:
                    s = weighed(w_ih, k, x[n]) + weighed(w_hh, k, before) + bias_of(b_ih, k) + bias_of(b_hh, k)
                    at_n += sigmoid(s) * (weighed(w_hh, m, before) + bias_of(b_hh, m))
                else:
                    at_n += weighed(w_hh, m, gated) + bias_of(b_hh, m)
                share = sigmoid(at_z)
                h[n, k] = (1.0 - share) * tanh(at_n) + share * before[k]
        if len(x):
            last[:] = h[-1]
        return h, last

    gru.__qualname__ = f"sigrnn_gru_{dtype.char}"
    return gru
