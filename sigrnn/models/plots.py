"""Pictures of models. Matplotlib is imported when one is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn.activations import respond, slope_of_output

SHORTEST, LONGEST = 32, 2048  # samples of an impulse response
GONE = 1e-3  # of its largest pole's part, where an impulse response is cut off
LINES = 8  # channels drawn at most
LEVELS = 0.1, 0.5, 1.0, 2.0  # sizes of pulses
LOUDNESS = np.geomspace(1e-2, 10.0, 25)


def drawn(model: Any) -> Any:
    """A figure of a model that has sizes."""
    if hasattr(model, "poles"):
        return linear(model)
    activation = getattr(model, "activation", None)
    return general(model) if activation is None or activation == "linear" else excited(model, activation)


def figure(width: float, count: int) -> tuple[Any, Any]:
    import matplotlib.pyplot as plt

    made = plt.figure(figsize=(width, 3.6), layout="constrained")
    return made, made.subplots(1, count)


def titled(ax: Any, title: str, x: str, y: str) -> None:
    ax.set_title(title, fontsize="medium")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.grid(alpha=0.3)


def linear(model: Any) -> Any:
    """Impulse response, frequency response, poles and zeros."""
    made, (left, middle, right) = figure(12.0, 3)
    h = impulse_responses(model, length_of(model))
    draw_impulse(left, h)
    draw_frequency(middle, h if len(h[0]) >= 512 else impulse_responses(model, 4096))
    draw_plane(right, model)
    made.suptitle(f"{model!r}", fontsize="medium")
    return made


def length_of(model: Any) -> int:
    """Samples after which the impulse response is gone, or long enough."""
    radius = float(np.abs(model.poles()).max(initial=0.0))
    taps = max((len(b) for b, _ in model._filters()), default=0)
    memory = LONGEST if radius >= 1.0 else np.log(GONE) / np.log(radius) if radius > 0.0 else 0.0
    return int(np.clip(memory + taps + 4, SHORTEST, LONGEST))


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


def draw_impulse(ax: Any, h: Array) -> None:
    n = np.arange(h.shape[1])
    for i, row in enumerate(h[:LINES]):
        if len(h) == 1 and len(row) <= 64:
            ax.stem(n, row, basefmt=" ", markerfmt=".")
        else:
            ax.plot(n, row, ".-" if len(row) <= 64 else "-", label=f"input {i}")
    titled(ax, "impulse response", "n (samples)", "h[n]")
    if len(h) > 1:
        ax.legend(frameon=False)


def draw_frequency(ax: Any, h: Array, labels: list[str] | None = None) -> None:
    size = max(1024, h.shape[1])
    f = np.fft.rfftfreq(size)
    with np.errstate(all="ignore"):
        gain = 20.0 * np.log10(np.abs(np.fft.rfft(h, size)))
    seen = gain[np.isfinite(gain)]
    for i, row in enumerate(gain[:LINES]):
        ax.plot(f, row, label=labels[i] if labels else f"input {i}")
    titled(ax, "frequency response", "frequency (cycles per sample)", "gain (dB)")
    ax.set_xlim(0.0, 0.5)
    if seen.size:
        ax.set_ylim(max(seen.min(), seen.max() - 100.0) - 3.0, seen.max() + 3.0)
    if len(h) > 1:
        ax.legend(frameon=False, fontsize="small")


def draw_plane(ax: Any, model: Any) -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 256)
    ax.plot(np.cos(angle), np.sin(angle), color="0.6", linewidth=0.8)
    zeros, poles = model.zeros(), model.poles()
    ax.plot(zeros.real, zeros.imag, "o", fillstyle="none", label="zeros")
    if poles.size:
        ax.plot(poles.real, poles.imag, "x", label="poles")
    reach = 1.1 * max(1.0, float(np.abs(poles).max(initial=0.0)), min(float(np.abs(zeros).max(initial=0.0)), 3.0))
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    hidden = int((np.abs(zeros) > reach).sum())
    titled(ax, "poles and zeros" + f" ({hidden} zeros further out)" * (hidden > 0), "real part", "imaginary part")
    ax.legend(loc="upper right", bbox_to_anchor=(1.04, 1.04), fontsize="small")


def excited(model: Any, activation: Any) -> Any:
    """The activation where it is driven, its slope, and responses to pulses."""
    made, (left, middle, right) = figure(12.0, 3)
    e = np.linspace(-4.0, 4.0, 401)
    g = respond(activation, e.copy())
    slope = respond(activation, np.array(g if slope_of_output(activation) else e), slope=True)
    left.plot(e, g, label="g(e)")
    left.plot(e, slope, "--", label="slope g'(e)")
    titled(left, f"activation {activation if isinstance(activation, str) else repr(activation)}", "e", "")
    left.legend(frameon=False)
    draw_levels(middle, model)
    draw_loudness(right, model)
    made.suptitle(f"{model!r}", fontsize="medium")
    return made


def general(model: Any) -> Any:
    """Responses to pulses, their spectra, and loudness out against loudness in."""
    made, (left, middle, right) = figure(12.0, 3)
    draw_levels(left, model)
    many = model.inputs * model.outputs > 1
    rows = [impulse_responses(model, 1024, level) for level in (LEVELS[:1] if many else LEVELS)]
    labels = names(model) if many else [f"pulse of {level:g}" for level in LEVELS]
    draw_frequency(middle, np.concatenate(rows), labels)
    middle.set_title("spectrum of the response", fontsize="medium")
    draw_loudness(right, model)
    made.suptitle(shortened(repr(model)), fontsize="medium")
    return made


def shortened(text: str, length: int = 110) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def draw_levels(ax: Any, model: Any) -> None:
    """Responses to pulses, divided by the pulse: those of a linear model are one."""
    many = model.inputs * model.outputs > 1
    rows = {level: impulse_responses(model, 512, level) for level in (LEVELS[:1] if many else LEVELS)}
    largest = np.max([np.abs(row).max(axis=0) for row in rows.values()], axis=0)
    alive = np.nonzero(largest > GONE * largest.max(initial=0.0))[0]
    stop = int(np.clip(1.2 * alive.max(initial=0) + 4, 16, 512))
    for level, each in rows.items():
        for label, row in zip(names(model), each[:LINES], strict=False):
            ax.plot(row[:stop], ".-" if stop <= 64 else "-", label=label if many else f"pulse of {level:g}")
    titled(ax, "response to a pulse, divided by it", "n (samples)", "")
    if not many or len(names(model)) <= LINES:
        ax.legend(frameon=False, fontsize="small")


def draw_loudness(ax: Any, model: Any) -> None:
    """Standard deviation of each output against that of white noise."""
    noise = np.random.default_rng(0).standard_normal((1, 4096, model.inputs))
    out = np.array([np.std(model(level * noise)[0, 1024:], axis=0) for level in LOUDNESS])
    for o, row in enumerate(out.T[:LINES]):
        ax.loglog(LOUDNESS, row, label=f"output {o}")
    ax.loglog(LOUDNESS, LOUDNESS, ":", color="0.6", label="as loud as in")
    titled(ax, "loudness of white noise", "in (standard deviation)", "out")
    if out.shape[1] <= LINES:
        ax.legend(frameon=False, fontsize="small")
