"""`sigrnn bench`: measure, print the tables as they grow, and write JSON and plots."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from . import lengths, report, timing
from .calls import GROUP as CALLS
from .case import Case
from .cases import select
from .report import Report


class Scale(NamedTuple):
    """How thoroughly to measure."""

    total: int  # samples of all channels of a case, at most
    budget: float  # seconds for the rounds of a case
    lengths: tuple[int, ...]
    cell: float  # seconds for a cell of the table of lengths
    starts: int  # fresh processes of each kind


QUICK = Scale(2**18, 0.1, lengths.SHORT, 0.1, 3)
NORMAL = Scale(2**30, 2.0, lengths.FULL, 0.3, 7)
FULL = Scale(2**30, 5.0, lengths.FULL, 1.0, 15)
TABLES = ("lengths", "calls", "cases", "starts")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sigrnn bench",
        description="Compare results with SciPy's and those of other libraries that are installed, then time them in turn.",
        epilog="Ratios are the other library's time over sigrnn's; * marks those below 1, where sigrnn is slower.",
    )
    parser.add_argument(
        "table", nargs="?", choices=TABLES, help="only this table: signals of 64 to a million samples, the cost of a "
        "call, all other cases, or cold starts",
    )  # fmt: skip
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="about a minute a table: shorter signals, fewer rounds")
    size.add_argument("--full", action="store_true", help="more rounds")
    parser.add_argument("--case", metavar="PATTERN", help="only cases with this in their name (* and ? allowed)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all times")
    parser.add_argument("--plots", metavar="DIR", type=Path, help="draw bench-*.svg there (needs matplotlib)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sigrnn bench` with these arguments; return 0, or 1 if a result of sigrnn's is not the expected one."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.plots and find_spec("matplotlib") is None:
        parser.error('--plots needs matplotlib: pip install "sigrnn[bench]"')
    scale = QUICK if args.quick else FULL if args.full else NORMAL
    tables = [args.table] if args.table else TABLES if args.case is None else ["lengths", "calls", "cases"]
    found = run(scale, tables, args.case or "*")
    if not (found.cases or found.lengths or found.starts or found.failed or found.left_out):
        parser.error(f"no case has '{args.case}' in its name")
    write(found, args.json, args.plots)
    return 1 if found.failed else 0


def run(scale: Scale, tables: Sequence[str] = TABLES, pattern: str = "*") -> Report:
    """Measure, and print each line as it is found."""
    found = Report(quick=scale == QUICK)
    for table in tables:
        {"lengths": _lengths, "calls": _calls, "cases": _cases, "starts": _starts}[table](found, scale, pattern)
    return found


def _lengths(found: Report, scale: Scale, pattern: str) -> None:
    columns = select(pattern, lengths.COLUMNS)
    if not columns:
        return
    _say(report.lengths_head(scale.lengths))
    for case in columns:
        try:
            found.lengths.append(lengths.measure_column(case, scale.lengths, scale.cell))
        except timing.ResultMismatch as error:
            found.failed[f"{lengths.GROUP}, {case.name}"] = str(error)
            _say(f"FAILED {error}")
        else:
            _say(*report.column_lines(found.lengths[-1]))
    _say(*(lengths.summary(found.lengths, name) for name in (lengths.REFERENCE, "IPP")), "")


def _calls(found: Report, scale: Scale, pattern: str) -> None:
    _measure(found, scale, [case for case in select(pattern) if case.group == CALLS])


def _cases(found: Report, scale: Scale, pattern: str) -> None:
    _measure(found, scale, [case for case in select(pattern) if case.group != CALLS])


def _measure(found: Report, scale: Scale, cases: Sequence[Case]) -> None:
    if cases:
        _say(report.HEAD)
    for case in cases:
        try:
            found.cases.append(timing.measure(case.limited(scale.total), scale.budget))
        except timing.ResultMismatch as error:
            found.failed[case.name] = str(error)
            _say(f"FAILED {error}")
        except timing.NotMeasured as error:
            found.left_out[case.name] = str(error)
            _say(f"left out: {error}")
        else:
            _say(report.case_line(found.cases[-1]))


def _starts(found: Report, scale: Scale, pattern: str) -> None:
    _say("", "Fresh processes")
    found.starts = timing.cold_starts(scale.starts)
    for name, seconds in found.starts.items():
        _say(report.line(name, report.duration(seconds), ""))


def write(found: Report, file: Path | None, folder: Path | None) -> None:
    """Write the JSON file and draw the plots, where paths are given."""
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found.to_json(), "utf-8")
        print(f"wrote {file}", file=sys.stderr)
    if folder:
        from . import charts

        for path in charts.draw(found, folder):
            print(f"wrote {path}", file=sys.stderr)


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)
