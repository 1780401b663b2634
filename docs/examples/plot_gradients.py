"""
Partial and total derivatives of a recurrent unit
=================================================

A recurrent network of one unit receives a pulse and should remember it much later. Only the last samples enter the error. The
partial derivative eps[n] takes each sample by itself; the total derivative delta[n] follows the feedback.
"""

# %%
# The network is :math:`y[n] = \tanh(b_0 x[n] - a_1 y[n-1])`, the error :math:`E = \frac12 \sum (y[n] - 0.5)^2` over the
# last ten samples.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

parameters = np.array([0.03, -1.0])  # b[0], a[1]
x = np.zeros(60)
x[5:15] = 1.0
judged = np.arange(60) >= 50


def filtered(p):
    return sigrnn.nlfilter(p[:1], [1.0, p[1]], x)


def error(p):
    return 0.5 * np.sum((filtered(p) - 0.5)[judged] ** 2)


# %%
# Both pull-backs get the same ``dy``. The reference: differences of the error itself.

derivatives = {"partial, eps[n]": sigrnn.synchronous_grad, "total, delta[n]": sigrnn.vjp}
differences = [(error(parameters + h) - error(parameters - h)) / 2e-6 for h in 1e-6 * np.eye(2)]

fig, axes = plt.subplot_mosaic([["signal", "bars"], ["n", "bars"]], figsize=(9, 4.5), layout="constrained")
for k, (name, differentiate) in enumerate(derivatives.items()):
    y, pullback = differentiate(sigrnn.nlfilter, parameters[:1], np.array([1.0, parameters[1]]), x)
    db, da, dx = pullback(np.where(judged, y - 0.5, 0.0))
    axes["n"].plot(pullback.excitation_gradient, ["s-", "o-"][k], ms=3, lw=1, label=name)
    axes["bars"].bar(np.arange(2) + 0.25 * k - 0.25, [db[0], da[1]], 0.25, label=name)
axes["bars"].bar(np.arange(2) + 0.25, differences, 0.25, color="0.7", label="differences of E")
axes["bars"].axhline(0.0, color="k", lw=0.8)
axes["bars"].set(title="gradients of the parameters", xticks=range(2), xticklabels=["b[0]", "a[1]"])
axes["signal"].plot(x, color="0.6", label="input x[n]")
axes["signal"].plot(y, color="k", label="output y[n]")
axes["signal"].plot(np.flatnonzero(judged), np.full(10, 0.5), color="C3", lw=3, label="target")
axes["n"].set(xlabel="n", title="derivatives of E with respect to e[n]")
for each in axes.values():
    each.legend(fontsize="small")
plt.show()
