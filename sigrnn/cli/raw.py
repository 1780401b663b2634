"""Files of samples without a header, read and written block by block as sound files are: numbers stay in their own unit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from sigrnn import offline
from sigrnn._utils.files import replacing
from sigrnn.cli import audio
from sigrnn.filters._options import saturate

DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "float32", "float64")


class _Samples:
    """A file as soundfile would read it."""

    def __init__(self, array: Any) -> None:
        self.array, self.done = array, 0

    def read(self, size: int, **_: Any) -> audio.Samples:
        """Return the next samples."""
        block = self.array[self.done : self.done + size].astype(float)
        self.done += len(block)
        return block

    def close(self) -> None:
        """Let go of the file."""
        del self.array


class Reader(audio.Reader):
    """A raw file open for reading."""

    def __init__(self, path: Path, dtype: str, channels: int, rate: float) -> None:
        try:
            array = offline.raw(path, channels, dtype)
        except (OSError, ValueError) as error:
            raise audio.AudioError(f"cannot read {path}: {audio.reason(error)}") from error
        self._path, self.note, self.zeroed, self._repaired = path, "", 0, None
        self._file = _Samples(array)
        self.samplerate, self.subtype = rate, dtype
        self.frames, self.channels = array.shape


class Writer(audio.Writer):
    """A raw file being written."""

    def __init__(self, path: Path, file: IO[bytes], dtype: str, rate: float) -> None:
        self._name, self._file, self._done, self._rate = path, file, 0, rate
        self.subtype, self.clipped = dtype, 0

    def write(self, block: audio.Samples) -> None:
        """Append a block (frames, channels)."""
        self.check(block, self._rate)
        kind = np.dtype(self.subtype)
        samples = np.empty(block.shape, kind)
        if kind.kind == "f":
            samples[...] = block
        else:
            info, whole = np.iinfo(kind), np.rint(block)
            self.clipped += int(np.count_nonzero((whole < info.min) | (whole > info.max)))
            saturate(block, samples)
        self._file.write(samples.data)


@contextmanager
def open_writer(path: str, dtype: str, rate: float) -> Iterator[Writer]:
    """Open a raw file for writing. If the context ends in an error, an old file of that name is kept."""
    with replacing(path) as file:
        yield Writer(Path(path), file, dtype, rate)
