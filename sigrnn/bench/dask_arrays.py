"""Filters over dask arrays, on two threads, compared with dask's `map_blocks` of SciPy's functions along channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from .case import Array, Binding, Call, Case, Peer

_GROUP = "Filters over dask arrays"
_THREADS = 2
_CHUNKS = 8  # of time
RATES: dict[str, int] = {}
NOTES = {
    _GROUP: (
        "A recording in memory, its channels in two blocks and time in eight, filtered by `sigrnn.dask` on dask's threads and "
        "stored chunk by chunk. SciPy has no chunks of time: `map_blocks` gives it blocks of whole channels, which a "
        "recording larger than memory does not allow, nor a single channel on two threads. A chain of chunks costs a second "
        "filtering, and three more in `sosfiltfilt`."
    ),
}


@dataclass(frozen=True)
class Recording:
    """A signal (channels, samples), and the sections of a filter."""

    x: Array
    sos: Array

    def chunks(self, n: int) -> Any:
        """Return the signal as a dask array: a block of channels for each thread, and `n` chunks of time."""
        import dask.array as da

        channels, samples = self.x.shape  # no name by content: a hash of all numbers takes long
        return da.from_array(self.x, chunks=(-(-channels // _THREADS), -(-samples // n)), name=False)


def _recording(samples: int, channels: int, rng: np.random.Generator) -> Recording:
    from scipy.signal import butter

    return Recording(rng.standard_normal((channels, samples)), butter(4, [0.02, 0.4], "bandpass", output="sos"))


def _stored(i: Recording, filtered: Any) -> Call:
    # Chunk by chunk to the result's place, as to a file: `compute` would join the chunks in one more copy.
    target = np.empty_like(i.x)
    store = import_module("dask.array").store(filtered, target, lock=False, compute=False)

    def call() -> Array:
        store.compute(scheduler="threads", num_workers=_THREADS)
        return target

    return call


def _ours(name: str) -> Binding:
    return lambda i: _stored(i, getattr(import_module("sigrnn.dask"), name)(i.sos, i.chunks(_CHUNKS)))


def _scipy(name: str) -> Binding:
    def bind(i: Recording) -> Call:
        function = getattr(import_module("scipy.signal"), name)
        return _stored(i, i.chunks(1).map_blocks(partial(function, i.sos), dtype=float))

    return bind


CASES: tuple[Case, ...] = tuple(
    Case(
        f"dask {name} 4 sections, {wide}",
        _GROUP,
        _recording,
        _ours(name),
        {"SciPy by map_blocks": Peer(_scipy(name))},
        samples=16_000_000 // channels,
        channels=channels,
        workers=_THREADS,
        shortest=1024,
    )
    for name, wide, channels in (
        ("sosfilt", "one channel", 1), ("sosfilt", "32 channels", 32), ("sosfiltfilt", "32 channels", 32),
    )
)  # fmt: skip
