"""The one decorator for compiled code, and the cache that goes with it.

Numba's own disk cache checks one file and keeps an index next to the data: an edit in a helper's file goes unnoticed, a
read-only folder makes the import fail, and two processes can mix up entries. Here each compiled signature is one file,
named by a digest of its sources and settings, and a cache that cannot be used is ignored without an error.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import os
import pickle
import stat
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import types
from numba.core import compiler, config, serialize
from numba.core.bytecode import FunctionIdentity
from numba.core.registry import cpu_target
from numba.np.numpy_support import from_dtype as as_dtype

from sigrnn._kernels.aside import completed
from sigrnn._kernels.base.notice import Notice

if config.DISABLE_JIT:
    raise RuntimeError("sigrnn's kernels are compiled by Numba: NUMBA_DISABLE_JIT must be unset")

ABANDONED = 3600.0  # age in seconds from which a temporary file is considered abandoned
BINARY = getattr(os, "O_BINARY", 0)  # on Windows
DIGEST = hashlib.sha256().digest_size  # bytes at the head of a file: the checksum of the rest
HERE = Path(__file__).parent.parent  # `_kernels`: all of its folders count, and its `__pycache__` holds the cache

# Numba numbers compiled functions, and helpers with the same name, as those that a closure makes for several sizes, differ in
# symbols by that number alone. Kernels from the cache were numbered in several processes: with the same numbers a kernel would
# call the helper of another one. So each process counts from a random number on.
FunctionIdentity._unique_ids = itertools.count(int.from_bytes(os.urandom(5)))

# "python" errors would put a zero test before each division; nogil lets other threads run.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}

made: list[Any] | None = (
    None  # where a build of machine code collects kernels; the wrappers for Python are its own then
)


def device(function: Callable[..., Any]) -> Any:
    """A helper of kernels, inlined into them before types are known: no symbol of its own, nothing to go stale."""
    return numba.njit(inline="always", **OPTIONS)(function)


def routine(function: Callable[..., Any]) -> Any:
    """A helper that is compiled separately and called: for code that is used repeatedly and slow to compile."""
    # Without `forceinline`, Numba would take that of the function that calls it.
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=False, **OPTIONS)(function)


def part(function: Callable[..., Any]) -> Any:
    """A helper that is compiled once for all kernels and then inlined: no call, and no long compilation."""
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, **OPTIONS)(function)


def once(make: Callable[..., Any]) -> Callable[..., Any]:
    """`functools.cache` for makers of kernels: threads that ask for the same one at once wait for a single compilation."""
    kept: dict[Any, Any] = {}

    def fill(arguments: tuple[Any, ...]) -> None:
        if arguments not in kept:
            kept[arguments] = make(*arguments)

    @wraps(make)
    def found(*arguments: Any) -> Any:
        if arguments not in kept:
            completed(fill, arguments)
        return kept[arguments]

    return found


def kernel(function: Callable[..., Any], name: str, *arguments: Any, keep: bool = True, wrapped: bool = True) -> Any:
    """An entry point for exactly these argument types, loaded from disk or compiled now; its name must be unique.

    `keep=False`: not kept on disk, as what is made of a user's functions, which may change unseen.
    `wrapped=False`: not callable from Python, but by other kernels (`calls.py`).
    One signature a kernel: Numba left alone would compile another for every memory layout and read-only flag it meets.
    """
    function.__qualname__ = name
    if made is not None:
        keep = wrapped = False
    compiled = numba.njit(**OPTIONS, no_cpython_wrapper=not wrapped, no_cfunc_wrapper=True)(function)
    notice = Notice()
    # Numba makes many objects and keeps most of them: a search for garbage takes a tenth of the time and finds little.
    collecting = gc.isenabled()
    gc.disable()
    try:
        if keep:
            compiled._cache = KernelCache(name, Path(function.__code__.co_filename), notice.begin)
        else:
            notice.begin()
        compiled.compile(arguments)
    finally:
        if collecting:
            gc.enable()
        notice.end()
    compiled.disable_compile()
    if made is not None:
        made.append(compiled)
    return compiled


def is_cached(function: Callable[..., Any], name: str, *arguments: Any) -> bool:
    """Whether `kernel` would find this one on disk."""
    entry = KernelCache(name, Path(function.__code__.co_filename), lambda: None)
    file, _ = entry.file_names(arguments, cpu_target.target_context.codegen())
    return any((folder / file).exists() for folder in folders())


@cache
def entry_point(compiled: Any) -> Any:
    """The compiled code of a kernel without the search for a signature, 0.1 us less a call; it still checks dtypes."""
    (result,) = compiled.overloads.values()
    return result.entry_point


def packed(dtype: Any, ndim: int, read: bool = False) -> types.Array:
    """Type of an array without gaps, the last axis fastest; `read`: read-only ones, too."""
    return types.Array(as_dtype(np.dtype(dtype)), ndim, "C", readonly=read)


def strided(dtype: Any, ndim: int, read: bool = False) -> types.Array:
    """Type of an array of any layout."""
    return types.Array(as_dtype(np.dtype(dtype)), ndim, "A", readonly=read)


@cache
def register_bytes() -> int:
    """What a vector register holds of the processor that is compiled for; those of 16 bytes are more, and are taken in twos."""
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return 64 if "+avx512f" in features.split(",") else 32


@cache
def sources(folder: Path) -> str:
    """Digest of every file a kernel of this folder may be made of, so that an edit or an upgrade of any of them is seen.

    Kernels use files of their own folder, of `base` and of `_kernels` itself; import-linter checks it.
    """
    files = {*HERE.glob("*.py"), *(HERE / "base").rglob("*.py"), *folder.rglob("*.py")}
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(HERE).as_posix(), path) for path in files):
        digest.update(name.encode() + path.read_bytes())
    versions = numba.__version__, llvmlite.__version__
    return hashlib.sha256(repr((digest.hexdigest(), versions)).encode()).hexdigest()


def folders() -> Iterator[Path]:
    """Folders for compiled kernels: the one that the user sets, that of the sources, the user's cache folder."""
    install = "sigrnn-" + hashlib.sha256(str(HERE).encode()).hexdigest()[:16]
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR) / install
        return
    yield HERE / "__pycache__"
    with contextlib.suppress(RuntimeError):  # no home directory
        root = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
        yield Path(root) / install


def ours_alone(status: os.stat_result) -> bool:
    """Whether a file or folder is this user's, or root's, and nobody else may write to it: a kernel is code that is run."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def trusted_bytes(folder: Path, name: str) -> bytes:
    """What is in a file of the cache."""
    with open(folder / name, "rb") as file:
        if not (ours_alone(os.stat(folder)) and ours_alone(os.fstat(file.fileno()))):
            raise PermissionError(f"others can write to {file.name}")
        return file.read()


class KernelCache:
    """What a Numba dispatcher asks of its cache, one atomic file for each compiled signature."""

    def __init__(self, name: str, file: Path, missed: Callable[[], None]) -> None:
        self.name, self.missed = name, missed
        self.folder = file.parent if HERE in file.parents else HERE  # a kernel defined elsewhere may be made of any
        self.hits = self.misses = 0

    @property
    def cache_path(self) -> str:
        return str(next(folders()))

    def enable(self) -> None:
        """Part of Numba's protocol; the cache is always on."""

    def disable(self) -> None:
        """Part of Numba's protocol; the cache is always on."""

    def flush(self) -> None:
        """Forget every compiled form of this function."""
        for folder in folders():
            self._remove(folder, f"{self.name}-*.nbc")

    def file_names(self, signature: Any, codegen: Any) -> tuple[str, str]:
        """Name of the file, and the pattern of those it replaces (same signature, machine and settings, older sources)."""
        settings = sys.version, config.OPT, config.BOUNDSCHECK, config.DEBUGINFO_DEFAULT
        target = hashlib.sha256(repr((signature, codegen.magic_tuple(), settings)).encode()).hexdigest()[:20]
        return f"{self.name}-{target}-{sources(self.folder)[:20]}.nbc", f"{self.name}-{target}-*.nbc"

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        target_context.refresh()
        name, _ = self.file_names(signature, target_context.codegen())
        for folder in folders():
            # A file cut short, or written by another build of something, is a miss, whatever it raises.
            with contextlib.suppress(Exception):
                data = trusted_bytes(folder, name)
                if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
                    continue  # machine code with a hole in it would crash
                loaded = compiler.CompileResult._rebuild(target_context, *pickle.loads(data[DIGEST:]))
                self.hits += 1
                return loaded
        self.misses += 1
        self.missed()
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        if result.library.has_dynamic_globals:  # an address in this process, as with NUMBA_OPT=0
            return
        name, replaced = self.file_names(signature, result.codegen)
        data = serialize.dumps(result._reduce())
        for folder in folders():
            with contextlib.suppress(OSError):
                folder.mkdir(0o755, parents=True, exist_ok=True)
                if not ours_alone(os.stat(folder)):
                    continue
                self._write(folder, name, hashlib.sha256(data).digest() + data)
                self._remove(folder, replaced, keep=name)
                self._sweep(folder)
                return

    @staticmethod
    def _write(folder: Path, name: str, data: bytes) -> None:
        temporary = folder / f"{os.urandom(16).hex()}.part"
        try:
            # Those may read it who may read the folder, but none else may write.
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o644), "wb") as file:
                file.write(data)
            os.replace(temporary, folder / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @staticmethod
    def _remove(folder: Path, pattern: str, keep: str = "") -> None:
        for path in folder.glob(pattern):
            if path.name != keep:
                path.unlink(missing_ok=True)

    @staticmethod
    def _sweep(folder: Path) -> None:
        """Remove what killed processes have left."""
        for path in folder.glob("*.part"):
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink(missing_ok=True)
