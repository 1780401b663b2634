"""
How does a filter leave the heartbeat where it is?
==================================================

An electrocardiogram of three seconds, sampled 360 times a second, comes with PyWavelets. We add what recordings suffer
from, mains hum and a drifting baseline, and try to get the original back.
"""

# %%
# The hum is narrow, the drift is slow: a notch at 50 Hz, and a high-pass at 0.5 Hz, written as second-order sections.

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
from scipy import signal

import sigrnn

fs = 360.0
ecg = pywt.data.ecg() / 200.0  # millivolts
ecg = ecg - ecg.mean()
t = np.arange(ecg.size) / fs
recorded = ecg + 0.25 * np.sin(2 * np.pi * 50 * t) + 0.4 * np.cos(2 * np.pi * 0.15 * t + 0.5)

notch = signal.tf2sos(*signal.iirnotch(50, 4, fs=fs))
high_pass = signal.butter(2, 0.5, btype="highpass", fs=fs, output="sos")
sos = np.concatenate([notch, high_pass])

# %%
# Once forward, as a device at the bedside has to do it; and forward and backward, as one may afterwards.

forward = sigrnn.sosfilt(sos, recorded, zi=sigrnn.sosfilt_zi(sos) * recorded[0])[0]
both_ways = sigrnn.sosfiltfilt(sos, recorded, padlen=360)

fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
top.plot(t, recorded, color="0.6", lw=0.8, label="recorded")
top.plot(t, ecg, color="k", lw=1, label="the heart")
bottom.plot(t, ecg, color="k", lw=1, label="the heart")
bottom.plot(t, forward, color="C1", lw=1, label="sosfilt")
bottom.plot(t, both_ways, color="C0", lw=1, label="sosfiltfilt")
for axes in (top, bottom):
    axes.set(ylabel="mV", ylim=(-1, 2.5))
    axes.legend(loc="upper center", ncols=3)
bottom.set_xlabel("time in s")
plt.show()

# %%
# The causal filter bends the line after every beat, because it delays slow components by more than fast ones. A
# physician could read an illness into that. Forward and backward, the delays cancel.

for name, y in [("sosfilt", forward), ("sosfiltfilt", both_ways)]:
    print(f"{name:12} {np.sqrt(np.mean((y - ecg) ** 2)):.3f} mV off, root mean square")
