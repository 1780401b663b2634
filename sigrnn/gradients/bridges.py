"""Functions with gradients for other libraries' arrays: the signature and the docstring of the NumPy function."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, ParamSpec

from sigrnn.gradients.rules import RULES

P = ParamSpec("P")


def bridged(function: Callable[P, Any], run: Callable[..., Any], note: str, module: str) -> Callable[P, Any]:
    """
    A function of sigrnn's for other arrays. It has all arguments but `out`.

    run : called as `run(function, given, **options)`; `given` holds the differentiable arguments, in the order of the
        signature.
    note : a paragraph on these arrays, for the docstring.
    module : where the new function is defined, for `pickle` and `help`.
    """
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "out"]
    signature = inspect.signature(function).replace(parameters=parameters)
    names = [p.name for p in parameters]
    places = sum(p.kind is not p.KEYWORD_ONLY for p in parameters)
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    differentiable = RULES[function].names

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
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
    return call


def described(doc: str, note: str) -> str:
    """A docstring without the argument `out`, and with a paragraph at the end of its notes."""
    text = re.sub(r"^out : .*\n(?: +.*\n)+", "", inspect.cleandoc(doc), flags=re.MULTILINE)
    end = re.search(r"^(References|Examples)\n-+$", text, re.MULTILINE)
    at = end.start() if end else len(text)
    heading = "" if "\nNotes\n-----\n" in text else "Notes\n-----\n"
    return f"\n{text[:at]}{heading}{inspect.cleandoc(note)}\n\n{text[at:]}\n"
