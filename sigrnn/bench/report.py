"""`sigrnn bench`: run the cases, print them as they come, and write JSON, Markdown, HTML and plots."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from . import pages, scaling, timing
from .measure import Measured, select
from .timing import OURS, REFERENCE, Measurement, NoReference, ResultMismatch


class Scale(NamedTuple):
    """How much is measured: limits on signals, and seconds for one case."""

    total: int  # samples of all channels of a case
    budget: float  # seconds of rounds for a case; a third of it in the series
    longest: int  # samples of the longest signal in the series
    channel_total: int
    starts: int  # fresh processes of each kind


QUICK = Scale(2**20, 0.15, 1_000_000, 2**18, 3)
NORMAL = Scale(2**30, 2.0, 10_000_000, 2**22, 7)
FULL = Scale(2**30, 5.0, 100_000_000, 2**22, 15)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sigrnn bench",
        description="Compare results with SciPy's and those of other libraries that are installed, then time them in turn.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a minute: large signals shortened, few rounds")
    size.add_argument("--full", action="store_true", help="signals of up to 1e8 samples, more rounds")
    parser.add_argument("--case", metavar="PATTERN", help="only cases with this in their name (* and ? allowed)")
    parser.add_argument("--load", metavar="FILE", type=Path, help="measure nothing: write pages from an earlier --json")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all times")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the page")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the page, plots inside, for a browser")
    parser.add_argument("--plots", metavar="DIR", type=Path, help="draw bench-*.svg there (needs matplotlib)")
    parser.add_argument("--readme", metavar="FILE", type=Path, help="fill the table between its marks")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments, those after `sigrnn bench`.

    Returns
    -------
    int
        0, or 1 if a result of sigrnn's is not the expected one.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    for option, wanted in (("plots", ("matplotlib",)), ("html", ("matplotlib", "markdown_it"))):
        if getattr(args, option) and (missing := [name for name in wanted if find_spec(name) is None]):
            parser.error(f'--{option} needs {" and ".join(missing)}: pip install "sigrnn[bench]"')
    if args.load:
        report = pages.Report.from_dict(json.loads(args.load.read_text(encoding="utf-8")))
    elif cases := select(args.case or "*"):
        scale = QUICK if args.quick else FULL if args.full else NORMAL
        report = run(cases, scale, everything=args.case is None)
    else:
        parser.error(f"no case has '{args.case}' in its name")
    write(report, args)
    return 1 if report.failed else 0


def run(cases: Sequence[Measured], scale: Scale = NORMAL, everything: bool = True) -> pages.Report:
    """Measure cases, and print each as it is done.

    Parameters
    ----------
    cases : sequence of Case
        What to measure.
    scale : Scale
        How thoroughly.
    everything : bool
        Whether to go on with the series, memory and cold starts.

    Returns
    -------
    Report
        What was found.
    """
    report = pages.Report(quick=scale == QUICK)
    _say(_line("", REFERENCE, OURS, "ratio", "floor", "aim", "copy", "others, ratio"))
    for case in cases:
        try:
            report.cases.append(timing.measure(case.limited(scale.total), scale.budget))
        except ResultMismatch as error:
            report.failed[case.name] = str(error)
            _say(f"FAILED {error}")
        except NoReference as error:
            report.left_out[case.name] = str(error)
            _say(f"left out: {case.name}: {error}")
        else:
            _say(_result(report.cases[-1]))
    if everything:
        _grow(report, scale)
    return report


def _grow(report: pages.Report, scale: Scale) -> None:
    _say("\nGrowth, ns per sample")
    report.length = _series(scaling.length_series(scale.longest), scale.budget / 3)
    report.channels = _series(scaling.channel_series(scale.channel_total), scale.budget / 3)
    _say("\nMemory ...")
    report.memory = scaling.memory(scale.longest)
    _say("Cold starts ...")
    report.starts = timing.cold_starts(scale.starts)
    for name, seconds in report.starts.items():
        _say(f"{name:48}{pages.duration(min(seconds)):>10}")


def _series(cases: Iterable[Measured], budget: float) -> list[Measurement]:
    found = []
    for case in cases:
        found.append(m := timing.measure(case, budget))
        _say(f"{m.group:32}{m.samples:>12,} x {m.channels:<6}{m.nanoseconds():8.2f}{m.nanoseconds(REFERENCE):8.2f}")
    return found


# ----------------------------------------------------------------------------------------------------------------- out


def _say(line: str) -> None:
    print(line, flush=True)


def _line(name: str, *cells: str) -> str:
    return f"{name:80}" + "".join(f"{cell:>9}" for cell in cells[:-1]) + f"  {cells[-1]}".rstrip()


def _result(m: Measurement) -> str:
    others = [f"{name} {ratio:.1f}" for name, ratio in m.others.items()]
    lost = [f"slower than {', '.join(m.losers)}"] if m.losers else []
    return _line(
        m.name if m.reference == REFERENCE else f"{m.name} ({m.reference})",
        pages.duration(m.best(m.reference)),
        pages.duration(m.best()),
        f"{m.ratio:.1f}",
        _promise(m.ratio, m.floor),
        _promise(m.ratio, m.aim),
        f"{m.copy_share:.0%}",
        "; ".join([*others, *lost]),
    )


def _promise(ratio: float, promised: float | None) -> str:
    return "" if promised is None else f"{promised:g} {'met' if ratio >= promised else 'NO'}"


def write(report: pages.Report, args: argparse.Namespace) -> None:
    """Write the files that were asked for.

    Parameters
    ----------
    report : Report
        What was found.
    args : Namespace
        With the paths `json`, `markdown`, `html`, `plots` and `readme`, or None.
    """
    if args.json:
        _store(args.json, json.dumps(report.to_dict(), indent=1) + "\n")
    if args.plots:
        from . import charts

        for path in charts.draw(report, args.plots):
            print(f"wrote {path}", file=sys.stderr)
    if args.markdown:
        _store(args.markdown, pages.page(report, _seen_from(args.markdown, args.plots)))
    if args.html:
        from . import web

        _store(args.html, web.web_page(report))
    if args.readme:
        _store(args.readme, pages.fill_readme(args.readme.read_text(encoding="utf-8"), report))


def _seen_from(page: Path, folder: Path | None) -> str | None:
    return None if folder is None else Path(os.path.relpath(folder, page.parent)).as_posix()


def _store(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)
