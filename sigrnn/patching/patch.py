"""Put sigrnn's functions in the place of SciPy's, wherever those are bound, and undo it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cache, update_wrapper, wraps
from importlib import import_module
from pathlib import Path
from threading import RLock
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from sigrnn._scipy import FUNCTIONS, own
from sigrnn.patching import counting
from sigrnn.patching.startup.sigrnn_hook import AfterImport

__all__ = ["is_patched", "patch_scipy", "unpatch_scipy"]

P = ParamSpec("P")
R = TypeVar("R")

VARIABLE = "SIGRNN_PATCH"  # of the environment: 1, or names with commas between them
STARTUP = Path(__file__).parent / "startup"
PLAIN_TYPES = np.ndarray, np.generic, list, tuple, str, int, float, complex, type(None)

_lock = RLock()  # nothing is imported while it is held, but by the thread that imports scipy.signal anyway
if hasattr(os, "register_at_fork"):  # a child has no thread that would give the lock back
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_wanted: Counter[str] = Counter()  # how many patches of each name are in force
_in_place: dict[str, list[Stand]] = {}
_counting: ExitStack | None = None
_waiting: AfterImport | None = None


class Stand(NamedTuple):
    """A function of SciPy's, ours in its place, and ours with a count of its calls."""

    theirs: Any
    ours: Any
    counted: Any


class patch_scipy:
    """
    Replace functions of `scipy.signal` by those of sigrnn, for programs that call SciPy.

    It takes effect at once, in all threads; as a context manager until the end of the block, as a decorator while the
    function runs. Patches are counted: a name is SciPy's again when each of its patches has been undone.

    Parameters
    ----------
    *names : str
        Of functions of `scipy.signal`, as ``'lfilter'``. By default all that sigrnn has.

    Attributes
    ----------
    names : tuple of str
        The functions of this patch.
    modules : dict of str to list of str
        Modules in which names were rebound, and these names. Empty if they were patched before, or if `scipy.signal`
        has not been imported yet: it is patched when that happens.

    Raises
    ------
    ValueError
        If a name is not that of a function in both packages.

    See Also
    --------
    unpatch_scipy : Take a patch back.
    report : What was called, and what served it.

    Notes
    -----
    Names are rebound in `scipy.signal`, in its own modules (so SciPy's functions that call them gain, too) and in each
    module that has imported a name from it (``from scipy.signal import sosfilt``). A function stored elsewhere, in a
    class, a dictionary or as a default value, stays SciPy's. Looking for names takes some milliseconds.

    Worker processes: see :doc:`/howto/in_scipys_place`.

    Examples
    --------
    >>> import sigrnn
    >>> import scipy.signal
    >>> with sigrnn.patch_scipy('lfilter'):
    ...     sigrnn.is_patched('lfilter'), scipy.signal.lfilter([1.0], [1.0, -0.5], [4.0, 0.0])
    (True, array([4., 2.]))
    >>> sigrnn.is_patched()
    False
    """

    def __init__(self, *names: str) -> None:
        self.names = known(names)
        self._held = True
        with _lock:
            _wanted.update(self.names)
        self.modules: dict[str, list[str]] = settle()

    def __repr__(self) -> str:
        given = ", ".join(map(repr, self.names)) if len(self.names) < len(FUNCTIONS) else ""
        where = "; ".join(f"{module}: {', '.join(names)}" for module, names in self.modules.items())
        return f"<patch_scipy({given}){', rebound in ' if where else ''}{where}>"

    def __enter__(self) -> patch_scipy:
        return self

    def __exit__(self, *exception: object) -> None:
        self._release()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function: patched while it runs, and not before."""
        self._release()

        @wraps(function)
        def patched(*arguments: P.args, **options: P.kwargs) -> R:
            with patch_scipy(*self.names):
                return function(*arguments, **options)

        return patched

    def _release(self) -> None:
        if self._held:
            self._held = False
            unpatch_scipy(*self.names)


def unpatch_scipy(*names: str) -> dict[str, list[str]]:
    """
    Undo a call of `patch_scipy`.

    Parameters
    ----------
    *names : str
        Functions of which one patch is undone; by default all that are patched. Names that are not patched are ignored.

    Returns
    -------
    modules : dict of str to list of str
        Modules in which names are bound to SciPy's functions again, and these names.

    Raises
    ------
    ValueError
        If a name is not that of a function in both packages.

    See Also
    --------
    patch_scipy : Also a context manager, which takes itself back.

    Examples
    --------
    >>> import sigrnn
    >>> patch = sigrnn.patch_scipy('sosfilt')
    >>> modules = sigrnn.unpatch_scipy('sosfilt')
    >>> sigrnn.is_patched('sosfilt')
    False
    """
    with _lock:
        for name in known(names):
            _wanted[name] = max(0, _wanted[name] - 1)
    return settle()


def is_patched(*names: str) -> bool:
    """
    Return whether functions of SciPy are patched.

    Parameters
    ----------
    *names : str
        The functions asked about.

    Returns
    -------
    bool
        Whether all of them are patched; without names, whether any function is.

    Raises
    ------
    ValueError
        If a name is not that of a function in both packages.

    Examples
    --------
    >>> import sigrnn
    >>> sigrnn.is_patched('lfilter')
    False
    """
    with _lock:
        return all(_wanted[name] for name in known(names)) if names else any(_wanted.values())


def known(names: Iterable[str]) -> tuple[str, ...]:
    """The names given, all if there are none."""
    given = tuple(names)
    for name in given:
        if name not in FUNCTIONS:
            raise ValueError(f"names must be among {', '.join(map(repr, FUNCTIONS))}; got {name!r}")
    return given or tuple(FUNCTIONS)


def settle() -> dict[str, list[str]]:
    """Make scipy.signal what is wanted, now or when it is imported."""
    global _waiting
    loaded = "scipy.signal" in sys.modules
    if loaded:
        import_module("scipy.signal")  # another thread may be at it
    with _lock:
        wanted = [name for name, count in _wanted.items() if count]
        if _waiting is not None and (loaded or not wanted):
            _waiting.cancel()
            _waiting = None
        if not loaded:
            if wanted and _waiting is None:
                _waiting = AfterImport("scipy.signal", settle)
            return {}
        instead = {}
        for name in [name for name in _in_place if name not in wanted]:
            for stand in _in_place.pop(name):
                instead[stand.ours] = instead[stand.counted] = stand.theirs
        for name in [name for name in wanted if name not in _in_place]:
            _in_place[name] = stands(name)
            for stand in _in_place[name]:
                instead[stand.theirs] = stand.counted if _counting else stand.ours
        return rebind(instead)


def rebind(instead: Mapping[Any, Any]) -> dict[str, list[str]]:
    """Bind names of modules to other functions, and return which."""
    other, found = {id(function): new for function, new in instead.items()}, {}
    for name, module in list(sys.modules.items()):
        # By its type: cffi's libraries claim to be modules.
        if not issubclass(type(module), ModuleType) or name.startswith("sigrnn."):
            continue
        space = object.__getattribute__(module, "__dict__")  # `vars` would load a module that waits for its first use
        if other.keys().isdisjoint(map(id, list(space.values()))):
            continue
        changed = [(key, other[id(value)]) for key, value in list(space.items()) if id(value) in other]
        space.update(changed)
        found[name] = [key for key, _ in changed]
    return found


@cache
def ours(name: str) -> Any:
    """The function of sigrnn, without a count."""
    return getattr(import_module("sigrnn"), name)


@cache
def counted_ours(name: str) -> Any:
    """The function of sigrnn with a count; it can be pickled."""
    function = counting.counted(name, ours(name), ours(name))
    function.__module__ = "sigrnn"
    return function


@cache
def stands(name: str) -> list[Stand]:
    """What is replaced for a name: one function, or with SciPy's array API a second one around it."""
    import scipy.signal

    theirs = [own(name)]
    public = getattr(scipy.signal, name)
    if public is not own(name) and getattr(public, "__wrapped__", None) is own(name):
        theirs.append(public)
    found = []
    for function in theirs:
        stand = in_place_of(function, ours(name)) if len(theirs) == 1 else choosing(function, ours(name))
        with_count = counting.counted(name, stand, ours(name))
        found.append(Stand(function, stand, update_wrapper(with_count, function)))
    return found


def in_place_of(theirs: Any, ours: FunctionType) -> Any:
    """A second function object of ours: it costs nothing, and is distinct from the one that users import from sigrnn."""
    copy = FunctionType(ours.__code__, ours.__globals__, ours.__name__, ours.__defaults__, ours.__closure__)
    copy.__kwdefaults__ = ours.__kwdefaults__
    return update_wrapper(copy, theirs)


def choosing(theirs: Any, ours: Any) -> Any:
    """Ours for what SciPy makes a NumPy array of, SciPy's for arrays of other libraries."""

    @wraps(theirs)
    def choose(*arguments: Any, **options: Any) -> Any:
        plain = all(isinstance(value, PLAIN_TYPES) for value in (*arguments, *options.values()))
        return (ours if plain else theirs)(*arguments, **options)

    return choose


def count(on: bool) -> None:
    """Begin or end to count calls, of SciPy's names and of sigrnn's own."""
    global _counting
    with _lock:
        if on == (_counting is not None):
            return
        pairs = [(ours(name), counted_ours(name)) for name in FUNCTIONS]
        pairs += [(stand.ours, stand.counted) for stands in _in_place.values() for stand in stands]
        if on:
            _counting = ExitStack()
            _counting.enter_context(counting.notes())
            rebind(dict(pairs))
        elif _counting is not None:
            rebind({after: before for before, after in pairs})
            _counting.close()
            _counting = None


def of_environment() -> None:
    """Patch if SIGRNN_PATCH is set, in processes that this one starts, too."""
    value = os.environ.get(VARIABLE, "0")
    if value not in ("", "0"):
        reach_children()
        patch_scipy(*(() if value == "1" else value.split(",")))


def reach_children() -> None:
    """Let Python run our `sitecustomize` in each process that this one starts."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(STARTUP)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(STARTUP), *paths])
