"""
Harmonics of a custom activation
================================

A custom activation, two functions of one number, in the loop of a filter. Its shape decides which harmonics appear.
"""

# %%
# A soft clipper that is asymmetric like a tube: it saturates earlier above 0. The library compiles it.

import math

import matplotlib.pyplot as plt
import numpy as np

import sigrnn


def tube(e):
    return 0.5 * (1.0 - math.exp(-2.0 * e)) if e > 0 else e / (1.0 - e)


def slope(e):
    return math.exp(-2.0 * e) if e > 0 else 1.0 / (1.0 - e) ** 2


# %%
# The same tone, through a linear filter and through others that differ from it by the activation alone.

fs = 48_000
x = 1.5 * np.sin(2 * np.pi * 500 * np.arange(2 * fs) / fs)
shapes = {"linear": "linear", "tanh": "tanh", "a tube": sigrnn.Activation(tube, slope)}
outputs = {name: sigrnn.nlfilter([0.5], [1.0, -0.5], x, activation=g) for name, g in shapes.items()}

# %%
# The last second of the tone makes harmonics whole lines of its spectrum. tanh is odd, and so are its harmonics.

fig, axes = plt.subplots(3, 2, figsize=(8, 6.5), layout="constrained", sharex="col", width_ratios=(1, 1.6))
for (left, right), (name, y) in zip(axes, outputs.items(), strict=True):
    left.plot(1e3 * np.arange(200) / fs, y[-200:])
    left.set(ylabel=name)
    lines = abs(np.fft.rfft(y[-fs:])) / (fs / 2)
    right.stem(np.arange(1, 13), 20 * np.log10(lines[500:6001:500] + 1e-7), bottom=-140, basefmt=" ")
    right.set(ylim=(-140, 10), ylabel="level (dB)")
axes[-1, 0].set(xlabel="time (ms)")
axes[-1, 1].set(xlabel="harmonic of 500 Hz", xticks=range(1, 13))
plt.show()
