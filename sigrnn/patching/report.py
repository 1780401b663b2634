"""`report`: calls, samples and seconds of each function, the loop that served them, and calls passed on to SciPy."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from sigrnn.patching import counting
from sigrnn.patching.patch import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Report", "report"]

_running: Report | None = None
HEAD = "function", "calls", "samples", "seconds", "served by"


class Row(NamedTuple):
    """
    Calls of one function that one loop has served.

    served_by : the loop, or 'scipy.signal'. why : the reason if SciPy did it, else ''.
    """

    function: str
    calls: int
    samples: int
    seconds: float
    served_by: str
    why: str = ""


class Report:
    """
    The calls that were counted: see `report`.

    `print` shows a table, and so does a notebook. As a context manager it counts until the end of the block.

    Attributes
    ----------
    rows : list of Row
        For each function and each loop that served it, the calls, samples and seconds so far, and why SciPy did it, if
        so. Sorted by seconds.

    See Also
    --------
    report : Makes one.

    Examples
    --------
    >>> import sigrnn
    >>> with sigrnn.report() as report:
    ...     y = sigrnn.lfilter([1.0], [1.0, -0.5], [4.0, 0.0])
    >>> [(row.function, row.calls, row.samples, row.served_by) for row in report.rows]
    [('lfilter', 1, 2, 'sample after sample')]
    """

    def __init__(self) -> None:
        self._before = counting.totals()
        self._after: counting.Tally | None = None
        self._depth = 0

    @property
    def rows(self) -> list[Row]:
        """The counts so far, most seconds first."""
        found = []
        for (name, loop), row in (counting.totals() if self._after is None else self._after).items():
            before = self._before.get((name, loop), (0, 0, 0.0))
            calls, samples, seconds = (now - then for now, then in zip(row, before, strict=True))
            if calls:
                by = ("scipy.signal", loop.why) if isinstance(loop, counting.HandedBack) else (loop, "")
                found.append(Row(name, int(calls), int(samples), seconds, *by))
        return sorted(found, key=lambda row: -row.seconds)

    def stop(self) -> None:
        """Stop counting, and keep the counts."""
        global _running
        if self._after is None:
            self._after = counting.totals()
        if _running is self:
            _running = None
            count(False)

    def __enter__(self) -> Report:
        self._depth += 1
        return self

    def __exit__(self, *exception: object) -> None:
        self._depth -= 1
        if not self._depth:
            self.stop()

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (row.function, f"{row.calls:,}", f"{row.samples:,}", f"{row.seconds:.3g}", row.served_by + because(row.why))
            for row in self.rows
        ]

    def __str__(self) -> str:
        cells = self._cells()
        if not cells:
            return "no calls were counted: counting begins with sigrnn.report(), and is about this process alone"
        widths = [max(map(len, column)) for column in zip(HEAD, *cells, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if 0 < k < 4 else cell.ljust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in (HEAD, *cells)
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = [f"<tr>{''.join(f'<th>{name}</th>' for name in HEAD)}</tr>"]
        lines += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>" for cells in self._cells()]
        return f"<table>{''.join(lines)}</table>"

    def plot(self, ax: Axes | None = None) -> Axes:
        """
        Draw the seconds of each function, by the loop that computed it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where; a new figure by default.

        Returns
        -------
        ax : matplotlib.axes.Axes
            With the bars; red is what SciPy did.
        """
        from sigrnn._utils import plotting

        rows = self.rows[::-1]
        if ax is None:
            ax = plotting.figure(7.0, 1.2 + 0.35 * len(rows)).add_subplot()
        names = [f"{row.function}: {row.served_by}{because(row.why)}" for row in rows]
        colours = [plotting.RED if row.why else plotting.BLUE for row in rows]
        bars = ax.barh(range(len(rows)), [row.seconds for row in rows], color=colours)
        ax.bar_label(bars, [f"{row.calls:,} call{'s' * (row.calls != 1)}" for row in rows], padding=3, fontsize="small")
        ax.set_yticks(range(len(rows)), names, fontsize="small")
        ax.margins(x=0.2)
        plotting.label(ax, "", "seconds", "")
        return ax


def because(why: str) -> str:
    return f" ({why})" if why else ""


def report() -> Report:
    """
    Count the calls of patched functions of `scipy.signal`.

    The first call begins to count, the next ones return the same object; `Report.stop`, or the end of a ``with`` block, ends
    it. Calls by SciPy's names are counted where they are patched, and those by sigrnn's own.

    Returns
    -------
    Report
        Calls, samples and seconds by function, by the loop that served them, with the reason where SciPy did it.

    See Also
    --------
    patch_scipy : Put sigrnn's functions in the place of SciPy's.

    Notes
    -----
    A call costs 0.3 us more while it is counted. Seconds are wall time; a function that is called by another one under
    its public name counts in both, as `filtfilt` in SciPy's `decimate`. Each process has its own counts.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.signal
    >>> import sigrnn
    >>> with sigrnn.patch_scipy(), sigrnn.report() as report:
    ...     y = scipy.signal.lfilter([1.0], [1.0, -0.5], np.ones(4096))
    ...     y = scipy.signal.lfilter([1.0], [1.0, -0.5], np.ones(8, np.longdouble))
    >>> sorted((row.samples, row.served_by) for row in report.rows)
    [(8, 'scipy.signal'), (4096, 'blocks of time')]
    """
    global _running
    if _running is None:
        _running = Report()
        count(True)
    return _running
