"""
Guitar pedal modelled by an LSTM
================================

Two diodes limit the voltage of a capacitor: the heart of many distortion pedals, and a stiff differential equation. An
LSTM of 16 units learns from a minute of input and output, and then runs in real time, in blocks of 64.
"""

import io
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.io import wavfile

import sigrnn

fs, seconds, epochs = (48_000, 60, 60) if globals().get("FULL") else (48_000, 6, 12)  # the gallery uses less data


# The circuit, in units of the diodes' voltage V: v' = (u - v - p sinh v) / RC, by the trapezoidal rule and Newton's method,
# at 4 * 48 kHz. It forgets fast: quarters of a second overlap by a hundredth, and are solved side by side.
def clipper(u, V=0.0453, RC=2.2e-5, p=2.45e-4, lead=4 * 480):
    fine = np.interp(np.arange(-lead, 4 * len(u)) / 4, np.arange(len(u)), u / V, left=0.0)
    rows = np.lib.stride_tricks.sliding_window_view(fine, lead + fs)[::fs].T
    h, v, slope, out = 0.5 / (4 * fs * RC), 0.0, 0.0, []
    for u_n in rows:
        known = v + h * slope
        for _ in range(8):
            slope = u_n - v - p * np.sinh(v)
            v = v - np.clip((v - known - h * slope) / (1 + h * (1 + p * np.cosh(v))), -1, 1)
        out.append(V * v)
    return np.array(out)[lead::4].T.ravel()


# %%
# The input: plucked strings of any pitch and strength, and some noise. Both channels are stored in a sound file.

rng, t, k = np.random.default_rng(0), np.arange(fs) / fs, np.arange(1, 9)[:, None]
u = 0.02 * rng.standard_normal(seconds * fs)
for start in range(0, len(u) - fs + 1, fs // 5):
    harmonics = np.sin(2 * np.pi * 80 * 2 ** rng.uniform(0, 4) * k * t) * np.exp(-k * t / 0.3)
    u[start : start + fs] += rng.uniform(0.2, 3.0) * np.sum(rng.uniform(0, 1, (8, 1)) / k * harmonics, axis=0)
wavfile.write(file := io.BytesIO(), fs, np.stack([u, clipper(u)], axis=1).astype("float32"))

# %%
# Pieces of half a second: four sixths to learn from, a sixth for validation, a sixth for the test.

x, t = (np.split(a.reshape(-1, fs // 2, 1), [seconds // 3 * 4, seconds // 3 * 5]) for a in wavfile.read(file)[1].T)
model = sigrnn.Chain(sigrnn.LSTM(16, dtype="float32"), sigrnn.Dense(1, dtype="float32"))
result = sigrnn.fit(model, x[0], t[0], validation=(x[1], t[1]), loss="esr", solver="adam", max_iter=epochs,
                    batch=16, tbptt=1024, warmup=48, progress=False)  # fmt: skip
stream, test, began = model.stream(), x[2].ravel(), time.perf_counter()
y = np.concatenate([stream(block) for block in np.split(test, range(64, len(test), 64))])
factor = len(test) / fs / (time.perf_counter() - began)
esr = np.sum((y - t[2].ravel()) ** 2) / np.sum(t[2] ** 2)
print(f"{result}\ntest: error-to-signal ratio {esr:.5f}; blocks of 64 at {factor:.0f} times real time")
result.plot()
plt.show()
