"""Arguments of a function that is differentiated: bound to names, converted to arrays, and reversed in time if it runs
backward."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import NATIVE, Array, array, signal, time_axis
from sigrnn.filters._options import BACKWARD, FORWARD, PROPAGATE, Options, options
from sigrnn.gradients.linear import EXCITATION
from sigrnn.gradients.rules import Named, Rule

NUMBERS = int, float, complex, bool
FROM_THE_END = Options(BACKWARD)


class Parameters(NamedTuple):
    """Those of a function."""

    signature: inspect.Signature
    names: list[str]
    places: int  # how many may be given by position
    required: int
    defaults: Named
    constants: Named  # the defaults that rules ask for


@cache
def _parameters(function: Callable[..., Any]) -> Parameters:
    signature = inspect.signature(function)
    each = signature.parameters
    places = sum(p.kind is not p.KEYWORD_ONLY for p in each.values())
    defaults = {name: p.default for name, p in each.items() if p.default is not p.empty}
    constants = {name: value for name, value in defaults.items() if name not in ("out", "direction", "nan_policy")}
    return Parameters(signature, list(each), places, len(each) - len(defaults), defaults, constants)


def bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Named) -> tuple[Named, list[str]]:
    """All arguments by name, and the names of those given by position."""
    signature, names, places, required, defaults, constants = _parameters(function)
    positional = names[: len(args)]
    if not kwargs and required <= len(args) <= places:
        return {**constants, **dict(zip(names, args, strict=False))}, positional
    arguments = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
    if len(args) > places or arguments.keys() != set(names) or not kwargs.keys().isdisjoint(positional):
        try:
            signature.bind(*args, **kwargs)  # raises with the reason; binding takes a quarter of a short call
        except TypeError as error:
            raise TypeError(f"{function.__name__}: {error}") from None
    if arguments.pop("out", None) is not None:
        raise TypeError("out= is not for vjp and jvp: the value is a new array")
    if arguments.get("direction") == FORWARD:  # rules run forward, and do not ask
        del arguments["direction"]
    if arguments.pop("nan_policy", PROPAGATE) != PROPAGATE:
        raise TypeError(
            "nan_policy= is not for vjp and jvp: cut the signal at its gaps, and give the state from part to part"
        )
    return arguments, positional


def unpacked(rule: Rule, arguments: Named, positional: list[str]) -> list[str]:
    """Make arguments of the parts of one that is a tuple of arrays; the names of those given by position, and of the parts."""
    if rule.parts is None:
        return positional
    name, names = rule.parts
    given = arguments[name]
    whole = isinstance(given, tuple | list) and len(given) == len(names)
    arguments |= dict(zip(names, given, strict=True)) | {name: None} if whole else dict.fromkeys(names)
    return [*names, *positional[1:]] if whole else positional


def arrays_of(rule: Rule, arguments: Named, positional: list[str], kwargs: Named) -> dict[str, Array]:
    """The arguments that get a gradient, as arrays; they replace what was given, but for Python numbers."""
    found = {}
    for name in rule.names:
        given = arguments[name]
        if given is None or (name not in positional and (name not in kwargs or type(given) in NUMBERS)):
            continue
        found[name] = given if type(given) is np.ndarray and given.dtype.char in NATIVE else _array(name, given)
        if type(given) not in NUMBERS:
            arguments[name] = found[name]
    return found


def _array(name: str, given: Any) -> Array:
    if type(given) is np.ndarray and given.dtype.char in NATIVE:
        return given
    found = array(name, given)
    if found.dtype.kind in "biu":
        if isinstance(given, np.ndarray | np.generic):
            raise TypeError(f"{name} has dtype {found.dtype}: gradients are for floats, give {name}.astype(float)")
        return found.astype(np.float64)
    if found.dtype.char not in NATIVE:
        raise NotImplementedError(
            f"{name} has dtype {found.dtype}: gradients are for float32, float64, complex64 and complex128"
        )
    return found


def tangent_of(name: str, given: Any, arrays: dict[str, Array]) -> Array:
    if name not in arrays:
        raise TypeError(f"{name} is not differentiable: its tangent must be None")
    tangent, value = array(f"the tangent of {name}", given), arrays[name]
    if tangent.dtype.kind not in "biufc":
        raise TypeError(f"the tangent of {name} must be numbers, got dtype {tangent.dtype}")
    if tangent.shape != value.shape:
        raise ValueError(f"the tangent of {name} has shape {tangent.shape}, expected {value.shape}")
    if tangent.dtype.kind == "c" and value.dtype.kind != "c":
        raise TypeError(f"the tangent of {name} is complex, {name} is real")
    return tangent.astype(native(value.dtype), copy=False)


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in the byte order of this machine."""
    return dtype if dtype.isnative else dtype.newbyteorder("=")


class Turn(NamedTuple):
    """A filter that runs backward is one that runs forward, over signals (and rows of coefficients) seen from their end."""

    axes: dict[str, int]  # the axis of time in each of them; in the value "y"

    @classmethod
    def of(cls, rule: Rule, arguments: Named) -> Turn | None:
        """Turn the arguments around, and say how the rest is turned; None if the filter runs forward."""
        if "direction" not in arguments:
            return None
        options(arguments.pop("direction"), PROPAGATE)
        x = signal(arguments["x"])
        axis = time_axis(arguments["axis"], x)
        rows = {name: np.asarray(arguments[name]).ndim - 2 for name in rule.rows}
        turn = cls({"x": axis, "y": axis, EXCITATION: axis, **rows})
        arguments.update(turn.named({name: np.asarray(arguments[name]) for name in ("x", *rule.rows)}))
        return turn

    def named(self, given: Named) -> Named:
        """Arrays by name, those with time from their end."""
        return {name: self._around(name, c) for name, c in given.items()}

    def value(self, value: Any) -> Any:
        """The value of a function, y or (y, zf)."""
        return (self._around("y", value[0]), *value[1:]) if isinstance(value, tuple) else self._around("y", value)

    def pull(self, pull: Callable[..., Named]) -> Callable[..., Named]:
        """The pull-back for it."""
        return lambda dy, *rest: self.named(pull(self._around("y", dy), *rest))

    def _around(self, name: str, c: Any) -> Any:
        if callable(c):  # an excitation that is found when it is asked for
            return lambda: self._around(name, c())
        return FROM_THE_END.turned(c, self.axes[name]) if name in self.axes and c is not None else c
