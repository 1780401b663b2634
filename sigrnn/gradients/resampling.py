"""Gradients of resampling: the transpose of a filter between two rates is a filter in the other direction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sigrnn._arrays import Array, array, time_axis, time_back, time_last
from sigrnn.filters._coefficients import inner
from sigrnn.filters._extension import extended, extended_back
from sigrnn.filters._polyphase import Rates, resampled
from sigrnn.filters._rates import against_aliasing, reduced, taps_of
from sigrnn.filters.deconvolution import deconvolve
from sigrnn.filters.resampling import BACKGROUNDS, decimate, resample_poly, upfirdn
from sigrnn.filters.smoothing import MODES, coefficients, edges, savgol_filter
from sigrnn.gradients.linear import Named, Pull, lfilter_jvp, lfilter_vjp
from sigrnn.gradients.sections import sosfilt_vjp
from sigrnn.gradients.zerophase import filtfilt_vjp, sosfiltfilt_vjp


def transposed(h: Array, dy: Array, rates: Rates, axis: int, samples: int, mode: str = "constant") -> Array:
    """The gradient of the signal: dx[i] = sum_n conj(h[start + n down - i up]) dy[n], and through its extension."""
    up, down, start, outputs = rates
    dtype = np.result_type(dy, np.complex64 if h.dtype.kind == "c" else np.float32)
    first, last = 0, samples - 1
    if mode != "constant":
        first, last = min(0, rates.newest(0) - (len(h) - 1) // up), max(last, rates.newest(outputs - 1))
    back = Rates(down, up, len(h) - 1 - start + first * up, last - first + 1)
    dx = resampled(h[::-1].conj(), dy, back, axis, dtype)
    if (first, last) == (0, samples - 1):
        return dx
    wide = dx.reshape(math.prod(dx.shape[:axis]), dx.shape[axis], -1)
    at = np.arange(first, last + 1)
    inside = (at >= 0) & (at < samples)
    found = wide[:, inside].copy()
    extended_back(wide[:, ~inside], mode, at[~inside], found)
    return found.reshape(*dx.shape[:axis], samples, *dx.shape[axis + 1 :])


def of_taps(h: Array, x: Array, dy: Array, rates: Rates, axis: int, mode: str, cval: float) -> Array:
    """The gradient of the taps: dh[k] = sum_n conj(v[start + n down - k]) dy[n], over all channels."""
    shape = math.prod(x.shape[:axis]), -1, math.prod(x.shape[axis + 1 :])
    x, dy = x.reshape(shape), dy.reshape(shape)
    reach = (len(h) - 1) // rates.up
    at = np.arange(rates.newest(0) - reach, rates.newest(rates.outputs - 1) + 1)
    inside = (at >= 0) & (at < x.shape[1])
    whole = np.empty((len(x), len(at), x.shape[2]), x.dtype)
    whole[:, inside] = x[:, at[inside]]
    whole[:, ~inside] = extended(x, mode, np.full(x.shape[2], cval), at[~inside])
    dh = np.zeros(len(h), inner(np.result_type(x, dy)))
    for r in range(min(rates.phases, rates.outputs)):
        slope, newest = dy[:, r :: rates.phases], rates.newest(r) - at[0]
        stop = rates.step * (slope.shape[1] - 1) + 1
        for j, k in enumerate(range((rates.start + r * rates.down) % rates.up, len(h), rates.up)):
            dh[k] = np.vdot(whole[:, newest - j : newest - j + stop : rates.step], slope)
    return dh


def upfirdn_vjp(arguments: Named) -> tuple[Any, Pull]:
    h, x = (np.array(arguments[name]) for name in ("h", "x"))  # copies: the user may change theirs
    mode, cval = arguments["mode"].lower(), float(arguments["cval"])
    y = upfirdn(h, x, arguments["up"], arguments["down"], arguments["axis"], mode, cval)
    axis, taps = time_axis(arguments["axis"], x), h.astype(inner(h.dtype))
    rates, wide = Rates(int(arguments["up"]), int(arguments["down"]), 0, y.shape[axis]), x.astype(inner(x.dtype))

    def pull(dy: Array) -> Named:
        dx = transposed(taps, dy, rates, axis, x.shape[axis], mode)
        return {"h": of_taps(taps, wide, dy, rates, axis, mode, cval), "x": dx}

    return y, pull


def upfirdn_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    y = upfirdn(**arguments)
    dy = np.zeros_like(y)
    if "x" in tangents:
        dy += upfirdn(**{**arguments, "x": tangents["x"], "cval": 0.0})
    if "h" in tangents:
        dy += upfirdn(**{**arguments, "h": tangents["h"]})
    return y, dy


def resample_poly_vjp(arguments: Named) -> tuple[Any, Pull]:
    x, padtype = array("x", arguments["x"]), arguments["padtype"]
    y = resample_poly(**arguments)
    refuse_order(padtype)
    axis, (up, down), dtype = time_axis(arguments["axis"], x), reduced(arguments["up"], arguments["down"]), x.dtype
    if up == down:
        return y, lambda dy: {"x": dy}
    h, _ = taps_of(arguments["window"], up, down, dtype)
    samples, rates = x.shape[axis], Rates(up, down, (len(h) - 1) // 2, y.shape[axis])

    def pull(dy: Array) -> Named:
        if padtype != "mean":
            return {"x": transposed(h, dy, rates, axis, samples, padtype)}
        dx = transposed(h, dy, rates, axis, samples)
        beside = dy.sum(axis=axis, keepdims=True) - dx.sum(axis=axis, keepdims=True)
        return {"x": dx + beside / samples}

    return y, pull


def resample_poly_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    refuse_order(arguments["padtype"])
    y = resample_poly(**arguments)
    return y, resample_poly(**{**arguments, "x": tangents["x"], "cval": None}) if tangents else np.zeros_like(y)


def refuse_order(padtype: str) -> None:
    if padtype in BACKGROUNDS and padtype != "mean":
        raise NotImplementedError(f"resample_poly with padtype={padtype!r} has no gradient: it is not linear")


def decimate_vjp(arguments: Named) -> tuple[Any, Pull]:
    x, q, zero_phase = array("x", arguments["x"]), arguments["q"], arguments["zero_phase"]
    y = decimate(**arguments)
    axis, kind = time_axis(arguments["axis"], x), np.dtype(x.dtype.char)
    fir, filter, _ = against_aliasing(arguments["ftype"], arguments["n"], q, kind)
    if fir:
        rates = Rates(1, q, (len(filter[0]) - 1) // 2 if zero_phase else 0, y.shape[axis])
        return y, lambda dy: {"x": transposed(filter[0], dy, rates, axis, x.shape[axis])}
    wide: Named = {"x": x.astype(np.result_type(x, np.float64)), "axis": axis}
    both, once = {"padtype": "odd", "padlen": None}, {"zi": None, "method": "auto"}
    if len(filter) == 1:
        rule, more = (sosfiltfilt_vjp, both) if zero_phase else (sosfilt_vjp, once)
        _, back = rule({"sos": filter[0], **wide, **more})
    else:
        rule, more = (filtfilt_vjp, {**both, "method": "pad", "irlen": None}) if zero_phase else (lfilter_vjp, once)
        _, back = rule({"b": filter[0], "a": filter[1], **wide, **more})

    def pull(dy: Array) -> Named:
        slope = np.zeros(x.shape, np.result_type(dy, wide["x"], *filter))
        slope[(slice(None),) * axis + (slice(None, None, q),)] = dy
        return {"x": back(slope)["x"]}

    return y, pull


def decimate_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    y = decimate(**arguments)
    return y, decimate(**{**arguments, **tangents}) if tangents else np.zeros_like(y)


def savgol_filter_vjp(arguments: Named) -> tuple[Any, Pull]:
    x, mode = array("x", arguments["x"]), arguments["mode"]
    if x.dtype.kind == "c":
        raise NotImplementedError(f"savgol_filter has a gradient for real signals, got dtype {x.dtype}")
    y = savgol_filter(**arguments)
    fit = tuple(arguments[name] for name in ("window_length", "polyorder", "deriv", "delta"))
    taps, (polynomial, first, last), size = coefficients(*fit), edges(*fit), arguments["window_length"]
    axis, samples, half = time_axis(arguments["axis"], x), y.shape[arguments["axis"]], size // 2

    def pull(dy: Array) -> Named:
        slope, alone = time_last(dy, axis), mode == "interp" and half > 0
        inside = slope.copy()
        if alone:
            inside[..., :half], inside[..., -half:] = 0.0, 0.0
        rates = Rates(1, 1, half, samples)
        dx = transposed(taps, inside, rates, dy.ndim - 1, samples, MODES[mode])
        if alone:
            dx[..., :size] += slope[..., :half] @ first @ polynomial
            dx[..., -size:] += slope[..., -half:] @ last @ polynomial
        return {"x": time_back(dx, axis)}

    return y, pull


def savgol_filter_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    y = savgol_filter(**arguments)
    return y, savgol_filter(**{**arguments, **tangents, "cval": 0.0}) if tangents else np.zeros_like(y)


def _division(arguments: Named) -> tuple[Array, Array, int]:
    s, d = np.array(arguments["signal"]), np.array(arguments["divisor"])
    value = deconvolve(s, d)  # checks
    if len(d) > len(s):
        raise ValueError(f"no quotient, so no gradient: signal has {len(s)} samples, divisor {len(d)}")
    return s, d, len(value[0])


def deconvolve_vjp(arguments: Named) -> tuple[Any, Pull]:
    s, d, count = _division(arguments)
    more = {"axis": -1, "zi": None, "method": "auto"}
    quotient, divided = lfilter_vjp({"b": np.ones(1), "a": d, "x": s[:count], **more})
    padded = np.concatenate([quotient, np.zeros(len(d) - 1)])
    product, multiplied = lfilter_vjp({"b": d, "a": np.ones(1), "x": padded, **more})

    def pull(dq: Array, dr: Array) -> Named:
        filtered = multiplied(np.ascontiguousarray(-dr, product.dtype))
        parts = divided(np.ascontiguousarray(dq + filtered["x"][:count], quotient.dtype))
        ds = np.array(dr, np.result_type(dr, parts["x"]))
        ds[:count] += parts["x"]
        return {"signal": ds, "divisor": parts["a"] + filtered["b"]}

    return (quotient, s - product), pull


def deconvolve_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    s, d, count = _division(arguments)
    ds, dd = tangents.get("signal", np.zeros_like(s)), tangents.get("divisor", np.zeros_like(d))
    more = {"axis": -1, "zi": None, "method": "auto"}
    quotient, dq = lfilter_jvp({"b": np.ones(1), "a": d, "x": s[:count], **more}, {"a": dd, "x": ds[:count]})
    padded, change = (np.concatenate([c, np.zeros(len(d) - 1)]) for c in (quotient, dq))
    product, dp = lfilter_jvp({"b": d, "a": np.ones(1), "x": padded, **more}, {"b": dd, "x": change})
    return (quotient, s - product), (dq, ds - dp)
