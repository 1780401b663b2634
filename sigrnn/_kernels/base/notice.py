"""A line on standard error if a first call compiles for more than a second, so that it does not look like a hang."""

from __future__ import annotations

import os
import sys
from threading import Lock, Timer
from time import monotonic

PATIENCE = 1.0  # seconds of compilation before the line is printed
QUIET = "SIGRNN_QUIET"  # environment variable that disables it

_spent, _said, _lock = 0.0, False, Lock()


class Notice:
    """One compilation: `begin` is called on a cache miss, `end` always."""

    def __init__(self) -> None:
        self.timer: Timer | None = None

    def begin(self) -> None:
        """Start the timer."""
        if self.timer is None and not _said and not os.environ.get(QUIET):
            self.start, self.timer = monotonic(), Timer(max(0.0, PATIENCE - _spent), _say)
            self.timer.daemon = True
            self.timer.start()

    def end(self) -> None:
        """Stop the timer, if it runs."""
        global _spent
        if self.timer is not None:
            self.timer.cancel()
            _spent += monotonic() - self.start


def _say() -> None:
    global _said
    with _lock:
        if not _said and sys.stderr is not None:
            _said = True
            print(
                f"sigrnn: compiling; results are cached for later runs ('sigrnn warmup' compiles all, {QUIET}=1 hides this)",
                file=sys.stderr,
                flush=True,
            )
