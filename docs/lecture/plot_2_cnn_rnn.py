r"""
2. CNN and RNN: nonlinear filters
=================================

Put an activation function g behind a filter and it is a net. The filter's sum is the *excitation* e[n], its output the
*activation* y[n]:

.. math:: e[n] = \beta + \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m], \qquad y[n] = g(e[n])

Without feedback it is a *convolutional* net, a nonlinear FIR filter; with feedback a *recurrent* net, a nonlinear IIR
filter. :func:`sigrnn.nlfilter` is both.
"""

# %%
# A convolutional net of one unit finds a pattern: its weights are the pattern, reversed, its bias says how good a match
# has to be, and g makes a decision of it.

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
# A recurrent net of one unit can remember for ever, which no linear filter does without trouble: with
# :math:`y[n] = \tanh(5 x[n] + 2 y[n-1])` there are two outputs, about ±0.96, that it holds once it has been pushed there.
# An IIR filter with the same coefficients is unstable.

push = np.zeros(200)
push[[40, 120]] = 1.0, -1.0
held = sigrnn.nlfilter([5.0], [1.0, -2.0], push, activation="tanh")
assert np.all(held[40:120] > 0.9)
assert np.all(held[120:] < -0.9)

# %%
# Without an activation they are the filters of the first chapter, to the last bit.

b, a = [0.5, 0.2], [1.0, -0.7]
assert np.array_equal(sigrnn.nlfilter(b, a, x, activation="linear"), sigrnn.lfilter(b, a, x))

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", sharex=True)
left.plot(x, "0.6", lw=1, label="x[n]: noise, and a pattern three times")
left.plot(match, "C0", lw=2, label="y[n]: is it there?")
for n in starts:
    left.axvline(n + 11, color="C3", ls=":", lw=1)
left.set(title="CNN: nonlinear FIR filter", xlabel="n", ylim=(-2, 3))
right.plot(push, "0.6", lw=1, label="x[n]: two pushes")
right.plot(held, "C1", lw=2, label="y[n]: holds")
right.set(title="RNN: nonlinear IIR filter", xlabel="n", ylim=(-1.5, 2))
for axis in (left, right):
    axis.legend(fontsize="small", loc="upper right")
plt.show()
