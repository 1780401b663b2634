"""
Adaptive removal of mains hum from an ECG
=========================================

A notch removes mains hum from an electrocardiogram, and everything else at 50 Hz. If the hum itself can be measured, at the
socket for example, an adaptive filter estimates its amplitude and phase in the recording and subtracts only that [1]_. The
real electrocardiogram of three seconds comes with PyWavelets.
"""

# %%
# What we can measure: the recording, and the mains, whose level and phase in the recording we do not know. They change
# when the patient moves.

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
from scipy import signal

import sigrnn
from sigrnn.adaptive import NLMS

fs = 360.0
ecg = np.tile(pywt.data.ecg() / 200.0, 4)  # millivolts
ecg = ecg - ecg.mean()
t = np.arange(ecg.size) / fs
mains = np.sin(2 * np.pi * 50 * t)
level = np.where(t < 6, 0.3, 0.6)
recorded = ecg + level * np.sin(2 * np.pi * 50 * t + 1.0)

# %%
# Two weights are enough for amplitude and phase of a sine. The error of the filter is the wanted signal: the
# recording without the part that the mains explain. Small steps keep the heartbeat from disturbing the weights.

r = NLMS(n_taps=2, mu=0.01)(mains, recorded)
b, a = signal.iirnotch(50, 10, fs=fs)
notched = sigrnn.lfilter(b, a, recorded)

fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), layout="constrained")
top.plot(t, recorded, color="0.7", lw=0.8, label="recorded")
top.plot(t, r.e, color="C0", lw=1, label="hum subtracted")
top.set(xlabel="time (s)", ylabel="mV", ylim=(-1, 2.8))
part = t > 8
bottom.plot(t[part], 1000 * (notched - ecg)[part], color="C1", lw=1, label="notch")
bottom.plot(t[part], 1000 * (r.e - ecg)[part], color="C0", lw=1, label="NLMS")
bottom.set(xlabel="time (s)", ylabel="error (µV)")
for axes in (top, bottom):
    axes.legend(loc="upper right", ncols=3)
plt.show()

# %%
# The notch rings after every beat, since beats contain 50 Hz, too. The adaptive filter is a notch as well, one that is as
# narrow as its step is small, and it takes a moment to learn, at the beginning and when the level changes.

late = t > 9
for name, y in (("NLMS", r.e), ("notch", notched)):
    print(f"{name:6} {1000 * np.sqrt(np.mean((y - ecg)[late] ** 2)):.0f} µV RMS error")

# %%
# .. [1] B. Widrow et al., "Adaptive noise cancelling: principles and applications", Proceedings of the IEEE 63(12), 1975.
