"""Compiled functions by name: from the machine code of a platform wheel where it fits, otherwise from Numba.

`Kernels("filters.loops").sequential("direct", 2, 1, 0, "d")` is what the maker of that name in `_kernels/filters/loops.py` returns
for these arguments. A platform wheel has an extension module with the results for those that public functions use by default
(`machine_code/` in the sources builds it). Makers are run for all others, which imports Numba.
"""

from __future__ import annotations

import os
from ast import literal_eval
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any

import numpy as np

from sigrnn._kernels.aside import imported, load_numba

__all__ = ["Kernels", "entry_point", "load_compiler", "machine_code", "made_before", "register_bytes"]

SWITCH = "SIGRNN_MACHINE_CODE"  # environment variable: 0 for none, or the level of the processor to take
# With these set, what Numba would compile is not what the extension has.
SETTINGS = [
    f"NUMBA_{name}"
    for name in ("BOUNDSCHECK", "CPU_FEATURES", "CPU_NAME", "DEBUGINFO", "DISABLE_JIT", "FULL_TRACEBACKS", "OPT")
]
WIDE = "x86-64-v4"  # the level with registers of 64 bytes
JIT = "sigrnn._kernels.base.jit"
FOLDER = Path(__file__).parent / "_kernels"

requests: set[tuple[Any, ...]] | None = None  # a build of machine code collects here what is asked for


class MachineCode:
    """The extension module at one level of the processor."""

    def __init__(self, extension: Any, level: str) -> None:
        self.level, self._find = level, extension.find
        self.size: int = extension.size(level)

    def find(self, key: str) -> Any:
        """A compiled function, an array of addresses, or another value; None if there is nothing of that name."""
        found = self._find(self.level, key)
        if isinstance(found, bytes):
            return np.frombuffer(found, np.intp)
        return literal_eval(found) if isinstance(found, str) else found


@cache
def machine_code() -> MachineCode | None:
    """The extension module, if it is installed, was built from the kernels as they are here, and suits the processor."""
    wish = os.environ.get(SWITCH, "")
    if wish == "0" or any(name in os.environ for name in SETTINGS):
        return None
    try:
        extension: Any = imported("sigrnn._machine_code")
    except ImportError:  # none, or one for another Python or NumPy
        return None
    levels = extension.levels()
    if not levels or extension.digest != digest():
        return None
    return MachineCode(extension, wish if wish in levels else levels[0])


def digest() -> str:
    """Digest of all sources of kernels."""
    from hashlib import sha256

    whole = sha256()
    for name, path in sorted((path.relative_to(FOLDER).as_posix(), path) for path in FOLDER.rglob("*.py")):
        whole.update(name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def made_before() -> bool:
    """Whether kernels were made before, and are in an extension module, or are recorded for one."""
    return requests is not None or machine_code() is not None


def key_of(file: str, name: str, arguments: tuple[Any, ...]) -> str:
    """What the extension module lists a result by."""
    return f"{file}.{name}{arguments!r}"


class Kernels:
    """The makers of a file in `_kernels`, as attributes."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what tools ask any object for
            raise AttributeError(name)
        if machine_code() is None and requests is None:
            maker: Any = getattr(imported(f"sigrnn._kernels.{self._file}"), name)
        else:
            maker = Maker(self._file, name)
        setattr(self, name, maker)
        return maker


class Maker:
    """A function of that file, which returns something compiled, or a value that compiled code determines."""

    def __init__(self, file: str, name: str) -> None:
        self._file, self._name = file, name
        self._found: dict[tuple[Any, ...], Any] = {}  # of what the extension module has
        self._module: Any = None

    def __call__(self, *arguments: Any) -> Any:
        found = self._found.get(arguments)
        if found is not None:
            return found
        if requests is not None:
            requests.add((self._file, self._name, arguments))
        code = machine_code()
        if code is not None:
            found = code.find(key_of(self._file, self._name, arguments))
            if found is not None:
                self._found[arguments] = found
                return found
        if self._module is None:
            self._module = imported(f"sigrnn._kernels.{self._file}")
        return getattr(self._module, self._name)(*arguments)


def entry_point(compiled: Any) -> Any:
    """The fastest form of a compiled function in which Python can call it."""
    if isinstance(compiled, BuiltinFunctionType):
        return compiled
    return imported(JIT).entry_point(compiled)


def load_compiler() -> None:
    """Import Numba where there is no machine code, before anything that could be interrupted."""
    if machine_code() is None:
        load_numba()


@cache
def register_bytes() -> int:
    """What a vector register holds, as `jit.register_bytes` has it."""
    code = machine_code()
    if code is not None:
        return 64 if code.level == WIDE else 32
    return int(imported(JIT).register_bytes())
