"""
Programs that call SciPy
========================

Two programs that call ``scipy.signal`` and do not import sigrnn: one cleans an EEG and cuts it into frequency bands, the
other prepares a seismogram. `sigrnn.patch_scipy` puts sigrnn's functions in SciPy's place, and `sigrnn.report` counts the
calls.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import signal

import sigrnn

rng = np.random.default_rng(0)


def eeg_bands(x, fs=250):
    """Band power of each channel: drift and mains hum removed, then four bands, zero phase."""
    x = signal.sosfiltfilt(signal.butter(4, [0.5, 45], "band", fs=fs, output="sos"), x)
    x = signal.filtfilt(*signal.iirnotch(50, 30, fs=fs), x)
    bands = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30)}
    cut = {
        name: signal.sosfiltfilt(signal.butter(3, band, "band", fs=fs, output="sos"), x) for name, band in bands.items()
    }
    return {name: np.mean(part**2) for name, part in cut.items()}


def seismogram(x, fs=200):
    """Decimated to 50 Hz, and band-passed to 0.5 to 5 Hz, causal as for the arrival of a wave."""
    x = signal.decimate(x - x.mean(), 4)
    return signal.sosfilt(signal.butter(4, [0.5, 5], "band", fs=fs / 4, output="sos"), x)


eeg = rng.standard_normal((32, 15_000)).cumsum(axis=1) + 20 * np.sin(2 * np.pi * 10 / 250 * np.arange(15_000))
ground = signal.lfilter([1.0], [1.0, -1.9, 0.95], rng.standard_normal((3, 240_000)))

# %%
# The results are the same to rounding.

plain = eeg_bands(eeg), seismogram(ground)
with sigrnn.patch_scipy():  # first calls compile, and are not counted
    eeg_bands(eeg), seismogram(ground)
with sigrnn.patch_scipy(), sigrnn.report() as report:
    bands, filtered = eeg_bands(eeg), seismogram(ground)
print(report)
assert all(np.isclose(bands[name], power) for name, power in plain[0].items())
assert np.allclose(filtered, plain[1], atol=1e-9 * np.abs(plain[1]).max())

# %%
# Seconds by function, and what served each: blocks of time for the seismogram, channels side by side for the EEG.

ax = report.plot()
ax.set_title("Calls of SciPy that sigrnn served")
plt.show()
