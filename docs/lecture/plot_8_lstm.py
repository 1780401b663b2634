r"""
8. Long short-term memory
=========================

The LSTM has a memory c in addition to its output h, and three gates: i (input), f (forget) and o (output).

.. math:: i &= \sigma(W_i x[n] + U_i h[n-1] + b_i), \qquad f = \sigma(W_f x[n] + U_f h[n-1] + b_f) \\
   o &= \sigma(W_o x[n] + U_o h[n-1] + b_o), \qquad \tilde c = \tanh(W_g x[n] + U_g h[n-1] + b_g) \\
   c[n] &= f \odot c[n-1] + i \odot \tilde c, \qquad h[n] = o \odot \tanh(c[n])

Each unit of c is a filter of order 1 whose pole f is set by the network. With f = 1 it accumulates and forgets nothing: the
*constant error carousel*, since the error is passed back unchanged.
"""

# %%
# A counter by hand: one unit, two inputs. The first opens i and adds about 0.1; the second ("reset") sets f to 0.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

count, reset = np.zeros(200), np.zeros(200)
count[[15, 30, 40, 70, 75, 80, 130, 150, 170]] = 1.0
reset[100] = 1.0
x = np.stack([count, reset], axis=-1)

w_ih = np.array([[24.0, 0.0], [0.0, -24.0], [0.0, 0.0], [0.0, 0.0]])  # i f g o: by count, by reset
w_hh, bias = np.zeros((4, 1)), np.array([-12.0, 12.0, np.arctanh(0.1), 12.0])
h, (h_N, c_N) = sigrnn.lstm(x, w_ih, w_hh, bias)
c = np.arctanh(h[:, 0])  # o is 1
assert np.isclose(c[99], 0.6, atol=0.01)
assert np.isclose(c_N[0], 0.3, atol=0.01)

# %%
# The same task learned from random weights: 8 units and a linear output.


def task(rng, sequences=32, steps=100):
    marks = (rng.random((sequences, steps, 2)) < [0.06, 0.02]).astype(float)
    total, target = np.zeros(sequences), np.zeros((sequences, steps, 1))
    for n in range(steps):
        total = (total + 0.1 * marks[:, n, 0]) * (1 - marks[:, n, 1])
        target[:, n, 0] = total
    return marks, target


net = sigrnn.Chain(sigrnn.LSTM(8), sigrnn.Dense(1))
result = sigrnn.fit(net, *task(np.random.default_rng(0)), solver="lbfgs", max_iter=500, rng=0, progress=False)
marks, target = task(np.random.default_rng(1))  # new sequences
learned = result.model(marks)
assert np.mean((learned - target) ** 2) < 0.1 * np.var(target)

fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
axes[0].plot(c, label="c[n], by hand")
axes[0].vlines(np.flatnonzero(count), -0.05, 0.0, "C2", label="count")
axes[0].vlines(100, -0.05, 0.6, "C3", ls=":", label="reset")
axes[1].semilogy(result.history["loss"])
axes[1].set(title="training 8 units", xlabel="step", ylabel="mean square error")
axes[2].plot(target[0, :, 0], "0.6", lw=3, label="target")
axes[2].plot(learned[0, :, 0], "C0", label="learned")
axes[2].set(title="a new sequence", xlabel="n")
axes[0].set(title="counting pulses", xlabel="n")
for axis in axes[[0, 2]]:
    axis.legend(fontsize="small")
plt.show()

# %%
# **Exercise.** Which one bias turns the counter by hand into one that forgets with a time constant of 50 steps?
#
# **Solution.** That of f: :math:`\sigma(b_f) = e^{-1/50}`.

forget = np.exp(-1 / 50)
b_f = np.log(forget / (1 - forget))
leaky, _ = sigrnn.lstm(x, w_ih, w_hh, bias + np.array([0.0, b_f - bias[1], 0.0, 0.0]))
print(f"bias of f: {b_f:.2f}; memory at the end: {np.arctanh(leaky[-1, 0]):.2f} instead of {c_N[0]:.2f}")
