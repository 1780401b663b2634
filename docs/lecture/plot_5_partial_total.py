r"""
5. Partial and total derivatives: synchronous back-propagation and BPTT
=======================================================================

A *partial* derivative holds all else constant, a *total* one lets everything follow. For a recurrent net,

.. math:: \epsilon[n] = \frac{\partial E}{\partial e[n]} = g'(e[n]) \frac{\partial E}{\partial y[n]}, \qquad
   \delta[n] = \frac{dE}{de[n]} = \epsilon[n] - g'(e[n]) \sum_{m=1}^{P} a_m\, \delta[n+m]

The first is *synchronous* back-propagation, one moment at a time: :func:`sigrnn.synchronous_grad`. The second is
back-propagation *through time* (BPTT): :func:`sigrnn.vjp`. Only the second is the slope of the error.
"""

# %%
# A net of one unit, :math:`y[n] = \tanh(b_0 x[n] - a_1 y[n-1])`, shall follow another, which sees one input more and so
# cannot be followed exactly.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
x = rng.standard_normal(400)
target = sigrnn.nlfilter([0.1, 0.5], [1.0, -0.8], x)


def error_and_gradient(p, differentiate):
    y, pullback = differentiate(sigrnn.nlfilter, [p[0]], [1.0, p[1]], x)
    db, da, _ = pullback((y - target) / y.size)
    return 0.5 * np.mean((y - target) ** 2), np.array([db[0], da[1]])


# %%
# Both are compared with the slope as it is found by moving each weight a little.

p = np.array([0.2, -0.6])
error = lambda q: error_and_gradient(q, sigrnn.vjp)[0]  # noqa: E731
slope = np.array([(error(p + h) - error(p - h)) / 2e-6 for h in 1e-6 * np.eye(2)])
total = error_and_gradient(p, sigrnn.vjp)[1]
partial = error_and_gradient(p, sigrnn.synchronous_grad)[1]
assert np.allclose(total, slope, rtol=1e-6)
print(f"differences {slope.round(4)}, total {total.round(4)}, partial {partial.round(4)}")

# %%
# Gradient descent by either, from the same start, with the same steps.

ways = {}
for name, differentiate in {"partial": sigrnn.synchronous_grad, "total": sigrnn.vjp}.items():
    p, way = np.array([0.2, -0.2]), []
    for _ in range(300):
        way.append(p)
        p = p - 1.0 * error_and_gradient(p, differentiate)[1]
    ways[name] = np.array(way)

b0, a1 = np.meshgrid(np.linspace(0.0, 0.8, 41), np.linspace(-1.2, 0.0, 41))
height = [[error(np.array(q)) for q in zip(*rows, strict=True)] for rows in zip(b0, a1, strict=True)]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.contour(b0, a1, np.log(height), 25, cmap="Greys_r", linewidths=0.7)
for k, (name, way) in enumerate(ways.items()):
    left.plot(*way.T, f"C{k}.-", ms=3, lw=1, label=name)
    right.semilogy([error(p) for p in way], f"C{k}", label=name)
    assert np.allclose(way[-1], way[-50], atol=1e-3)  # it has come to rest
left.set(xlabel="b[0]", ylabel="a[1]", title="the way over the error E")
right.set(xlabel="step", ylabel="E", title="the error on the way")
assert error(ways["total"][-1]) < error(ways["partial"][-1])
for axis in (left, right):
    axis.legend()
plt.show()

# %%
# BPTT comes to rest where the error is least. The partial derivative comes to rest where it vanishes itself, which is
# somewhere else: it is the gradient of nothing.
