"""
Loudspeaker equaliser fitted to a measurement
=============================================

A loudspeaker was measured: its impulse response is known. Three second-order sections in front of it undo its peaks
and dips, and stay stable during the fit.
"""

# %%
# A measurement at 48 kHz: a peak at 180 Hz, a dip at 1200 Hz, another peak at 5 kHz, some smaller ones, and noise.

import matplotlib.pyplot as plt
import numpy as np
from scipy import signal

import sigrnn

fs, n = 48_000.0, 2048


def bell(f, gain, q):
    """A peaking section: gain in dB around f."""
    w, g = 2 * np.pi * f / fs, 10 ** (gain / 40)
    alpha, c = np.sin(w) / (2 * q), -2 * np.cos(w)
    return np.array([1 + alpha * g, c, 1 - alpha * g, 1 + alpha / g, c, 1 - alpha / g]) / (1 + alpha / g)


rng = np.random.default_rng(0)
small = [bell(f, 3 * rng.standard_normal(), 4.0) for f in np.geomspace(400, 15_000, 6)]
speaker = np.array([bell(180, 9, 2.0), bell(1200, -8, 1.5), bell(5000, 7, 2.0), *small])
impulse = np.zeros(n)
impulse[0] = 1.0
measured = sigrnn.sosfilt(speaker, impulse) + 1e-4 * rng.standard_normal(n)

# %%
# The target is an impulse. The sections start as bells of 0 dB, placed by ear.

start = np.array([bell(f, 0.1, 1.0) for f in (200, 1000, 6000)])
equaliser = sigrnn.SOS(sos=start, stable=True)
result = sigrnn.fit(equaliser, measured, impulse, solver="lm", progress=False)
print(result)

# %%
# Magnitude responses, before and after.

fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
frequencies = np.geomspace(40, 20_000, 400)
h = signal.freqz_sos(speaker, frequencies, fs=fs)[1]
g = signal.freqz_sos(equaliser.params["sos"], frequencies, fs=fs)[1]
for value, label in ((h, "loudspeaker"), (g, "equaliser"), (g * h, "both")):
    ax.semilogx(frequencies, 20 * np.log10(abs(value)), label=label)
ax.set(xlabel="frequency (Hz)", ylabel="gain (dB)")
fig.legend(loc="outside upper center", ncols=3)
plt.show()
