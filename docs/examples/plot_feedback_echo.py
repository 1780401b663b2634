"""
Tape echo: saturation in a feedback loop
========================================

An echo fed back is a filter with one tap far in the past. With a gain of 1 or more it grows without bound. Tape saturates, so
the echo settles into an oscillation. The tape is an activation in the loop.
"""

# %%
# A plucked string every half second, for two seconds, and the echo 150 ms later.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

fs = 8000
t = np.arange(6 * fs) / fs
since = t % 0.5
pluck = np.where(t < 2.0, np.exp(-since / 0.05) * np.sin(2 * np.pi * 330 * since), 0.0)
delay = int(0.15 * fs)


def feedback(gain):
    """Coefficients of an echo: ``y[n] = g(x[n] + gain * y[n - delay])``."""
    a = np.zeros(delay + 1)
    a[0], a[-1] = 1.0, -gain
    return [1.0], a


# %%
# A filter with a thousand coefficients, nearly all of them 0, is still a filter. Below a gain of 1 both decay.

fig, axes = plt.subplots(3, 1, figsize=(8, 7), layout="constrained", sharex=True)
for ax, gain in zip(axes, (0.7, 1.0, 1.2), strict=True):
    linear = sigrnn.lfilter(*feedback(gain), pluck)
    tape = sigrnn.nlfilter(*feedback(gain), pluck, activation="tanh")
    ax.plot(t, np.clip(linear, -4, 4), color="C1", lw=0.5, label="linear")
    ax.plot(t, tape, color="C0", lw=0.5, label="tape")
    ax.set(ylabel=f"amplitude, gain {gain}", ylim=(-4, 4))
axes[0].legend(loc="upper right")
axes[-1].set(xlabel="time (s)")
plt.show()
