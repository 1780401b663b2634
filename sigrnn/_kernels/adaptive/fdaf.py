"""What frequency-domain adaptive filters do with spectra between two Fourier transforms.

A filter is cut into K partitions of the length of a block; partition k sees the input of k blocks ago. Shapes, with C channels
and B bins of a transform:
    spectra (C, K, B)   of the input, a ring: the newest in row `newest`      weights (C, K, B)
"""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.adaptive.sizes import EPS, MU, NORMALISED, SHARE, SMOOTHING
from sigrnn._kernels.adaptive.taps import conjugate, square
from sigrnn._kernels.base.jit import kernel, once, packed


def _gradients(spectra, newest, samples, error, power, mean, gains, before, p, weights, keep):
    """weights <- keep weights + conj(spectra) error mu / (eps + power), bin by bin; keep = 0 gives the step alone.

    power[f] <- max(S, smoothing power[f] + (1 - smoothing) S), where S sums |spectra|^2 over channels and partitions: it rises
    at once, so a burst after silence is not divided by the power of silence. eps may grow by a share of the mean of S over
    the blocks so far, and of the mean power of a sample, which keeps bins that hold nothing but rounding from taking steps.
    """
    # samples (C, size) of the newest spectrum   error (B,)   power (B,)   mean (B + 1,), the last of a sample's power
    # gains (B + 1,)   before: blocks before this one
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
    kept = gains[bins]  # of the dtype of the others
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
    """out = sum over channels and partitions of weights spectra, for the block to come.

    Partition 0 meets `shifted` (C, B), the spectrum of the past with zeros in place of that block.
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
    """The step of all spectra, for signals of this type, 'f', 'd', 'F' or 'D'."""
    real, number = signal.lower(), signal.upper()
    spectra = packed(number, 3), types.intp, packed(signal, 2), packed(number, 1)
    power = packed(real, 1), packed(real, 1), packed(real, 1), types.intp, packed("d", 1)
    return kernel(_gradients, f"gradients_{signal}", *spectra, *power, packed(number, 3), types.float64)


@once
def filtered(dtype: str) -> Any:
    """The products of all spectra, in the precision of 'f' or 'd'."""
    number = dtype.upper()
    arguments = packed(number, 3), types.intp, packed(number, 2), packed(number, 3), packed(number, 1)
    return kernel(_filtered, f"filtered_{dtype}", *arguments)
