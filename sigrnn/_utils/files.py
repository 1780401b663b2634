"""Files: written whole or not at all; archives of arrays, read without running anything in them."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import IO, Any

import numpy as np

from sigrnn._arrays import Array, short

PACKED = 10  # times its size on disk that an archive may unpack to, where that is more than
ABANDONED = 86_400.0  # seconds
SMALL = 10_000_000  # bytes: a damaged or malicious archive must not fill the memory


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` when the context ends without an error.

    It lies in the same folder, so that the replacement is atomic. Links are followed, the mode of an old file is kept, and
    what is not a regular file is refused: a device or a pipe would become one.
    """
    target = os.path.realpath(path)
    if os.path.lexists(target) and not os.path.isfile(target):
        number = errno.EISDIR if os.path.isdir(target) else errno.EINVAL
        raise OSError(number, "not a regular file", os.fspath(path))
    temporary = os.path.join(os.path.dirname(target), f".sigrnn-{os.urandom(16).hex()}.part")
    try:
        with open(temporary, "xb") as file:  # "x" follows no link and opens nobody else's file
            with suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            yield file
        os.replace(temporary, target)
        _sweep(os.path.dirname(target))
    except OSError as error:
        if error.filename in (None, temporary):  # the caller knows the file by another name
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def _sweep(folder: str) -> None:
    """Remove temporary files that processes have left which were killed: nobody has written to them for a day."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".sigrnn-") and entry.name.endswith(".part"):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED:
                        os.unlink(entry.path)


def write(path: Any, arrays: Mapping[str, Array]) -> None:
    """Write an archive to a path, or to an open file."""
    with replacing(path) if _is_path(path, "write") else nullcontext(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read(path: Any, refusal: str) -> tuple[str, dict[str, Array]]:
    """Return a name for messages, and all arrays in an archive; `refusal` describes other files: "is not a model"."""
    named = _is_path(path, "read")
    shown = os.fspath(path) if named else "the file"
    try:
        # A file that is no archive would be left open by `np.load`.
        with open(path, "rb") if named else nullcontext(path) as raw:
            _check_size(raw)
            with np.load(raw, allow_pickle=False) as file:
                return shown, {name: np.asarray(file[name]) for name in file.files}
    except OSError:
        raise
    except Exception as error:  # zlib, tokenize, struct, memory: a damaged file fails in more ways than NumPy documents
        other = isinstance(error, TypeError) or "pickle" in str(error)  # an .npy, or anything
        reason = "expected an .npz archive" if other else error or type(error).__name__
        raise ValueError(f"{shown} {refusal}: {reason}") from None


def _check_size(raw: IO[bytes]) -> None:
    """Refuse an archive that would unpack to far more than it is."""
    from zipfile import BadZipFile, ZipFile  # loads three compressors: a tenth of the time that sigrnn's import takes

    start = raw.tell()
    with suppress(BadZipFile), ZipFile(raw) as archive:
        packed = raw.seek(0, os.SEEK_END) - start
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > max(SMALL, PACKED * packed):
            raise ValueError(f"{packed} bytes that unpack to {unpacked}")
    raw.seek(start)


def _is_path(path: Any, what: str) -> bool:
    """Whether it is the name of a file and not an open file."""
    named = isinstance(path, str | os.PathLike)
    if not named and not hasattr(path, what):
        raise TypeError(f"path must be a path or an open file, got {short(path)}")
    return named
