"""The demo: real recordings filtered and timed against SciPy, one of them learned and predicted, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sigrnn._utils.plotting import BLUE, GREY, RED
from sigrnn.cli._common import complain, say
from sigrnn.cli.demo_jobs import (
    BLOCK,
    ECG_RATE,
    SLOW,
    TRAINED,
    DemoError,
    Prediction,
    Recordings,
    Signal,
    Step,
    filtered,
    find_beats,
    heart_rate,
    load,
    predict,
)


def run(out: str | Path = "sigrnn-demo.png", *, quick: bool = False) -> int:
    """Print a table and draw a picture; `quick` takes small sizes and few rounds.

    Returns 0, or 1 if a package is missing or a result differs from SciPy's.
    """
    try:
        recordings = load()
        say("Filtering; with an empty cache, compilation takes 10 to 20 seconds first.")
        say(f"{'':<28}{'function':<14}{'samples':>16}{'SciPy':>11}{'sigrnn':>11}{'':>9}{'difference':>13}")
        steps = []
        for step in filtered(recordings, quick):
            steps.append(step)
            say(row(step))
        say("\nOne thread; best of several rounds in turn; difference: the largest, relative to the largest value.")
        rate = heart_rate(steps[1].result, recordings.pulse_rate)
        say(f"Heart rate, from the peaks of the filtered pulse: {rate:.0f} beats per minute.")
        learned = predict(recordings.laser, quick)
        say(
            f"Laser, predicted one step ahead by a model of {learned.parameters} parameters, trained in "
            f"{learned.seconds:.1f} s: error {learned.error:.1%} of the variance; a linear filter leaves {learned.linear:.0%}."
        )
    except DemoError as error:
        return complain(f"demo: {error}", 1)
    try:
        picture(recordings, steps, learned).savefig(out)
    except (OSError, ValueError) as error:  # no such folder, no such format
        return complain(f"demo: cannot write {out}: {error}", 1)
    say(f"Picture: {out}")
    return 0


def row(step: Step) -> str:
    """Return a line of the table."""
    size = " x ".join(str(n) for n in step.raw.shape)
    times = f"{seconds(step.scipy):>11}{seconds(step.sigrnn):>11}{step.scipy / step.sigrnn:>8.1f}x"
    return f"{step.title:<28}{step.function:<14}{size:>16}{times}{step.difference:>13.1e}"


def seconds(time: float) -> str:
    """Return a time with a unit that suits it, in three digits: '25.1 us'."""
    scale, unit = next(((s, u) for s, u in ((1.0, "s"), (1e3, "ms")) if time * s >= 1.0), (1e6, "µs"))
    value = time * scale
    return f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"


# The picture


def picture(recordings: Recordings, steps: list[Step], learned: Prediction) -> Any:
    """Draw the times, the recordings before and after, and the prediction, 1200 pixels wide."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 13.5), dpi=100)
    title = "Filter real recordings as with SciPy, faster, and learn from them"
    figure.suptitle(title, fontsize=17, weight="bold", x=0.02, y=0.985, ha="left")
    sides = {"left": 0.065, "right": 0.985, "top": 0.925, "bottom": 0.045, "wspace": 0.15, "hspace": 0.38}
    places = figure.add_gridspec(4, 2, **sides, height_ratios=(1.0, 1.0, 1.0, 1.0))
    ecg, pulse, sunspots, _, laser = steps
    draw_times(figure.add_subplot(places[0, :]), steps)
    draw_ecg(figure.add_subplot(places[1, 0]), ecg)
    draw_pulse(figure.add_subplot(places[1, 1]), pulse, recordings.pulse_rate)
    axes = figure.add_subplot(places[2, 0])
    smoothed = f"periods above {SLOW:.0f} years, zero phase"
    draw_pair(axes, recordings.years, sunspots.raw, sunspots.result, ("sunspot number", smoothed))
    panel(axes, "Sunspots: the 11-year cycle removed", "year", "yearly mean", (-8, 240), "statsmodels")
    axes = figure.add_subplot(places[2, 1])
    strength = f"strength of the pulsation, in blocks of {BLOCK}"
    draw_pair(axes, np.arange(2000), recordings.laser[:2000], laser.result[:2000], ("intensity", strength))
    panel(axes, "Laser: filtered block by block", "sample", "intensity (8 bits)", (-8, 320), "reservoirpy")
    draw_prediction(figure.add_subplot(places[3, :]), learned)
    return figure


def panel(axes: Any, title: str, x: str, y: str, limits: tuple[float, float], source: str = "") -> None:
    """Finish axes: labels, a legend above the curves, and where the recording is from."""
    axes.set_title(title, loc="left", fontsize=12, weight="bold")
    if source:
        axes.set_title(f"from {source}", loc="right", fontsize=9, color=GREY)
    axes.set(xlabel=x, ylabel=y, ylim=limits)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", ncols=3, frameon=False, handlelength=1.4, columnspacing=1.2)


def draw_pair(axes: Any, x: Any, raw: Signal, result: Signal, names: tuple[str, str]) -> None:
    axes.plot(x, raw, color=GREY, linewidth=1.2 if len(x) < 1000 else 0.5, label=names[0])
    axes.plot(x, result, color=BLUE, linewidth=2.2, label=names[1])


def draw_ecg(axes: Any, step: Step) -> None:
    time, raw = np.arange(len(step.raw)) / ECG_RATE, step.raw - np.mean(step.raw)
    axes.plot(time, raw, color=GREY, label="as recorded")
    axes.plot(time, step.result - 180.0, color=BLUE, label="0.7 to 40 Hz, zero phase (shifted down)")
    panel(axes, "ECG: drift and mains hum removed", "time (s)", "amplitude (ADC units)", (-240, 480), "PyWavelets")
    lens = axes.inset_axes((0.555, 0.46, 0.215, 0.3), xlim=(1.8, 2.15), ylim=(-13, 13), xticks=[], yticks=[])
    part = slice(round(1.8 * ECG_RATE), round(2.15 * ECG_RATE))
    for signal, color in ((raw[part], GREY), (step.result[part], BLUE)):
        lens.plot(time[part], signal - np.mean(signal), color=color)
    lens.set_title("60 Hz hum, enlarged", fontsize=9, pad=2)


def draw_pulse(axes: Any, step: Step, rate: float) -> None:
    shown = slice(round(202 * rate), round(214 * rate))
    time, beats = np.arange(len(step.raw)) / rate, find_beats(step.result, rate)
    beats = beats[(beats >= shown.start) & (beats < shown.stop)]
    axes.plot(time[shown], step.raw[shown] - np.mean(step.raw), color=GREY, label="as recorded")
    axes.plot(time[shown], step.result[shown], color=BLUE, label="0.75 to 2.5 Hz")
    name = f"beats: {heart_rate(step.result, rate):.0f} per minute"
    axes.plot(time[beats], step.result[beats], "o", color=RED, markersize=5, label=name)
    panel(axes, "Pulse: one wave per heartbeat", "time (s)", "amplitude (ADC units)", (-320, 520), "heartpy")


def draw_prediction(axes: Any, learned: Prediction) -> None:
    n = np.arange(TRAINED + 1, TRAINED + 301)
    target, predicted = learned.target[: len(n)], learned.predicted[: len(n)]
    axes.plot(n, target, color=GREY, linewidth=2.5, label="intensity, not used in training")
    name = f"predicted one step ahead: error {learned.error:.1%} of the variance (linear filter: {learned.linear:.0%})"
    axes.plot(n, predicted, color=BLUE, linewidth=1.2, label=name)
    axes.plot(n, predicted - target, color=RED, linewidth=0.8, label="difference")
    axes.set_xlim(n[0], n[-1])
    parts = f"{learned.parameters} parameters, {TRAINED} samples, {learned.seconds:.1f} s of training"
    panel(
        axes,
        f"Laser: a nonlinear filter learned from the recording ({parts})",
        "sample",
        "intensity (8 bits)",
        (-60, 330),
    )


def draw_times(axes: Any, steps: list[Step]) -> None:
    for line, step in enumerate(steps):
        share = step.sigrnn / step.scipy
        axes.barh(line - 0.19, 1.0, 0.34, color=GREY)
        axes.text(1.0, line - 0.19, f"  SciPy {seconds(step.scipy)}", va="center_baseline")
        axes.barh(line + 0.19, share, 0.34, color=BLUE)
        text = f"  sigrnn {seconds(step.sigrnn)}, {1.0 / share:.1f} times as fast "
        at, color = (0.0, "white") if share > 0.6 else (share, BLUE)
        axes.text(at, line + 0.19, text, va="center_baseline", weight="bold", color=color)
    worst = max(step.difference for step in steps)
    axes.set_title("Time on this machine, one thread", loc="left", fontsize=12, weight="bold")
    axes.set_title(f"results agree to {worst:.0e} of the peak", loc="right", fontsize=9, color=GREY)
    sizes = [" x ".join(f"{n:,}" for n in step.raw.shape) for step in steps]
    names = [f"{step.title}\n{step.function}, {size} samples" for step, size in zip(steps, sizes, strict=True)]
    axes.set_yticks(range(len(steps)), names, fontsize=9)
    axes.set(xlim=(0, 1.15), ylim=(len(steps) - 0.5, -0.5), xticks=[], xlabel="time relative to SciPy")
    axes.tick_params(left=False)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    box = axes.get_position()
    axes.set_position((0.215, box.y0, 0.77, box.height))
