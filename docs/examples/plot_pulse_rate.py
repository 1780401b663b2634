"""
Pulse rate from a filter bank
=============================

Light through a finger varies with the pulse, a hundred times less than with breathing and movement. A bank of narrow
filters, one for each possible rate, shows which one responds.
"""

# %%
# A minute at 50 samples a second: a pulse that rises from 65 to 110 beats a minute, and breathing, drift and noise.

import matplotlib.pyplot as plt
import numpy as np
from scipy import signal

import sigrnn

fs = 50.0
t = np.arange(60 * int(fs)) / fs
rng = np.random.default_rng(0)
rate = 65 + 45 / (1 + np.exp(-(t - 30) / 5))  # beats a minute
phase = 2 * np.pi * np.cumsum(rate) / 60 / fs
pulse = np.sin(phase) + 0.4 * np.sin(2 * phase - 1)
light = (
    pulse
    + 8 * np.sin(2 * np.pi * 0.25 * t)
    + 0.3 * np.cumsum(rng.standard_normal(t.size))
    + rng.standard_normal(t.size)
)

# %%
# One signal, 111 resonances, one call: coefficients have a leading axis, and the signal is broadcast against it.

rates = np.arange(40, 151.0)
designs = [signal.iirpeak(r / 60, 8, fs=fs) for r in rates]
b, a = (np.array(c) for c in zip(*designs, strict=True))
drift_free = sigrnn.sosfiltfilt(signal.butter(4, [0.6, 3], "bandpass", fs=fs, output="sos"), light)
bank = sigrnn.lfilter(b, a, np.broadcast_to(drift_free, (rates.size, t.size)))
power = sigrnn.lfilter([0.01], [1, -0.99], bank**2)
found = rates[power.argmax(axis=0)]

# %%
# The brightest filter follows the rate; it needs some seconds, as narrow filters do.

fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), layout="constrained", sharex=True, height_ratios=(1, 2))
top.plot(t, light, lw=0.8)
top.set(ylabel="light (a.u.)")
bottom.pcolormesh(t[::10], rates, 10 * np.log10(power[:, ::10] + 1e-3), vmin=-25, cmap="magma", rasterized=True)
bottom.plot(t, rate, "w--", label="true rate")
bottom.plot(t[250:], found[250:], color="C9", label="strongest filter")
bottom.set(xlabel="time (s)", ylabel="pulse rate (1/min)")
bottom.legend(loc="upper left", facecolor="0.2", labelcolor="white")
plt.show()
