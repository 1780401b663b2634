"""Time blocks of a recursive filter: their length, and the constants that `_kernels/filters/block_transition.py` finds for them."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from sigrnn._arrays import Array
from sigrnn._kernels.sizes import BLOCK_STATES, LANES, LONGEST, TRANSITION_WIDTH, transition_columns
from sigrnn._lookup import Kernels, made_before
from sigrnn.filters import _transition

_kernels = Kernels("filters.block_transition")

LEAST = 16  # shortest block: with less than 256 samples a segment costs as much as the plain recurrence
# With at most FEW states, the work done once for each block is cheap, and shorter blocks pay off: 16 of them, as input, tile
# and output, fit a first-level cache (order 1, 65,536 samples: 41 instead of 57 us; order 8: 92 instead of 88).
SHORT, FEW = 128, 4
SEGMENT, SAMPLE = 200, 3  # nanoseconds of a segment beyond those of its samples, and of a sample after the last segment
FAR = 1 << 17  # samples: memory beyond a second-level cache
SCRATCH = (LONGEST + BLOCK_STATES) * LANES  # numbers; filters with many sections add their states

MANY = 32  # filters whose constants NumPy finds, in 2 to 80 ms each, before the kernels for that are compiled (3 s)
_in_numpy = 0  # filters of which it did


class Blocks(NamedTuple):
    """What it takes to cut a channel into segments of LANES blocks, for groups of sections with R states each."""

    length: int  # of a block, L
    states: tuple[int, ...]  # R of each group
    whole: Array  # b, a, and the constants
    constants: (
        Array  # of each group: (A^L)' (R, W), T and its inverse (2, 2, R, W), what a sample adds to the state (L, R)
    )

    @property
    def segment(self) -> int:
        """Samples of a segment."""
        return self.length * LANES

    def group(self, g: int) -> tuple[Array, Array, Array]:
        """The constants of a group as arrays."""
        at = sum(_size(self.length, states) for states in self.states[:g])
        states, width = self.states[g], transition_columns(self.states[g])
        power, basis, inputs = np.split(
            self.constants[at : at + _size(self.length, states)],
            [states * width, 5 * states * width],
        )
        return power.reshape(states, width), basis.reshape(2, 2, states, width), inputs.reshape(self.length, states)


class NormalForm(NamedTuple):
    """Systems in input-normal form, in double-double, one for each group of sections."""

    systems: list[Array]  # (2, R, W): [A B]
    bases: list[Array]  # (2, 2, R, W): T, its inverse

    def blocks(self, length: int, coefficients: Array) -> Blocks:
        """Blocks of this length for a filter with these coefficients (2, S, P + 1)."""
        states, size = tuple(system.shape[1] for system in self.systems), coefficients.size
        whole = np.empty(size + sum(_size(length, n) for n in states))
        whole[:size] = coefficients.reshape(-1)
        found = Blocks(length, states, whole, whole[size:])
        carries = carried(coefficients[1], states)
        for g, (system, basis, carry) in enumerate(zip(self.systems, self.bases, carries, strict=True)):
            power, basis_of_group, inputs = found.group(g)
            basis_of_group[...] = basis
            if _compiled():
                work = np.zeros((3, *system.shape))
                column = np.zeros((2, 2, system.shape[1], TRANSITION_WIDTH))
                _kernels.transition("inputs")(system, inputs, carry, column, work)
                _kernels.transition("power")(system, length, power, work)
            else:
                _transition.inputs(system, inputs, carry)
                _transition.power(system, length, power)
        return found


def carried(a: Array, states: tuple[int, ...]) -> list[float]:
    """Of each group of the sections a (S, P + 1): 1 if its poles are closer to -1 than to 1, so that it rejects offsets, else 0.

    With a pole close to 1 the numbers hardly differ, and without a carry neither do their errors: no more than another gain.
    """
    at_one, at_nyquist = np.abs(a.sum(axis=1)), np.abs(a @ alternating(a.shape[1]))
    ends = np.cumsum(states) // (a.shape[1] - 1)
    groups = [slice(last - n // (a.shape[1] - 1), last) for last, n in zip(ends, states, strict=True)]
    return [1.0 if at_nyquist[group].prod() < at_one[group].prod() else 0.0 for group in groups]


def length_for(samples: int, states: int) -> int:
    """How long blocks are in a signal of this length, for that many states together; 0 if it is too short for them.

    What segments leave over runs sample after sample. The length is chosen to leave little, but not much below the longest.
    """
    if samples < LEAST * LANES:
        return 0
    longest = LONGEST if states > FEW else SHORT
    fewest = -(-samples // (LANES * longest))
    lengths = {samples // (LANES * segments) // 4 * 4 for segments in (fewest, fewest + 1)}
    if fewest > 2:
        lengths |= set(range(longest * 3 // 16 * 4, longest + 1, 4))
    costs = {}
    for length in lengths:
        if (samples > FAR or length > SHORT) and length % 64 == 0:
            continue  # rows a power of two apart share the sets of a cache
        segments = samples // (LANES * length)
        costs[length] = SEGMENT * segments + SAMPLE * (samples - segments * LANES * length)
    return min(costs, key=lambda length: costs[length])


def entered_exactly(a: Array) -> bool:
    """Whether blocks are entered with states whose errors are not above those of the plain recurrence; a (S, P + 1).

    A pole close to -1 is one at 1 from block to block, where the length is even: what rounded constants make of an offset
    is the same in each block and adds up, to 13 times SciPy's error. In a cascade that remembers a million samples, an error
    in a state is a step in the output of its section, and white, where SciPy's errors have the colour of the section: if the
    others reject that and let through what is white, 600 times SciPy's error was seen, and 7 times without such poles.
    """
    signs = alternating(a.shape[1])
    at, slope = (
        a @ signs,
        a @ (signs * np.arange(a.shape[1])),
    )  # of each polynomial in 1/z, at z = -1, for a Newton step
    if (np.abs(at) < 1e-4 * np.abs(slope)).any():
        return False
    if len(a) == 1 or a.shape[1] != 3:
        return True
    half, product = a[:, 1] / 2.0, a[:, 2]
    root = np.sqrt(np.abs(half**2 - product))
    radius = np.where(half**2 < product, np.sqrt(np.abs(product)), np.abs(half) + root)
    return not (radius > 1.0 - 1e-6).any()


def alternating(count: int) -> Array:
    """1, -1, 1, ..."""
    signs: Array = (-1.0) ** np.arange(count)
    return signs


def state_space(b: Array, a: Array) -> Array:
    """[A B] of a cascade b, a (S, P + 1), as (2, R, W) in double-double."""
    states = len(b) * (b.shape[1] - 1)
    system = np.zeros((2, states, transition_columns(states)))
    if _compiled() or not _transition.suited(b, a):
        _kernels.transition("state_space")(b, a, system)
    else:
        _transition.state_space(b, a, system)
    return system


def normal_form(systems: list[Array]) -> NormalForm | None:
    """Systems [A B] in input-normal form; None if one of them is not stable, or has too many states."""
    global _in_numpy
    found, suited = NormalForm([], []), _transition.suited(*systems)
    for system in systems:
        if system.shape[1] > BLOCK_STATES:
            return None
        normal, basis = np.zeros_like(system), np.zeros((2, *system.shape))
        if suited and not _compiled():
            _in_numpy += 1
            stable = _transition.input_normal(system, basis, normal)
        else:
            scratch = np.zeros((4, *system.shape[1:])), np.zeros((2, *system.shape))
            stable = _kernels.transition("basis")(system, basis, normal, *scratch)
        if not stable:
            return None
        found.systems.append(normal)
        found.bases.append(basis)
    return found


def power(system: Array, length: int) -> Array:
    """A^L of a system [A B]."""
    found = np.empty(system.shape[1:])
    if _compiled():
        _kernels.transition("power")(system, length, found, np.zeros((3, *system.shape)))
    else:
        _transition.power(system, length, found)
    return found[:, : len(found)].T


def compile_constants() -> None:
    """Compile what finds the constants, as `sigrnn warmup` does."""
    for name in ("state_space", "basis", "inputs", "power"):
        _kernels.transition(name)
    _at_hand.cache_clear()


def _compiled() -> bool:
    """Whether compiled code finds the constants: it is there already, or enough filters were made for it to pay off."""
    return _in_numpy >= MANY or _at_hand()


@cache
def _at_hand() -> bool:
    return made_before() or bool(_kernels.in_cache())


def _size(length: int, states: int) -> int:
    return states * (5 * transition_columns(states) + length)
