"""Audio files read and written block by block, so that they may be larger than memory.

WAV, FLAC, Ogg and others go through the soundfile package where it is installed; without it SciPy reads WAV files and
this module writes them. Samples are float64 of shape (frames, channels); full scale of an integer format is [-1, 1).
"""

from __future__ import annotations

import importlib
import os
import re
import struct
import uuid
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]  # (frames, channels)

_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOATS = {"FLOAT": "<f4", "DOUBLE": "<f8"}
_WAV_SUBTYPES = {"u1": "PCM_U8", "i2": "PCM_16", "i4": "PCM_32", "f4": "FLOAT", "f8": "DOUBLE"}
_FORMATS = {"AIF": "AIFF", "AIFC": "AIFF", "OGA": "OGG", "OPUS": "OGG", "SND": "AU"}  # names that are no extension
_NEAREST = {
    "PCM_U8": ["PCM_S8"],
    "PCM_S8": ["PCM_U8"],
    "PCM_32": ["PCM_24"],
    "FLOAT": ["PCM_24"],
    "DOUBLE": ["FLOAT", "PCM_24"],
}  # the next best where a format lacks a subtype; after these its own default
_WAV_LIMIT = 2**32 - 2**12  # bytes of samples: a WAV header counts in 32 bits; some room for the header itself


class AudioError(ValueError):
    """A file that cannot be read or written, and why, in one line."""


def _soundfile() -> Any:
    """Return the soundfile package, or None where it (or its C library) is missing."""
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError):
        return None


# ---------------------------------------------------------------------------------------------------------------- read


class Reader:
    """A file open for reading: a context manager.

    Attributes
    ----------
    samplerate, channels, frames : int
        Samples per second and channel (Hz), number of channels, samples per channel.
    subtype : str
        How a sample is stored: 'PCM_16', 'PCM_24', 'PCM_U8', 'FLOAT', ...
    note : str
        What is odd about the file though it can be read; empty for most.
    """

    samplerate: int
    channels: int
    frames: int
    subtype: str
    note = ""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""

    def blocks(self, size: int) -> Iterator[Samples]:
        """Yield the file's samples from the first to the last.

        Parameters
        ----------
        size : int
            Samples per channel in a block; the last one may be shorter.

        Yields
        ------
        ndarray of float64, shape (size, channels)
            The next block.
        """
        done = 0
        while done < self.frames:
            block = self._next(size)
            if len(block) == 0:
                raise AudioError(f"{self._path} breaks off after {done} of {self.frames} samples")
            done += len(block)
            yield block

    def _next(self, size: int) -> Samples:
        raise NotImplementedError


class _SoundFileReader(Reader):
    def __init__(self, path: Path, soundfile: Any) -> None:
        super().__init__(path)
        try:
            self._file = soundfile.SoundFile(os.fspath(path))
        except (OSError, RuntimeError, TypeError) as error:  # TypeError: headerless RAW files need more arguments
            raise AudioError(f"cannot read {path}: {_reason(error)}") from error
        self.samplerate, self.channels = self._file.samplerate, self._file.channels
        self.frames, self.subtype = self._file.frames, self._file.subtype
        promised = re.search(r"^data\s*: (\d+) \(should be (\d+)\)", self._file.extra_info, re.MULTILINE)
        if promised:
            self.note = f"{path}: its header speaks of {promised[1]} bytes of sound, there are {promised[2]}"

    def close(self) -> None:
        self._file.close()

    def _next(self, size: int) -> Samples:
        try:
            block: Samples = self._file.read(size, dtype="float64", always_2d=True)
        except RuntimeError as error:
            raise AudioError(f"cannot read {self._path} to its end: {_reason(error)}") from error
        return block


class _WavReader(Reader):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.samplerate, data, self.subtype = _map_wav(path)
        self._data: npt.NDArray[Any] = data if data.ndim == 2 else data[:, np.newaxis]
        self.frames, self.channels = self._data.shape
        self._at = 0

    def close(self) -> None:
        self._data = self._data[:0]

    def _next(self, size: int) -> Samples:
        raw = self._data[self._at : self._at + size]
        self._at += len(raw)
        block: Samples = raw.astype(np.float64)
        if raw.dtype == np.uint8:
            block -= 128.0
        if raw.dtype.kind in "iu":
            block *= 2.0 ** (1 - 8 * raw.dtype.itemsize)
        return block


def _map_wav(path: Path) -> tuple[int, npt.NDArray[Any], str]:
    """Return rate, mapped samples and subtype. 24-bit files cannot be mapped: SciPy reads them whole, in 32 bits."""
    from scipy.io import wavfile

    def read(mmap: bool) -> tuple[int, npt.NDArray[Any]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # unknown chunks: tags, broadcast data
            rate, data = wavfile.read(path, mmap=mmap)
            return int(rate), data

    try:
        try:
            rate, data = read(True)
            subtype = _WAV_SUBTYPES[data.dtype.str[1:]]
        except ValueError as error:
            if "3-byte" not in str(error):
                raise
            (rate, data), subtype = read(False), "PCM_24"
    except KeyError as error:
        raise AudioError(f"cannot read {path}: samples of type {data.dtype}") from error
    except (ValueError, TypeError, EOFError, struct.error, UnboundLocalError) as error:  # what SciPy raises on rubbish
        hint = "" if path.suffix.lower() == ".wav" else "; other files than WAV need: pip install soundfile"
        raise AudioError(f"cannot read {path}: {_reason(error)}{hint}") from error
    return rate, data, subtype


def open_reader(path: str | os.PathLike[str]) -> Reader:
    """Open an audio file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Reader
        A context manager with the file's properties and `blocks(size)`.

    Raises
    ------
    AudioError
        If there is no such file, or nothing here understands it.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"cannot read {path}: {'not a file' if path.exists() else 'no such file'}")
    soundfile = _soundfile()
    try:
        reader = _SoundFileReader(path, soundfile) if soundfile else _WavReader(path)
    except OSError as error:
        raise AudioError(f"cannot read {path}: {_reason(error)}") from error
    if reader.channels == 0 or reader.samplerate <= 0:
        raise AudioError(f"cannot read {path}: {reader.channels} channels at {reader.samplerate} Hz")
    return reader


def _reason(error: BaseException) -> str:
    """Return what an exception says, in one line and without the path our own message names already."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = re.sub(r"^Error opening '.*?': ", "", text, flags=re.DOTALL).removeprefix("Error : ")
    return " ".join(text.split()).rstrip(".") or "the file is damaged or of an unknown format"


# --------------------------------------------------------------------------------------------------------------- write


def to_integers(block: Samples, bits: int) -> tuple[npt.NDArray[np.int32], int]:
    """Round samples to integers of `bits` bits, left-justified in 32.

    Parameters
    ----------
    block : ndarray of float64
        Samples; full scale is [-1, 1).
    bits : int
        Width of the integers, 8 to 32.

    Returns
    -------
    integers : ndarray of int32
        The values times 2**(32 - bits).
    clipped : int
        How many did not fit and were moved to the nearest end of the range, or were NaN and became 0.
    """
    top = 2.0 ** (bits - 1)
    scaled = np.rint(block * top)
    clipped = scaled.size - int(np.count_nonzero((scaled >= -top) & (scaled < top)))
    if clipped:
        scaled = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=top, neginf=-top), -top, top - 1.0)
    return (scaled * 2.0 ** (32 - bits)).astype(np.int32), clipped


class _WavSink:
    """Write a WAV file without soundfile: samples as they come, the header's sizes at the end."""

    def __init__(self, path: Path, samplerate: int, channels: int, subtype: str) -> None:
        self._layout = samplerate, channels, subtype
        self._width = int(_FLOATS[subtype][2]) if subtype in _FLOATS else _BITS[subtype] // 8
        self._file: BinaryIO = open(path, "xb")  # noqa: SIM115  (closed by close)
        self._file.write(self._header(0))

    def write(self, samples: npt.NDArray[Any]) -> None:
        if samples.dtype == np.int32:
            parts = samples.astype("<i4", order="C").view(np.uint8).reshape(*samples.shape, 4)[..., 4 - self._width :]
            self._file.write((parts ^ 0x80 if self._width == 1 else parts).tobytes())  # 8 bits are stored unsigned
        else:
            self._file.write(samples.astype(_FLOATS[self._layout[2]]).tobytes())

    def close(self) -> None:
        with self._file as file:
            size = file.tell() - len(self._header(0))
            if size % 2:
                file.write(b"\0")  # chunks have even lengths
            file.seek(0)
            file.write(self._header(size))

    def _header(self, size: int) -> bytes:
        rate, channels, subtype = self._layout
        frame = self._width * channels
        tag = 3 if subtype in _FLOATS else 1
        chunks = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * frame, frame, 8 * self._width)
        if tag == 3:
            chunks += struct.pack("<4sII", b"fact", 4, size // frame)
        chunks += struct.pack("<4sI", b"data", size)
        return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks) + size + size % 2, b"WAVE") + chunks


class Writer:
    """A file being written: a context manager.

    The samples go to a temporary file in the same folder, which takes the name `path` when the context ends well and
    is removed when it does not. Integer formats round to nearest and clip; what was clipped is counted.

    Parameters
    ----------
    path : str or path-like
        The file to be; its extension chooses the format.
    samplerate, channels : int
        Samples per second and channel (Hz), number of channels.
    subtype : str
        How to store a sample; where the format knows no such thing, the nearest it knows.
    frames : int, optional
        Samples per channel to come: decides whether a WAV file needs the 64-bit header of RF64.

    Attributes
    ----------
    subtype : str
        How samples are stored in fact.
    clipped : int
        Samples so far that did not fit the integer format.
    """

    def __init__(
        self, path: str | os.PathLike[str], samplerate: int, channels: int, subtype: str = "PCM_16", frames: int = 0
    ) -> None:
        self._name, self._path = path, Path(os.path.realpath(path))
        if self._path.exists() and not self._path.is_file():
            raise AudioError(f"cannot write {path}: not a regular file")
        if not self._path.parent.is_dir():
            raise AudioError(f"cannot write {path}: no such folder")
        self._temporary = self._path.with_name(f".sigrnn-{uuid.uuid4().hex}.part")
        self.clipped = 0
        self._sink, self.subtype = self._open(samplerate, channels, subtype.upper(), frames)

    def _open(self, samplerate: int, channels: int, wanted: str, frames: int) -> tuple[Any, str]:
        soundfile = _soundfile()
        try:
            if soundfile is None:
                subtype = _wav_subtype(Path(self._name), wanted, frames * channels)
                return _WavSink(self._temporary, samplerate, channels, subtype), subtype
            format, subtype = _choose(soundfile, Path(self._name), wanted, frames * channels)
            name = os.fspath(self._temporary)
            return soundfile.SoundFile(name, "x", samplerate, channels, subtype, format=format), subtype
        except (OSError, RuntimeError, ValueError, struct.error) as error:
            self._discard()
            raise error if isinstance(error, AudioError) else self._failure(error) from error

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._sink.close()
            if kind is None:
                os.replace(self._temporary, self._path)
        except (OSError, RuntimeError) as problem:
            if kind is None:  # else the first error is the one to tell
                raise self._failure(problem) from problem
        finally:
            self._discard()

    def write(self, block: Samples) -> None:
        """Append a block.

        Parameters
        ----------
        block : ndarray of float64, shape (frames, channels)
            Samples; full scale of an integer format is [-1, 1).
        """
        samples: npt.NDArray[Any] = block
        if self.subtype not in _FLOATS:
            samples, clipped = to_integers(block, _BITS.get(self.subtype, 32))  # compressed formats: full precision
            self.clipped += clipped
        try:
            self._sink.write(samples)
        except (OSError, RuntimeError, AssertionError) as error:  # soundfile asserts that all could be written
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> AudioError:
        full = isinstance(error, AssertionError)
        return AudioError(f"cannot write {self._name}: {'no space left' if full else _reason(error)}")

    def _discard(self) -> None:
        with suppress(OSError):
            self._temporary.unlink()


def _wav_subtype(path: Path, wanted: str, samples: int) -> str:
    """Return the subtype for a WAV file written without soundfile."""
    if path.suffix.lower() not in (".wav", ".wave"):
        raise AudioError(f"cannot write {path}: other files than WAV need: pip install soundfile")
    subtype = wanted if wanted in _FLOATS or wanted in _BITS.keys() - {"PCM_S8"} else "PCM_16"
    if samples * 8 > _WAV_LIMIT:
        raise AudioError(f"cannot write {path}: files this long need: pip install soundfile")
    return subtype


def _choose(soundfile: Any, path: Path, wanted: str, samples: int) -> tuple[str, str]:
    """Return soundfile's format for this extension, and the subtype nearest to the one wanted that it can hold."""
    suffix = path.suffix.removeprefix(".").upper()
    format = _FORMATS.get(suffix, "WAV" if suffix == "WAVE" else suffix)
    if format not in soundfile.available_formats() or format == "RAW":
        raise AudioError(f"cannot write {path}: no audio format is called {path.suffix or 'nothing'}")
    candidates = [wanted, *_NEAREST.get(wanted, []), soundfile.default_subtype(format)]
    subtype = next(name for name in candidates if soundfile.check_format(format, name))
    long = format == "WAV" and samples * (8 if subtype == "DOUBLE" else _BITS.get(subtype, 32) // 8) > _WAV_LIMIT
    return ("RF64" if long else format), subtype
