"""
Adaptive channel equaliser
==========================

Symbols travel over a channel with echoes, and overlap at the receiver. An equaliser learns the inverse of the
channel from a known preamble, then from its own decisions. Symbols have four phases (QPSK), so all signals are complex.
"""

# %%
# The channel has three paths; noise is 25 dB below the signal.

import matplotlib.pyplot as plt
import numpy as np

from sigrnn.adaptive import NLMS, RLS

rng = np.random.default_rng(1)
symbols = (rng.choice([-1, 1], 4000) + 1j * rng.choice([-1, 1], 4000)) / np.sqrt(2)
channel = np.array([0.4 + 0.1j, 1.0, -0.45 + 0.3j])
noise = 10 ** (-25 / 20) * (rng.standard_normal(4000) + 1j * rng.standard_normal(4000)) / np.sqrt(2)
received = np.convolve(symbols, channel)[:4000] + noise


def decide(y):  # the nearest symbol
    return (np.sign(y.real) + 1j * np.sign(y.imag)) / np.sqrt(2)


# %%
# The strongest path is not the first, so the equaliser estimates the symbol of 6 samples ago. After the preamble it
# works in blocks of 50: the output of the current weights is decided, and the decisions are the new target.

delay, preamble, block, outputs = 6, 500, 50, {}
sent = np.concatenate([np.zeros(delay), symbols[:-delay]])
for name, f in (("NLMS", NLMS(n_taps=15, mu=0.3)), ("RLS", RLS(n_taps=15, forgetting=0.995))):
    y = [f(received[:preamble], sent[:preamble]).y]
    for n in range(preamble, 4000, block):
        guess = f.predict(received[n - 14 : n + block])[14:]
        y.append(f(received[n : n + block], decide(guess)).y)
    outputs[name] = np.concatenate(y)

# %%
# RLS has learned after some 50 symbols, NLMS after 200. Without an equaliser a fifth of the symbols would be wrong.

print(f"without equaliser: {np.mean(decide(received) != np.r_[0, symbols[:-1]]):.1%} of the symbols wrong")
for name, y in outputs.items():
    print(f"{name}: {np.mean(decide(y[preamble:]) != sent[preamble:]):.2%}")

fig = plt.figure(figsize=(8, 6), layout="constrained")
axes = fig.subplot_mosaic([["received", "NLMS", "RLS"], ["learning"] * 3])
for name, y in {"received": received, **outputs}.items():
    axes[name].plot(y[-2000:].real, y[-2000:].imag, ".", ms=2, alpha=0.5)
    axes[name].set(title=name, xlabel="real part", xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
for name, y in outputs.items():
    error = np.convolve(np.abs(y - sent) ** 2, np.ones(25) / 25, "valid")
    axes["learning"].plot(10 * np.log10(error), label=name, lw=1)
axes["learning"].axvline(preamble, color="0.5", ls=":")
axes["learning"].set(xlabel="symbol", ylabel="error (dB)", xlim=(0, 2000))
axes["learning"].legend()
plt.show()
