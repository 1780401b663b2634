"""Gradients of zero-phase filters: those of both passes, of their initial states, and of the extension."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array, signal, time_axis, time_back, time_last
from sigrnn.filters._call import repeated
from sigrnn.filters._coefficients import inner, normalised, sections
from sigrnn.filters._passes import continuation, edge_length
from sigrnn.filters.steady import constant_sections, constant_state
from sigrnn.gradients.linear import (
    Named,
    Pull,
    denormalised,
    lfilter_jvp,
    lfilter_vjp,
    normal_tangents,
    summed,
)
from sigrnn.gradients.sections import sosfilt_jvp, sosfilt_vjp


class Setting(NamedTuple):
    """What both functions make of their arguments."""

    x: Array  # the signal, channels repeated for filters of their own, in the dtype of the result
    given: tuple[int, ...]  # the shape of x as it was given
    axis: int
    padtype: str | None
    edge: int

    def extended(self, x: Array) -> Array:
        """The signal, or a tangent of it, continued at both ends, time last."""
        x = time_last(x, self.axis)
        if not self.edge:
            return x
        before, after = continuation(x, self.padtype, self.edge)
        return np.concatenate([before, x, after], axis=-1)

    def extended_back(self, slope: Array) -> Array:
        """The transpose of `extended`."""
        edge, samples = self.edge, self.x.shape[self.axis]
        inside = slope[..., edge : edge + samples].copy()
        if edge:
            before, after = slope[..., :edge], slope[..., edge + samples :]
            if self.padtype != "constant":
                sign = 1 if self.padtype == "even" else -1
                inside[..., 1 : edge + 1] += sign * before[..., ::-1]
                inside[..., samples - 1 - edge : samples - 1] += sign * after[..., ::-1]
            if self.padtype != "even":
                ends = 1 if self.padtype == "constant" else 2
                inside[..., 0] += ends * before.sum(axis=-1)
                inside[..., -1] += ends * after.sum(axis=-1)
        return summed(time_back(inside, self.axis), self.given)

    def cut(self, y: Array) -> Array:
        """A result without what was added, in the user's layout."""
        return time_back(y[..., self.edge : self.edge + self.x.shape[self.axis]], self.axis)

    def uncut(self, dy: Array) -> Array:
        """The transpose of `cut`."""
        last = time_last(dy, self.axis)
        full = np.zeros((*last.shape[:-1], last.shape[-1] + 2 * self.edge), dy.dtype)
        full[..., self.edge : self.edge + last.shape[-1]] = last
        return full


Start = Callable[[Array], Array]  # from first samples (..., 1) to what multiplies the states: (..., 1) or (1, ..., 1)


def both_ways(run: Callable[..., Any], zi: Array, lead: Start, x: Array) -> tuple[Array, Callable[[Array], Named]]:
    """Filter x forward and backward, from states zi times the first sample. `run(x, zi)` is a filter's rule.

    The pull-back's "zi" is the gradient of zi itself, summed over channels.
    """
    passes = []
    for _ in range(2):
        first = lead(x[..., :1].copy())
        (y, _), pull = run(x, zi * first)
        passes.append((first, pull))
        x = y[..., ::-1]

    def back(slope: Array) -> Named:
        total: Named = {"zi": np.zeros_like(zi)}
        for first, pull in reversed(passes):
            parts = pull(np.ascontiguousarray(slope[..., ::-1]))
            state, slope = parts.pop("zi"), parts.pop("x")
            parts["zi"] = summed(state * first.conj(), zi.shape)
            whole = (state * zi.conj()).sum(axis=-1, keepdims=True)
            slope[..., :1] += whole.sum(axis=0) if first.ndim > slope.ndim else whole
            total = {name: total.get(name, 0.0) + part for name, part in parts.items()}
        return {**total, "x": slope}

    return x, back


def both_ways_tangent(
    run: Callable[..., Any], zi: Array, dzi: Array, lead: Start, x: Array, dx: Array
) -> tuple[Array, Array]:
    """The same forward: `run(x, zi, dx, dzi)` is a filter's rule."""
    for _ in range(2):
        first, change = lead(x[..., :1]), lead(dx[..., :1])
        (y, _), (dy, _) = run(x, zi * first, dx, dzi * first + zi * change)
        x, dx = y[..., ::-1], dy[..., ::-1]
    return x, dx


def filtfilt_vjp(arguments: Named) -> tuple[Any, Pull]:
    b, a, setting = _filtfilt(arguments)
    zi = constant_state(b, a)

    def run(x: Array, zi: Array) -> Any:
        return lfilter_vjp({"b": b, "a": a, "x": x, "axis": -1, "zi": zi, "method": "auto"})

    y, back = both_ways(run, zi, _itself, setting.extended(setting.x))

    def pull(dy: Array) -> Named:
        parts = back(setting.uncut(dy))
        db, da = constant_state_back(b, a, parts["zi"])
        return {"b": parts["b"] + db, "a": parts["a"] + da, "x": setting.extended_back(parts["x"])}

    return setting.cut(y), pull


def filtfilt_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    b, a, setting = _filtfilt(arguments)
    zi, dzi = constant_state(b, a), constant_state_tangent(b, a, tangents)
    coefs: Named = {name: tangents[name] for name in ("b", "a") if name in tangents}

    def run(x: Array, zi: Array, dx: Array, dzi: Array) -> Any:
        filtered = {"b": b, "a": a, "x": x, "axis": -1, "zi": zi, "method": "auto"}
        return lfilter_jvp(filtered, {**coefs, "x": dx, "zi": dzi})

    return _tangent(partial(both_ways_tangent, run, zi, dzi, _itself), setting, tangents)


def sosfiltfilt_vjp(arguments: Named) -> tuple[Any, Pull]:
    sos, setting = _sosfiltfilt(arguments)
    zi = constant_sections(sos)
    lead, first = _sections_first(zi.shape, setting.x.ndim)

    def run(x: Array, zi: Array) -> Any:
        return sosfilt_vjp({"sos": sos, "x": x, "axis": -1, "zi": zi, "method": "auto"})

    y, back = both_ways(run, first(zi), lead, setting.extended(setting.x))

    def pull(dy: Array) -> Named:
        parts = back(setting.uncut(dy))
        state = np.moveaxis(parts["zi"], 0, -2).reshape(zi.shape)
        return {"sos": parts["sos"] + constant_sections_back(sos, state), "x": setting.extended_back(parts["x"])}

    return setting.cut(y), pull


def sosfiltfilt_jvp(arguments: Named, tangents: Named) -> tuple[Any, Any]:
    sos, setting = _sosfiltfilt(arguments)
    zi = constant_sections(sos)
    dsos = tangents.get("sos", np.zeros_like(sos))
    lead, first = _sections_first(zi.shape, setting.x.ndim)
    dzi = constant_sections_tangent(sos, dsos)

    def run(x: Array, zi: Array, dx: Array, dzi: Array) -> Any:
        filtered = {"sos": sos, "x": x, "axis": -1, "zi": zi, "method": "auto"}
        return sosfilt_jvp(filtered, {"sos": dsos, "x": dx, "zi": dzi})

    return _tangent(partial(both_ways_tangent, run, first(zi), first(dzi), lead), setting, tangents)


def _filtfilt(arguments: Named) -> tuple[Array, Array, Setting]:
    if arguments["method"] == "gust":
        raise NotImplementedError("filtfilt with method='gust' has no gradient: use method='pad'")
    if arguments["method"] != "pad":
        raise ValueError(f"method must be 'pad' or 'gust', got {arguments['method']!r}.")
    b, a = (np.atleast_1d(np.array(arguments[name])) for name in ("b", "a"))  # copies: the user may change theirs
    return b, a, _setting(arguments, {"b": b, "a": a}, 1, max(b.shape[-1], a.shape[-1]))


def _sosfiltfilt(arguments: Named) -> tuple[Array, Setting]:
    sos = sections(np.array(arguments["sos"]))
    flat = sos.reshape(-1, *sos.shape[-2:])
    unused = min((flat[..., 2] == 0).sum(axis=1).min(), (flat[..., 5] == 0).sum(axis=1).min()) if flat.size else 0
    return sos, _setting(arguments, {"sos": sos}, 2, 2 * sos.shape[-2] + 1 - int(unused))


def _setting(arguments: Named, coefs: Named, own: int, taps: int) -> Setting:
    x, padtype = signal(arguments["x"]), arguments["padtype"]
    axis = time_axis(arguments["axis"], x)
    edge = edge_length(padtype, arguments["padlen"], x, axis, taps)
    full = repeated(coefs, own, x, axis)
    return Setting(full.astype(np.result_type(x, *coefs.values())), x.shape, axis, padtype, edge)


def _tangent(run: Callable[..., Any], setting: Setting, tangents: Named) -> tuple[Array, Array]:
    x = setting.x
    dx = np.broadcast_to(np.asarray(tangents.get("x", 0.0), x.dtype), x.shape)
    y, dy = (setting.cut(c) for c in run(setting.extended(x), setting.extended(dx)))
    return y, dy.astype(y.dtype, copy=False)


def _itself(first: Array) -> Array:
    return first


def _sections_first(shape: tuple[int, ...], ndim: int) -> tuple[Start, Start]:
    """First samples, and states (..., S, 2), as (S, ..., 2), the layout of `sosfilt`, for x with `ndim` axes."""
    channels = (*[1] * (ndim + 1 - len(shape)), *shape[:-2])
    return lambda x: x[None], lambda zi: np.moveaxis(zi.reshape(*channels, *shape[-2:]), -2, 0)


def constant_state_back(b: Array, a: Array, dz: Array) -> tuple[Array, Array]:
    """Gradients of b and a from those of `constant_state(b, a)`: z[p] = sum_{m>p} B[m] - g A[m], g = sum B / sum A."""
    bb, aa = normalised(b, a, dz.dtype, fir=False)
    whole = aa.sum(axis=-1, keepdims=True).conj()
    gain = bb.sum(axis=-1, keepdims=True).conj() / whole
    db = np.concatenate([np.zeros((*dz.shape[:-1], 1), dz.dtype), np.cumsum(dz, axis=-1)], axis=-1)
    dgain = -(aa.conj() * db).sum(axis=-1, keepdims=True)
    da = -gain * db - dgain * gain / whole
    db, da = denormalised(db + dgain / whole, da, bb, aa, a[..., :1])
    return summed(db[..., : b.shape[-1]], b.shape), summed(da[..., : a.shape[-1]], a.shape)


def constant_state_tangent(b: Array, a: Array, tangents: Named) -> Array:
    """The tangent of `constant_state(b, a)`."""
    bb, aa = normalised(b, a, np.result_type(b, a), fir=False)
    db, da = normal_tangents(bb, aa, a[..., :1], tangents)
    db, da = (np.zeros(1) if c is None else c for c in (db, da))
    whole = aa.sum(axis=-1, keepdims=True)
    gain = bb.sum(axis=-1, keepdims=True) / whole
    dgain = (db.sum(axis=-1, keepdims=True) - gain * da.sum(axis=-1, keepdims=True)) / whole
    change = (db - dgain * aa - gain * da)[..., 1:]
    return np.cumsum(change[..., ::-1], axis=-1)[..., ::-1]


def constant_sections_back(sos: Array, dz: Array) -> Array:
    """The gradient of sections (..., S, 6) from that of `constant_sections(sos)`."""
    b, a = sos[..., :3], sos[..., 3:]
    state, whole = constant_state(b, a), a.sum(axis=-1).conj()
    gain = b.sum(axis=-1) / a.sum(axis=-1)
    before = _gain_before(gain)
    dsos = np.zeros(sos.shape, inner(dz.dtype))
    dsos[..., :3], dsos[..., 3:] = constant_state_back(b, a, before.conj()[..., None] * dz)
    dbefore = np.zeros(gain.shape[:-1], dsos.dtype)  # of the gain of all sections before the one after s
    for s in reversed(range(sos.shape[-2])):
        dgain = before[..., s].conj() * dbefore
        dsos[..., s, :3] += (dgain / whole[..., s])[..., None]
        dsos[..., s, 3:] -= (dgain * gain[..., s].conj() / whole[..., s])[..., None]
        dbefore = (state[..., s, :].conj() * dz[..., s, :]).sum(axis=-1) + gain[..., s].conj() * dbefore
    return dsos


def constant_sections_tangent(sos: Array, dsos: Array) -> Array:
    """The tangent of `constant_sections(sos)`."""
    b, a, db, da = sos[..., :3], sos[..., 3:], dsos[..., :3], dsos[..., 3:]
    state, change = constant_state(b, a), constant_state_tangent(b, a, {"b": db, "a": da})
    gain = b.sum(axis=-1) / a.sum(axis=-1)
    dgain = (db.sum(axis=-1) - gain * da.sum(axis=-1)) / a.sum(axis=-1)
    before, dbefore = _gain_before(gain), np.zeros_like(dgain)
    for s in range(1, sos.shape[-2]):
        dbefore[..., s] = dbefore[..., s - 1] * gain[..., s - 1] + before[..., s - 1] * dgain[..., s - 1]
    return dbefore[..., None] * state + before[..., None] * change


def _gain_before(gain: Array) -> Array:
    """The gain at frequency 0 of all sections before each."""
    return np.concatenate([np.ones_like(gain[..., :1]), np.cumprod(gain, axis=-1)[..., :-1]], axis=-1)
