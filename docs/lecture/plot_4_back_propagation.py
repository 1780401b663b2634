r"""
4. Back-propagation in a CNN and in an RNN
==========================================

The weights of a filter contribute to every sample, so their gradients are sums over samples. With
:math:`\delta[n] = dE/de[n]`,

.. math:: \frac{dE}{db_m} = \sum_n \delta[n]\, x[n-m], \qquad \frac{dE}{da_m} = -\sum_n \delta[n]\, y[n-m]

a correlation of the inputs with the errors. In a CNN e[n] affects y[n] only, and
:math:`\delta[n] = g'(e[n])\, dE/dy[n]`. In an RNN y[n] also affects later outputs: :math:`\delta[n]` is the output of a filter over
reversed time,

.. math:: \delta[n] = g'(e[n]) \Bigl( \frac{\partial E}{\partial y[n]} - \sum_{m=1}^{P} a_m\, \delta[n+m] \Bigr)
"""

# %%
# One error at n = 60. In the CNN it depends on the inputs inside the window; in the RNN on all earlier inputs, with
# decreasing weight.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
x = 0.3 * rng.standard_normal(80)
dy = np.zeros(80)
dy[60] = 1.0
networks = {
    "CNN": (np.array([0.5, 0.4, 0.3, 0.2]), np.array([1.0])),
    "RNN": (np.array([1.0]), np.array([1.0, -1.4, 0.55])),
}
found = {}
for name, (b, a) in networks.items():
    y, pullback = sigrnn.vjp(sigrnn.nlfilter, b, a, x)
    db, da, dx = pullback(dy)
    found[name] = db, da, dx, pullback.excitation_gradient

# %%
# The pull-back returns these sums. Here the recursion for :math:`\delta[n]` is written out in NumPy.

db, da, dx, delta = found["RNN"]
b, a = networks["RNN"]
y = sigrnn.nlfilter(b, a, x)
by_hand = np.zeros(82)
for n in reversed(range(80)):
    by_hand[n] = (1 - y[n] ** 2) * (dy[n] - a[1] * by_hand[n + 1] - a[2] * by_hand[n + 2])
print("largest difference:", abs(by_hand[:80] - delta).max())
assert np.allclose(by_hand[:80], delta)
assert np.isclose(da[2], -np.sum(delta[2:] * y[:-2]))

fig, axes = plt.subplots(2, 2, figsize=(11, 4.6), layout="constrained", sharex=True, sharey="row")
for column, (name, (_, _, dx, delta)) in zip(axes.T, found.items(), strict=True):
    column[0].stem(delta, linefmt="C0-", markerfmt="C0.", basefmt="0.7")
    column[0].set_title(f"{name}: δ[n] = dE/de[n]")
    column[1].stem(dx, linefmt="C1-", markerfmt="C1.", basefmt="0.7")
    column[1].set(title=f"{name}: dE/dx[n]", xlabel="n")
    for axis in column:
        axis.axvline(60, color="C3", ls=":", lw=1)
plt.show()

# %%
# **Exercise.** Compute dE/dx of the RNN with a filter of SciPy and the :math:`\delta[n]` above.
#
# **Solution.** The input enters e[n] with :math:`b_0 = 1` only, so :math:`dE/dx[n] = \delta[n]`. For longer b it is the correlation of
# :math:`\delta` with b, a filter over reversed time: ``lfilter(b, 1, delta[::-1])[::-1]``.

print("largest difference:", abs(sigrnn.lfilter(b, 1.0, delta[::-1])[::-1] - found["RNN"][2]).max())
