"""
Faster GRU training in PyTorch
==============================

A GRU in PyTorch, on a CPU, and `sigrnn.torch.GRU` instead: the same initial weights, the same losses step by
step, in less time.
"""

# %%
# The task: follow a signal through a saturating filter, 4 sequences of 500 samples.

import time

import matplotlib.pyplot as plt
import numpy as np
import torch

import sigrnn
import sigrnn.torch

rng = np.random.default_rng(0)
sound = rng.standard_normal((4, 500))
wanted = np.tanh(sigrnn.lfilter([1.0, 0.5], [1.0, -0.9, 0.4], sound))
x, target = (torch.from_numpy(each[..., None]).float() for each in (sound, wanted))

# %%
# One line differs, the class of the layer. The first step, which compiles, is not timed.


def trained(kind, steps=30):
    torch.manual_seed(0)
    layer, head = kind(1, 16, batch_first=True), torch.nn.Linear(16, 1)
    optimiser = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    losses, began = [], 0.0
    for _ in range(steps + 1):
        loss = torch.nn.functional.mse_loss(head(layer(x)[0]), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        began = began or time.perf_counter()
        losses.append((time.perf_counter() - began, loss.item()))
    return np.array(losses).T


torch.set_num_threads(1)
runs = {"torch.nn.GRU": trained(torch.nn.GRU), "sigrnn.torch.GRU": trained(sigrnn.torch.GRU)}
for name, (seconds, losses) in runs.items():
    print(f"{name}: {1e3 * seconds[-1] / 30:.1f} ms a step, loss {losses[-1]:.4f}")

# %%
# The curves differ only in the time scale.

fig, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name, (seconds, losses) in runs.items():
    axes.plot(seconds[1:], losses[1:], ".-", label=name)
axes.set(xlabel="time (s)", ylabel="mean squared error", xscale="log")
axes.legend()
plt.show()
