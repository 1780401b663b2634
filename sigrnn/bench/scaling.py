"""What grows with the signal: time should, as a straight line; memory beyond the output should not."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .filters import CASES, Case
from .peers import Call
from .timing import OURS, REFERENCE, fresh


def _stretched(name: str, samples: int, label: str = "", **changes: Any) -> Case:
    # One of the cases over another length; nothing is promised for it.
    (case,) = (case for case in CASES if case.name == name)
    return replace(
        case,
        name=f"{label or name}, {samples} samples",
        group=label or name,
        samples=samples,
        floor=None,
        aim=None,
        **changes,
    )


def length_series(longest: int = 10_000_000) -> tuple[Case, ...]:
    """Return one channel of 1e3 to `longest` samples, for two functions: the cost should be a straight line.

    Parameters
    ----------
    longest : int
        Samples of the longest signal.

    Returns
    -------
    tuple of Case
        One for each function and length.
    """
    lengths = [n for decade in range(3, 9) for n in (10**decade, 3 * 10**decade) if n <= longest]
    return tuple(_stretched(name, n) for name in ("lfilter order 4", "sosfilt 4 sections") for n in lengths)


def channel_series(total: int = 2**22) -> tuple[Case, ...]:
    """Return 1 to 4096 channels that have `total` samples together, with time along either axis.

    Parameters
    ----------
    total : int
        Samples of all channels.

    Returns
    -------
    tuple of Case
        One for each axis and number of channels.
    """
    return tuple(
        _stretched("lfilter order 4", total // n, f"lfilter order 4, axis {axis}", channels=n, axis=axis)
        for axis in (-1, 0)
        for n in (4**k for k in range(7))
    )


def memory_series(longest: int = 10_000_000) -> tuple[Case, ...]:
    """Return signals of growing length, results into a given array, for functions that might need long scratch.

    Parameters
    ----------
    longest : int
        Samples of the longest signal.

    Returns
    -------
    tuple of Case
        One for each function and length.
    """
    names = (
        "lfilter order 4",
        "lfilter order 2, cut-off 0.001",
        "sosfilt 4 sections",
        "FIR 512 taps",
        "filtfilt order 4",
    )
    lengths = [10**k for k in range(4, 9) if 10**k <= longest]
    return tuple(_stretched(name, n, out=True) for name in names for n in lengths)


# -------------------------------------------------------------------------------------------------------------- memory

# glibc keeps freed memory for later; with these it returns all but small change at once, so that a peak shows.
_NO_HOARDING = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}


def scratch(call: Call, output: int) -> dict[str, int | None]:
    """Measure the memory that a call needs beyond its output.

    Parameters
    ----------
    call : callable
        Without arguments.
    output : int
        Bytes of the output, if the call allocates it.

    Returns
    -------
    dict
        Bytes: 'numpy', the peak of NumPy's own allocations; 'resident', the growth of the process's peak, which also
        sees what compiled code allocates (None where the system does not tell).
    """
    call()
    gc.collect()
    before = _reset_peak()
    call()
    after = _status("VmHWM")
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    grown = None if before is None or after is None else max(after - before - output, 0)
    return {"numpy": max(peak - output, 0), "resident": grown}


def _reset_peak() -> int | None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return None


def _status(key: str) -> int | None:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return None


def _scratch_rows(longest: int) -> Iterator[dict[str, Any]]:
    for case in memory_series(longest):
        inputs = case.setup()
        for library, bind in ((OURS, case.ours), (REFERENCE, case.peers[REFERENCE].bind)):
            found = scratch(bind(inputs), 0 if library == OURS else inputs.x.nbytes)
            yield {"function": case.group, "samples": case.samples, "library": library, **found}


def memory(longest: int = 10_000_000) -> list[dict[str, Any]]:
    """Measure the scratch of several functions against the length of the signal, in a fresh process.

    Parameters
    ----------
    longest : int
        Samples of the longest signal.

    Returns
    -------
    list of dict
        With function, samples, library, and the bytes that `scratch` found.
    """
    code = f"from sigrnn.bench import scaling; scaling._print_scratch({longest})"
    return list(json.loads(fresh(code, _NO_HOARDING)[1]))


def _print_scratch(longest: int) -> None:
    print(json.dumps(list(_scratch_rows(longest))))
