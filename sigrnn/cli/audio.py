"""Sound files, read and written block by block so that they may be larger than memory.

The soundfile package does the work. Samples are float64 of shape (frames, channels); full scale of an integer format is
[-1, 1).
"""

from __future__ import annotations

import importlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sigrnn._utils.files import replacing

Samples = npt.NDArray[np.float64]  # (frames, channels)

_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOATS = ("FLOAT", "DOUBLE")
_FORMATS = {"WAVE": "WAV", "AIF": "AIFF", "AIFC": "AIFF", "OGA": "OGG", "OPUS": "OGG", "SND": "AU"}  # by extension
_NEAREST = {
    "PCM_U8": ["PCM_S8"],
    "PCM_S8": ["PCM_U8"],
    "PCM_32": ["PCM_24"],
    "FLOAT": ["PCM_24"],
    "DOUBLE": ["FLOAT", "PCM_24"],
}  # the next best where a format lacks a subtype; after these its own default
_WAV_LIMIT = 2**32 - 2**12  # bytes of samples: a WAV header counts in 32 bits, and has a size itself

# Lines of libsndfile's log about a file that ends too early: the size its header announces, and that of the file.
_SIZES = re.compile(r"^\s*(?:data|riff|Riff size|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_NO_END = re.compile(r"end-of-stream|Junk after the last page|Seems to be a truncated", re.IGNORECASE)


class AudioError(ValueError):
    """A file that cannot be read or written, and why, in one line."""


def _soundfile() -> Any:
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError) as error:  # OSError: its C library is missing
        raise AudioError("sound files need the soundfile package: pip install soundfile") from error


def _find_nonfinite(block: Samples, start: int, rate: float) -> str:
    """Name the first sample of a block that is NaN or infinite, or return nothing."""
    if np.isfinite(block).all():
        return ""
    frame, channel = np.argwhere(~np.isfinite(block))[0]
    kind = "NaN" if np.isnan(block[frame, channel]) else "infinite"
    return f"sample {start + frame} ({(start + frame) / rate:.4g} s) of channel {channel + 1} is {kind}"


# Reading


class Reader:
    """A sound file open for reading: a context manager.

    `samplerate` (Hz), `channels` and `frames` (samples per channel) are numbers, `subtype` is how a sample is stored, such as
    'PCM_16' or 'FLOAT'; `note` describes a damaged file, and `zeroed` counts the samples that were replaced by 0.
    """

    def __init__(self, path: Path) -> None:
        soundfile = _soundfile()
        self._path, self.note, self.zeroed = path, "", 0
        self._repaired: _UnclosedWav | None = None
        try:
            self._file = soundfile.SoundFile(_native(path))
            start = _unclosed_wav(path) if self._file.format in ("WAV", "WAVEX") and not self._file.frames else 0
            if start:
                self._file.close()
                self._repaired = _UnclosedWav(path, start)
                self._file = soundfile.SoundFile(self._repaired)
        except (OSError, RuntimeError, TypeError) as error:  # TypeError: headerless RAW files need more arguments
            raise AudioError(f"cannot read {path}: {reason(error)}") from error
        self.samplerate, self.channels = self._file.samplerate, self._file.channels
        self.frames, self.subtype = self._file.frames, self._file.subtype
        sizes = _SIZES.search(self._file.extra_info)
        if start:
            self.note = f"{path} was not closed properly: its header announces 0 bytes, all that follows is read"
        elif sizes and int(sizes[1]) > int(sizes[2]):
            self.note = f"{path} is cut short: its header announces {sizes[1]} bytes, there are {sizes[2]}"
        elif _NO_END.search(self._file.extra_info):
            self.note = f"{path} is cut short: the end of the stream is missing or damaged"

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._repaired:
            self._repaired.close()

    def blocks(self, size: int, *, zero: bool = False) -> Iterator[Samples]:
        """Yield the samples in blocks of `size` frames, the last one maybe shorter.

        Samples that are NaN or infinite are an error, or become 0.
        """
        done = 0
        while done < self.frames:
            try:
                block: Samples = self._file.read(size, dtype="float64", always_2d=True)
            except RuntimeError as error:
                raise AudioError(f"cannot read {self._path} to its end: {reason(error)}") from error
            if len(block) == 0:
                raise AudioError(f"{self._path} breaks off after {done} of {self.frames} samples")
            found = _find_nonfinite(block, done, self.samplerate)
            if found and not zero:
                raise AudioError(f"{self._path}: {found}; --nan zero replaces such samples by 0")
            if found:
                self.zeroed += int(np.count_nonzero(~np.isfinite(block)))
                block[~np.isfinite(block)] = 0.0
            done += len(block)
            yield block


def open_reader(path: str | os.PathLike[str]) -> Reader:
    """Open a sound file; AudioError if there is no such file or it holds no sound."""
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"cannot read {path}: {'not a file' if path.exists() else 'no such file'}")
    return Reader(path)


def _native(path: str | Path) -> str | bytes:
    """Return a name as libsndfile takes it: bytes, which may be of no encoding, but for Windows."""
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)


def _unclosed_wav(path: Path) -> int:
    """Return where a WAV file has the size of its samples, if that is 0 though samples follow; else 0.

    A recorder that loses power leaves such a file. After an empty recording there may be other chunks, with tags: they lead
    to the end of the file exactly.
    """
    found = 0
    with path.open("rb") as file:
        at = file.seek(12)
        while len(head := file.read(8)) == 8 and re.match(rb"[ -~]{4}", head):
            found = at + 4 if head[:4] == b"data" else found
            length = int.from_bytes(head[4:], "little")
            at = file.seek(at + 8 + length + length % 2)
        end = file.seek(0, os.SEEK_END)
    return found if at < end else 0


class _UnclosedWav(io.FileIO):
    """A WAV file that reads as if its header announced samples up to the end of the file."""

    def __init__(self, path: Path, at: int) -> None:
        super().__init__(path)
        self._at = at

    def readinto(self, buffer: Any) -> int:
        start, view = self.tell(), memoryview(buffer).cast("B")
        count = super().readinto(view) or 0
        for place in range(max(self._at, start), min(self._at + 4, start + count)):
            view[place - start] = 0xFF
        return count


def reason(error: BaseException) -> str:
    """Return the message of an exception in one line, without the path that our own message already has."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = re.sub(r"^Error opening b?(['\"]).*?\1: ", "", text, flags=re.DOTALL).removeprefix("Error : ")
    return " ".join(text.split()).rstrip(".") or "the file is damaged or of an unknown format"


# Writing


def to_integers(block: Samples, bits: int) -> tuple[npt.NDArray[np.int32], int]:
    """Round finite samples to integers of `bits` bits, left-justified in 32, and count those that had to be clipped."""
    top = 2.0 ** (bits - 1)
    with np.errstate(over="ignore"):
        scaled = np.rint(block * top)
    clipped = int(np.count_nonzero((scaled < -top) | (scaled >= top)))
    return (np.clip(scaled, -top, top - 1.0) * 2.0 ** (32 - bits)).astype(np.int32), clipped


class Writer:
    """A sound file being written. `clipped` counts the samples that did not fit an integer format."""

    def __init__(self, name: str | os.PathLike[str], sink: Any) -> None:
        self._name, self._sink, self._done = name, sink, 0
        self.subtype: str = sink.subtype
        self.clipped = 0

    def write(self, block: Samples) -> None:
        """Append a block (frames, channels)."""
        self.check(block, self._sink.samplerate)
        samples: npt.NDArray[Any] = block
        if self.subtype not in _FLOATS:
            samples, clipped = to_integers(block, _BITS.get(self.subtype, 32))  # compressed formats: full precision
            self.clipped += clipped
        try:
            self._sink.write(samples)
        except AssertionError as error:  # soundfile asserts that all could be written
            raise AudioError(f"cannot write {self._name}: no space left") from error

    def check(self, block: Samples, rate: float) -> None:
        """Refuse a block that is not finite, and count its samples."""
        found = _find_nonfinite(block, self._done, rate)
        if found:
            raise AudioError(f"cannot write {self._name}: {found}: the filter or model is unstable")
        self._done += len(block)


@contextmanager
def open_writer(
    path: str | os.PathLike[str], samplerate: int, channels: int, subtype: str = "PCM_16", frames: int = 0
) -> Iterator[Writer]:
    """Open a sound file for writing. If the context ends in an error, an old file of that name is kept.

    The extension chooses the format. Where that has no such subtype, the nearest is taken. The number of frames to come decides
    whether a WAV file needs the 64-bit header of RF64.
    """
    soundfile = _soundfile()
    form, kept = _choose(soundfile, Path(path), subtype.upper(), frames * channels)
    try:
        with (
            replacing(path) as file,
            soundfile.SoundFile(_native(file.name), "w", samplerate, channels, kept, format=form) as sink,
        ):
            yield Writer(path, sink)
    except FileNotFoundError as error:
        raise AudioError(f"cannot write {path}: no such folder") from error
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioError(f"cannot write {path}: {reason(error)}") from error


def _choose(soundfile: Any, path: Path, wanted: str, samples: int) -> tuple[str, str]:
    """Return soundfile's format for this extension, and the subtype nearest to the one wanted that it can hold."""
    suffix = path.suffix.removeprefix(".").upper()
    form = _FORMATS.get(suffix, suffix)
    if not suffix:
        raise AudioError(f"cannot write {path}: it needs an extension, such as {path.name}.wav or {path.name}.flac")
    if form not in soundfile.available_formats() or form == "RAW":
        raise AudioError(f"cannot write {path}: no audio format is called {path.suffix}")
    candidates = [wanted, *_NEAREST.get(wanted, []), soundfile.default_subtype(form)]
    # libsndfile reads MPEG audio inside other formats, but does not write it there.
    kept = next(s for s in candidates if soundfile.check_format(form, s) and (form == "MP3" or "MPEG" not in s))
    long = form == "WAV" and samples * (8 if kept == "DOUBLE" else _BITS.get(kept, 32) // 8) > _WAV_LIMIT
    return ("RF64" if long else form), kept
