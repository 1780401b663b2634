"""A case of its own kind: what is measured when it is not one of our functions over a signal.

`filters.Case` finds its bindings in the tables of `bindings`; a task brings its own, with whatever inputs they need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .peers import Call, Peer


@dataclass(frozen=True)
class Task:
    """One thing to measure: how inputs are made, and who is asked.

    Parameters
    ----------
    name, group : str
        What it is called, and under which heading it stands.
    make : callable
        ``make(samples, channels, rng)`` gives the inputs, anything with the signal as attribute ``x``.
    ours : callable
        Takes the inputs, and returns a call without arguments; what is timed is that call.
    peers : dict
        The others, alike, by name; the first is the reference.
    samples, channels : int
        Size of the signal.
    made_by : callable, optional
        What makes the result that all have to return, alike; the reference if not given.
    dtype : str
        Of the signal.
    floor, aim : float, optional
        Ratio to the reference below which the project is broken, and the one it is after.
    tolerance : float
        Largest difference from the expected result, as a share of that result's largest value.
    workers : int
        Threads allowed, to all libraries alike.
    steps : int
        Calls in a row whose results are compared: above 1 where a call leaves a state behind.
    shortest : int
        Samples that it cannot do without.
    headline : bool
        Whether it is in the README.
    """

    name: str
    group: str
    make: Callable[[int, int, Any], Any]
    ours: Callable[[Any], Call]
    peers: Mapping[str, Peer] = field(default_factory=dict)
    samples: int = 100_000
    channels: int = 1
    made_by: Callable[[Any], Call] | None = None
    dtype: str = "float64"
    floor: float | None = None
    aim: float | None = None
    tolerance: float = 1e-9
    workers: int = 1
    steps: int = 1
    shortest: int = 64
    headline: bool = False

    @property
    def reference(self) -> str:
        """Whose time the ratio is about."""
        return next(iter(self.peers))

    @property
    def expected(self) -> Callable[[Any], Call]:
        """What makes the result that all have to return."""
        return self.made_by or self.peers[self.reference].bind

    def setup(self, seed: int = 0) -> Any:
        """Make the inputs.

        Parameters
        ----------
        seed : int
            Of what is random in them.

        Returns
        -------
        object
            As `make` gives them.
        """
        return self.make(self.samples, self.channels, np.random.default_rng(seed))

    def limited(self, total: int) -> Task:
        """Return the task with at most about `total` samples in all channels together.

        Parameters
        ----------
        total : int
            The limit.

        Returns
        -------
        Task
            The same over a shorter signal, or the task itself.
        """
        return replace(self, samples=min(self.samples, max(total // self.channels, self.shortest)))
