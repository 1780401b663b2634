"""Filters over dask arrays, on two threads, beside dask's `map_blocks` of SciPy's functions along channels."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .peers import Array, Call, Peer
from .task import Task

_GROUP = "Filters over dask arrays"
_THREADS = 2
_PIECES = 8  # chunks of time

RATES: dict[str, float] = {}

NOTES = {
    _GROUP: (
        "A recording in memory, its channels in two blocks and time in eight, filtered by `sigrnn.dask` on dask's threads and "
        "stored chunk by chunk. SciPy knows no chunks of time: `map_blocks` gives it blocks of whole channels, which a "
        "recording larger than memory does not allow, nor a single channel on two threads. A chain of chunks costs a second "
        "filtering, and three more in `sosfiltfilt`."
    ),
}


@dataclass(frozen=True)
class Recording:
    """A signal (channels, samples), and the sections of a filter."""

    x: Array
    sos: Array

    def chunks(self, pieces: int) -> Any:
        """The signal as a dask array: a block of channels for each thread, and so many chunks of time."""
        import dask.array as da

        # Not named by its numbers, as a hash of all of them would be.
        channels, samples = self.x.shape
        return da.from_array(self.x, chunks=(-(-channels // _THREADS), -(-samples // pieces)), name=False)


def _recording(samples: int, channels: int, rng: Any) -> Recording:
    from scipy.signal import butter

    return Recording(rng.standard_normal((channels, samples)), butter(4, [0.02, 0.4], "bandpass", output="sos"))


def _stored(i: Recording, filtered: Any) -> Call:
    # Chunk by chunk to where the result is to be, as to a file: `compute` would put chunks together in one more copy.
    target = np.empty_like(i.x)
    store = importlib.import_module("dask.array").store(filtered, target, lock=False, compute=False)

    def call() -> Array:
        store.compute(scheduler="threads", num_workers=_THREADS)
        return target

    return call


def _ours(name: str) -> Callable[[Any], Call]:
    return lambda i: _stored(i, getattr(importlib.import_module("sigrnn.dask"), name)(i.sos, i.chunks(_PIECES)))


def _scipy(name: str) -> Callable[[Any], Call]:
    def bound(i: Recording) -> Call:
        function = getattr(importlib.import_module("scipy.signal"), name)
        return _stored(i, i.chunks(1).map_blocks(partial(function, i.sos), dtype=float))

    return bound


CASES: tuple[Task, ...] = tuple(
    Task(
        f"dask {name} 4 sections, {wide}",
        _GROUP,
        _recording,
        _ours(name),
        {"SciPy by map_blocks": Peer("dask", _scipy(name))},
        samples=16_000_000 // channels,
        channels=channels,
        floor=floor,
        aim=aim,
        workers=_THREADS,
        shortest=1024,
    )
    for name, wide, channels, floor, aim in (
        ("sosfilt", "one channel", 1, 1.5, 4),
        ("sosfilt", "32 channels", 32, 1, 3),
        ("sosfiltfilt", "32 channels", 32, 1, 2),
    )
)
