"""
A net learns a guitar pedal
===========================

Two diodes limit the voltage of a capacitor: the heart of many distortion pedals, and a stiff differential equation. An
LSTM of 16 units hears a minute of what goes in and comes out, and then does the same in real time, in blocks of 64.
"""

# %%
# The circuit, by the trapezoidal rule and Newton's method. It forgets within milliseconds, so a long signal is cut into
# stretches that overlap a little and are solved side by side.

import tempfile
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.io import wavfile

import sigrnn

FULL = globals().get("FULL", False)  # the gallery makes do with a small part of it
fs, seconds = 48_000, 60 if FULL else 6
R, C, I_s, V = 2200.0, 1e-8, 2.52e-9, 0.0453


def slope(v, u):
    return (u - v) / (R * C) - 2 * I_s / C * np.sinh(v / V)


def clipper(u, oversampling=4, lead=480):
    stretch = fs // 4
    rows = np.stack([np.r_[np.zeros(lead), u][k : k + lead + stretch] for k in range(0, len(u), stretch)], axis=1)
    h = 1.0 / (fs * oversampling)
    v, out = np.zeros(rows.shape[1]), np.zeros_like(rows)
    for n in range(1, len(rows)):
        for k in range(oversampling):
            before, now = (rows[n - 1] + (rows[n] - rows[n - 1]) * (k + i) / oversampling for i in (0, 1))
            known, new = v + 0.5 * h * slope(v, before), v.copy()
            for _ in range(8):
                error = new - known - 0.5 * h * slope(new, now)
                new -= np.clip(error / (1 + 0.5 * h * (1 / (R * C) + 2 * I_s / (C * V) * np.cosh(new / V))), -V, V)
            v = new
        out[n] = v
    return out[lead:].T.ravel()


# %%
# What is played: plucked strings of any pitch and strength, and some noise.

rng = np.random.default_rng(0)
n = np.arange(fs)
u = np.zeros(seconds * fs + fs)
for start in range(0, seconds * fs, fs // 5):
    f, k = 80 * 2 ** rng.uniform(0, 4), np.arange(1, 9)[:, None]
    pluck = np.sum(
        rng.uniform(0, 1, (8, 1)) / k * np.sin(2 * np.pi * k * f * n / fs) * np.exp(-k * n / (0.3 * fs)), axis=0
    )
    u[start : start + fs] += rng.uniform(0.2, 3.0) * pluck
u = u[: seconds * fs] + 0.02 * rng.standard_normal(seconds * fs)

with tempfile.TemporaryDirectory() as folder:  # as a sound card would have it: both channels in a file, 32-bit floats
    wavfile.write(f"{folder}/pedal.wav", fs, np.stack([u, clipper(u)], axis=1).astype("float32"))
    u, target = wavfile.read(f"{folder}/pedal.wav")[1].T

# %%
# The last sixth is for the test, the one before for validation. The net trains on pieces of half a second; the first
# thousandth part of a second of each does not count.

x, t = (a.reshape(-1, fs // 2, 1) for a in (u, target))
part, began = len(x) // 6, time.perf_counter()
model = sigrnn.Chain(sigrnn.LSTM(16, dtype="float32"), sigrnn.Dense(1, dtype="float32"))
result = sigrnn.fit(
    model, x[: -2 * part], t[: -2 * part], validation=(x[-2 * part : -part], t[-2 * part : -part]), loss="esr",
    solver="adam", batch=16, tbptt=1024, warmup=48, max_iter=60 if FULL else 12, progress=False,
)  # fmt: skip
trained = time.perf_counter() - began
stream, test = model.stream(), u[-len(u) // 6 :].copy()
start = time.perf_counter()
y = np.concatenate([stream(block) for block in np.split(test, range(64, len(test), 64))])
factor = len(test) / fs / (time.perf_counter() - start)
esr = np.sum((y - target[-len(y) :]) ** 2) / np.sum(target[-len(y) :] ** 2)
print(f"{result}\ntest: error-to-signal ratio {esr:.5f}; blocks of 64 at {factor:.0f} times real time")
result.plot()
plt.show()
