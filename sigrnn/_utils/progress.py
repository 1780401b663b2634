"""Progress of long work: tqdm's bar in a terminal, otherwise a line from time to time."""

from __future__ import annotations

import sys
import time
from typing import Any

DELAY = 1.0  # s: what is over by then needs no bar
PERIOD = 15.0  # s between lines


class Silent:
    """No progress shown; the part of tqdm's methods that is used here."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, n: int = 1) -> None:
        """Count work that is done."""

    def set_postfix(self, numbers: dict[str, str], refresh: bool = True) -> None:
        """Take numbers to show."""

    def close(self) -> None:
        """Show no more."""


class Lines(Silent):
    """A line on stderr every so often: for a log, where a bar cannot be drawn."""

    def __init__(self, total: int | None, unit: str, title: str) -> None:
        self.total, self.unit, self.title = total, unit.strip(), title
        self.done, self.numbers = 0, ""
        self.start = self.last = time.monotonic()

    def update(self, n: int = 1) -> None:
        """Count work that is done."""
        self.done += n
        now = time.monotonic()
        if now - self.last >= PERIOD:
            self.last = now
            of = f" of {self.total} ({self.done / self.total:.0%})" if self.total else ""
            print(f"{self.title}: {self.done}{of} {self.unit}, {now - self.start:.0f} s{self.numbers}", file=sys.stderr)

    def set_postfix(self, numbers: dict[str, str], refresh: bool = True) -> None:
        """Take numbers to show."""
        self.numbers = "".join(f", {name} {number}" for name, number in numbers.items())


def bar(total: int | None, unit: str, title: str, scale: bool = False) -> Any:
    """Return tqdm's bar, with the time left; `scale` writes 1.2M. One that shows nothing where tqdm is not installed."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return Silent()
    options = {"leave": False, "delay": DELAY, "dynamic_ncols": True}
    return tqdm(total=total, unit=unit, unit_scale=scale, desc=title, **options)


def bar_or_lines(total: int | None, unit: str, title: str, scale: bool = False) -> Any:
    """Return a bar for a person who watches, lines for a log."""
    shown = bar(total, unit, title, scale) if sys.stderr.isatty() else Silent()
    return Lines(total, unit, title) if type(shown) is Silent else shown
