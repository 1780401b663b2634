"""The demo: real recordings cleaned, each step compared with SciPy and timed against it; one learnt; a picture of it all.

The recordings come with packages that many have anyway: an ECG (PyWavelets), a pulse (heartpy), the sunspots
(statsmodels) and a laser (reservoirpy, which needs little: NumPy, SciPy and joblib).
"""

from __future__ import annotations

import sys
import timeit
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sigrnn.cli import demo_learning
from sigrnn.filters.linear import sosfilt
from sigrnn.filters.streams import Stream
from sigrnn.filters.zerophase import filtfilt, sosfiltfilt

Signal = npt.NDArray[np.float64]

PACKAGES = {
    "heartpy": "heartpy",
    "matplotlib.figure": "matplotlib",
    "pywt.data": "PyWavelets",
    "reservoirpy.datasets": "reservoirpy",
    "statsmodels.datasets.sunspots": "statsmodels",
}
ECG_RATE = 360.0  # Hz. PyWavelets does not say, but the recording's hum sits at 1/6 of its rate: 60 Hz mains.
BLOCK = 64  # samples a block of the stream
SLOW = 25.0  # years: periods that smoothing leaves
DELAY = 0.05  # s from one channel to the next, where many are made from one recording
TOLERANCE = 1e-9  # of the largest value: far above rounding, far below any mistake


class Recordings(NamedTuple):
    """What is filtered."""

    ecg: Signal
    pulse: Signal
    pulse_rate: float  # Hz
    years: Signal
    sunspots: Signal  # a year
    laser: Signal


class Step(NamedTuple):
    """One job done, compared and timed."""

    title: str
    call: str
    raw: Signal
    result: Signal
    difference: float  # from SciPy's result, of its largest value
    scipy: float  # s
    sigrnn: float  # s


class DemoError(Exception):
    """Why there is no demo, in one line."""


def run(out: str | Path = "sigrnn-demo.png", *, quick: bool = False) -> int:
    """Run the demo: print a table and draw a picture.

    Parameters
    ----------
    out : str or path-like, optional
        The picture.
    quick : bool, optional
        Take small sizes and few rounds.

    Returns
    -------
    int
        0, or 1 when a package is missing or a result differs from SciPy's.
    """
    try:
        recordings = load()
        print("Filtering; where the cache is empty this compiles, too, and takes some seconds more.", flush=True)
        steps = [job(recordings, quick) for job in JOBS]
        _print_table(steps)
        rate = heart_rate(steps[1].result, recordings.pulse_rate)
        print(f"Heart rate, from the peaks of the filtered pulse: {rate:.0f} beats a minute.")
        learnt = demo_learning.learn(recordings.laser, quick)
        print(
            f"Laser, told one step ahead by a model of {learnt.parameters} parameters, trained in {learnt.seconds:.1f} s: "
            f"error {learnt.error:.1%} of the variance; a linear filter leaves {learnt.linear:.0%}."
        )
        _save(picture(recordings, steps, learnt), out)
    except DemoError as error:
        print(f"sigrnn demo: {error}", file=sys.stderr)
        return 1
    print(f"Picture: {out}")
    return 0


def _save(figure: Any, out: str | Path) -> None:
    try:
        figure.savefig(out)
    except (OSError, ValueError) as error:  # no such folder, no such format
        raise DemoError(f"cannot write {out}: {error}") from error


def load() -> Recordings:
    """Read the recordings.

    Returns
    -------
    Recordings
        From the packages that carry them.

    Raises
    ------
    DemoError
        If some of the packages are missing: it names the command that installs them.
    """
    found = {}
    for name in PACKAGES:
        with suppress(ImportError):
            found[name] = import_module(name)
    missing = [package for name, package in PACKAGES.items() if name not in found]
    if missing:
        raise DemoError(f"{', '.join(missing)} missing: pip install {' '.join(missing)}")
    pulse, stamps = found["heartpy"].load_exampledata(2)
    first, last = (datetime.fromisoformat(str(stamps[at])) for at in (0, -1))
    sunspots = found["statsmodels.datasets.sunspots"].load().data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its file to the garbage collector
        laser = found["reservoirpy.datasets"].santafe_laser()
    return Recordings(
        ecg=np.asarray(found["pywt.data"].ecg(), float),
        pulse=np.asarray(pulse, float),
        pulse_rate=(len(pulse) - 1) / (last - first).total_seconds(),
        years=np.asarray(sunspots["YEAR"], float),
        sunspots=np.asarray(sunspots["SUNACTIVITY"], float),
        laser=np.asarray(laser, float)[:, 0],
    )


def _clean_ecg(recordings: Recordings, quick: bool) -> Step:
    """Take drift and mains hum out of the ECG as it was recorded, without moving its waves in time."""
    from scipy import signal

    sos = signal.butter(4, [0.7, 40.0], "bandpass", output="sos", fs=ECG_RATE)
    x = recordings.ecg
    calls = [partial(f, sos, x) for f in (sosfiltfilt, signal.sosfiltfilt)]
    return _measure("ECG without drift and hum", "sosfiltfilt", x, calls, quick)


def _find_pulse(recordings: Recordings, quick: bool) -> Step:
    """Leave one wave for each heartbeat."""
    from scipy import signal

    sos = signal.butter(2, [0.75, 2.5], "bandpass", output="sos", fs=recordings.pulse_rate)
    x = recordings.pulse
    calls = [partial(f, sos, x) for f in (sosfiltfilt, signal.sosfiltfilt)]
    return _measure("pulse, one wave a beat", "sosfiltfilt", x, calls, quick)


def _smooth_sunspots(recordings: Recordings, quick: bool) -> Step:
    """See the slow rise and fall behind the 11-year cycle."""
    from scipy import signal

    b, a = signal.butter(2, 1.0 / SLOW, fs=1.0)
    x = recordings.sunspots
    calls = [partial(f, b, a, x) for f in (filtfilt, signal.filtfilt)]
    return _measure("sunspots, slow part", "filtfilt", x, calls, quick)


def _filter_channels(recordings: Recordings, quick: bool) -> Step:
    """Filter many channels at once: the pulse, once more for each channel and a little later each time."""
    from scipy import signal

    rate, channels = recordings.pulse_rate, 8 if quick else 128
    delay = round(DELAY * rate)
    length = 4000 if quick else len(recordings.pulse) - delay * channels
    x = np.stack([recordings.pulse[delay * k : delay * k + length] for k in reversed(range(channels))])
    sos = signal.butter(4, [0.75, 2.5], "bandpass", output="sos", fs=rate)
    calls = [partial(f, sos, x) for f in (sosfilt, signal.sosfilt)]
    return _measure(f"{channels} channels at once", "sosfilt", x, calls, quick)


def _follow_laser(recordings: Recordings, quick: bool) -> Step:
    """Follow the strength of the laser's pulsation, block by block as the samples come in."""
    from scipy import signal

    sos = signal.butter(2, 0.02, output="sos", fs=1.0)
    x = np.abs(recordings.laser - np.mean(recordings.laser))
    blocks = [x[at : at + BLOCK] for at in range(0, len(x), BLOCK)]

    def ours() -> Signal:
        stream = Stream(sos=sos)
        return np.concatenate([stream(block) for block in blocks])

    def theirs() -> Signal:
        parts, zi = [], np.zeros((len(sos), 2))
        for block in blocks:
            part, zi = signal.sosfilt(sos, block, zi=zi)
            parts.append(part)
        return np.concatenate(parts)

    _compare("the stream against the whole at once", ours(), sosfilt(sos, x))
    return _measure(f"laser, in blocks of {BLOCK}", "Stream", x, [ours, theirs], quick)


JOBS = (_clean_ecg, _find_pulse, _smooth_sunspots, _filter_channels, _follow_laser)


def heart_rate(pulse: Signal, rate: float) -> float:
    """Return the heart rate of a filtered pulse.

    Parameters
    ----------
    pulse : ndarray, shape (N,)
        One wave a beat.
    rate : float
        Sampling rate, Hz.

    Returns
    -------
    float
        Beats a minute, by the median time between two peaks.
    """
    return float(60.0 * rate / np.median(np.diff(_beats(pulse, rate))))


def _beats(pulse: Signal, rate: float) -> npt.NDArray[np.intp]:
    """Return where the peaks are: above zero, and no two within 0.4 s."""
    from scipy import signal

    peaks: npt.NDArray[np.intp] = signal.find_peaks(pulse, height=0.0, distance=0.4 * rate)[0]
    return peaks


def _measure(title: str, call: str, raw: Signal, calls: Sequence[Callable[[], Signal]], quick: bool) -> Step:
    """Compare our result with SciPy's, then time both in turns and keep the best round of each."""
    ours, theirs = calls
    result = ours()
    difference = _compare(title, result, theirs())
    numbers = [max(1, int(5e-3 / timeit.timeit(call, number=1))) for call in calls]
    best = [np.inf, np.inf]
    for _ in range(2 if quick else 7):
        for at, (call_, number) in enumerate(zip(calls, numbers, strict=True)):
            best[at] = min(best[at], timeit.timeit(call_, number=number) / number)
    return Step(title, call, raw, result, difference, scipy=best[1], sigrnn=best[0])


def _compare(title: str, result: Signal, expected: Signal) -> float:
    """Return the largest difference, in parts of the largest value expected; refuse one that is no rounding error."""
    difference = float(np.max(np.abs(result - expected)) / np.max(np.abs(expected)))
    if not difference <= TOLERANCE:
        raise DemoError(f"{title}: differs from what is expected by {difference:.1e} of the largest value")
    return difference


def _print_table(steps: list[Step]) -> None:
    print(f"{'':<28}{'function':<14}{'samples':>16}{'SciPy':>11}{'sigrnn':>11}{'':>9}{'difference':>13}")
    for step in steps:
        size = " x ".join(str(n) for n in step.raw.shape)
        print(
            f"{step.title:<28}{step.call:<14}{size:>16}{_seconds(step.scipy):>11}{_seconds(step.sigrnn):>11}"
            f"{step.scipy / step.sigrnn:>8.1f}x{step.difference:>13.1e}"
        )
    print("\nOne thread; best of several rounds in turn; difference: the largest, in parts of the largest value.")


def _seconds(time: float) -> str:
    """Return a time with a unit that suits it, in three digits: '25.1 us'."""
    scale, unit = next(((s, u) for s, u in ((1.0, "s"), (1e3, "ms")) if time * s >= 1.0), (1e6, "µs"))
    value = time * scale
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"


RAW, CLEAN, MARK = "#9aa5b1", "#1261a6", "#d1495b"
STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 12,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 10.5,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.columnspacing": 1.2,
}


def picture(recordings: Recordings, steps: list[Step], learnt: demo_learning.Learnt) -> Any:
    """Draw the recordings before and after, what was learnt, and the times.

    Parameters
    ----------
    recordings : Recordings
        What was filtered.
    steps : list of Step
        What became of it, in the order of `JOBS`.
    learnt : Learnt
        What was learnt.

    Returns
    -------
    matplotlib.figure.Figure
        Rows of two panels, and one of a single panel, 1200 pixels wide.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 15.5), dpi=100)
        figure.suptitle("Real recordings, filtered by sigrnn as by SciPy", fontsize=16, weight="bold", y=0.985)
        sides = {"left": 0.065, "right": 0.985, "top": 0.94, "bottom": 0.04}
        panels = figure.add_gridspec(4, 2, **sides, wspace=0.15, hspace=0.32, height_ratios=(1.0, 1.0, 1.0, 1.35))
        _draw_ecg(figure.add_subplot(panels[0, 0]), steps[0])
        _draw_pulse(figure.add_subplot(panels[0, 1]), steps[1], recordings.pulse_rate)
        _draw_sunspots(figure.add_subplot(panels[1, 0]), steps[2], recordings.years)
        _draw_laser(figure.add_subplot(panels[1, 1]), steps[4], recordings.laser)
        demo_learning.draw(figure.add_subplot(panels[2, :]), learnt, (RAW, CLEAN, MARK))
        _draw_channels(panels[3, 0], steps[3], recordings.pulse_rate)
        _draw_times(figure.add_subplot(panels[3, 1]), steps)
    return figure


def _name_source(axes: Any, package: str) -> None:
    axes.set_title(f"from {package}", loc="right", fontsize=9, weight="normal", color=RAW)


def _draw_ecg(axes: Any, step: Step) -> None:
    time, raw = np.arange(len(step.raw)) / ECG_RATE, step.raw - np.mean(step.raw)
    axes.plot(time, raw, color=RAW, label="as recorded")
    axes.plot(time, step.result - 180.0, color=CLEAN, label="0.7 to 40 Hz, zero phase (drawn lower)")
    axes.set(title="ECG: drift and mains hum removed", xlabel="time (s)", ylabel="converter units", ylim=(-240, 480))
    _name_source(axes, "PyWavelets")
    axes.legend(loc="upper left", ncols=2)
    lens = axes.inset_axes((0.555, 0.5, 0.215, 0.31), xlim=(1.8, 2.15), ylim=(-13, 13), xticks=[], yticks=[])
    part = slice(round(1.8 * ECG_RATE), round(2.15 * ECG_RATE))
    lens.plot(time[part], raw[part] - np.mean(raw[part]), color=RAW)
    lens.plot(time[part], step.result[part] - np.mean(step.result[part]), color=CLEAN)
    lens.set_title("60 Hz hum, enlarged", fontsize=9, weight="normal", loc="center", pad=2)


def _draw_pulse(axes: Any, step: Step, rate: float) -> None:
    shown = slice(round(202 * rate), round(214 * rate))
    time, beats = np.arange(len(step.raw)) / rate, _beats(step.result, rate)
    beats = beats[(beats >= shown.start) & (beats < shown.stop)]
    axes.plot(time[shown], step.raw[shown] - np.mean(step.raw), color=RAW, label="as recorded")
    axes.plot(time[shown], step.result[shown], color=CLEAN, label="0.75 to 2.5 Hz")
    label = f"beats: {heart_rate(step.result, rate):.0f} a minute"
    axes.plot(time[beats], step.result[beats], "o", color=MARK, markersize=5, label=label)
    axes.set(title="Pulse: one wave a heartbeat", xlabel="time (s)", ylabel="converter units", ylim=(-320, 520))
    _name_source(axes, "heartpy")
    axes.legend(loc="upper left", ncols=3)


def _draw_sunspots(axes: Any, step: Step, years: Signal) -> None:
    axes.plot(years, step.raw, color=RAW, label="sunspots in a year")
    axes.plot(years, step.result, color=CLEAN, linewidth=2.2, label=f"slower than {SLOW:.0f} years, zero phase")
    axes.set(title="Sunspots: the cycle smoothed out", xlabel="year", ylabel="mean number", ylim=(-8, 240))
    _name_source(axes, "statsmodels")
    axes.legend(loc="upper left", ncols=2)


def _draw_laser(axes: Any, step: Step, laser: Signal) -> None:
    shown = slice(0, 2000)
    axes.plot(laser[shown], color=RAW, linewidth=0.5, label="intensity")
    axes.plot(step.result[shown], color=CLEAN, linewidth=2.2, label=f"strength of pulsation, in blocks of {BLOCK}")
    axes.set(title="Chaotic laser, block after block", xlabel="sample", ylabel="8-bit units", ylim=(-8, 320))
    _name_source(axes, "reservoirpy")
    axes.legend(loc="upper left", ncols=2)


def _draw_channels(place: Any, step: Step, rate: float) -> None:
    start = round(20 * rate)
    pair = place.subgridspec(1, 2, wspace=0.06).subplots(sharey=True)
    titles = f"{len(step.raw)} delayed copies", "filtered at once"
    for axes, data, title in zip(pair, (step.raw - np.mean(step.raw), step.result), titles, strict=True):
        part = data[:, start : start + round(8 * rate)]
        axes.imshow(part, aspect="auto", cmap="RdBu_r", extent=(0, 8, len(part), 0), vmin=-300, vmax=300)
        axes.set(title=title, xlabel="time (s)")
        axes.grid(visible=False)
    pair[0].set_ylabel(f"channel: the pulse, each {1e3 * DELAY:.0f} ms later")


def _draw_times(axes: Any, steps: list[Step]) -> None:
    for row, step in enumerate(steps):
        share = step.sigrnn / step.scipy
        axes.text(0.0, row - 0.2, f"{step.title} ({step.call})", va="bottom")
        axes.barh(row - 0.04, 1.0, 0.26, color=RAW)
        axes.text(1.0, row - 0.04, f" SciPy {_seconds(step.scipy)}", va="center_baseline")
        axes.barh(row + 0.24, share, 0.26, color=CLEAN)
        text = f" sigrnn {_seconds(step.sigrnn)}, {1.0 / share:.1f} times as fast "
        at, color = (0.0, "white") if share > 0.75 else (share, CLEAN)
        axes.text(at, row + 0.24, text, va="center_baseline", weight="bold", color=color)
    worst = max(step.difference for step in steps)
    label = f"time, SciPy's = 1; results agree to {worst:.0e} of the peak"
    axes.set(title="Time on this machine, one thread", xlabel=label, xlim=(0, 1.5), xticks=[0, 0.5, 1.0], yticks=[])
    axes.set_ylim(len(steps) - 0.55, -0.6)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
