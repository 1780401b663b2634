"""Work that must not be interrupted: the import of Numba, and compilation. This file does not import Numba itself.

After an interruption Numba is unusable: modules are missing, and functions stay half compiled. Python handles signals
in its main thread only, so another thread does the work: Ctrl-C ends the wait, and the work continues. A fork waits
until the work is complete, because the child has no thread that could complete it.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

LOCK = threading.RLock()  # held during such work
_importer: int | None = None  # the thread that holds it to import kernels
held: list[Any] = []  # the locks a fork holds: this one, and those of Numba and LLVM


def completed(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do the work, and return its result; the work is completed even if this call is interrupted."""
    if _within_numba() or _importer == threading.get_ident():  # this thread has a lock that another would wait for
        return work(*arguments)
    if threading.current_thread() is not threading.main_thread():
        with LOCK:
            return work(*arguments)
    found: list[tuple[Any, BaseException | None]] = []
    thread = threading.Thread(target=_found, args=(found, work, arguments), name="sigrnn compiles")
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending
        with LOCK:
            return work(*arguments)
    thread.join()
    result, error = found[0]
    if error is not None:
        raise error
    return result


def _found(found: list[Any], work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    with LOCK:
        try:
            found.append((work(*arguments), None))
        except BaseException as error:
            found.append((None, error))


def _within_numba() -> bool:
    """Whether this thread is already compiling, perhaps a function of the user's."""
    lock = getattr(sys.modules.get("numba.core.compiler_lock"), "global_compiler_lock", None)
    return lock is not None and lock.is_locked()


def imported(name: str) -> Any:
    """Import a module, here and not aside: a fork waits for it, since a child process could never finish it."""
    if name.startswith("sigrnn._kernels"):
        load_numba()  # in another thread, which would wait for the lock
    if _within_numba():
        return import_module(name)
    global _importer
    with LOCK:
        before, _importer = _importer, threading.get_ident()
        try:
            return import_module(name)
        finally:
            _importer = before


@cache
def load_numba() -> None:
    """Import Numba without interruption, before another import does it."""
    completed(import_module, "numba")


def _hold() -> None:
    """Wait until no thread compiles or imports kernels, and keep others from starting."""
    while True:
        for name in _importing():
            import_module(name)  # waits for the importing thread
        LOCK.acquire()
        if not _importing():
            break
        LOCK.release()
    held.append(LOCK)
    compiler, llvm = (sys.modules.get(name) for name in ("numba.core.compiler_lock", "llvmlite.binding.ffi"))
    for lock in (getattr(compiler, "global_compiler_lock", None), getattr(getattr(llvm, "lib", None), "_lock", None)):
        inner = getattr(lock, "_lock", None)  # the plain lock inside
        if inner is not None:
            inner.acquire()
            held.append(inner)


def _importing() -> list[str]:
    """Kernels that other threads are importing. A child process could never acquire their import locks."""
    locks = getattr(importlib._bootstrap, "_module_locks", {})  # type: ignore[attr-defined]
    owners = [(name, getattr(lock(), "owner", None)) for name, lock in list(locks.items())]
    own = {None, threading.get_ident()}
    return [name for name, owner in owners if name.startswith("sigrnn._kernels") and owner not in own]


def _release() -> None:
    while held:
        held.pop().release()


# At a fork, locks are acquired in the reverse order of registration. `logging`, which Numba imports, must be
# registered first; otherwise a fork would hold our lock while it waits for the lock of `logging`: a deadlock.
assert logging
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
