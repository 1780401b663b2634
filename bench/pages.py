"""Writes the figures of the benchmarks: the page docs/benchmarks.md, its plots and data, and the tables in README.md.

    python bench/pages.py                   # measure everything, then write: about a quarter of an hour
    python bench/pages.py --quick           # short signals, few rounds: two minutes
    python bench/pages.py --load FILE       # measure nothing: write from the JSON of an earlier run
    python bench/pages.py --into FOLDER     # write there instead, to look at it

README.md gets its tables between two marks; everything else in it stays.
"""

import argparse
from pathlib import Path

from sigrnn.bench import main
from sigrnn.bench.cases import NOTES, RATES
from sigrnn.bench.charts import TITLES
from sigrnn.bench.lengths import FAMILIES, REFERENCE, geometric_mean, summary
from sigrnn.bench.report import Report, digits, duration
from sigrnn.bench.timing import FIRST, OURS

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- bench:start -->", "<!-- bench:end -->"
PAGE, DATA, README = Path("docs/benchmarks.md"), Path("docs/_static/benchmarks.json"), Path("README.md")
README_LENGTHS = (64, 1000, 5000, 65_536, 1_048_576)
README_COLUMNS = (
    "lfilter order 2", "lfilter order 8", "sosfilt 4 sections", "filtfilt order 4", "FIR 32 taps",
    "vjp lfilter order 2 (SciPy: value alone)",
)  # fmt: skip
README_PEERS = (
    ("sosfilt 4 sections, 64 samples, zi", "SciPy"),
    ("lfilter order 4, 16k x 64 channels, axis 0", "SciPy"),
    ("sosfilt 2 sections, 30 kHz x 10 s x 384 channels, axis 0", "SciPy"),
    ("sosfilt 4 sections", "sosfilt"),
    ("FIR 512 taps", "oaconvolve"),
    ("torch lfilter order 2: forward and backward", "torchaudio"),
    ("torch lfilter order 2: forward and backward", "philtorch"),
    ("LSTM H16: forward and backward", "torch"),
    ("GRU H32 B16: forward and backward", "torch"),
    ("torch LSTM H32 B16: a training step", "torch"),
    ("NLMS, 32 taps", "padasip"),
    ("RLS, 32 taps", "padasip"),
    ("FDAF, 1024 taps", "adafilt"),
    ("PBFDAF, 16384 taps", "adafilt"),
)

INTRODUCTION = """\
# Benchmarks

<!-- Written by bench/pages.py. Do not edit. -->

```sh
pip install ".[bench]"
sigrnn bench          # on your machine; --quick takes a few minutes
```

Each result is first compared with SciPy's, or with that of the reference named above the table. The libraries of a row
then run in turn, in one process, and the best round of each counts.

* *Ratio*: the time of SciPy, or of the reference named in the row, divided by sigrnn's. **Bold**: sigrnn is slower.
* *Others, ratio*: another library's time divided by sigrnn's.
* *Difference*: the largest deviation from the reference result, relative to its largest value.
"""
LENGTHS = """\
Nanoseconds per sample of one channel: sigrnn / the other library (ratio). `vjp` computes the value and all gradients;
SciPy's time is that of the value alone.
"""
IPP = "Intel IPP (`pip install ipp`) writes into a preallocated array and is called through `ctypes`."
STARTS = "Wall time of fresh processes, the best of several. The kernel cache is warm unless noted."


def table(head, rows):
    """A table in Markdown; the first column is text, the rest numbers or short words."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def marked(ratio):
    """A ratio, bold where sigrnn is slower."""
    return "" if ratio is None else f"**{digits(ratio)}**" if ratio < 1 else digits(ratio)


def page(report):
    """The page, as Markdown."""
    parts = [INTRODUCTION, where(report), *losses(report), *lengths(report)]
    for group in dict.fromkeys(m.group for m in report.cases):
        measured = [m for m in report.cases if m.group == group]
        parts += [f"## {group}", NOTES.get(group, ""), cases(measured, RATES.get(group))]
    parts += [*picture(report, "ratios"), *starts(report.starts), *not_measured(report)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def where(report):
    """Date, machine and versions."""
    machine = ", ".join(f"{key}: {value}" for key, value in report.machine.items())
    packages = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    quick = ["* **A quick run: large signals were shortened.**"] if report.quick else []
    notes = "* float64 and one thread for every library, unless noted"
    return "\n".join([f"* {report.created[:10]}; {machine}", f"* {packages}", notes, *quick])


def picture(report, name):
    """A plot, if there is data for it."""
    return (
        [f"![{TITLES[name]}](_static/bench-{name}.svg)"]
        if (report.lengths if name == "lengths" else report.cases)
        else []
    )


def cell(column, library, k):
    """ns of both and the ratio, for one length."""
    ratio = column.ratios(library)[k]
    return "" if ratio is None else f"{digits(column.ns[OURS][k])} / {digits(column.ns[library][k])} ({marked(ratio)})"


def by_length(columns, library):
    """The table of lengths for some functions."""
    rows = [[f"{n:,}", *(cell(c, library, k) for c in columns)] for k, n in enumerate(columns[0].samples)]
    means = [digits(geometric_mean([r for r in c.ratios(library) if r])) for c in columns]
    return table(["samples", *(c.name for c in columns)], [*rows, ["geometric mean", *means]])


def lengths(report):
    """The section on lengths."""
    if not report.lengths:
        return []
    parts = ["## Every length", LENGTHS, summary(report.lengths), *picture(report, "lengths")]
    found = {column.name: column for column in report.lengths}
    for family, members in FAMILIES.items():
        if columns := [found[case.name] for case in members if case.name in found]:
            parts += [f"### {family}", by_length(columns, REFERENCE)]
    with_ipp = [column for column in report.lengths if "IPP" in column.ns]
    if with_ipp:
        parts += ["### Intel IPP", IPP, summary(report.lengths, "IPP")]
        parts += [by_length(with_ipp[k : k + 4], "IPP") for k in range(0, len(with_ipp), 4)]
    return parts


def cases(measured, rate):
    """The table of a group of cases, without columns that are empty."""
    references = list(dict.fromkeys(m.reference for m in measured))
    alone = len(references) == 1
    head = ["case", "samples x channels", references[0] if alone else "reference", OURS, "ratio", "others, ratio"]
    head += [f"times real time at {rate / 1000:g} kHz" if rate else "", "difference"]
    rows = [case(m, alone, rate) for m in measured]
    kept = [k for k in range(len(head)) if any(row[k] for row in rows)]
    return table([head[k] for k in kept], [[row[k] for k in kept] for row in rows])


def label(m):
    """The name of a case, with the threads if there are several."""
    return f"{m.name}, {m.workers} threads" if m.workers > 1 else m.name


def case(m, alone, rate):
    """A row of such a table."""
    theirs = duration(m.seconds[m.reference]) if m.reference in m.seconds else ""
    others = [f"{name} {marked(ratio)}" for name, ratio in m.ratios.items() if name != m.reference]
    return [
        label(m),
        f"{m.samples:,} x {m.channels}",
        theirs if alone or not theirs else f"{m.reference} {theirs}",
        duration(m.seconds[OURS]),
        marked(m.ratio),
        ", ".join(others),
        digits(m.samples / rate / m.seconds[OURS]) if rate else "",
        f"{m.difference:.0e}" if m.difference else "0",
    ]


def starts(seconds):
    """The section on cold starts."""
    if not seconds:
        return []
    added = duration(max(0.0, seconds["import sigrnn"] - seconds["import numpy"]))
    ratio = seconds["import scipy.signal, first lfilter"] / seconds[FIRST]
    words = f"`import sigrnn` adds {added} to `import numpy`. SciPy's time to the first filtered samples over sigrnn's: {marked(ratio)}."
    return [
        "## Cold start",
        STARTS,
        table(["process", "time"], [[name, duration(s)] for name, s in seconds.items()]),
        words,
    ]


def losses(report):
    """All cases in which another library is faster."""
    rows = [[name, library, digits(ratio)] for ratio, name, library in report.losses()]
    if not rows:
        return ["## Where sigrnn loses", "Nowhere in this run."]
    text = (
        "Every case and length in which something else takes less time, the worst first. Some of these references compute less: "
        "SciPy's value without gradients for `vjp`, `np.tanh` alone for `nlfilter`, the forward pass for a pull-back, and "
        "the arithmetic bound *FMA bound*."
    )
    return ["## Where sigrnn loses", text, table(["case", "faster", "ratio"], rows)]


def not_measured(report):
    """What failed, or has nothing to compare with."""
    gaps = [(f"**{name}, {OURS}**", why) for name, why in report.failed.items()]
    gaps += report.left_out.items()
    gaps += [(f"{m.name}, {name}", why) for m in report.cases for name, why in m.left_out.items()]
    lines = "\n".join(f"* {what}: `{' '.join(why.replace('`', ' ').split())[:160]}`" for what, why in gaps)
    return ["## Not measured", "Another library failed, or its result is not the expected one:", lines] if gaps else []


def readme_tables(report):
    """Chosen lengths, and chosen cases."""
    parts, found = [], {column.name: column for column in report.lengths}
    if columns := [found[name] for name in README_COLUMNS if name in found]:
        kept = [k for k, n in enumerate(columns[0].samples) if n in README_LENGTHS]
        head = ["ns per sample (times as fast as SciPy)", *(f"{columns[0].samples[k]:,} samples" for k in kept)]
        rows = [
            [c.name, *("" if not c.ns[OURS][k] else f"{digits(c.ns[OURS][k])} ({marked(c.ratios()[k])})" for k in kept)]
            for c in columns
        ]
        parts += [table(head, rows), f"{summary(report.lengths)} **Bold**: slower."]
    if rows := [*by_peer(report), *ipp_rows(report)]:
        parts.append(table(["", "other library", "its time", OURS, "times as fast"], rows))
    usual = "one channel of a million float64 samples and one thread, unless noted"
    parts.append(
        f"On {report.machine['processor']}: {usual}. SciPy {report.versions['scipy']}. [All cases and "
        "lengths](docs/benchmarks.md), [where sigrnn loses](docs/benchmarks.md#where-sigrnn-loses)."
    )
    return "\n\n".join(parts)


def by_peer(report):
    """Rows of the README: chosen cases, each with the library that it is known for."""
    found = {m.name: m for m in report.cases}
    for name, library in README_PEERS:
        if (m := found.get(name)) and m.ratios.get(library):
            yield [
                label(m),
                library,
                duration(m.seconds[library]),
                duration(m.seconds[OURS]),
                marked(m.ratios[library]),
            ]


def ipp_rows(report):
    """Rows of the README on Intel IPP, if it was measured, for the columns of its first table."""
    for column in (column for column in report.lengths if column.name in README_COLUMNS):
        for k, n in enumerate(column.samples):
            if n in (1000, 65_536) and "IPP" in column.ns and (ratio := column.ratios("IPP")[k]):
                times = [duration(column.ns[name][k] * n * 1e-9) for name in ("IPP", OURS)]
                yield [f"{column.name}, {n:,} samples", "Intel IPP", *times, marked(ratio)]


def fill(readme, report):
    """README.md with its tables between the two marks."""
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"README.md must have {START} followed by {END}")
    return f"{before}{start}\n{readme_tables(report)}\n{end}{after}"


def write(report, root):
    """Write all files below `root`, which is the project or another folder."""
    readme = root / README if (root / README).exists() else ROOT / README
    for path, text in (
        (PAGE, page(report)), (README, fill(readme.read_text("utf-8"), report)),
    ):  # fmt: skip
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
        print(f"wrote {root / path}")
    main.write(report, root / DATA, root / DATA.parent)


def run(argv=None):
    """Measure or load, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--load", metavar="FILE", type=Path)
    parser.add_argument("--into", metavar="FOLDER", type=Path, default=ROOT)
    args = parser.parse_args(argv)
    scale = main.QUICK if args.quick else main.NORMAL
    report = Report.from_json(args.load.read_text("utf-8")) if args.load else main.run(scale)
    write(report, args.into)
    return 1 if report.failed else 0


if __name__ == "__main__":
    raise SystemExit(run())
