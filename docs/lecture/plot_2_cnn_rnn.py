r"""
2. CNN and RNN: nonlinear filters
=================================

A filter followed by an activation function g is a neural network. The filter's sum is the *excitation* e[n], its output the
*activation* y[n]:

.. math:: e[n] = \beta + \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m], \qquad y[n] = g(e[n])

Without feedback it is a *convolutional* network (CNN), a nonlinear FIR filter; with feedback a *recurrent* network (RNN), a
nonlinear IIR filter. :func:`sigrnn.nlfilter` computes both.
"""

# %%
# A CNN of one unit detects a pattern: its weights are the reversed pattern, its bias sets the threshold of the match,
# and g turns the sum into a decision.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
pattern = np.sin(2 * np.pi * np.arange(12) / 12)
x = 0.3 * rng.standard_normal(200)
starts = [30, 90, 150]
for n in starts:
    x[n : n + 12] += pattern
match = sigrnn.nlfilter(pattern[::-1], [1.0], x, activation="sigmoid", bias=-4.0)

# %%
# An RNN of one unit can store a bit indefinitely, which no stable linear filter can: with
# :math:`y[n] = \tanh(5 x[n] + 2 y[n-1])` there are two stable outputs, about ±0.96. A pulse switches between them.
# An IIR filter with the same coefficients is unstable.

push = np.zeros(200)
push[[40, 120]] = 1.0, -1.0
held = sigrnn.nlfilter([5.0], [1.0, -2.0], push, activation="tanh")
assert np.all(held[40:120] > 0.9)
assert np.all(held[120:] < -0.9)

# %%
# With a linear activation the result is that of the filters of chapter 1, bit for bit.

b, a = [0.5, 0.2], [1.0, -0.7]
assert np.array_equal(sigrnn.nlfilter(b, a, x, activation="linear"), sigrnn.lfilter(b, a, x))

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", sharex=True)
left.plot(x, "0.6", lw=1, label="x[n]: noise and three patterns")
left.plot(match, "C0", lw=2, label="y[n]: pattern detected")
for n in starts:
    left.axvline(n + 11, color="C3", ls=":", lw=1)
left.set(title="CNN: nonlinear FIR filter", xlabel="n", ylim=(-2, 3))
right.plot(push, "0.6", lw=1, label="x[n]: two pulses")
right.plot(held, "C1", lw=2, label="y[n]: stored bit")
right.set(title="RNN: nonlinear IIR filter", xlabel="n", ylim=(-1.5, 2))
for axis in (left, right):
    axis.legend(fontsize="small", loc="upper right")
plt.show()

# %%
# **Exercise.** From which feedback weight w on does :math:`y[n] = \tanh(w\, y[n-1])` have stable outputs other than 0?
#
# **Solution.** Stable points solve :math:`y = \tanh(w y)`. The slope of the right side at 0 is w, and tanh is concave for y > 0, so
# there is another solution if and only if w > 1.

for w in (0.9, 1.1):
    late = sigrnn.nlfilter([1.0], [1.0, -w], np.eye(1, 2000)[0])[-1]
    print(f"w = {w}: y after 2000 samples is {late:.3f}")
