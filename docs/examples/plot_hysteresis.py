"""
A spring with hysteresis
========================

A spring that yields returns along another curve than it came: its force depends on what went before. A linear state space averages over
that; one with a few tanh units in state and input follows it. `StateSpace` is both, and `fit` starts the second from the first.
"""

# %%
# Bouc and Wen's equations, integrated from a broad-band force in N; displacement in mm, with 1 % of noise.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn
from sigrnn.benchmarks.systems import hysteresis, multisine

rng = np.random.default_rng(0)
x, fresh = (multisine(2048, range(14, 410), 50.0, rng) for _ in range(2))
t, expected = 1e3 * hysteresis(x), 1e3 * hysteresis(fresh)
t += 0.01 * np.std(t) * rng.standard_normal(len(t))

# %%
# Three states each: displacement, velocity, and the part of the force that remembers.

linear = sigrnn.fit(sigrnn.StateSpace(3), x, t, progress=False)
full = sigrnn.fit(sigrnn.StateSpace(3, units=6), x, t, max_iter=40, progress=False)
for name, result in (("linear", linear), ("with 6 units", full)):
    print(f"{name}: {result.model.n_parameters} parameters, error {np.sqrt(result.loss) / np.std(t):.2%} of the output")

# %%
# A slow sine of growing force, which was in no training data, draws the loops. On the right, errors on a fresh signal.

time = np.arange(750) / 750.0
force = 70.0 * time * np.sin(2 * np.pi * 6.0 * time)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(1e3 * hysteresis(force), force, color="0.6", lw=3.0, label="true")
right.plot(np.arange(300) / 0.75, expected[600:900], color="0.6", lw=1.0, label="displacement")
for result, color, name in ((linear, "C1", "linear"), (full, "C0", "with 6 units")):
    left.plot(result.model(force), force, color=color, lw=1.2, label=name)
    error = (result.model(fresh) - expected)[600:900]
    right.plot(np.arange(300) / 0.75, error, color=color, lw=1.0, label=f"error, {name}")
left.set(xlabel="displacement in mm", ylabel="force in N")
right.set(xlabel="time in ms", ylabel="mm", ylim=(-2.0, 3.2))
for ax in (left, right):
    ax.legend(frameon=False, loc="upper left")
plt.show()
