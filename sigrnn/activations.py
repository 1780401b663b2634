"""Activation functions of nonlinear filters, by name or the user's own: `Activation`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.activation_table import TABLE
from sigrnn._lookup import Kernels

__all__ = ["Activation"]

NAMES = tuple(TABLE)

kernels = Kernels("base.activations")
_numbers = count()


class Activation:
    r"""
    An activation function of your own: :math:`y = g(e)` and its derivative :math:`g'(e)`.

    Parameters
    ----------
    g, dg : callable
        Functions of one float that return one float, in the subset of Python that Numba compiles: arithmetic, ``if``,
        loops, `math`, global constants. They are compiled at the first use of this object.

    Raises
    ------
    TypeError
        If `g` or `dg` is not callable or, at the first use, cannot be compiled.

    See Also
    --------
    nlfilter : Takes one as ``activation=``, or the name of a built-in one.

    Notes
    -----
    The functions are compiled as they are when the object is first used and are not kept on disk, so edits always take
    effect; make a new object after changing a global constant they read. They are compiled in each process, for each
    kind of signal. `math.tanh` and similar functions are those of the C library, and slower than the built-in ones
    here.

    Examples
    --------
    >>> import sigrnn
    >>> cube = sigrnn.Activation(lambda e: e**3, lambda e: 3.0 * e**2)
    >>> sigrnn.nlfilter([1.0], [1.0, -0.5], [2.0, 0.0, 0.0], activation=cube)
    array([8.0000e+00, 6.4000e+01, 3.2768e+04])
    """

    def __init__(self, g: Callable[[float], float], dg: Callable[[float], float]) -> None:
        for name, function in (("g", g), ("dg", dg)):
            if not callable(function):
                raise TypeError(f"{name} must be a function of one float, got {function!r}")
        self.g, self.dg = g, dg
        self.number = next(_numbers)  # names what is compiled of it

    def __repr__(self) -> str:
        names = (getattr(function, "__name__", repr(function)) for function in (self.g, self.dg))
        return f"Activation({', '.join(names)})"

    def __getstate__(self) -> dict[str, Any]:
        return {"g": self.g, "dg": self.dg}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def known(activation: Any) -> Any:
    """The activation as kernels know it: a name, or the object."""
    if isinstance(activation, Activation) or (isinstance(activation, str) and activation in NAMES):
        return activation
    names = ", ".join(map(repr, NAMES))
    if isinstance(activation, str):
        raise ValueError(f"unknown activation {activation!r}: known are {names}, or give an Activation(g, dg)")
    raise TypeError(f"activation must be one of {names}, or an Activation(g, dg); got {activation!r}")


def slope_of_output(activation: Any) -> bool:
    """Whether g' is found from y and does not need e."""
    return isinstance(activation, str) and TABLE[activation].of_output


def respond(activation: Any, e: Array, slope: bool = False) -> Array:
    """g of all elements of e, or g' of e (of y where `slope_of_output`); it may be written over a float64 e."""
    turned = e.flags.f_contiguous and not e.flags.c_contiguous
    flat = np.ascontiguousarray(e.T if turned else e, F8).reshape(-1)
    kernels.respond(activation, slope)(flat, flat)
    return flat.reshape(e.shape[::-1]).T if turned else flat.reshape(e.shape)
