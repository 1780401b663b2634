"""What SciPy does not do in one call: signals with gaps, recordings in files, and layers next to a busy process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal

import sigrnn

from .case import Array, Binding, Call, Case, Peer
from .inputs import Inputs, Noise, sections

_GAPS = "Signals with gaps"
_FILES = "Recordings in files, forward and backward"
_BUSY = "Layers next to a busy process"

RATES: dict[str, int] = {}
NOTES = {
    _GAPS: "A tenth of the samples are NaN, in a hundred gaps. SciPy filters stretch after stretch, in a loop in Python.",
    _FILES: (
        "From one `.npy` file to another: `sigrnn.offline`, in bounded memory, compared with SciPy, which loads all channels, "
        "filters them and writes the result."
    ),
    _BUSY: (
        "`lstm` of 64 units over 16 sequences, forward and backward, in a process of its own, while another one keeps a "
        "processor busy. *BLAS alone* is the same with `OPENBLAS_NUM_THREADS=1`: what no thread of BLAS can disturb."
    ),
}
GAPS = 100


# Gaps


@dataclass(frozen=True)
class Gaps:
    """White noise with stretches of NaN, and sections."""

    noise: Noise

    def __call__(self, samples: int, channels: int, rng: np.random.Generator) -> Inputs:
        inputs = self.noise(samples, channels, rng)
        for part in np.array_split(inputs.x, min(GAPS, samples // 16)):
            part[len(part) // 2 : len(part) // 2 + len(part) // 10 + 1] = np.nan
        return inputs


def _gaps(policy: str) -> Binding:
    return lambda i: partial(sigrnn.sosfilt, *i.filter, i.x, nan_policy=policy)


def _stretches(i: Inputs, keep: bool) -> Call:
    """SciPy over the stretches between gaps, the state kept over a gap or not."""
    (sos,) = i.filter

    def call() -> Array:
        missing = np.isnan(i.x)
        bounds = np.flatnonzero(np.diff(np.concatenate([[True], missing, [True]])))
        y, z = np.full(i.x.shape, np.nan), np.zeros((len(sos), 2))
        for first, end in bounds.reshape(-1, 2):
            y[first:end], after = scipy.signal.sosfilt(sos, i.x[first:end], zi=z)
            z = after if keep else z
        return y

    return call


# Files


@dataclass(frozen=True)
class Recording:
    """A file in a folder that lasts as long as this."""

    x: Array
    filter: tuple[Array, ...]
    folder: str

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        return Path(self.folder) / name


def _recording(samples: int, channels: int, rng: np.random.Generator) -> Recording:
    x = rng.standard_normal((samples, channels)).astype(np.float32)
    found = Recording(x, sections(2)(samples, channels), tempfile.mkdtemp())
    np.save(found.path("in.npy"), x)
    return found


def _offline(i: Recording) -> Call:
    from sigrnn import offline

    def call() -> Array:
        offline.sosfiltfilt(i.filter[0], i.path("in.npy"), i.path("out.npy"), axis=0, progress=False)
        return np.load(i.path("out.npy"), mmap_mode="r")

    return call


def _in_memory(i: Recording) -> Call:
    def call() -> Array:
        y = scipy.signal.sosfiltfilt(i.filter[0], np.load(i.path("in.npy")), axis=0)
        np.save(i.path("scipy.npy"), y)
        return np.load(i.path("scipy.npy"), mmap_mode="r")

    return call


# A busy machine

SPIN = "while True: pass"
LAYER = """
import sys
import numpy as np
import sigrnn
x, *weights = np.load(sys.argv[1]).values()
for line in sys.stdin:
    (h, _), pullback = sigrnn.vjp(sigrnn.lstm, x, *weights)
    gradients = pullback((h, None))
    print(*(float(np.abs(g).mean()) for g in (h, *gradients)), flush=True)
"""


def _layer(samples: int, channels: int, rng: np.random.Generator) -> Recording:
    """Sequences and weights in a file."""
    x = rng.standard_normal((channels, samples, 64)).astype(np.float32)
    shapes = (256, 64), (256, 64), (256,), (256,)
    weights = tuple((rng.uniform(-1, 1, shape) / 8).astype(np.float32) for shape in shapes)
    found = Recording(x, weights, tempfile.mkdtemp())
    np.savez(found.path("layer.npz"), x, *weights)
    return found


def _beside(**environment: str) -> Callable[[Recording], Call]:
    """Calls in a process of its own, next to one that keeps a processor busy; both end with the call."""

    def bind(i: Recording) -> Call:
        spinning = subprocess.Popen([sys.executable, "-c", SPIN])
        layer = subprocess.Popen(
            [sys.executable, "-c", LAYER, str(i.path("layer.npz"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**{n: v for n, v in os.environ.items() if not n.endswith("_NUM_THREADS")}, **environment},
        )

        def call() -> Array:
            assert layer.stdin is not None
            assert layer.stdout is not None
            print(file=layer.stdin, flush=True)
            return np.array(layer.stdout.readline().split(), float)

        weakref.finalize(call, _end, spinning, layer)
        return call

    return bind


def _end(*processes: subprocess.Popen[Any]) -> None:
    for process in processes:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()


_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
CASES: tuple[Case, ...] = (
    *(
        Case(
            f"sosfilt 2 sections, a hundred gaps, nan_policy={policy!r}",
            _GAPS,
            Gaps(Noise(sections(2))),
            _gaps(policy),
            {"SciPy": Peer(partial(_stretches, keep=policy == "omit"))},
            shortest=1600,
        )
        for policy in ("omit", "segments")
    ),
    Case(
        "offline.sosfiltfilt 2 sections, 32 channels x 100k, float32",
        _FILES,
        _recording,
        _offline,
        {"SciPy": Peer(_in_memory)},
        samples=100_000,
        channels=32,
        tolerance=1e-5,
    ),
    Case(
        "LSTM H64 I64 B16: forward and backward next to a busy process",
        _BUSY,
        _layer,
        _beside(),
        {"BLAS alone": Peer(_beside(**_ONE_THREAD))},
        samples=64,
        channels=16,
        tolerance=1e-5,
    ),
)
