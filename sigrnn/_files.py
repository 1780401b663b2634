"""Archives of arrays: written whole or not at all, and read with nothing in them run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any
from zipfile import BadZipFile

import numpy as np

from sigrnn._arrays import Array, short


def write(path: Any, arrays: Mapping[str, Array]) -> None:
    """Write to a file beside, which then takes the place of an old one; or to an open file."""
    named = _checked(path, "write")
    if not named:
        np.savez(path, allow_pickle=False, **arrays)
        return
    target = os.fspath(path)
    beside = f"{target}.{os.getpid()}.part"
    try:
        with open(beside, "wb") as file:  # a file, as NumPy would append ".npz" to a name
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(beside, target)
    except OSError as error:  # of what was asked for, not of the file beside it
        raise OSError(error.errno, error.strerror, target) from None
    finally:
        if os.path.exists(beside):
            os.unlink(beside)


def read(path: Any, refusal: str) -> tuple[str, dict[str, Array]]:
    """How to speak of the file, and all arrays in it; `refusal` says of a file what it is not, "is no model"."""
    named = _checked(path, "read")
    shown = os.fspath(path) if named else "the file"
    try:
        # A file that is no archive would be left open by `np.load`.
        with open(path, "rb") if named else nullcontext(path) as raw, np.load(raw, allow_pickle=False) as file:
            return shown, {name: file[name] for name in file.files}
    except (ValueError, EOFError, KeyError, AttributeError, TypeError, BadZipFile) as error:
        lonely = isinstance(error, TypeError) or "pickle" in str(error)  # an .npy, or anything
        raise ValueError(f"{shown} {refusal}: {'it is no .npz archive' if lonely else error}") from None


def _checked(path: Any, what: str) -> bool:
    """Whether it is the name of a file and not a file."""
    named = isinstance(path, str | os.PathLike)
    if not named and not hasattr(path, what):
        raise TypeError(f"path must be a path or an open file, got {short(path)}")
    return named
