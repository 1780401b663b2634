"""
A spring that hardens
=====================

A resonator with a cubic spring rings higher when it is driven harder. As a model it is a filter with a polynomial in its
feedback path. `fit` finds both from what goes in and what comes out.
"""

# %%
# The truth: a resonance, a cubic force back, and 0.1 % of noise.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
truth = sigrnn.Feedback(sigrnn.IIR(2), sigrnn.Polynomial(3))
truth.params = {"0.b": [0.1, 0.05, 0.0], "0.a": [1.0, -1.6, 0.8], "1.c": [0.0, 0.0, 0.0, 0.4]}
x = sigrnn.lfilter([0.2], [1.0, -0.8], rng.standard_normal(4000))
t = truth(x)
t += 1e-3 * np.std(t) * rng.standard_normal(len(t))

# %%
# A filter alone, and the loop.

linear = sigrnn.fit(sigrnn.IIR(2), x, t, progress=False)
loop = sigrnn.fit(sigrnn.Feedback(sigrnn.IIR(2), sigrnn.Polynomial(3)), x, t, progress=False)
for result in (linear, loop):
    print(f"{result.model!r}: error {np.sqrt(result.loss) / np.std(t):.2%} of the output")

# %%
# The force of the spring, true and found, and the errors on a fresh signal.

fresh = 1.3 * sigrnn.lfilter([0.2], [1.0, -0.8], rng.standard_normal(300))
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
y = np.linspace(-1.0, 1.0, 101) * np.abs(t).max()
left.plot(y, truth.parts[1](y), color="0.6", lw=3.0, label="true")
left.plot(y, loop.model.parts[1](y), color="C0", lw=1.2, label="found")
left.set(xlabel="output", ylabel="force back")
right.plot(truth(fresh), color="0.6", lw=2.0, label="output")
for result, color in ((linear, "C1"), (loop, "C0")):
    right.plot(result.model(fresh) - truth(fresh), color=color, lw=1.0, label=f"error of {type(result.model).__name__}")
right.set(xlabel="sample")
for ax in (left, right):
    ax.legend(frameon=False)
plt.show()
