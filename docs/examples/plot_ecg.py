"""
Baseline and hum removal from an ECG
====================================

An electrocardiogram of three seconds, sampled 360 times a second, comes with PyWavelets. We add mains hum and
a drifting baseline, and try to recover the original.
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
# Once forward, as a bedside device must; and forward and backward, as is possible afterwards.

forward = sigrnn.sosfilt(sos, recorded, zi=sigrnn.sosfilt_zi(sos) * recorded[0])[0]
both_ways = sigrnn.sosfiltfilt(sos, recorded, padlen=360)

fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
top.plot(t, recorded, color="0.6", lw=0.8, label="recorded")
top.plot(t, ecg, color="k", lw=1, label="original")
bottom.plot(t, ecg, color="k", lw=1, label="original")
bottom.plot(t, forward, color="C1", lw=1, label="sosfilt")
bottom.plot(t, both_ways, color="C0", lw=1, label="sosfiltfilt")
for axes in (top, bottom):
    axes.set(ylabel="mV", ylim=(-1, 2.5))
    axes.legend(loc="upper center", ncols=3)
bottom.set_xlabel("time (s)")
plt.show()

# %%
# The causal filter bends the line after every beat, because it delays slow components by more than fast ones. A
# physician could mistake that for a symptom. Forward and backward, the delays cancel.

for name, y in [("sosfilt", forward), ("sosfiltfilt", both_ways)]:
    print(f"{name:12} {np.sqrt(np.mean((y - ecg) ** 2)):.3f} mV RMS error")
