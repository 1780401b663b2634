"""The benchmark case: inputs, sigrnn's call, and the calls of the libraries it is compared with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import sigrnn

Array = NDArray[Any]
Call = Callable[[], Any]

# Takes the inputs and returns a call without arguments. Only that call is timed: a library's conversions of the inputs
# (tensors, layout) are made before. Raises ModuleNotFoundError if the library is not installed.
Binding = Callable[[Any], Call]


class Peer(NamedTuple):
    """Another library. Its result is compared too, unless it computes something else (`same=False`): then only its
    time is of interest."""

    bind: Binding
    same: bool = True


@dataclass(frozen=True, eq=False)
class Case:
    """One thing to measure.

    Parameters
    ----------
    name, group : str
        What it is called, and the heading of its table.
    make : callable
        ``make(samples, channels, rng)`` returns the inputs.
    ours : Binding
        sigrnn.
    peers : dict
        The others by name. The first is the reference: ratios are its time over sigrnn's.
    samples, channels : int
        Size of the signal; for a layer: steps and sequences.
    expected : Binding, optional
        Makes the result that all must return; the reference's if not given.
    tolerance : float
        Largest difference allowed, as a fraction of the largest expected value.
    workers : int
        Threads allowed, for all libraries alike.
    steps : int
        Number of consecutive calls whose results are compared: above 1 where a call leaves a state behind.
    shortest : int
        Number of samples it needs at least.
    headline : bool
        Whether it is in the README.
    """

    name: str
    group: str
    make: Callable[[int, int, np.random.Generator], Any]
    ours: Binding
    peers: Mapping[str, Peer] = field(default_factory=dict)
    samples: int = 1_000_000
    channels: int = 1
    expected: Binding | None = None
    tolerance: float = 1e-9
    workers: int = 1
    steps: int = 1
    shortest: int = 64
    headline: bool = False

    @property
    def reference(self) -> str | None:
        """Name of the first peer, if there is one."""
        return next(iter(self.peers), None)

    def setup(self) -> Any:
        """Make the inputs: the same numbers each time."""
        return self.make(self.samples, self.channels, np.random.default_rng(0))

    def results(self, inputs: Any) -> list[Any]:
        """Return the expected results of the first `steps` calls."""
        call = (self.expected or next(iter(self.peers.values())).bind)(inputs)
        return [call() for _ in range(self.steps)]

    def limited(self, total: int) -> Case:
        """Return the case with at most about `total` samples in all channels together."""
        return replace(self, samples=min(self.samples, max(total // self.channels, self.shortest)))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Limit sigrnn, BLAS and, if it is loaded, PyTorch to `n` threads."""
    with ExitStack() as stack:
        stack.enter_context(sigrnn.set_workers(n))
        if find_spec("threadpoolctl") is not None:
            stack.enter_context(import_module("threadpoolctl").threadpool_limits(n))
        if torch := sys.modules.get("torch"):
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(n)
        yield
