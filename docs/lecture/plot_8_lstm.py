r"""
8. Long short-term memory
=========================

The LSTM has a memory c beside its output h, and three gates: i lets something in, f keeps what is there, o lets it out.

.. math:: i, f, o &= \sigma(W x[n] + U h[n-1] + b), \qquad \tilde c = \tanh(W_g x[n] + U_g h[n-1] + b_g) \\
   c[n] &= f \odot c[n-1] + i \odot \tilde c, \qquad h[n] = o \odot \tanh(c[n])

Unit by unit c is a filter of order 1 whose pole f the net moves itself. With f = 1 it adds up and forgets nothing: the
*constant error carousel*, since the error goes back along it unchanged.
"""

# %%
# A counter by hand: one unit, two inputs. The first opens i and adds about 0.1; the second, "reset", closes f.

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
# The same task learnt from random weights: 8 units, and a linear unit that reads them.


def task(rng, sequences=32, steps=100):
    marks = (rng.random((sequences, steps, 2)) < [0.06, 0.02]).astype(float)
    total, wanted = np.zeros(sequences), np.zeros((sequences, steps, 1))
    for n in range(steps):
        total = (total + 0.1 * marks[:, n, 0]) * (1 - marks[:, n, 1])
        wanted[:, n, 0] = total
    return marks, wanted


net = sigrnn.Chain(sigrnn.LSTM(8), sigrnn.Dense(1))
result = sigrnn.fit(net, *task(np.random.default_rng(0)), solver="lbfgs", max_iter=500, rng=0, progress=False)
marks, wanted = task(np.random.default_rng(1))  # sequences it has not seen
learnt = result.model(marks)
assert np.mean((learnt - wanted) ** 2) < 0.1 * np.var(wanted)

fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
axes[0].plot(c, label="c[n], by hand")
axes[0].vlines(np.flatnonzero(count), -0.05, 0.0, "C2", label="count")
axes[0].vlines(100, -0.05, 0.6, "C3", ls=":", label="reset")
axes[1].semilogy(result.history["loss"])
axes[1].set(title="training 8 units", xlabel="step", ylabel="mean square error")
axes[2].plot(wanted[0, :, 0], "0.6", lw=3, label="wanted")
axes[2].plot(learnt[0, :, 0], "C0", label="learnt")
axes[2].set(title="a sequence it has not seen", xlabel="n")
axes[0].set(title="counting pulses", xlabel="n")
for axis in axes[[0, 2]]:
    axis.legend(fontsize="small")
plt.show()
