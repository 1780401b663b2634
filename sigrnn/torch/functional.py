"""The filters of `torchaudio.functional`: its names, arguments, defaults and numbers, on PyTorch's CPU tensors, with autograd.

Coefficients of two-pole filters are those of R. Bristow-Johnson's cookbook [1]_ and, where it has none, of SoX.

.. [1] R. Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients", W3C Working Group Note 2021,
   https://www.w3.org/TR/audio-eq-cookbook/.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sigrnn.torch import functions

__all__ = [
    "allpass_biquad",
    "band_biquad",
    "bandpass_biquad",
    "bandreject_biquad",
    "bass_biquad",
    "biquad",
    "deemph_biquad",
    "equalizer_biquad",
    "filtfilt",
    "highpass_biquad",
    "lfilter",
    "lowpass_biquad",
    "riaa_biquad",
    "treble_biquad",
]

Number = Any  # float or Tensor
DEEMPHASIS = {
    44_100: (5283.0, 0.4845, -9.477),
    48_000: (5356.0, 0.479, -9.62),
}  # frequency (Hz), slope, gain (dB) of a shelf
RIAA = {  # zeros, poles
    44_100: ((-0.2014898, 0.9233820), (0.7083149, 0.9924091)),
    48_000: ((-0.1766069, 0.9321590), (0.7396325, 0.9931330)),
    88_200: ((-0.1168735, 0.9648312), (0.8590646, 0.9964002)),
    96_000: ((-0.1141486, 0.9676817), (0.8699137, 0.9966946)),
}


def lfilter(waveform: Tensor, a_coeffs: Tensor, b_coeffs: Tensor, clamp: bool = True, batching: bool = True) -> Tensor:
    """
    Filter a waveform, as `torchaudio.functional.lfilter`: `a_coeffs` come first, and results are clamped.

    Parameters
    ----------
    waveform : Tensor, shape (..., time)
        Any number of channels and batches.
    a_coeffs : Tensor, shape (P + 1,) or (filters, P + 1)
        Denominator, the lowest delay first.
    b_coeffs : Tensor
        Numerator, of the same shape.
    clamp : bool, default True
        Whether the result is limited to [-1, 1]; where it is, gradients are 0.
    batching : bool, default True
        For several filters: whether each has its channel, ``waveform[..., i, :]``. If False each filters all of the
        waveform.

    Returns
    -------
    Tensor, shape (..., time) or (..., filters, time)
        The filtered waveform.

    Raises
    ------
    ValueError
        If the coefficients have different shapes, more than two axes, or not as many rows as the waveform has channels.

    See Also
    --------
    sigrnn.torch.lfilter : SciPy's arguments: initial states, any axis, no limit.

    Examples
    --------
    >>> import torch
    >>> from sigrnn.torch import functional as F
    >>> F.lfilter(torch.tensor([0.5, 0.0, 0.0, 2.0]), torch.tensor([1.0, -0.5]), torch.tensor([1.0, 0.0]))
    tensor([0.5000, 0.2500, 0.1250, 1.0000])
    """
    if a_coeffs.shape != b_coeffs.shape:
        raise ValueError(
            f"a_coeffs and b_coeffs must have the same shape, got {tuple(a_coeffs.shape)} and {tuple(b_coeffs.shape)}"
        )
    if not 1 <= a_coeffs.ndim <= 2:
        raise ValueError(f"a_coeffs and b_coeffs must have one axis or two, got shape {tuple(a_coeffs.shape)}")
    if a_coeffs.ndim == 2:
        if not batching:
            waveform = waveform.unsqueeze(-2).expand(*waveform.shape[:-1], len(a_coeffs), waveform.shape[-1])
        elif waveform.ndim < 2 or waveform.shape[-2] != len(a_coeffs):
            raise ValueError(
                f"waveform must have shape (..., {len(a_coeffs)}, time), a channel for each filter, "
                f"got {tuple(waveform.shape)}"
            )
    y: Tensor = functions.lfilter(b_coeffs, a_coeffs, waveform)
    return y.clamp(-1.0, 1.0) if clamp else y


def filtfilt(waveform: Tensor, a_coeffs: Tensor, b_coeffs: Tensor, clamp: bool = True) -> Tensor:
    """
    Filter a waveform forward and backward, as `torchaudio.functional.filtfilt`.

    Both passes start at rest: the ends differ from those of `sigrnn.torch.filtfilt` and SciPy, which continue the signal.

    Parameters
    ----------
    waveform : Tensor, shape (..., time)
        Any number of channels and batches.
    a_coeffs : Tensor, shape (P + 1,) or (filters, P + 1)
        Denominator; several filters have a channel each.
    b_coeffs : Tensor
        Numerator, of the same shape.
    clamp : bool, default True
        Whether the result is limited to [-1, 1].

    Returns
    -------
    Tensor, shape (..., time)
        The filtered waveform.
    """
    there = lfilter(waveform, a_coeffs, b_coeffs, clamp=False)
    back: Tensor = functions.lfilter(b_coeffs, a_coeffs, there, direction="backward")
    return back.clamp(-1.0, 1.0) if clamp else back


def biquad(waveform: Tensor, b0: Number, b1: Number, b2: Number, a0: Number, a1: Number, a2: Number) -> Tensor:
    """
    Filter a waveform with two poles and two zeros, limited to [-1, 1], as `torchaudio.functional.biquad`.

    Parameters
    ----------
    waveform : Tensor, shape (..., time)
        Any number of channels and batches.
    b0, b1, b2 : float or Tensor
        Numerator: of x[n], x[n-1], x[n-2].
    a0, a1, a2 : float or Tensor
        Denominator: of y[n], y[n-1], y[n-2].

    Returns
    -------
    Tensor, shape (..., time)
        The filtered waveform.
    """
    b, a = (torch.stack([_like(waveform, c).reshape(()) for c in row]) for row in ((b0, b1, b2), (a0, a1, a2)))
    return lfilter(waveform, a, b)


class _Corner(NamedTuple):
    """What the cookbook's formulas are made of."""

    cos: Tensor  # of w0
    sin: Tensor
    alpha: Tensor  # half the bandwidth

    @classmethod
    def of(cls, waveform: Tensor, rate: float, frequency: Number, q: Number) -> _Corner:
        w0 = 2.0 * math.pi * _like(waveform, frequency) / rate
        sin = torch.sin(w0)
        return cls(torch.cos(w0), sin, sin / (2.0 * _like(waveform, q)))

    def filter(self, waveform: Tensor, b0: Number, b1: Number, b2: Number) -> Tensor:
        """A numerator over the denominator that most filters share."""
        return biquad(waveform, b0, b1, b2, 1.0 + self.alpha, -2.0 * self.cos, 1.0 - self.alpha)


def _like(waveform: Tensor, value: Number) -> Tensor:
    return torch.as_tensor(value, dtype=waveform.dtype, device=waveform.device)


def _gain(waveform: Tensor, gain: Number) -> Tensor:
    """The cookbook's A, from decibels."""
    return torch.exp(_like(waveform, gain) * (math.log(10.0) / 40.0))


def lowpass_biquad(waveform: Tensor, sample_rate: int, cutoff_freq: Number, Q: Number = 0.707) -> Tensor:
    """
    Low-pass with two poles, as `torchaudio.functional.lowpass_biquad`.

    Parameters
    ----------
    waveform : Tensor, shape (..., time)
        Any number of channels and batches.
    sample_rate : int
        In Hz.
    cutoff_freq : float or Tensor
        In Hz.
    Q : float or Tensor, default 0.707
        Quality factor.

    Returns
    -------
    Tensor, shape (..., time)
        The filtered waveform, limited to [-1, 1].
    """
    corner = _Corner.of(waveform, sample_rate, cutoff_freq, Q)
    half = (1.0 - corner.cos) / 2.0
    return corner.filter(waveform, half, 2.0 * half, half)


def highpass_biquad(waveform: Tensor, sample_rate: int, cutoff_freq: Number, Q: Number = 0.707) -> Tensor:
    """
    High-pass with two poles, as `torchaudio.functional.highpass_biquad`.

    Parameters
    ----------
    waveform, sample_rate
        As in `lowpass_biquad`.
    cutoff_freq : float or Tensor
        In Hz.
    Q : float or Tensor, default 0.707
        Quality factor.
    """
    corner = _Corner.of(waveform, sample_rate, cutoff_freq, Q)
    half = (1.0 + corner.cos) / 2.0
    return corner.filter(waveform, half, -2.0 * half, half)


def allpass_biquad(waveform: Tensor, sample_rate: int, central_freq: Number, Q: Number = 0.707) -> Tensor:
    """
    All-pass with two poles, as `torchaudio.functional.allpass_biquad`.

    Parameters
    ----------
    waveform, sample_rate
        As in `lowpass_biquad`.
    central_freq : float or Tensor
        In Hz: where the phase is turned by 180 degrees.
    Q : float or Tensor, default 0.707
        Quality factor.
    """
    corner = _Corner.of(waveform, sample_rate, central_freq, Q)
    return corner.filter(waveform, 1.0 - corner.alpha, -2.0 * corner.cos, 1.0 + corner.alpha)


def bandpass_biquad(
    waveform: Tensor, sample_rate: int, central_freq: Number, Q: Number = 0.707, const_skirt_gain: bool = False
) -> Tensor:
    """
    Band-pass with two poles, as `torchaudio.functional.bandpass_biquad`.

    Parameters
    ----------
    waveform, sample_rate
        As in `lowpass_biquad`.
    central_freq : float or Tensor
        In Hz.
    Q : float or Tensor, default 0.707
        Quality factor.
    const_skirt_gain : bool, default False
        Whether the gain at `central_freq` is `Q`, that of the skirts being the same for any `Q`; else it is 1.
    """
    corner = _Corner.of(waveform, sample_rate, central_freq, Q)
    peak = corner.sin / 2.0 if const_skirt_gain else corner.alpha
    return corner.filter(waveform, peak, 0.0, -peak)


def bandreject_biquad(waveform: Tensor, sample_rate: int, central_freq: Number, Q: Number = 0.707) -> Tensor:
    """
    Notch with two poles, as `torchaudio.functional.bandreject_biquad`.

    Parameters
    ----------
    waveform, sample_rate
        As in `lowpass_biquad`.
    central_freq : float or Tensor
        In Hz: what does not pass.
    Q : float or Tensor, default 0.707
        Quality factor.
    """
    corner = _Corner.of(waveform, sample_rate, central_freq, Q)
    return corner.filter(waveform, 1.0, -2.0 * corner.cos, 1.0)


def equalizer_biquad(
    waveform: Tensor, sample_rate: int, center_freq: Number, gain: Number, Q: Number = 0.707
) -> Tensor:
    """
    Peaking equaliser with two poles, as `torchaudio.functional.equalizer_biquad`.

    Parameters
    ----------
    waveform, sample_rate
        As in `lowpass_biquad`.
    center_freq : float or Tensor
        In Hz.
    gain : float or Tensor
        At that frequency, in dB.
    Q : float or Tensor, default 0.707
        Quality factor.
    """
    corner, amplitude = _Corner.of(waveform, sample_rate, center_freq, Q), _gain(waveform, gain)
    up, down, middle = corner.alpha * amplitude, corner.alpha / amplitude, -2.0 * corner.cos
    return biquad(waveform, 1.0 + up, middle, 1.0 - up, 1.0 + down, middle, 1.0 - down)


def _shelf(waveform: Tensor, amplitude: Tensor, cos: Tensor, alpha: Tensor, sign: float) -> Tensor:
    """A shelf at low (sign 1) or high (sign -1) frequencies: the one is the other with the frequency axis reversed."""
    more, less, slope = amplitude + 1.0, amplitude - 1.0, 2.0 * torch.sqrt(amplitude) * alpha
    tilt, bend = sign * less * cos, sign * more * cos
    return biquad(
        waveform,
        amplitude * (more - tilt + slope),
        2.0 * sign * amplitude * (less - bend),
        amplitude * (more - tilt - slope),
        more + tilt + slope,
        -2.0 * sign * (less + bend),
        more + tilt - slope,
    )


def bass_biquad(
    waveform: Tensor, sample_rate: int, gain: Number, central_freq: Number = 100, Q: Number = 0.707
) -> Tensor:
    """
    Bass control: a shelf at low frequencies, as `torchaudio.functional.bass_biquad`.

    Parameters
    ----------
    waveform, sample_rate
        As in `lowpass_biquad`.
    gain : float or Tensor
        Of the shelf, in dB.
    central_freq : float or Tensor, default 100
        Where half of it is reached, in Hz.
    Q : float or Tensor, default 0.707
        Quality factor.
    """
    corner = _Corner.of(waveform, sample_rate, central_freq, Q)
    return _shelf(waveform, _gain(waveform, gain), corner.cos, corner.alpha, 1.0)


def treble_biquad(
    waveform: Tensor, sample_rate: int, gain: Number, central_freq: Number = 3000, Q: Number = 0.707
) -> Tensor:
    """
    Treble control: a shelf at high frequencies, as `torchaudio.functional.treble_biquad`.

    Parameters
    ----------
    waveform, sample_rate
        As in `lowpass_biquad`.
    gain : float or Tensor
        Of the shelf, in dB.
    central_freq : float or Tensor, default 3000
        Where half of it is reached, in Hz.
    Q : float or Tensor, default 0.707
        Quality factor.
    """
    corner = _Corner.of(waveform, sample_rate, central_freq, Q)
    return _shelf(waveform, _gain(waveform, gain), corner.cos, corner.alpha, -1.0)


def band_biquad(
    waveform: Tensor, sample_rate: int, central_freq: Number, Q: Number = 0.707, noise: bool = False
) -> Tensor:
    """
    Resonator with two poles and no zeros, as `torchaudio.functional.band_biquad` and SoX's `band`.

    Parameters
    ----------
    waveform, sample_rate
        As in `lowpass_biquad`.
    central_freq : float or Tensor
        In Hz.
    Q : float or Tensor, default 0.707
        Quality factor: `central_freq` over the bandwidth.
    noise : bool, default False
        Whether noise keeps its power, for percussion; else a tone at `central_freq` keeps its.
    """
    frequency = _like(waveform, central_freq)
    turn = 2.0 * math.pi / sample_rate
    a2 = torch.exp(-turn * frequency / _like(waveform, Q))
    a1 = -4.0 * a2 / (1.0 + a2) * torch.cos(turn * frequency)
    if noise:
        b0 = torch.sqrt(((1.0 + a2) ** 2 - a1**2) * (1.0 - a2) / (1.0 + a2))
    else:
        b0 = torch.sqrt(1.0 - a1**2 / (4.0 * a2)) * (1.0 - a2)
    return biquad(waveform, b0, 0.0, 0.0, 1.0, a1, a2)


def deemph_biquad(waveform: Tensor, sample_rate: int) -> Tensor:
    """
    De-emphasis of a compact disc (ISO 908), as `torchaudio.functional.deemph_biquad`.

    Parameters
    ----------
    waveform : Tensor
        As in `lowpass_biquad`.
    sample_rate : int
        44100 or 48000 Hz.

    Raises
    ------
    ValueError
        If there is no such filter for this rate.
    """
    if sample_rate not in DEEMPHASIS:
        raise ValueError(f"sample_rate must be 44100 (compact disc) or 48000 (DAT), got {sample_rate}")
    frequency, slope, gain = DEEMPHASIS[sample_rate]
    w0, amplitude = 2.0 * math.pi * frequency / sample_rate, math.exp(gain * math.log(10.0) / 40.0)
    alpha = math.sin(w0) / 2.0 * math.sqrt((amplitude + 1.0 / amplitude) * (1.0 / slope - 1.0) + 2.0)
    amplitude, cos, alpha = (torch.tensor(c, dtype=torch.float64) for c in (amplitude, math.cos(w0), alpha))
    return _shelf(waveform, amplitude, cos, alpha, -1.0)


def riaa_biquad(waveform: Tensor, sample_rate: int) -> Tensor:
    """
    Equalisation of a gramophone record (RIAA), 0 dB at 1 kHz, as `torchaudio.functional.riaa_biquad`.

    Parameters
    ----------
    waveform : Tensor
        As in `lowpass_biquad`.
    sample_rate : int
        44100, 48000, 88200 or 96000 Hz.

    Raises
    ------
    ValueError
        If there is no such filter for this rate.
    """
    if sample_rate not in RIAA:
        raise ValueError(f"sample_rate must be one of {', '.join(map(str, RIAA))}, got {sample_rate}")
    b, a = (np.poly(roots) for roots in RIAA[sample_rate])
    unit = np.exp(2j * np.pi * 1000.0 / sample_rate)
    b *= abs(np.polyval(a, unit) / np.polyval(b, unit))
    return biquad(waveform, *b.tolist(), *a.tolist())
