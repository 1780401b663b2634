"""Calls, samples and seconds by function and by the loop that served them, counted only during a report."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import NATIVE
from sigrnn.filters import _call, _fir, _recursive, _transforms

PLAIN, BLOCKS, LANES = "sample after sample", "blocks of time", "channels side by side"
TAPS, TRANSFORMS = "sums over the taps", "Fourier transforms"
OTHER = "own code"  # of functions without a choice of loops
FILTERS = "filtfilt", "lfilter", "sosfilt", "sosfiltfilt"  # where nothing else was noted, the plain recurrence has run
SIGNALS = "x", "signal", "u", "U"  # what arguments with the samples are called


class HandedBack(NamedTuple):
    """In place of the name of a loop: SciPy did it."""

    why: str


Loop = str | HandedBack
Tally = dict[tuple[str, Loop], list[Any]]  # of each function and loop: calls, samples, seconds

_tally: Tally = {}
_noted: dict[int, Loop] = {}  # by thread: what loops leave there, and the call that they served takes out


def totals() -> Tally:
    """All counts so far."""
    return {key: row.copy() for key, row in list(_tally.items())}


# A list of parameters costs 0.1 us less than *arguments.
SOURCE = """
def call({parameters}, **more):
    if noted:
        noted.pop(thread(), None)
    start = clock()
    result = function({arguments}, **more) if more else function({arguments})
    seconds = clock() - start
    row = row_of(noted.pop(thread(), None)) if noted else usual
    row[0] += 1
    try:
        row[1] += {samples}
    except (AttributeError, TypeError):
        row[1] += size({signal})
    row[2] += seconds
    return result
"""


def counted(name: str, function: Callable[..., Any], like: Callable[..., Any]) -> Any:
    """The function, with the parameters of another one, and with a count of its calls that returned: 0.3 us each."""
    given = inspect.signature(like, follow_wrapped=False).parameters.values()
    own = [p for p in given if p.kind is p.POSITIONAL_OR_KEYWORD]
    names = [p.name for p in own]
    signal = next((known for known in SIGNALS if known in names), None)

    def row_of(loop: Loop | None) -> list[Any]:
        return _tally.setdefault((name, loop or (PLAIN if name in FILTERS else OTHER)), [0, 0, 0.0])

    space = {
        **{f"default_{p.name}": p.default for p in own},
        **{"clock": perf_counter, "function": function, "noted": _noted, "row_of": row_of, "size": size_of},
        **{"thread": get_ident, "usual": row_of(None), "__name__": __name__},
    }
    parameters = [n if p.default is p.empty else f"{n}=default_{n}" for n, p in zip(names, own, strict=True)]
    samples = f"{signal}.size" if signal else "0"
    source = SOURCE.format(parameters=", ".join(parameters), arguments=", ".join(names), signal=signal, samples=samples)
    exec(source, space)
    return functools.update_wrapper(space["call"], function)


def size_of(x: Any) -> int:
    """How many samples."""
    return 0 if x is None else int(np.size(x))


# What loops note while somebody counts


def _noting(function: Callable[..., Any], loop: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def noted(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        _noted[get_ident()] = loop
        return result

    return noted


def _of_recursion(function: Callable[..., Any]) -> Callable[..., Any]:
    """`RecursiveFilter.one`, which chooses by the length."""

    @functools.wraps(function)
    def noted(self: Any, x: Any, *arguments: Any, **options: Any) -> None:
        function(self, x, *arguments, **options)
        _noted[get_ident()] = PLAIN if self.in_blocks.get(len(x)) is None else BLOCKS

    return noted


def _of_taps(function: Callable[..., Any]) -> Callable[..., Any]:
    """`FIRFilter.one`: sums, unless what it calls notes otherwise."""

    @functools.wraps(function)
    def noted(*arguments: Any, **options: Any) -> None:
        _noted.pop(get_ident(), None)
        function(*arguments, **options)
        _noted.setdefault(get_ident(), TAPS)

    return noted


def _of_scipy(own: Callable[..., Any]) -> Callable[..., Any]:
    """`_scipy.own`, whose function is called at once."""

    def noted(name: str) -> Callable[..., Any]:
        function = own(name)

        def run(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            _noted[get_ident()] = HandedBack(_why(arguments, options))
            return result

        return run

    return noted


def _why(arguments: tuple[Any, ...], options: dict[str, Any]) -> str:
    if options.get("method") == "gust":
        return "method 'gust'"
    dtypes = [v.dtype for v in (*arguments, *options.values()) if isinstance(v, np.ndarray)]
    foreign = [dtype for dtype in dtypes if dtype.char not in NATIVE and dtype.kind not in "iub"]
    return f"dtype {foreign[0]}" if foreign else "NaN or inf with complex numbers"


@contextmanager
def notes() -> Iterator[None]:
    """Let loops note that they have run."""
    hooks: list[tuple[Any, str, Callable[..., Any]]] = [
        (_recursive.RecursiveFilter, "one", _of_recursion),
        (_fir.FIRFilter, "one", _of_taps),
        (_recursive, "run_lanes", functools.partial(_noting, loop=LANES)),
        (_fir, "direct", functools.partial(_noting, loop=TAPS)),
        (_transforms.OverlapSave, "__call__", functools.partial(_noting, loop=TRANSFORMS)),
        (_call, "own", _of_scipy),
    ]
    before = [(place, name, getattr(place, name)) for place, name, _ in hooks]
    try:
        for place, name, noting in hooks:
            setattr(place, name, noting(getattr(place, name)))
        yield
    finally:
        for place, name, function in before:
            setattr(place, name, function)
