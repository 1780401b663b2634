"""The report of one run: where, what was measured, as a file and as lines in a terminal."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .lengths import REFERENCE, Column, cells, geometric_mean
from .timing import OURS, Measurement

_PACKAGES = (
    "sigrnn", "numpy", "scipy", "numba", "ipp", "sosfilt", "torch", "torchaudio", "philtorch", "torchlpc", "padasip",
    "adafilt", "dask",
)  # fmt: skip
_VARIABLES = ("NUMBA_CPU_NAME", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS")


def describe_machine() -> dict[str, str]:
    """Return processor, cores, system, and environment variables that change the speed, if set."""
    info, system = Path("/proc/cpuinfo"), f"{platform.system()} {platform.machine()}"
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    facts = {"processor": found[1] if found else platform.processor() or "unknown", "cores": str(os.cpu_count())}
    return facts | {"system": system} | {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def versions() -> dict[str, str]:
    """Return the versions of Python, sigrnn, and the libraries that are installed."""
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass
class Report:
    """What one run has measured.

    Parameters
    ----------
    cases : list of Measurement
        All cases but lengths.
    lengths : list of Column
        The table of lengths.
    starts : dict
        Seconds of fresh processes, by what they do.
    failed, left_out : dict
        By case, why sigrnn's result was wrong, or why there is no result to compare with.
    quick : bool
        Whether large signals were shortened.
    created, machine, versions : str, dict, dict
        When and where.
    """

    cases: list[Measurement] = field(default_factory=list)
    lengths: list[Column] = field(default_factory=list)
    starts: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    quick: bool = False
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    machine: dict[str, str] = field(default_factory=describe_machine)
    versions: dict[str, str] = field(default_factory=versions)

    def to_json(self) -> str:
        """Return JSON with four digits for each time, and one line for each case and each column of lengths."""
        data = _rounded(asdict(self))
        rows = {key: ",\n".join(map(_row, data.pop(key))) for key in ("cases", "lengths")}
        head = [f'"{key}": {json.dumps(value)}' for key, value in data.items()]
        tables = [f'"{key}": [\n{text}\n]' for key, text in rows.items()]
        return "{\n" + ",\n".join(head + tables) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` has written."""
        data = json.loads(text)
        data["cases"] = [Measurement(**row) for row in data["cases"]]
        data["lengths"] = [Column(**row) for row in data["lengths"]]
        return cls(**data)

    def losses(self) -> list[tuple[float, str, str]]:
        """Return ratio, case and library wherever another library is faster than sigrnn, the worst first."""
        found = [(ratio, m.name, library) for m in self.cases for library, ratio in m.ratios.items() if ratio < 1]
        for column in self.lengths:
            for library in column.ns:
                if lost := sorted(cell for cell in cells([column], library) if cell[0] < 1):
                    where = f"at {len(lost)} of {len(column.samples)} lengths, worst at {lost[0][2]:,} samples"
                    found.append((lost[0][0], f"{column.name}, {where}", library))
        return sorted(found)


def _row(values: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in values.items() if value != {}})


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


# --------------------------------------------------------------------------------------------------------------- words


def digits(value: float) -> str:
    """Return a number with three digits."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """Return a time with its unit, as "1.23 ms"."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * scale:
            return f"{digits(seconds / scale)} {unit}"
    return f"{digits(seconds * 1e9)} ns"


def line(name: str, *texts: str) -> str:
    """Return a line of the table of cases."""
    return (f"{name:72}" + "".join(f"{text:>10}" for text in texts[:-1]) + f"  {texts[-1]}").rstrip()


HEAD = line("", "reference", OURS, "ratio", "others, ratio")


def case_line(m: Measurement) -> str:
    """Return a measurement as a line; `*` marks ratios below 1, where sigrnn is slower."""
    name = m.name if m.ratio is None or m.reference == REFERENCE else f"{m.name} ({m.reference})"
    theirs = duration(m.seconds[m.reference]) if m.reference in m.seconds else ""
    others = [f"{other} {_marked(ratio)}" for other, ratio in m.ratios.items() if other != m.reference]
    return line(name, theirs, duration(m.seconds[OURS]), _marked(m.ratio), ", ".join(others))


def column_lines(column: Column) -> list[str]:
    """Return a column of lengths: a line of ns a sample for each library, and lines of ratios."""
    rows = {f"{name}, ns": [digits(ns) if ns else "" for ns in times] for name, times in column.ns.items()}
    rows |= {f"{name} / {OURS}": [_marked(r) for r in column.ratios(name)] for name in column.ns if name != OURS}
    means = {name: [r for r in column.ratios(name) if r] for name in column.ns if name != OURS}
    ends = {f"{name} / {OURS}": f"  mean {digits(geometric_mean(found))}" for name, found in means.items() if found}
    return [
        f"{column.name if k == 0 else '':46}{label:16}" + "".join(f"{text:>8}" for text in row) + ends.get(label, "")
        for k, (label, row) in enumerate(rows.items())
    ]


def lengths_head(lengths: Sequence[int]) -> str:
    """Return the head of the table of lengths."""
    return f"{'':46}{'samples':16}" + "".join(f"{n:>8}" for n in lengths)


def _marked(ratio: float | None) -> str:
    return "" if ratio is None else f"{digits(ratio)}{'*' if ratio < 1 else ''}"
