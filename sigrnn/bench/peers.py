"""What the benchmarks ask a library for: the inputs of a case, bindings and peers.

A binding takes the inputs of a case and returns a call without arguments, so that what is timed is the library and not
the reading of fields, the conversion to tensors or the layout that a library wants.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import sigrnn

Array = NDArray[Any]
Call = Callable[[], Any]
HOLD = 64  # samples for which a time-varying case keeps its coefficients, so that SciPy can follow block by block


@dataclass(frozen=True)
class Inputs:
    """What one case filters: the signal, the filter (`b` and `a`, or `sos`, or weights), and how; `dy` for gradients."""

    x: Array
    b: Array = field(default_factory=lambda: np.empty(0))
    a: Array = field(default_factory=lambda: np.empty(0))
    sos: Array = field(default_factory=lambda: np.empty(0))
    axis: int = -1
    zi: Array | None = None
    out: Array | None = None
    dy: Array = field(default_factory=lambda: np.empty(0))
    w_ih: Array = field(default_factory=lambda: np.empty(0))
    w_hh: Array = field(default_factory=lambda: np.empty(0))
    b_ih: Array = field(default_factory=lambda: np.empty(0))
    b_hh: Array = field(default_factory=lambda: np.empty(0))

    @property
    def weights(self) -> tuple[Array, ...]:
        """Those of a layer, in its order."""
        return self.w_ih, self.w_hh, self.b_ih, self.b_hh


Binding = Callable[[Inputs], Call]


class Peer(NamedTuple):
    """A library's binding, the module that must be there for it, and whether its result is to be ours.

    One with another result is a yardstick: how long something takes that readers know.
    """

    module: str
    bind: Binding
    same: bool = True

    def installed(self) -> bool:
        """Tell whether the module can be imported, without importing it."""
        return importlib.util.find_spec(self.module) is not None


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Hold sigrnn, BLAS and, where it is loaded, PyTorch to `n` threads.

    Parameters
    ----------
    n : int
        The number of threads for each.

    Yields
    ------
    None
        While they are held.
    """
    with ExitStack() as stack:
        stack.enter_context(sigrnn.set_workers(n))
        if importlib.util.find_spec("threadpoolctl") is not None:
            stack.enter_context(importlib.import_module("threadpoolctl").threadpool_limits(n))
        if torch := sys.modules.get("torch"):
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(n)
        yield


def _options(i: Inputs) -> dict[str, Any]:
    given = {"axis": i.axis, "zi": i.zi, "out": i.out}
    return {name: value for name, value in given.items() if value is not None}


def with_ba(function: Callable[..., Any]) -> Binding:
    return lambda i: partial(function, i.b, i.a, i.x, **_options(i))


def with_sos(function: Callable[..., Any]) -> Binding:
    return lambda i: partial(function, i.sos, i.x, **_options(i))


def without_out(bind: Binding) -> Binding:
    # What has no `out` gets the rest.
    return lambda i: bind(replace(i, out=None))
