"""Functions for other libraries' arrays: signature and docstring of the NumPy function, and the shapes of its results."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array, signal, time_axis
from sigrnn.filters._passes import edge_length, taps_of
from sigrnn.gradients.rules import RULES

LEFT_OUT = "out", "nan_policy"  # arguments that have no gradient


def bridged(function: Callable[..., Any], run: Callable[..., Any], note: str, module: str) -> Any:
    """
    A function of sigrnn's for other arrays. It has all arguments but `LEFT_OUT`.

    run : called as `run(function, given, **options)`; `given` holds the differentiable arguments, in the order of the
        signature.
    note : a paragraph on these arrays, for the docstring.
    module : where the new function is defined, for `pickle` and `help`.
    """
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in LEFT_OUT]
    signature = inspect.signature(function).replace(parameters=parameters)
    names = [p.name for p in parameters]
    places = sum(p.kind is not p.KEYWORD_ONLY for p in parameters)
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    differentiable = RULES[function].names

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        arguments = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
        if len(args) > places or len(arguments) != len(names) or any(name in kwargs for name in names[: len(args)]):
            try:
                signature.bind(
                    *args, **kwargs
                )  # finds the error; to bind every call would take longer than a short filter
            except TypeError as error:
                raise TypeError(f"{function.__name__}: {error}") from None
        given = {name: arguments.pop(name) for name in differentiable}
        return run(function, given, **arguments)

    call.__module__ = module
    call.__doc__ = described(function.__doc__ or "", note)
    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__annotations__ = {name: kind for name, kind in function.__annotations__.items() if name not in LEFT_OUT}
    return call


def described(doc: str, note: str) -> str:
    """A docstring without arguments that are left out, and with a paragraph at the end of its notes."""
    text = re.sub(rf"^({'|'.join(LEFT_OUT)}) : .*\n(?: +.*\n)+", "", inspect.cleandoc(doc), flags=re.MULTILINE)
    end = re.search(r"^(References|Examples)\n-+$", text, re.MULTILINE)
    at = end.start() if end else len(text)
    heading = "" if "\nNotes\n-----\n" in text else "Notes\n-----\n"
    return f"\n{text[:at]}{heading}{inspect.cleandoc(note)}\n\n{text[at:]}\n"


class Like(NamedTuple):
    """Shape and dtype of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def results(
    function: Callable[..., Any], given: tuple[tuple[str, Like], ...], options: tuple[tuple[str, Any], ...]
) -> tuple[Like, ...]:
    """
    What a call would return, y and the parts of the state in a row; or the error it would raise.

    The function is called with no samples, once for each signature. Errors that depend on values do not show.
    """
    try:
        return _results(function, given, options)
    except TypeError:  # perhaps an option cannot be hashed, for which the function has a better message
        return _results.__wrapped__(function, given, options)


@functools.lru_cache(maxsize=1024)
def _results(function: Callable[..., Any], given: tuple[tuple[str, Like], ...], options: Any) -> tuple[Like, ...]:
    arrays = {name: _stand_in(name, like) for name, like in given}
    known = inspect.signature(function).parameters.values()
    options = {
        **{p.name: p.default for p in known if p.default is not p.empty and p.name not in arrays},
        **dict(options),
    }
    if "x" not in arrays:
        function(**arrays, **options)  # raises
    x, axis = signal(arrays["x"]), options.get("axis", -2)
    if "axis" in options or x.ndim > 1:  # not one sample of a dense layer
        axis = time_axis(axis, x)
        arrays["x"] = x[(*[slice(None)] * axis, slice(1 if "padtype" in options else 0))]
    changed: dict[str, Any] = {name: None for name in ("padtype", "padlen") if name in options}
    if options.get("method") == "gust":  # SciPy's, which wants samples
        changed["method"] = "pad"
    try:
        value = function(**arrays, **{**options, **changed})
    except ValueError as error:
        raise ValueError(str(error).replace(str(arrays["x"].shape), str(x.shape))) from None
    if changed and "method" not in changed:
        sizes = [np.atleast_1d(arrays[name]).shape[-1] for name in ("b", "a") if name in arrays]
        taps = max(sizes) if sizes else taps_of(arrays["sos"])
        edge_length(options["padtype"], options["padlen"], x, axis, taps)  # raises
    y, *states = (Like(part.shape, part.dtype) for part in flat(value))
    if arrays["x"] is not x:
        y = y._replace(shape=(*y.shape[:axis], x.shape[axis], *y.shape[axis + 1 :]))
    return y, *states


def _stand_in(name: str, like: Like) -> Array:
    """Zeros, and ones for what filters divide by."""
    row = np.zeros(like.shape[-1:], like.dtype)
    if name in ("a", "sos"):
        row[... if not like.shape else slice(1) if name == "a" else slice(3, 4)] = 1
    return np.broadcast_to(row, like.shape)


def flat(value: Any) -> list[Any]:
    """y, (y, state) or (y, (h, c)) in a row."""
    if not isinstance(value, tuple):
        return [value]
    y, state = value
    return [y, *state] if isinstance(state, tuple) else [y, state]


def nested(parts: Sequence[Any]) -> Any:
    """The inverse of `flat`."""
    y, *states = parts
    return (y, states[0] if len(states) == 1 else tuple(states)) if states else y
