"""Pictures of models: what `Model.plot` draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._utils import plotting as _plotting
from sigrnn._utils.plotting import GREY, label
from sigrnn.activations import respond, slope_of_output

SHORTEST, LONGEST = 32, 2048  # samples of an impulse response
GONE = 1e-3  # of its largest value, where an impulse response is cut off
FEW = 64  # samples up to which each gets a point
LINES = 8  # channels drawn at most
LEVELS = 0.1, 0.5, 1.0, 2.0  # sizes of pulses
LOUDNESS = np.geomspace(1e-2, 10.0, 25)
TITLE = 110  # characters


def drawn(model: Any) -> Any:
    """Return a figure of a model that has sizes."""
    figure = _plotting.figure(12.0, 3.6)
    axes = figure.subplots(1, 3)
    activation = getattr(model, "activation", None)
    if hasattr(model, "poles"):
        draw_linear(axes, model)
    elif activation is None or activation == "linear":
        draw_levels(axes[0], model)
        draw_spectra(axes[1], model)
        draw_loudness(axes[2], model)
    else:
        draw_activation(axes[0], activation)
        draw_levels(axes[1], model)
        draw_loudness(axes[2], model)
    title = repr(model)
    figure.suptitle(title if len(title) <= TITLE else title[: TITLE - 3] + "...", fontsize="medium")
    return figure


def impulse_responses(model: Any, samples: int, level: float = 1.0) -> Array:
    """Outputs (I O, N) for a pulse in each input, less those without one, for a pulse of 1."""
    x = np.zeros((model.inputs, samples, model.inputs))
    rest = model(x[:1])
    x[np.arange(model.inputs), 0, np.arange(model.inputs)] = level
    y = (model(x) - rest) / level
    return np.asarray(y.swapaxes(1, 2).reshape(-1, samples), F8)


def names(model: Any) -> list[str]:
    """Of the rows of `impulse_responses`."""
    of_input = [f"input {i}" for i in range(model.inputs)] if model.inputs > 1 else [""]
    of_output = [f"output {o}" for o in range(model.outputs)] if model.outputs > 1 else [""]
    return [", ".join(filter(None, (i, o))) for i in of_input for o in of_output]


def pulses(model: Any, samples: int) -> tuple[Array, list[str]]:
    """Responses to pulses of several sizes; of a model with several inputs or outputs, to one size each. With names."""
    if model.inputs * model.outputs > 1:
        return impulse_responses(model, samples, LEVELS[0]), names(model)
    rows = [impulse_responses(model, samples, level) for level in LEVELS]
    return np.concatenate(rows), [f"pulse of {level:g}" for level in LEVELS]


# Linear models


def draw_linear(axes: Any, model: Any) -> None:
    """Impulse response, frequency response, poles and zeros."""
    h = impulse_responses(model, length_of(model))
    draw_impulse(axes[0], h, names(model))
    draw_frequency(axes[1], h if len(h[0]) >= 512 else impulse_responses(model, 4096), names(model))
    draw_plane(axes[2], model.zeros(), model.poles())


def length_of(model: Any) -> int:
    """Samples after which the impulse response is gone, or long enough."""
    radius = float(np.abs(model.poles()).max(initial=0.0))
    taps = max((len(b) for b, _ in model._filters()), default=0)
    memory = LONGEST if radius >= 1.0 else np.log(GONE) / np.log(radius) if radius > 0.0 else 0.0
    return int(np.clip(memory + taps + 4, SHORTEST, LONGEST))


def draw_impulse(ax: Any, h: Array, labels: list[str]) -> None:
    if len(h) == 1 and h.size <= FEW:
        ax.stem(np.arange(h.size), h[0], basefmt=" ", markerfmt=".")
    else:
        draw_rows(ax, h, labels)
    label(ax, "impulse response", "n (samples)", "h[n]")


def draw_rows(ax: Any, rows: Array, labels: list[str]) -> None:
    for name, row in zip(labels[:LINES], rows, strict=False):
        ax.plot(row, ".-" if len(row) <= FEW else "-", label=name)


def draw_frequency(ax: Any, h: Array, labels: list[str], title: str = "frequency response") -> None:
    size = max(1024, h.shape[1])
    f = np.fft.rfftfreq(size)
    with np.errstate(all="ignore"):
        gain = 20.0 * np.log10(np.abs(np.fft.rfft(h, size)))
    for name, row in zip(labels[:LINES], gain, strict=False):
        ax.plot(f, row, label=name)
    seen = gain[np.isfinite(gain)]
    ax.set_xlim(0.0, 0.5)
    if seen.size:
        ax.set_ylim(max(seen.min(), seen.max() - 100.0) - 3.0, seen.max() + 3.0)
    label(ax, title, "frequency (cycles per sample)", "gain (dB)")


def draw_plane(ax: Any, zeros: Array, poles: Array) -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 256)
    ax.plot(np.cos(angle), np.sin(angle), color=GREY, linewidth=0.8)
    ax.plot(zeros.real, zeros.imag, "o", fillstyle="none", label="zeros")
    if poles.size:
        ax.plot(poles.real, poles.imag, "x", label="poles")
    reach = 1.1 * max(1.0, float(np.abs(poles).max(initial=0.0)), min(float(np.abs(zeros).max(initial=0.0)), 3.0))
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    hidden = int((np.abs(zeros) > reach).sum())
    title = "poles and zeros" + f" ({hidden} zeros further out)" * (hidden > 0)
    label(ax, title, "real part", "imaginary part", frameon=True, loc="upper right", bbox_to_anchor=(1.04, 1.04))


# Nonlinear models


def draw_activation(ax: Any, activation: Any) -> None:
    """The activation where it is driven, and its slope."""
    e = np.linspace(-4.0, 4.0, 401)
    g = respond(activation, e.copy())
    ax.plot(e, g, label="g(e)")
    slope = respond(activation, np.array(g if slope_of_output(activation) else e), slope=True)
    ax.plot(e, slope, "--", label="slope g'(e)")
    label(ax, f"activation {activation if isinstance(activation, str) else repr(activation)}", "e", "")


def draw_levels(ax: Any, model: Any) -> None:
    """Responses to pulses, divided by the pulse: those of a linear model are one."""
    rows, labels = pulses(model, 512)
    largest = np.abs(rows).max(axis=0)
    alive = np.nonzero(largest > GONE * largest.max(initial=0.0))[0]
    draw_rows(ax, rows[:, : int(np.clip(1.2 * alive.max(initial=0) + 4, 16, 512))], labels)
    label(ax, "response to a pulse, divided by it", "n (samples)", "")


def draw_spectra(ax: Any, model: Any) -> None:
    draw_frequency(ax, *pulses(model, 1024), title="spectrum of the response")


def draw_loudness(ax: Any, model: Any) -> None:
    """Standard deviation of each output against that of white noise."""
    noise = np.random.default_rng(0).standard_normal((1, 4096, model.inputs))
    out = np.array([np.std(model(level * noise)[0, 1024:], axis=0) for level in LOUDNESS])
    for o, row in enumerate(out.T[:LINES]):
        ax.loglog(LOUDNESS, row, label=f"output {o}")
    ax.loglog(LOUDNESS, LOUDNESS, ":", color=GREY, label="as loud as the input")
    label(ax, "loudness of white noise", "input (standard deviation)", "output")
