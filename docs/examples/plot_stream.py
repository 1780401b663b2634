"""
Real-time hum removal in 64 channels
====================================

An amplifier delivers blocks of 64 channels and 10 ms. A notch filter that keeps its state, :class:`sigrnn.Stream`, cleans
each block as it arrives, and follows the hum when its frequency drifts.
"""

# %%
# Two seconds of signals made of noise and a slow wave, different in each channel, and the same hum on all.

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy import signal

import sigrnn

fs, channels, n = 10_000.0, 64, 20_000
rng = np.random.default_rng(0)
t = np.arange(n) / fs
waves = np.sin(2 * np.pi * rng.uniform(3, 9, (channels, 1)) * t + rng.uniform(0, 6, (channels, 1)))
clean = waves + 0.2 * rng.standard_normal((channels, n))
frequency = 50 + 0.5 * t  # drifts by 1 Hz
recorded = clean + 2 * np.sin(2 * np.pi * np.cumsum(frequency) / fs)

# %%
# The coefficients are changed from block to block; the state stays in the stream. In practice the frequency
# would be measured. Here we know it.

stream = sigrnn.Stream(*signal.iirnotch(50, 10, fs=fs))
stream(recorded[:, :100])  # compile before the first block arrives
stream.reset()

cleaned, seconds = [], []
for start in range(0, n, 100):
    start_time = time.perf_counter()
    stream.b, stream.a = signal.iirnotch(frequency[start], 10, fs=fs)
    cleaned.append(stream(recorded[:, start : start + 100]))
    seconds.append(time.perf_counter() - start_time)
cleaned = np.concatenate(cleaned, axis=1)

# %%
# A block lasts 10 ms. How much of that does the filter take?

fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), layout="constrained")
top.plot(t, recorded[0], color="0.7", lw=0.6, label="channel 0 as recorded")
top.plot(t, cleaned[0], color="C0", lw=0.6, label="filtered")
top.set(xlabel="time (s)", ylabel="signal (a.u.)", xlim=(0, 1), ylim=(-4, 6))
top.legend(loc="upper right", ncols=2)
bottom.plot(t[::100], 1e3 * np.array(seconds), ".", ms=3)
bottom.axhline(10, color="C3", lw=1, label="duration of a block")
bottom.set(xlabel="time (s)", ylabel="ms per block", yscale="log")
bottom.legend(loc="center right")
plt.show()
