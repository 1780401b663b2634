r"""
6. Vanishing and exploding gradients
====================================

Back-propagation through time multiplies, at each step back, by the feedback and by the slope of the activation:

.. math:: \frac{de[n]}{de[n-k]} = \prod_{j=1}^{k} (-a_1)\, g'(e[n-j]) \qquad \text{(one coefficient of feedback)}

If the factors are smaller than 1 the gradient *vanishes*: the network cannot learn long-term dependencies. If they are
larger, it *explodes*: a step along it is useless. :func:`sigrnn.gradient_flow` measures it.
"""

# %%
# Four networks of one unit and the same input. Without an activation the rate is the radius of the pole; with tanh it
# depends on the signal, too: where the unit saturates, its slope is almost zero.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

x = 0.1 * np.random.default_rng(0).standard_normal(2000)
networks = {
    "linear, pole 0.9": ([1.0], [1.0, -0.9], "linear", x),
    "linear, pole 1.05": ([1.0], [1.0, -1.05], "linear", x[:200]),
    "tanh, a[1] = -0.9, quiet input": ([1.0], [1.0, -0.9], "tanh", x),
    "tanh, a[1] = -1.5, loud input": ([1.0], [1.0, -1.5], "tanh", 30 * x),
}
flows = {
    name: sigrnn.gradient_flow(sigrnn.nlfilter, b, a, signal, activation=g, lags=60)
    for name, (b, a, g, signal) in networks.items()
}
assert np.isclose(flows["linear, pole 0.9"].growth_rate, 0.9, rtol=1e-3)
assert flows["linear, pole 1.05"].verdict == "exploding"

# %%
# The lecture's task: output x[0] after k steps. The derivative :math:`dy[k]/dx[0]` has nearly vanished after 100 steps for
# a[1] = -0.9, is 1 at a[1] = -1, and explodes slightly beyond.

lags = np.arange(5, 200, 5)
feedback = [-0.8, -0.9, -1.0, -1.1]
slopes = np.zeros((len(feedback), lags.size))
for row, a1 in zip(slopes, feedback, strict=True):
    for i, k in enumerate(lags):
        y, pullback = sigrnn.vjp(sigrnn.lfilter, [1.0], [1.0, a1], np.eye(1, k + 1)[0])
        dy = np.zeros(k + 1)
        dy[-1] = 1.0
        row[i] = abs(pullback(dy)[2][0])  # dy[k] / dx[0]

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for name, flow in flows.items():
    left.semilogy(flow.lags, flow.norm, label=f"{name}: {flow.verdict}")
left.set(xlabel="lag k", ylabel="|dE/de[n-k]|", ylim=(1e-20, 1e3), title="gradient against lag")
for k, (a1, row) in enumerate(zip(feedback, slopes, strict=True)):
    right.semilogy(lags, row, f"C{k}", label=f"a[1] = {a1}")
right.set(xlabel="k", ylabel="|dy[k]/dx[0]|", title="memory of the first sample")
for axis in (left, right):
    axis.legend(fontsize="small")
plt.show()

# %%
# Only a[1] = -1 avoids both, and such a network cannot forget. The next chapters show the solution: feedback that the
# network itself controls.
#
# **Exercise.** With feedback 0.9 and tanh at small signals, after how many steps is the gradient below 1e-6?
#
# **Solution.** The slope of tanh is nearly 1, so :math:`0.9^k < 10^{-6}`:

print(int(np.ceil(np.log(1e-6) / np.log(0.9))), "steps")
