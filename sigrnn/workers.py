"""The number of threads that a call may use: one by default."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["get_workers", "set_workers"]

FEW, MOST_FOR_EACH = 16, 4  # workers in all, and for each processor, from which on there is a warning

_workers: ContextVar[int] = ContextVar("sigrnn_workers", default=1)
_pools: dict[int, ThreadPoolExecutor] = {}

# A forked child has its parent's pool, but none of its threads: waiting on it would never end.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


class set_workers:
    """
    Let calls of this thread use up to `workers` threads, over channels and blocks of a signal.

    The setting holds until it is changed; as a context manager, until the end of the block. It belongs to the calling
    thread (to its `contextvars` context): other threads keep theirs, which is 1 from the start, so that programs with
    threads of their own do not multiply them.

    Parameters
    ----------
    workers : int
        Number of threads; negative numbers count back from the number of processors as in `scipy.fft` (-1: all).

    Raises
    ------
    ValueError
        If `workers` is 0, or counts back beyond one.

    Warns
    -----
    RuntimeWarning
        If there are more than 16, and more than four for each processor.

    See Also
    --------
    get_workers : The present number.
    scipy.fft.set_workers : The same for Fourier transforms.

    Notes
    -----
    Calls shorter than about half a millisecond stay on one thread, since waking another costs more than it saves.
    Results do not depend on the number of workers.

    Examples
    --------
    >>> import sigrnn
    >>> with sigrnn.set_workers(2):
    ...     sigrnn.get_workers()
    2
    >>> sigrnn.get_workers()
    1
    """

    def __init__(self, workers: int) -> None:
        try:
            count = operator.index(workers)
        except TypeError as error:
            raise TypeError(f"workers must be a whole number, got {workers!r}: {error}") from None
        if count < 0:
            count += 1 + (os.cpu_count() or 1)
        if count < 1:
            raise ValueError(f"workers must be at least 1, or negative to count back from all; got {workers}")
        processors = os.cpu_count() or 1
        if count > max(FEW, MOST_FOR_EACH * processors):
            warnings.warn(
                f"{count} workers on {processors} processors: more than one for each gains nothing, and takes memory",
                RuntimeWarning,
                stacklevel=2,
            )
        self._count = count
        self._token: Token[int] | None = _workers.set(count)

    def __repr__(self) -> str:
        return f"set_workers({self._count})"

    def __enter__(self) -> set_workers:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._token is not None:
            _workers.reset(self._token)
            self._token = None


def get_workers() -> int:
    """
    Return the number of threads that a call in this thread may use.

    Returns
    -------
    int
        The number given to `set_workers` in this thread, 1 if there was none.

    Examples
    --------
    >>> import sigrnn
    >>> sigrnn.get_workers()
    1
    """
    return _workers.get()


def share(tasks: Sequence[Callable[[], Any]], work: float) -> None:
    """Run all tasks, on several threads if the user allows it and their `work` (about a nanosecond each) is worth it."""
    count = min(_workers.get(), len(tasks))
    if count < 2 or work < 500_000:
        for task in tasks:
            task()
        return
    pool = _pools.get(count)
    if pool is None:
        from concurrent.futures import ThreadPoolExecutor  # 4 ms that `import sigrnn` need not take

        # Where threads inherit their maker's context, a worker would otherwise share out its task again, and wait for itself.
        made = ThreadPoolExecutor(count, thread_name_prefix="sigrnn", initializer=partial(_workers.set, 1))
        pool = _pools.setdefault(count, made)
    futures: list[Future[Any]] = []
    try:
        for task in tasks:
            if not _submitted(pool, task, futures):
                task()
        for future in futures:
            future.result()
    except BaseException:
        _settle(futures)
        raise


def _submitted(pool: ThreadPoolExecutor, task: Callable[[], Any], futures: list[Future[Any]]) -> bool:
    """Give a task to the pool; False if the interpreter is ending, as a daemon thread may find."""
    try:
        futures.append(pool.submit(task))
    except RuntimeError as error:
        if "after" in str(error) and "shutdown" in str(error):
            return False
        raise
    return True


def _settle(futures: list[Future[Any]]) -> None:
    """Let no task run on over arrays that are the caller's again."""
    from concurrent.futures import wait

    for future in futures:
        future.cancel()
    wait(futures)
