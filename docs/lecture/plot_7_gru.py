r"""
7. The gated recurrent unit
===========================

A gate is a number between 0 and 1 that the network computes at each step. The GRU has two for each unit: r (reset) scales the
past in the candidate state, z (update) interpolates between the candidate and the past:

.. math:: r &= \sigma(W_r x[n] + U_r h[n-1] + b_r), \qquad z = \sigma(W_z x[n] + U_z h[n-1] + b_z) \\
   \tilde h &= \tanh(W_n x[n] + r \odot (U_n h[n-1]) + b_n), \qquad h[n] = (1 - z) \odot \tilde h + z \odot h[n-1]

In PyTorch's layout ``w_ih`` holds the rows of :math:`W_r, W_z, W_n`, and ``w_hh`` those of :math:`U_r, U_z, U_n`. With z = 1 a unit
keeps its value whatever the input, and the gradient is passed on with a factor of 1.
"""

# %%
# A memory cell by hand: one unit, two inputs, a value and a command to write it. The command sets z to 0, and the unit takes
# the value; otherwise z is :math:`\sigma(8) = 0.9997`.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
value, write = rng.uniform(-1, 1, 300), np.zeros(300)
write[[20, 110, 200]] = 1.0
x = np.stack([value, write], axis=-1)

w_ih = np.array([[0.0, 0.0], [0.0, -16.0], [1.0, 0.0]])  # r, z, n: by value, by command
w_hh, bias = np.zeros((3, 1)), np.array([0.0, 8.0, 0.0])
h, _ = sigrnn.gru(x, w_ih, w_hh, bias)
z = sigrnn.dense(x, w_ih[1:2], bias[1:2], activation="sigmoid")
assert np.allclose(h[109, 0], np.tanh(value[20]), atol=0.05)

# %%
# The gradient of the last output with respect to the inputs: the GRU depends on the value at the last command only. A plain
# unit with the same candidate and feedback 0.9 has forgotten it.

dh = np.zeros_like(h)
dh[-1] = 1.0
gradients = {}
for name, function, weights in [
    ("GRU", sigrnn.gru, (w_ih, w_hh, bias)),
    ("RNN, feedback 0.9", sigrnn.rnn, (w_ih[2:], np.array([[0.9]]), bias[2:])),
]:
    _, pullback = sigrnn.vjp(function, x, *weights)
    gradients[name] = np.abs(pullback((dh, None))[0][:, 0])
assert gradients["GRU"].argmax() == 200

fig, axes = plt.subplots(3, 1, figsize=(9, 6), sharex=True, layout="constrained")
axes[0].plot(value, "0.7", lw=1, label="value")
axes[0].plot(h[:, 0], "C0", lw=2, label="h[n]")
axes[1].plot(z[:, 0], "C1", label="z: keep")
for name, gradient in gradients.items():
    axes[2].semilogy(gradient + 1e-16, label=f"{name}: |dh[299]/dx[n]|")
for axis in axes:
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    for n in np.flatnonzero(write):
        axis.axvline(n, color="C3", ls=":", lw=1)
axes[2].set(xlabel="n", ylim=(1e-17, 10))
axes[0].set_title("a memory cell (dotted lines: write)")
plt.show()

# %%
# **Exercise.** The stored value decays slowly. Which bias of z keeps 99 % of it over 1000 steps?
#
# **Solution.** :math:`\sigma(b)^{1000} = 0.99`, so :math:`b = \ln \frac{q}{1 - q}` with :math:`q = 0.99^{1/1000}`.

q = 0.99 ** (1 / 1000)
print(f"bias of z: {np.log(q / (1 - q)):.1f}")
