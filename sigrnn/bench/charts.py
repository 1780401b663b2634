"""The plots of a report, for light and dark pages alike, narrow enough for a phone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cases import CASES
from .lengths import REFERENCE, Column
from .report import Report, digits
from .timing import OURS, Measurement

TITLES = {"lengths": "Time a sample against the length of the signal", "ratios": "Times as fast as the other library"}

# No background, and colours of middle lightness: each has a contrast of about 4 to white and to near-black.
INK = "#7a7a7a"
COLOURS = {OURS: "#d9601a", REFERENCE: "#3f7fc4", "IPP": "#8a6fc0"}
MARKS = {OURS: "o", REFERENCE: "s", "IPP": "^"}
WIDTH = 5.6  # inches
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "none",
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.markersize": 4,
    "savefig.transparent": True,
    "svg.hashsalt": "sigrnn",  # the same data give the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
# The functions that are drawn against length.
DRAWN = (
    "lfilter order 2", "lfilter order 8", "sosfilt 4 sections", "filtfilt order 4", "FIR 32 taps",
    "vjp lfilter order 2 (SciPy: value alone)",
)  # fmt: skip


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw what the report has, as SVG files."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    headlines = {case.name for case in CASES if case.headline}
    columns = [column for column in report.lengths if column.name in DRAWN]
    cases = [m for m in report.cases if m.name in headlines and m.ratio is not None]
    files, painters = [], dict[str, tuple[Any, Sequence[Any]]](lengths=(_lengths, columns), ratios=(_ratios, cases))
    with mpl.rc_context(_STYLE):
        for name, (painter, data) in painters.items():
            if data:
                figure = Figure(layout="constrained")
                painter(figure, data)
                files.append(folder / f"bench-{name}.svg")
                figure.savefig(files[-1], metadata={"Date": None})
    return files


def _log_ticks(axis: Any, values: Sequence[float], labels: Sequence[str]) -> None:
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_ticks(values, labels)
    axis.set_ticks([], minor=True)


def _lengths(figure: Any, columns: Sequence[Column]) -> None:
    rows = -(-len(columns) // 2)
    figure.set_size_inches(WIDTH, 0.8 + 2 * rows)
    axes = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    for ax, column in zip(axes.flat, columns, strict=False):
        for library, ns in column.ns.items():
            ax.plot(column.samples, ns, f"-{MARKS[library]}", c=COLOURS[library], label=library)
        ax.set_title(column.name.replace(" (", "\n("))
    for ax in axes.flat[len(columns) :]:
        ax.remove()
    _log_ticks(axes[0, 0].xaxis, [100, 1000, 10_000, 100_000, 1_000_000], ["100", "1k", "10k", "100k", "1M"])
    _log_ticks(axes[0, 0].yaxis, [1, 10, 100, 1000], ["1", "10", "100", "1000"])
    figure.supxlabel("length of the signal, samples", fontsize=10)
    figure.supylabel("time, ns a sample", fontsize=10)
    drawn = {
        text: line
        for ax in axes.flat[: len(columns)]
        for line, text in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(drawn.values(), drawn, loc="outside upper left", ncols=3)


def _ratios(figure: Any, cases: Sequence[Measurement]) -> None:
    # A bar below each name, so that both have the whole width.
    figure.set_size_inches(WIDTH, 0.8 + 0.46 * len(cases))
    ax = figure.subplots()
    ratios = [m.ratio or 1.0 for m in cases]
    low, high = min(0.9, *ratios) * 0.8, max(2.0, *ratios) * 1.5
    for place, (m, ratio) in enumerate(zip(cases, ratios, strict=True)):
        slower = ratio < 1
        ax.barh(place, ratio - 1, left=1, height=0.3, color=COLOURS[REFERENCE if slower else OURS])
        name = m.name if m.reference == REFERENCE else f"{m.name} ({m.reference})"
        ax.text(low, place - 0.27, name, va="bottom", fontsize=9)
        ax.annotate(digits(ratio), (max(ratio, 1), place), (4, 0), textcoords="offset points", va="center", fontsize=9)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low < tick < high]
    _log_ticks(ax.xaxis, ticks, [f"{tick:g}" for tick in ticks])
    ax.set(xlim=(low, high), ylim=(len(cases) - 0.5, -0.9), xlabel=f"time of SciPy, or as named, / time of {OURS}")
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
