"""
Active noise control
====================

An engine hums, a reference microphone hears it first, and a loudspeaker plays its opposite. But what the loudspeaker plays
passes through a secondary path before it meets the noise. `FxLMS` filters the reference by an estimate of that path [1]_.
"""

# %%
# The paths from engine and loudspeaker to the ear, at 4 kHz. The estimate of the latter is too short and 20 % wrong.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn
from sigrnn.adaptive import DivergenceError, FxLMS

fs, rng = 4000, np.random.default_rng(0)
t = np.arange(15 * fs) / fs
primary = np.r_[np.zeros(20), rng.standard_normal(40) * np.exp(-np.arange(40) / 8)]
secondary = np.r_[np.zeros(8), rng.standard_normal(24) * np.exp(-np.arange(24) / 6)]
estimate = secondary[:24] * (1 + 0.2 * rng.standard_normal(24))

engine = sum(np.sin(2 * np.pi * f * t) / k for k, f in enumerate((90, 180, 270), 1)) + 0.1 * rng.standard_normal(t.size)
noise = sigrnn.lfilter(primary, [1.0], engine)

# %%
# The loop as it runs in a product: take a block of the reference, play the output of `control`, measure the residual at
# the ear, `adapt`. Only the simulation uses the true path. Without any estimate the weights step the wrong way.


def run(path):
    """Return the sound at the ear until the filter diverges."""
    f = FxLMS(64, 0.0, path)
    f.mu = 0.3 * f.suggest_mu(engine)
    world, heard = sigrnn.Stream(secondary, [1.0]), []
    for start in range(0, t.size, 40):
        heard.append(noise[start : start + 40] - world(f.control(engine[start : start + 40])))
        try:
            f.adapt(heard[-1])
        except DivergenceError:
            break
    return np.concatenate(heard)


with_path, without = run(estimate), run([1.0])
fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), layout="constrained")
top.plot(t, noise, color="0.7", lw=0.5, label="engine alone")
top.plot(t[: without.size], without, color="C3", lw=0.8, label="no path estimate: diverges")
top.plot(t, with_path, color="C0", lw=0.5, label="FxLMS")
top.set(xlabel="time (s)", ylabel="sound pressure (a.u.)", ylim=1.5 * abs(noise).max() * np.array([-1, 1]))
top.legend(loc="lower right", ncols=3)
for x, color in ((noise, "0.7"), (with_path, "C0")):
    bottom.psd(x[-4 * fs :], NFFT=2048, Fs=fs, color=color)
bottom.set(xlim=(0, 600), xlabel="frequency (Hz)", ylabel="power density (dB/Hz)")
plt.show()

# %%
# .. [1] S. J. Elliott, "Signal Processing for Active Control", Academic Press, 2001.
