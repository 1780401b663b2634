"""A benchmark's report: its data, and the pages written from it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .measure import CASES, NOTES, RATES
from .timing import EMPTY_CACHE, OURS, REFERENCE, Measurement

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
PICTURES = {
    "ratios": "Times faster than SciPy, case by case",
    "length": "Time per sample against the length of the signal",
    "channels": "Time per sample against the number of channels",
    "memory": "Scratch memory against the length of the signal",
}
_PACKAGES = ("sigrnn", "numpy", "scipy", "numba", "sosfilt", "torch", "torchaudio", "philtorch", "torchlpc")
_VARIABLES = ("NUMBA_CPU_NAME", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS")


def describe_machine() -> dict[str, str]:
    """Return what a reader must know of the machine to judge a time.

    Returns
    -------
    dict
        Processor, cores, system, and environment variables that change the speed, where set.
    """
    facts = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
    }
    return facts | {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        return found[1]
    return platform.processor() or "unknown"


def versions() -> dict[str, str]:
    """Return the versions of Python, of sigrnn and what it stands on, and of the peers that are installed.

    Returns
    -------
    dict
        By package.
    """
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass
class Report:
    """All that one run of the benchmarks found.

    Parameters
    ----------
    quick : bool
        Whether large signals were shortened.
    cases, length, channels : list of Measurement
        The cases, and the two series.
    failed : dict
        By case, why there is no measurement.
    left_out : dict
        By case, why its reference could not be timed.
    memory : list of dict
        Scratch by function, samples and library.
    starts : dict
        Seconds of fresh processes, by what they do.
    created, machine, versions : str, dict, dict
        When and where.
    """

    quick: bool = False
    cases: list[Measurement] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    length: list[Measurement] = field(default_factory=list)
    channels: list[Measurement] = field(default_factory=list)
    memory: list[dict[str, Any]] = field(default_factory=list)
    starts: dict[str, list[float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    machine: dict[str, str] = field(default_factory=describe_machine)
    versions: dict[str, str] = field(default_factory=versions)

    @property
    def beside_scipy(self) -> list[Measurement]:
        """The cases whose ratio is to SciPy's time."""
        return [m for m in self.cases if m.reference == REFERENCE]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Report:
        """Return the report that `to_dict` turned into `data`."""
        measured = {key: [Measurement(**entry) for entry in data[key]] for key in ("cases", "length", "channels")}
        return cls(**(data | measured))


# --------------------------------------------------------------------------------------------------------------- words


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it, to three digits.

    Parameters
    ----------
    seconds : float
        The time.

    Returns
    -------
    str
        As "1.23 ms".
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * scale:
            return f"{_three_digits(seconds / scale)} {unit}"
    return f"{_three_digits(seconds * 1e9)} ns"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"


def _promise(ratio: float, promised: float | None) -> str:
    if promised is None:
        return ""
    return f"{promised:g}: met" if ratio >= promised else f"{promised:g}: **missed**"


def _others(m: Measurement) -> str:
    return ", ".join(f"{name} {_three_digits(ratio)}" for name, ratio in m.others.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # The first column is text, the rest numbers or short words.
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


# ---------------------------------------------------------------------------------------------------------------- page

_INTRODUCTION = """\
# Benchmarks

<!-- Written by the command below. Do not edit. -->

```sh
pip install ".[bench]"
sigrnn bench --json bench.json --markdown docs/benchmarks.md --plots docs/_static --readme README.md
```

Every result is compared with SciPy's, or with the one that the text above a table names, before the clock starts. All
libraries of a row run in turn, in the same rounds, in one process, and the best round of each counts. *Ratio* is the
time of SciPy, or of another reference that the row names, over sigrnn's. *Floor* is a ratio below which something is
broken, *aim* the one to reach. *Others, ratio* is another library's time over sigrnn's. *Copy* is the speed as a share
of `numpy.copyto` over the same signal, which memory bounds. *Difference* is the largest one from the result compared
with, over its largest value. A row that says **slower** is one in which sigrnn loses.
"""


def page(report: Report, pictures: str | None = None) -> str:
    """Write the report as a page of Markdown.

    Parameters
    ----------
    report : Report
        What was found.
    pictures : str, optional
        Folder of the plots as seen from the page; without it the page has none.

    Returns
    -------
    str
        The page.
    """
    parts = [_INTRODUCTION, _where(report), _picture("ratios", report.beside_scipy, pictures)]
    for group in dict.fromkeys(m.group for m in report.cases):
        parts += [f"## {group}", NOTES.get(group, ""), _group([m for m in report.cases if m.group == group])]
    parts += [_series(report, pictures), _memory(report, pictures), _starts(report.starts), _gaps(report)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _where(report: Report) -> str:
    machine = ", ".join(f"{key}: {value}" for key, value in report.machine.items())
    packages = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    notes = "float64 and one thread for every library, unless the row says otherwise"
    quick = (
        "\n* **A quick run: large signals were shortened, so floors and aims are only hints.**" if report.quick else ""
    )
    return f"* {report.created[:10]}; {machine}\n* {packages}\n* {notes}{quick}"


def _picture(name: str, data: Sequence[Any], folder: str | None) -> str:
    return f"![{PICTURES[name]}]({folder}/bench-{name}.svg)" if data and folder is not None else ""


def _group(measured: Sequence[Measurement]) -> str:
    references = {m.reference for m in measured}
    alone, rate = len(references) == 1, RATES.get(measured[0].group)
    head = [
        "case",
        "samples x channels",
        *(references if alone else ["reference"]),
        OURS,
        "ratio",
        "floor",
        "aim",
        "others, ratio",
        *(["a step", "real time"] if rate else ["copy"]),
        "difference",
    ]
    rows = [_row(m, "" if alone else f"{m.reference} ", rate) for m in measured]
    told = [k for k in range(len(head)) if any(row[k] not in ("", "0%") for row in rows)]  # columns that say something
    return _table([head[k] for k in told], ([row[k] for k in told] for row in rows))


def _row(m: Measurement, reference: str, rate: int | None) -> list[str]:
    lost = f" (**slower** than {', '.join(m.losers)})" if m.losers else ""
    threads = f", {m.workers} threads" if m.workers > 1 and "workers" not in m.name else ""
    return [
        f"{m.name}{threads}",
        f"{m.samples:,} x {m.channels}",
        f"{reference}{duration(m.best(m.reference))}",
        duration(m.best()),
        f"{_three_digits(m.ratio)}{lost}",
        _promise(m.ratio, m.floor),
        _promise(m.ratio, m.aim),
        _others(m),
        *(_pace(m, rate) if rate else [f"{m.copy_share:.0%}"]),
        f"{m.difference:.0e}" if m.difference else "0",
    ]


def _pace(m: Measurement, rate: int) -> list[str]:
    step = m.best() / m.samples
    return [duration(step), f"{_three_digits(1 / (step * rate))} x"]


def _series(report: Report, pictures: str | None) -> str:
    if not (report.length or report.channels):
        return ""
    shown = [_picture("length", report.length, pictures), _picture("channels", report.channels, pictures)]
    tables = [_per_sample(report.length, "samples"), _per_sample(report.channels, "channels")]
    text = "Time per sample of one channel. A level line is a cost that grows linearly."
    return "\n\n".join(["## Growth with samples and channels", text, *filter(None, [*shown, *tables])])


def _per_sample(series: Sequence[Measurement], size: str) -> str:
    if not series:
        return ""
    kinds, sizes = dict.fromkeys(m.group for m in series), dict.fromkeys(getattr(m, size) for m in series)
    found = {(m.group, getattr(m, size)): m for m in series}
    head = [f"ns per sample; {size}", *(f"{n:,}" for n in sizes)]
    rows = [
        [f"{kind}, {name}", *(_three_digits(found[kind, n].nanoseconds(name)) for n in sizes)]
        for kind in kinds
        for name in (OURS, REFERENCE)
    ]
    return _table(head, rows)


def largest_scratch(row: dict[str, Any]) -> int:
    """Return the larger of the two measurements of one entry of `Report.memory`.

    Parameters
    ----------
    row : dict
        The entry.

    Returns
    -------
    int
        Bytes.
    """
    return max(int(row["numpy"]), int(row["resident"] or 0))


def _memory(report: Report, pictures: str | None) -> str:
    if not report.memory:
        return ""
    found = {(row["function"], row["library"], row["samples"]): largest_scratch(row) for row in report.memory}
    lengths = dict.fromkeys(row["samples"] for row in report.memory)
    kinds = dict.fromkeys((row["function"], row["library"]) for row in report.memory)
    rows = [[", ".join(kind), *(_size(found[*kind, n]) for n in lengths)] for kind in kinds]
    text = (
        "Memory beyond the output (sigrnn writes into a given array, SciPy's own output is subtracted): the larger of "
        "NumPy's peak and, where the system tells, the growth of the process."
    )
    table = _table(["samples", *(f"{n:,}" for n in lengths)], rows)
    return "\n\n".join(filter(None, ["## Memory", text, _picture("memory", report.memory, pictures), table]))


def _starts(starts: dict[str, list[float]]) -> str:
    if not starts:
        return ""
    best = {name: min(seconds) for name, seconds in starts.items()}
    ours, theirs = best["import sigrnn, first lfilter"], best["import scipy.signal, first lfilter"]
    judged = [
        f"* `import sigrnn` adds {duration(max(0.0, best['import sigrnn'] - best['import numpy']))} to `import numpy`.",
        f"* To the first filtered samples: {'no longer' if ours <= theirs else '**longer**'} than with SciPy.",
        f"* With an empty cache: {'under' if best[EMPTY_CACHE] < 6 else '**over**'} the 6 s that are allowed.",
    ]
    rows = [[name, duration(seconds)] for name, seconds in best.items()]
    text = "Fresh processes from start to end, the best of several; the cache is warm unless the row says otherwise."
    return "\n\n".join(["## Cold start", text, _table(["process", "time"], rows), "\n".join(judged)])


def _gaps(report: Report) -> str:
    gaps = [(f"**{name}, {OURS}**", why) for name, why in report.failed.items()]
    gaps += report.left_out.items()
    gaps += [(f"{m.name}, {name}", why) for m in report.cases for name, why in m.left_out.items()]
    if not gaps:
        return ""
    lines = (f"* {what}: `{' '.join(why.replace('`', ' ').split())[:160]}`" for what, why in gaps)
    return "\n\n".join(
        [
            "## Not measured",
            "Where a library is not there, failed, or its result is not the expected one:",
            "\n".join(lines),
        ]
    )


# -------------------------------------------------------------------------------------------------------------- README


def fill_readme(text: str, report: Report) -> str:
    """Put a short table between the two marks of a README.

    Parameters
    ----------
    text : str
        The README.
    report : Report
        What was found.

    Returns
    -------
    str
        The README, all else as it was.

    Raises
    ------
    ValueError
        If the marks are missing.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"the README has no {START} followed by {END}")
    return f"{before}{start}\n{_short_table(report)}\n{end}{after}"


def _named(m: Measurement) -> str:
    return m.name if m.reference == REFERENCE else f"{m.name} ({m.reference})"


def _short_table(report: Report) -> str:
    headlines = {case.name for case in CASES if case.headline}
    rows = [
        [_named(m), duration(m.best(m.reference)), duration(m.best()), f"{m.ratio:.1f}"]
        for m in report.cases
        if m.name in headlines
    ]
    usual = "one channel of a million float64 samples and one thread, unless the row says otherwise"
    scipy = f"SciPy {report.versions['scipy']}"
    table = _table(["", f"{scipy}, or as named", OURS, "times faster"], rows)
    lost = "[All cases, with the other libraries, and where sigrnn loses](docs/benchmarks.md)"
    return f"{table}\n\nOn {report.machine['processor']}: {usual}. {lost}."
