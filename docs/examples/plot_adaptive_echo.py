"""
Acoustic echo cancellation
==========================

A loudspeaker plays the far end's speech, the room answers with hundreds of milliseconds of echoes, and the microphone
sends them back. An adaptive filter as long as the room's response learns the echo and subtracts it.
"""

# %%
# A room: 4096 taps at 16 kHz, a quarter of a second of noise that decays by 60 dB. It changes after 10 s.
# The speech is noise, coloured and gated like speech; the microphone adds noise of its own.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn
from sigrnn.adaptive import FDAF, PBFDAF

fs, taps = 16000, 4096
rng = np.random.default_rng(0)
t = np.arange(20 * fs) / fs
decay = 10 ** (-3 * np.arange(taps) / taps)
rooms = [decay * rng.standard_normal(taps) * 0.1 for _ in range(2)]
rooms[1] = rooms[0] + 0.3 * rooms[1]

syllables = np.repeat(rng.uniform(0.0, 1.0, 200) ** 2, fs // 10)
speech = syllables * sigrnn.lfilter([1.0], [1.0, -0.9], rng.standard_normal(t.size))
echo = np.where(t < 10, sigrnn.lfilter(rooms[0], [1.0], speech), sigrnn.lfilter(rooms[1], [1.0], speech))
microphone = echo + 1e-3 * rng.standard_normal(t.size)

# %%
# `FDAF` takes a step every 4096 samples, the length of the filter; `PBFDAF` cuts the filter into partitions and takes
# one every 512. Neither delays the microphone.

errors = {
    "FDAF": FDAF(taps, mu=0.5)(speech, microphone).e,
    "PBFDAF, blocks of 512": PBFDAF(taps, mu=0.5, block=512)(speech, microphone).e,
}

# %%
# How much of the echo is gone, in blocks of 100 ms: the echo return loss enhancement.


def power(x):
    return np.mean(x.reshape(-1, fs // 10) ** 2, axis=1)


fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
top.plot(t[::20], microphone[::20], color="0.6", lw=0.5, label="microphone")
top.plot(t[::20], errors["PBFDAF, blocks of 512"][::20], color="C1", lw=0.5, label="after cancellation")
top.set(ylim=(-12, 17), ylabel="amplitude")
top.legend(loc="upper right", ncols=2)
for name, e in errors.items():
    bottom.plot(t[:: fs // 10], 10 * np.log10(power(echo) / power(e - (microphone - echo))), label=name)
bottom.set(xlabel="time (s)", ylabel="echo reduction (dB)")
bottom.legend(loc="lower right")
plt.show()
