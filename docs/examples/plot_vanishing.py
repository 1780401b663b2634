"""
Gradient flow in RNN, GRU and LSTM
==================================

The first number of a sequence must be recalled after the last step; all others are noise. A network can learn that
only if the gradient of its error reaches the first step: :func:`sigrnn.gradient_flow` measures how far it reaches.
"""

# %%
# Four networks of 32 units before training: two plain ones whose weights are small or large, a GRU and an LSTM. The gates z
# and f have a bias of 5, so that units keep 99 % of their state from step to step.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(1)
units, steps = 32, 100
x = 0.1 * rng.uniform(-1, 1, (64, steps, 1))
x[:, 0] *= 10


def layer(size, biases):
    w_hh = rng.standard_normal((len(biases) * units, units)) * size / np.sqrt(units)
    return [rng.uniform(-1, 1, (len(w_hh), 1)), w_hh, np.repeat(biases, units)]


nets = {
    "RNN, small weights": (sigrnn.rnn, layer(0.7, [0.0])),
    "RNN, large weights": (sigrnn.rnn, layer(2.0, [0.0])),
    "GRU": (sigrnn.gru, layer(0.4, [0.0, 5.0, 0.0])),  # r z n
    "LSTM": (sigrnn.lstm, layer(0.4, [-4.0, 5.0, 0.0, 0.0])),  # i f g o
}

# %%
# Left: the gradient of one output by what goes into all units k steps before. Right: the gradient of the error of the
# task by each number of the sequence. A network has to learn from that of the first.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for style, (name, (function, weights)) in zip(["-", "-", "-", "--"], nets.items(), strict=True):
    flow = sigrnn.gradient_flow(function, x[:8], *weights, lags=steps - 1)
    left.semilogy(flow.lags, flow.norm, style, label=f"{name}: {flow.verdict}")

    (h, _), pullback = sigrnn.vjp(function, x, *weights)
    dh = np.zeros_like(h)
    dh[:, -1] = h[:, -1].mean(axis=-1, keepdims=True) - x[:, 0]  # the target of the mean of the units is x[0]
    dx = pullback((dh / units, None))[0]
    right.semilogy(np.sqrt(np.mean(dx**2, axis=(0, 2))), style)
left.set(ylim=(1e-16, 1e8), xlabel="lag k (steps)", ylabel="|dE/de[n-k]|", title="gradient of one output")
right.axvline(0, color="0.7", lw=6, zorder=0)
right.text(4, 2e5, "the number to\nbe remembered")
right.set(xlabel="n (steps)", ylabel="|dE/dx[n]|", title="gradient of the error")
left.legend(fontsize="small")
plt.show()

# %%
# Small weights: the gradient is lost. Large ones: it grows, and a step along it is useless; other seeds saturate the
# units, and then it vanishes too. Gates preserve it, small but nearly constant over all steps.
