"""Filters designed by name and run over recordings of any length, block by block: forward, or forward and backward."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sigrnn.filters.linear import lfilter
from sigrnn.filters.steady import sosfilt_zi
from sigrnn.filters.streams import Stream

Samples = npt.NDArray[np.float64]  # (frames, channels)

FAMILIES = ("butter", "cheby1", "cheby2", "ellip", "fir")
KINDS = ("lowpass", "highpass", "bandpass", "bandstop")
HIGHEST = 500  # order that is tried
HALF_POWER = 3.0103  # dB
_DECIBELS = {"ripple": (1.0, ("cheby1", "ellip")), "attenuation": (60.0, ("cheby2", "ellip"))}  # defaults, families


class FilterError(ValueError):
    """A filter that does not exist or cannot be run; the message is one line."""


class Filter(NamedTuple):
    """A designed filter: the sections of an IIR filter, or the taps of an FIR filter."""

    sos: Any  # (S, 6) or None
    taps: Any  # (M + 1,) or None

    @property
    def padding(self) -> int:
        """Samples by which sosfiltfilt and filtfilt extend a signal at either end."""
        if self.sos is None:
            return 3 * len(self.taps)
        # A section of first order has a zero and a pole at the origin: they count for nothing.
        idle = min(np.count_nonzero(self.sos[:, 2] == 0), np.count_nonzero(self.sos[:, 5] == 0))
        return 3 * int(2 * len(self.sos) + 1 - idle)

    @property
    def ringing(self) -> float:
        """Samples in which the response of an IIR filter falls by 60 dB."""
        radius = max(np.abs(np.roots(a)).max(initial=0.0) for a in self.sos[:, 3:])
        return float(np.log(1e-3) / np.log(radius))

    def stream(self, before: Samples) -> Callable[[Samples], Samples]:
        """Return the filter as a stream, in the steady state of constant inputs `before` (channels,).

        It is the plain recurrence: its bits do not depend on how a signal is cut into blocks.
        """
        if self.sos is None:
            return _convolver(self.taps, before)
        return Stream(sos=self.sos, zi=sosfilt_zi(self.sos)[..., np.newaxis] * before, axis=0, method="sequential")


def _convolver(taps: npt.NDArray[np.float64], before: Samples) -> Callable[[Samples], Samples]:
    """Keep the last samples and not the sums they are part of: so each sum has one order, wherever a block ends."""
    past = np.tile(before, (len(taps) - 1, 1))

    def step(block: Samples) -> Samples:
        nonlocal past
        joined = np.concatenate((past, block))
        past = joined[len(block) :]
        filtered: Samples = lfilter(taps, [1.0], joined, axis=0, method="sequential")[len(past) :]
        return filtered

    return step


def design(
    family: str,
    order: int,
    cutoff: Sequence[float],
    rate: float,
    *,
    kind: str | None = None,
    ripple: float | None = None,
    attenuation: float | None = None,
) -> Filter:
    """Design a filter; FilterError if there is none.

    `order` is the number of taps for 'fir', which has a Hamming window. `cutoff` (Hz) is one edge, or two for a band, and `kind`
    is then 'lowpass' or 'bandpass' by default. `ripple` (1 dB by default) and `attenuation` (60 dB) are for the families that
    have them.
    """
    from scipy import signal  # costs most of a second

    kind = kind or ("lowpass" if len(cutoff) == 1 else "bandpass")
    _check_band(kind, cutoff, rate)
    decibels = _decibels(family, ripple, attenuation)
    if family == "fir" and order < 2:
        raise FilterError(f"an FIR filter has 2 taps or more, {order} given")
    edges = cutoff[0] if len(cutoff) == 1 else list(cutoff)
    if family == "fir":
        try:
            return Filter(None, signal.firwin(order, edges, pass_zero=kind, fs=rate))
        except ValueError as error:
            raise FilterError(f"no such filter: {error}") from error
    spoilt = FilterError(f"--{family} {order} with these cut-offs is lost to rounding errors: take a lower order")
    if order > HIGHEST:
        raise spoilt
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of bad coefficients; those that matter are found below
            sos = getattr(signal, family)(order, *decibels, edges, kind, output="sos", fs=rate)
    except ValueError as error:
        raise FilterError(f"no such filter: {error}") from error
    except OverflowError as error:
        raise spoilt from error
    if not _is_sound(sos, cutoff, rate, decibels[0] if decibels else HALF_POWER):
        raise spoilt
    return Filter(sos, None)


def _is_sound(sos: Any, cutoff: Sequence[float], rate: float, at_edges: float) -> bool:
    """Whether a filter does what it was designed to do: stable, right at its edges (dB), and no louder than its input."""
    from scipy import signal

    a1, a2 = sos[:, 4], sos[:, 5]
    if not np.isfinite(sos).all() or (np.abs(a2) >= 1).any() or (np.abs(a1) >= 1 + a2).any():
        return False
    with np.errstate(all="ignore"):
        gain = np.abs(signal.sosfreqz(sos, worN=cutoff, fs=rate)[1])
        x = np.random.default_rng(0).standard_normal(2**14)
        energy = np.sum(signal.sosfilt(sos, x) ** 2)
    right = np.isclose(gain, 10 ** (-at_edges / 20), rtol=0.05, atol=1e-6)
    return bool(right.all() and energy <= 1.001 * np.sum(x**2))


def _check_band(kind: str, cutoff: Sequence[float], rate: float) -> None:
    if kind not in KINDS:
        raise FilterError(f"unknown type of filter '{kind}': choose from {', '.join(KINDS)}")
    wanted = 2 if kind.startswith("band") else 1
    if len(cutoff) != wanted:
        raise FilterError(f"a {kind} filter has {wanted} cut-off{'s' * (wanted - 1)}, {len(cutoff)} given")
    for edge in cutoff:
        if not 0 < edge < rate / 2:
            raise FilterError(f"cut-off {edge:g} Hz is not between 0 and {rate / 2:g} Hz, half the sampling rate")
    if wanted == 2 and cutoff[0] >= cutoff[1]:
        raise FilterError(f"the lower cut-off comes first and differs from the upper: {cutoff[0]:g} {cutoff[1]:g}")


def _decibels(family: str, ripple: float | None, attenuation: float | None) -> list[float]:
    """Return what this family's designer takes between the order and the edges."""
    values = []
    for name, value in (("ripple", ripple), ("attenuation", attenuation)):
        default, families = _DECIBELS[name]
        if family in families:
            values.append(default if value is None else value)
        elif value is not None:
            raise FilterError(f"{name} is a property of {' and '.join(families)}, not of {family}")
    return values


def forward(blocks: Iterable[Samples], filter: Filter) -> Iterator[Samples]:
    """Filter a signal block by block, from rest: together the blocks are the same as the whole filtered at once."""
    stream = None
    for block in blocks:
        stream = stream or filter.stream(np.zeros(block.shape[1]))
        yield stream(block)


def zero_phase(
    blocks: Iterable[Samples], filter: Filter, folder: str | os.PathLike[str] | None = None
) -> Iterator[Samples]:
    """Filter a signal block by block forward and backward, as sosfiltfilt or filtfilt does with the whole.

    The result of the forward pass goes to a nameless temporary file (8 bytes a sample), is filtered there from its end
    to its beginning, and is read a last time. It is a plain file and no memory map because on a full disk writing to a
    file raises an error, and writing to a map kills the process.
    The first block holds more than `filter.padding` frames.
    """
    edge, size, stop, channels, stream = filter.padding, 0, 0, 0, None
    with tempfile.TemporaryFile(dir=folder) as file:
        for block in _extended(blocks, edge):
            stream = stream or filter.stream(block[0])
            _put(file, stop, stream(block))
            size, stop, channels = max(size, len(block)), stop + len(block), block.shape[1]
        if stream is None:
            return  # no block came
        stream = filter.stream(_get(file, stop - 1, stop, channels)[0])
        for end in range(stop, 0, -size):
            start = max(end - size, 0)
            reversed_block = np.ascontiguousarray(_get(file, start, end, channels)[::-1])
            _put(file, start, stream(reversed_block)[::-1])
        for start in range(edge, stop - edge, size):
            yield _get(file, start, min(start + size, stop - edge), channels)


def _extended(blocks: Iterable[Samples], edge: int) -> Iterator[Samples]:
    """Yield the blocks between `edge` samples turned about the first and about the last one (odd extension)."""
    tail = None
    for block in blocks:
        if tail is None:
            if len(block) <= edge:
                raise FilterError(f"zero phase takes more than {edge} samples here, the first block has {len(block)}")
            yield 2.0 * block[0] - block[edge:0:-1]
            tail = block[:0]
        tail = np.concatenate((tail, block))[-(edge + 1) :]
        yield block
    if tail is not None:
        yield 2.0 * tail[-1] - tail[-2::-1]


def _put(file: Any, start: int, block: Samples) -> None:
    file.seek(start * block.shape[1] * 8)
    file.write(np.ascontiguousarray(block))


def _get(file: Any, start: int, stop: int, channels: int) -> Samples:
    block = np.empty((stop - start, channels))
    file.seek(start * channels * 8)
    file.readinto(block)
    return block
