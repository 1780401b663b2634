"""Operations of frequency-domain adaptive filters on spectra, between two Fourier transforms.

A filter is split into K partitions of the length of a block; the input of partition k is delayed by k blocks. Shapes,
with C channels and B bins of a transform:
    spectra (C, K, B)   of the input, a ring buffer, the newest in row `newest`      weights (C, K, B)
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.adaptive.numbers import conjugate, square
from sigrnn._kernels.adaptive.sizes import EPS, MU, NORMALISED, SHARE, SMOOTHING
from sigrnn._kernels.base.jit import kernel, once, packed


def _gradients(spectra, newest, samples, error, power, mean, gains, before, p, weights, keep):
    """weights <- keep weights + conj(spectra) error mu / (eps + power) in each bin; keep = 0 gives the step alone.

    power[f] <- max(S, smoothing power[f] + (1 - smoothing) S), where S is the sum of |spectra|^2 over channels and
    partitions. It rises at once, so a burst after silence is not divided by the power of silence. eps may grow by a
    fraction of the mean of S over the blocks so far and of the mean power of a sample, so that bins with rounding
    errors only do not adapt.
    """
    # samples (C, size) of the newest spectrum   error (B,)   power (B,)   mean (B + 1,), the last of a sample
    # gains (B + 1,)   before: number of earlier blocks
    channels, parts, bins = spectra.shape
    for f in range(bins):
        gains[f] = 0.0
    for c in range(channels):
        for k in range(parts):
            for f in range(bins):
                gains[f] += square(spectra[c, k, f])
    energy = 0.0
    for c in range(channels):
        for i in range(samples.shape[1]):
            energy += square(samples[c, i])
    mean[bins] += (energy / samples.shape[1] - mean[bins]) / (before + 1)
    for f in range(bins):
        now = gains[f]
        power[f] = max(now, p[SMOOTHING] * power[f] + (1.0 - p[SMOOTHING]) * now) if before else now
        mean[f] += (now - mean[f]) / (before + 1)
        eps = p[EPS] + p[SHARE] * (mean[f] + mean[bins])
        gains[f] = p[MU] / (eps + power[f]) if p[NORMALISED] else p[MU]
        error[f] = error[f] * gains[f]
    gains[bins] = keep
    kept = gains[bins]  # in the dtype of the arrays
    for c in range(channels):
        for k in range(parts):
            row = newest - k if newest >= k else newest - k + parts
            if keep == 0.0:
                for f in range(bins):
                    weights[c, k, f] = conjugate(spectra[c, row, f]) * error[f]
            else:
                for f in range(bins):
                    weights[c, k, f] = weights[c, k, f] * kept + conjugate(spectra[c, row, f]) * error[f]


def _filtered(spectra, newest, shifted, weights, out):
    """out = sum over channels and partitions of weights times spectra, for the next block.

    For partition 0 the spectrum is `shifted` (C, B): that of the past, with zeros instead of the next block.
    """
    channels, parts, bins = spectra.shape
    for f in range(bins):
        out[f] = 0.0
    for c in range(channels):
        for f in range(bins):
            out[f] += weights[c, 0, f] * shifted[c, f]
        for k in range(1, parts):
            row = newest + 1 - k if newest + 1 >= k else newest + 1 - k + parts
            for f in range(bins):
                out[f] += weights[c, k, f] * spectra[c, row, f]


@once
def gradients(signal: str) -> Any:
    """The compiled step, for signals of this type: 'f', 'd', 'F' or 'D'."""
    real, number = signal.lower(), signal.upper()
    spectra = packed(number, 3), types.intp, packed(signal, 2), packed(number, 1)
    power = packed(real, 1), packed(real, 1), packed(real, 1), types.intp, packed("d", 1)
    return kernel(_gradients, f"gradients_{signal}", *spectra, *power, packed(number, 3), types.float64)


@once
def filtered(dtype: str) -> Any:
    """The compiled products, in the precision of 'f' or 'd'."""
    number = dtype.upper()
    arguments = packed(number, 3), types.intp, packed(number, 2), packed(number, 3), packed(number, 1)
    return kernel(_filtered, f"filtered_{dtype}", *arguments)
