"""The table of lengths: ns a sample of sigrnn, SciPy and Intel IPP for signals of 64 to a million samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import exp, log
from typing import Any

from . import ipp
from .case import Case, Peer
from .filters import FILTFILT, LFILTER_VJP, SOSFILTFILT
from .inputs import Noise, ba, of_scipy, ours, sections, taps
from .timing import OURS, measure

GROUP = "Lengths"
SHORT = (64, 256, 1000, 4096, 5000, 16_384, 65_536)
FULL = tuple(sorted({*SHORT, *(2**k for k in range(6, 21))}))
REFERENCE = "SciPy"


def _peers(name: str, theirs: Any) -> dict[str, Any]:
    return {"ours": ours(name), "peers": {REFERENCE: of_scipy(name), "IPP": Peer(theirs)}}


def _columns() -> dict[str, list[Case]]:
    case, low = partial(Case, group=GROUP), partial(Noise, ba(2))
    recursive, cascade, fir = (
        _peers("lfilter", ipp.recursive),
        _peers("sosfilt", ipp.recursive),
        _peers("lfilter", ipp.fir),
    )
    alone: dict[str, Any] = {"ours": ours("lfilter"), "peers": {REFERENCE: of_scipy("lfilter")}}
    vjp = LFILTER_VJP | {"peers": {REFERENCE: of_scipy("lfilter", same=False)}}
    return {
        "lfilter": [case(f"lfilter order {n}", make=Noise(ba(n)), **recursive) for n in (1, 2, 4, 8)],
        "lfilter order 2 with options": [
            case("lfilter order 2, zi", make=low(zi=True), **alone),
            case("lfilter order 2, out=", make=low(out=True), **recursive),
            case("lfilter order 2, stereo, axis 0", make=low(axis=0), channels=2, **alone),
        ],
        "sosfilt": [
            case(f"sosfilt {n} section{'s' * (n > 1)}", make=Noise(sections(n)), **cascade) for n in (1, 2, 4, 5, 7)
        ],
        "Forward and backward": [
            case("filtfilt order 4", make=Noise(ba(4)), **FILTFILT),
            case("sosfiltfilt 4 sections", make=Noise(sections(4)), **SOSFILTFILT),
            case("vjp lfilter order 2 (SciPy: value alone)", make=low(dy=True), **vjp),
        ],
        "FIR": [case(f"FIR {n} taps", make=Noise(taps(n)), **fir) for n in (8, 32, 128, 512)],
    }


FAMILIES = _columns()
COLUMNS: tuple[Case, ...] = tuple(column for family in FAMILIES.values() for column in family)


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Parameters
    ----------
    name : str
        Of the function.
    samples : list of int
        Lengths.
    ns : dict
        By library, ns a sample for each length; None where it failed.
    """

    name: str
    samples: list[int]
    ns: dict[str, list[float | None]]

    def ratios(self, library: str = REFERENCE) -> list[float | None]:
        """Return the library's time over sigrnn's for each length."""
        theirs = self.ns.get(library, [None] * len(self.samples))
        return [b / a if a and b else None for a, b in zip(self.ns[OURS], theirs, strict=True)]


def measure_column(case: Case, lengths: Sequence[int], budget: float) -> Column:
    """Measure one function over all lengths, `budget` seconds for each."""
    found = [measure(replace(case, samples=n), budget) for n in lengths]
    libraries = [name for name in (OURS, *case.peers) if any(name in m.seconds for m in found)]
    ns = {
        name: [m.seconds[name] / (m.samples * m.channels) * 1e9 if name in m.seconds else None for m in found]
        for name in libraries
    }
    return Column(case.name, list(lengths), ns)


def cells(columns: Sequence[Column], library: str = REFERENCE) -> Iterator[tuple[float, str, int]]:
    """Yield ratio, function and length for each cell of the table that has a time of `library`."""
    for column in columns:
        for ratio, n in zip(column.ratios(library), column.samples, strict=True):
            if ratio is not None:
                yield ratio, column.name, n


def summary(columns: Sequence[Column], library: str = REFERENCE) -> str:
    """Return the geometric mean of all ratios and the worst one in words; empty if the library is in no column."""
    found = list(cells(columns, library))
    if not found:
        return ""
    mean, (worst, name, n) = geometric_mean([ratio for ratio, *_ in found]), min(found)
    slower = sum(ratio < 1 for ratio, *_ in found)
    return (
        f"Compared with {library}, geometric mean of {len(found)} cells: {mean:.2f} times as fast. Worst cell: {worst:.2f} "
        f"({name}, {n:,} samples). Slower in {slower} cells."
    )


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean."""
    return exp(sum(map(log, ratios)) / len(ratios))
