r"""
5. Partial and total derivatives: synchronous back-propagation and BPTT
=======================================================================

A *partial* derivative holds all other outputs constant; a *total* one includes their dependence. For a recurrent network,

.. math:: \epsilon[n] = \frac{\partial E}{\partial e[n]} = g'(e[n]) \frac{\partial E}{\partial y[n]}, \qquad
   \delta[n] = \frac{dE}{de[n]} = \epsilon[n] - g'(e[n]) \sum_{m=1}^{P} a_m\, \delta[n+m]

The first is *synchronous* back-propagation, one moment at a time: :func:`sigrnn.synchronous_grad`. The second is
back-propagation *through time* (BPTT): :func:`sigrnn.vjp`. Only the second is the gradient of the error.
"""

# %%
# A network of one unit, :math:`y[n] = \tanh(b_0 x[n] - a_1 y[n-1])`, is trained to reproduce the output of another one, which has one
# more tap, so that the error cannot become zero.

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
# Both are compared with finite differences of the error.

p = np.array([0.2, -0.6])


def error(q):
    return error_and_gradient(q, sigrnn.vjp)[0]


slope = np.array([(error(p + h) - error(p - h)) / 2e-6 for h in 1e-6 * np.eye(2)])
total = error_and_gradient(p, sigrnn.vjp)[1]
partial = error_and_gradient(p, sigrnn.synchronous_grad)[1]
assert np.allclose(total, slope, rtol=1e-6)
print(f"differences {slope.round(4)}, total {total.round(4)}, partial {partial.round(4)}")

# %%
# Gradient descent with either, from the same start and with the same step size.

paths = {}
for name, differentiate in {"partial": sigrnn.synchronous_grad, "total": sigrnn.vjp}.items():
    p, path = np.array([0.2, -0.2]), []
    for _ in range(300):
        path.append(p)
        p = p - 1.0 * error_and_gradient(p, differentiate)[1]
    paths[name] = np.array(path)

b0, a1 = np.meshgrid(np.linspace(0.0, 0.8, 41), np.linspace(-1.2, 0.0, 41))
height = [[error(np.array(q)) for q in zip(*rows, strict=True)] for rows in zip(b0, a1, strict=True)]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.contour(b0, a1, np.log(height), 25, cmap="Greys_r", linewidths=0.7)
for k, (name, path) in enumerate(paths.items()):
    left.plot(*path.T, f"C{k}.-", ms=3, lw=1, label=name)
    right.semilogy([error(p) for p in path], f"C{k}", label=name)
    assert np.allclose(path[-1], path[-50], atol=1e-3)
left.set(xlabel="b[0]", ylabel="a[1]", title="paths on the error surface")
right.set(xlabel="step", ylabel="E", title="training error")
assert error(paths["total"][-1]) < error(paths["partial"][-1])
for axis in (left, right):
    axis.legend()
plt.show()

# %%
# BPTT converges to the minimum of the error. The partial derivative converges to a point where it vanishes itself, which is
# elsewhere: it is not the gradient of any function.
#
# **Exercise.** For which networks are both the same?
#
# **Solution.** Without feedback: all :math:`a_m` with m > 0 are zero, and :math:`\delta[n] = \epsilon[n]`.

b_only = [
    sigrnn.vjp(sigrnn.nlfilter, [0.3, 0.2], [1.0], x),
    sigrnn.synchronous_grad(sigrnn.nlfilter, [0.3, 0.2], [1.0], x),
]
print("gradients of b:", *(pullback(y - target)[0].round(3) for y, pullback in b_only))
