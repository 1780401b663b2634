"""The result of `fit`: the model, how training went, and a picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sigrnn._arrays import F8, Array, short
from sigrnn._utils import plotting as _plotting
from sigrnn._utils.plotting import GREY, label

from .watch import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 400  # samples of target and output in the picture
LEGEND: Any = {"loc": "upper right", "ncols": 3, "frameon": True}


@dataclass(frozen=True, repr=False)
class FitResult:
    """
    A model, and how it was trained.

    Parameters
    ----------
    model : Model
        The model that was given, with the best parameters found.
    history : History
        Loss after each iteration, or epoch: a sequence of numbers. ``history["validation_loss"]``, ``history["time"]``
        and, of 'adam' and 'sgd', ``history["gradient_norm"]``, ``history["clipped"]`` (how often) and
        ``history["rate"]`` are arrays of the same length.
    loss : float
        Of the training data with the parameters of the model, without the penalty.
    n_iter : int
        Iterations, or epochs.
    stop_reason : {'converged', 'stalled', 'max_iter', 'early_stopping', 'callback', 'interrupted'}
        Why it ended; 'stalled' if the solver found no further step although the parameters are not a minimum.
    message : str
        The same as a sentence.
    solver : str
        Which one it was, also if 'auto' was asked for.
    settings : dict
        Other choices: 'max_iter', and 'batch' and 'tbptt' of 'adam' and 'sgd'.
    validation_loss : float or None
        Of the validation data, if there were any.
    clipped : int
        How many gradients were shortened to `clip`.
    stable : bool
        False if the model has a linear filter with a pole on or outside of the unit circle.
    starts : tuple
        The starts that were tried, with ``name`` and ``loss`` after a short run; empty if there was only one.
    x, t : ndarray
        The sequence that `plot` shows: the longest, of the validation data if there were any.
    """

    model: Any
    history: History
    loss: float
    n_iter: int
    stop_reason: str
    message: str
    solver: str
    settings: dict[str, Any]
    validation_loss: float | None
    clipped: int
    stable: bool
    starts: tuple[Any, ...]
    x: Array
    t: Array

    def __repr__(self) -> str:
        judged = "" if self.validation_loss is None else f", validation {self.validation_loss:.4g}"
        return (
            f"<FitResult of {self.model!r}: {self.solver}, loss {self.loss:.4g}{judged}, {self.n_iter} iterations, "
            f"{self.stop_reason}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the model, and how it was trained."""
        return f"{self.model._repr_html_()}<p>{escape(str(self))}</p>"

    def __str__(self) -> str:
        settings = "".join(f", {name} {value}" for name, value in self.settings.items() if value is not None)
        judged = "" if self.validation_loss is None else f", validation {self.validation_loss:.4g}"
        iterations = f"{self.n_iter} iteration" + "s" * (self.n_iter != 1)
        return (
            f"{self.solver}{settings}: loss {self.loss:.4g}{judged} after {iterations}; "
            f"{self.stop_reason}: {self.message}"
        )

    def plot(self, figure: Figure | None = None) -> Figure:
        """
        Draw the loss by iteration, target and output, and the spectra of error and target.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            Where to draw; a new one by default.

        Returns
        -------
        matplotlib.figure.Figure
            What was drawn on.
        """
        if figure is None:
            figure = _plotting.figure(8.0, 7.0)
        if not hasattr(figure, "subplots"):
            raise TypeError(f"figure must be one of matplotlib's, or None, got {short(figure)}")
        losses, signals, spectra = figure.subplots(3, 1)
        self._draw_losses(losses)
        y = np.asarray(self.model(self.x), F8).reshape(self.t.shape)
        t = self.t.astype(F8)
        self._draw_signals(signals, t[:, 0], y[:, 0])
        self._draw_spectra(spectra, t[:, 0], y[:, 0])
        return figure

    def _draw_losses(self, axes: Any) -> None:
        if self.n_iter:
            steps = np.arange(1, self.n_iter + 1)
            mark = {"marker": "."} if self.n_iter <= 40 else {}
            draw = axes.semilogy if min(self.history) > 0 else axes.plot
            draw(steps, self.history["loss"], label="training", **mark)
            if self.validation_loss is not None:
                draw(steps, self.history["validation_loss"], label="validation", **mark)
                best = int(np.argmin(self.history["validation_loss"])) + 1
                axes.axvline(best, color=GREY, linewidth=1.0, linestyle=":", label=f"best: {best}")
        else:
            axes.plot([0], [self.loss], "o", label="training")
        label(axes, f"{self.solver}: {self.message}", "iteration", "loss", **LEGEND)

    def _draw_signals(self, axes: Any, t: Array, y: Array) -> None:
        start = self._liveliest(t)
        span = slice(start, start + SHOWN)
        n = np.arange(len(t))[span]
        axes.plot(n, t[span], color=GREY, linewidth=2.5, label="target")
        axes.plot(n, y[span], linewidth=1.0, label="output")
        axes.plot(n, (y - t)[span], linewidth=0.8, label="error")
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top + 0.2 * (top - bottom))  # where the legend is
        what = "training" if self.validation_loss is None else "validation"
        label(axes, "", f"sample of the {what} data", "signal", **LEGEND)

    @staticmethod
    def _liveliest(t: Array) -> int:
        """First sample of the window in which the target changes most."""
        if len(t) <= SHOWN:
            return 0
        moved = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(t)))])
        return int(np.argmax(moved[SHOWN - 1 :] - moved[: len(moved) - SHOWN + 1]))

    @staticmethod
    def _draw_spectra(axes: Any, t: Array, y: Array) -> None:
        from scipy.signal import welch

        size = min(len(t), 1024)
        for signal, name, color in ((t, "target", GREY), (y - t, "error", "C1")):
            f, power = welch(signal, nperseg=size)
            axes.plot(f[1:], 10.0 * np.log10(np.maximum(power[1:], 1e-300)), color=color, label=name)
        label(axes, "", "frequency (cycles per sample)", "power density (dB)", **LEGEND)
