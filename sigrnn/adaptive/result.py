"""The result of an adaptive filter, and its plot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array
from sigrnn._utils import plotting as _plotting
from sigrnn._utils.plotting import GREY, label


def decibels(power: ArrayLike) -> Array:
    """Powers in dB; 0 becomes -inf."""
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(np.asarray(power))


@dataclass(slots=True, repr=False)
class AdaptiveResult:
    """
    The result of an adaptive filter for a block.

    Parameters
    ----------
    y : ndarray, shape (N,)
        Output, with the weights before the update at each sample.
    e : ndarray, shape (N,)
        Error d - y.
    w_final : ndarray, shape (n_taps,) or (n_taps, channels)
        Weights after the last sample, newest sample first.
    w : ndarray, shape (N, n_taps) or (N, n_taps, channels), or None
        The weights before the update at each sample; only with ``history=True``.
    resets : ndarray of int
        Samples at which a diverging filter was reset.
    """

    y: Array
    e: Array
    w_final: Array
    w: Array | None = None
    resets: Array = field(default_factory=lambda: np.empty(0, int))

    def __repr__(self) -> str:
        tail = self.e[-max(len(self.e) // 10, 1) :]
        power = f", {decibels(np.mean(np.abs(tail) ** 2)):.1f} dB of error in the last tenth" if len(tail) else ""
        times = f", reset {len(self.resets)} times" if len(self.resets) else ""
        return f"<AdaptiveResult of {len(self.e)} samples, weights {np.shape(self.w_final)}{power}{times}>"

    def plot(
        self, *, system: ArrayLike | None = None, fs: float = 1.0, smooth: int | None = None, ax: Any = None
    ) -> Array:
        r"""
        Draw the power of the error over time, the weights, and their distance from the true system.

        Parameters
        ----------
        system : array_like, shape (M,) or (M, channels), optional
            The impulse response of the true system, newest sample first, of any length. With it the misalignment
            :math:`\|\mathbf w - \mathbf h\|^2 / \|\mathbf h\|^2` is drawn: over time if there is a history, at the end otherwise.
        fs : float, default 1.0
            Sampling rate in Hz; time is in samples if it is 1.
        smooth : int, optional
            Samples over which powers are averaged; by default a hundredth of the signal.
        ax : sequence of 2 matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        ndarray of matplotlib.axes.Axes
            Two: over time, and over the taps.
        """
        h = None if system is None else matched(np.asarray(system), self.w_final)
        if ax is None:
            ax = _plotting.figure(8.0, 6.0).subplots(2, 1)
        over_time, over_taps = ax
        width = max(len(self.e) // 100, 1) if smooth is None else int(smooth)
        t = np.arange(len(self.e)) / fs
        for signal, name in ((self.y + self.e, "desired d"), (self.e, "error e")):
            over_time.plot(t, decibels(running_mean(np.abs(signal) ** 2, width)), label=name, linewidth=1.2)
        if h is not None:
            history = self.w_final[None] if self.w is None else self.w
            away = decibels(misalignment(history, h))
            if self.w is None:
                over_time.axhline(away[-1], color="C2", linestyle="--", label="misalignment at the end")
            else:
                over_time.plot(t, away, color="C2", label="misalignment of w")
        for n in self.resets:
            over_time.axvline(n / fs, color=GREY, linestyle=":", linewidth=0.8)
        draw_weights(over_taps, self.w_final, h)
        label(over_time, "", "time (samples)" if fs == 1.0 else "time (s)", "power (dB)")
        label(over_taps, "", "tap (samples ago)", "weight")
        return np.asarray(ax)


def running_mean(power: Array, width: int) -> Array:
    """The mean of the last `width` values, of as many as there are at the beginning."""
    count = np.minimum(np.arange(1, len(power) + 1), width)
    sums = np.cumsum(np.where(np.isfinite(power), power, 0.0))
    before = np.concatenate([np.zeros(min(width, len(sums))), sums[:-width]])
    return np.maximum(sums - before, 0.0) / count


def matched(h: Array, w: Array) -> Array:
    """An impulse response with as many taps as the weights, or more if it is longer."""
    if h.shape[1:] != w.shape[1:]:
        raise ValueError(f"system has shape {h.shape}, the weights {w.shape}: channels must be the same")
    longer = np.zeros((max(len(h), len(w)), *w.shape[1:]), np.result_type(h, w))
    longer[: len(h)] = h
    return longer


def misalignment(history: Array, h: Array) -> Array:
    """The squared distance of weights (N, taps, ...) from h, as a share of h's square."""
    tail = np.sum(np.abs(h[history.shape[1] :]) ** 2)
    difference = history - h[: history.shape[1]]
    return (np.sum(np.abs(difference) ** 2, axis=tuple(range(1, difference.ndim))) + tail) / np.sum(np.abs(h) ** 2)


def draw_weights(axes: Any, w: Array, h: Array | None) -> None:
    """Weights over the taps, one line for each channel, and the true ones behind them."""
    parts = [("", np.real)] if not np.iscomplexobj(w) else [(", real", np.real), (", imaginary", np.imag)]
    for c in range(1 if w.ndim == 1 else w.shape[1]):
        for part, of in parts:
            name = ("weights" if w.ndim == 1 else f"weights, channel {c}") + part
            (line,) = axes.plot(of(w if w.ndim == 1 else w[:, c]), label=name, linewidth=1.2, zorder=3)
            if h is not None:
                true = "true system" if (c, part) == (0, parts[0][0]) else ""
                axes.plot(of(h if h.ndim == 1 else h[:, c]), ".", color=line.get_color(), alpha=0.4, label=true)
