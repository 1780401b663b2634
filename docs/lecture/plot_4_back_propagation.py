r"""
4. Back-propagation in a CNN and in an RNN
==========================================

The weights of a filter take part in every sample, so their gradients are sums over samples. With
:math:`\delta[n] = dE/de[n]`,

.. math:: \frac{dE}{db_m} = \sum_n \delta[n]\, x[n-m], \qquad \frac{dE}{da_m} = -\sum_n \delta[n]\, y[n-m]

a correlation of what went in with what went wrong. In a CNN each e[n] acts on one y[n] alone, and
:math:`\delta[n] = g'(e[n])\, dE/dy[n]`. In an RNN y[n] comes back, and so does its error: :math:`\delta[n]` is a filter
that runs backwards,

.. math:: \delta[n] = g'(e[n]) \Bigl( \frac{\partial E}{\partial y[n]} - \sum_{m=1}^{P} a_m\, \delta[n+m] \Bigr)
"""

# %%
# A wrong sample at n = 60, and none elsewhere. In the CNN it concerns the inputs that its window sees; in the RNN
# everything before, less and less.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
x = 0.3 * rng.standard_normal(80)
dy = np.zeros(80)
dy[60] = 1.0
nets = {"CNN": (np.array([0.5, 0.4, 0.3, 0.2]), np.array([1.0])), "RNN": (np.array([1.0]), np.array([1.0, -1.4, 0.55]))}
found = {}
for name, (b, a) in nets.items():
    y, pullback = sigrnn.vjp(sigrnn.nlfilter, b, a, x)
    db, da, dx = pullback(dy)
    found[name] = db, da, dx, pullback.excitation_gradient

# %%
# The sums, written out, are what the pull-back returns.

db, da, dx, delta = found["RNN"]
b, a = nets["RNN"]
y = sigrnn.nlfilter(b, a, x)
assert np.isclose(da[2], -np.sum(delta[2:] * y[:-2]))
for n in range(79):  # and delta[n] is the filter above, from the end to the start
    later = [delta[n + m] if n + m < 80 else 0.0 for m in (1, 2)]
    assert np.isclose(delta[n], (1 - y[n] ** 2) * (dy[n] - a[1:] @ later))

fig, axes = plt.subplots(2, 2, figsize=(11, 4.6), layout="constrained", sharex=True, sharey="row")
for column, (name, (_, _, dx, delta)) in zip(axes.T, found.items(), strict=True):
    column[0].stem(delta, linefmt="C0-", markerfmt="C0.", basefmt="0.7")
    column[0].set_title(f"{name}: δ[n], the error by each excitation")
    column[1].stem(dx, linefmt="C1-", markerfmt="C1.", basefmt="0.7")
    column[1].set(title=f"{name}: dE/dx[n], the error by each input", xlabel="n")
    for axis in column:
        axis.axvline(60, color="C3", ls=":", lw=1)
plt.show()
