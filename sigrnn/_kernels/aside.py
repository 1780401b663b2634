"""What must not end half done: importing Numba, and compilation. No Numba here: importing this file is cheap.

Interrupted, Numba is of no use any more: modules are missing, and functions for ever half compiled. Python looks at signals
in its main thread alone, so another one does the work: Ctrl-C ends the waiting, and the work goes on. A fork waits until
none is being done, as a child has no thread that would end it.
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

LOCK = threading.RLock()  # held while such work is done
held: list[Any] = []  # by a fork: this lock, and those of others


def completed(work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of the work, which is done to its end even if this call is interrupted."""
    if _within_numba():  # called by a compilation of the user's: another thread would wait for its lock
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
    """Whether this thread compiles already."""
    lock = getattr(sys.modules.get("numba.core.compiler_lock"), "global_compiler_lock", None)
    return lock is not None and lock.is_locked()


@cache
def load_numba() -> None:
    """Import Numba, before anything else does that could be interrupted."""
    completed(import_module, "numba")


def _hold() -> None:
    """Wait until no thread compiles or imports kernels, and let none begin."""
    while True:
        for name in _importing():
            import_module(name)  # waits for the thread that does it
        LOCK.acquire()
        if not _importing():
            break
        LOCK.release()
    held.append(LOCK)
    compiler, llvm = (sys.modules.get(name) for name in ("numba.core.compiler_lock", "llvmlite.binding.ffi"))
    for lock in (getattr(compiler, "global_compiler_lock", None), getattr(getattr(llvm, "lib", None), "_lock", None)):
        inner = getattr(lock, "_lock", None)  # what the lock of either is made of
        if inner is not None:
            inner.acquire()
            held.append(inner)


def _importing() -> list[str]:
    """Kernels that other threads are importing: each has a lock, which a child of this process could never take."""
    locks = getattr(importlib._bootstrap, "_module_locks", {})  # type: ignore[attr-defined]
    owners = [(name, getattr(lock(), "owner", None)) for name, lock in list(locks.items())]
    own = {None, threading.get_ident()}
    return [name for name, owner in owners if name.startswith("sigrnn._kernels") and owner not in own]


def _release() -> None:
    while held:
        held.pop().release()


# Locks are taken at a fork in the reverse order of registration: `logging`, which Numba needs to be imported, has to be
# registered before, or a fork would wait for it with the lock that it waits for.
assert logging
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
