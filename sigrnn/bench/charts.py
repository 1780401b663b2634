"""The pictures of a benchmark's report, for light and dark pages alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .pages import PICTURES, Report, largest_scratch
from .timing import OURS, REFERENCE, Measurement

# No background, and colours of middle lightness: each has a contrast of 4 or so to white and to near-black.
INK, OUR_COLOUR, THEIR_COLOUR = "#7a7a7a", "#d9601a", "#3f7fc4"
_COLOURS = {OURS: OUR_COLOUR, REFERENCE: THEIR_COLOUR}
_MARKS = "osD^v"
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 11,
    "grid.alpha": 0.3,
    "grid.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.transparent": True,
    "svg.hashsalt": "sigrnn",  # the same data give the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw what the report has, as SVG files.

    Parameters
    ----------
    report : Report
        What was found.
    folder : Path
        Where the files go; it is made if need be.

    Returns
    -------
    list of Path
        The files.
    """
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, tuple[Callable[[Any, Any], None], Sequence[Any]]] = {
        "ratios": (_ratios, report.beside_scipy),
        "length": (_lengths, report.length),
        "channels": (_channels, report.channels),
        "memory": (_memory, report.memory),
    }
    with mpl.rc_context(_STYLE):
        return [_paint(name, *pictures[name], folder) for name in pictures if pictures[name][1]]


def _paint(name: str, painter: Callable[[Any, Any], None], data: Sequence[Any], folder: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    painter(axes, data)
    axes.set_title(PICTURES[name], loc="left")
    path = folder / f"bench-{name}.svg"
    figure.savefig(path, metadata={"Date": None})
    return path


def _ratios(axes: Any, cases: Sequence[Measurement]) -> None:
    axes.figure.set_size_inches(9, 1.2 + 0.27 * len(cases))
    places, ratios = range(len(cases)), [m.ratio for m in cases]
    colours = [OUR_COLOUR if ratio > 1 else THEIR_COLOUR for ratio in ratios]
    axes.barh(places, [ratio - 1 for ratio in ratios], left=1, color=colours, height=0.7)
    _promises(axes, cases)
    for place, ratio in zip(places, ratios, strict=True):
        axes.annotate(f"{ratio:.1f}", (1.06, place), xycoords=("axes fraction", "data"), ha="right", va="center")
    _number_ticks(axes.xaxis, [0.5, 1, 2, 5, 10, 20, 50, 100])
    low, high = min(min(m.ratio, m.floor or 1) for m in cases), max(max(m.ratio, m.aim or 1) for m in cases)
    axes.set(xlim=(0.9 * min(low, 1), 1.2 * max(high, 1)), xlabel=f"{REFERENCE}'s time / {OURS}'s time")
    axes.set_yticks(places, [m.name for m in cases], fontsize=9)
    axes.set_ylim(len(cases) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _promises(axes: Any, cases: Sequence[Measurement]) -> None:
    for promised, mark, size in (("floor", "|", 13), ("aim", "D", 5)):
        marks = [(getattr(m, promised), k) for k, m in enumerate(cases) if getattr(m, promised) is not None]
        if marks:
            axes.plot(*zip(*marks, strict=True), mark, color=THEIR_COLOUR, ms=size, mew=2.5, label=promised)
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="outside lower left", ncols=2, fontsize=9)


def _number_ticks(axis: Any, base: Sequence[float]) -> None:
    # 0.5 and not 5 x 10^-1
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_ticks(base, [f"{tick:g}" for tick in base])
    axis.set_ticks([], minor=True)


def _lines(axes: Any, lines: dict[tuple[str, str], list[tuple[float, float]]]) -> None:
    # A colour for a library, a mark for a function.
    marks = dict(zip(dict.fromkeys(kind for kind, _ in lines), _MARKS, strict=False))
    for (kind, library), points in lines.items():
        colour, filled = _COLOURS[library], None if library == OURS else "none"
        axes.plot(*zip(*points, strict=True), f"-{marks[kind]}", c=colour, mfc=filled, label=f"{library}: {kind}")
    axes.set_xscale("log")
    axes.grid()


def _costs(axes: Any, series: Sequence[Measurement], size: str) -> None:
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for library in (OURS, REFERENCE):
        for m in series:
            lines.setdefault((m.group, library), []).append((getattr(m, size), m.nanoseconds(library)))
    _lines(axes, lines)
    costs = [cost for points in lines.values() for _, cost in points]
    _number_ticks(axes.yaxis, [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])
    axes.set(xlabel=size, ylabel="ns per sample", ylim=(0.8 * min(costs), 1.25 * max(costs)))
    axes.figure.legend(loc="outside lower center", ncols=2, fontsize=9)


def _lengths(axes: Any, series: Sequence[Measurement]) -> None:
    _costs(axes, series, "samples")


def _channels(axes: Any, series: Sequence[Measurement]) -> None:
    _costs(axes, series, "channels")
    _number_ticks(axes.xaxis, sorted({m.channels for m in series}))


def _memory(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        lines.setdefault((row["function"], row["library"]), []).append((row["samples"], largest_scratch(row)))
    axes.figure.set_size_inches(8, 5.5)
    lengths = sorted({row["samples"] for row in rows})
    _lines(axes, lines)
    axes.plot(lengths, [8 * n for n in lengths], "--", color=INK, lw=1, label="the signal itself")
    axes.set_yscale("symlog", linthresh=1e3)
    axes.set(xlabel="samples", ylabel="bytes beyond the output")
    axes.figure.legend(loc="outside lower center", ncols=2, fontsize=9)
