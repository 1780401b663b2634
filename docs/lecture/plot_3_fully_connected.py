r"""
3. Excitation, activation, and back-propagation in a fully connected network
============================================================================

First without time: a network of two layers, each with excitations e and activations,

.. math:: e_1 = V_1 x + v_1, \quad h = g_1(e_1), \quad e_2 = V_2 h + v_2, \quad z = g_2(e_2), \quad
   E = \tfrac12 \textstyle\sum (z - t)^2

*Back-propagation* applies the chain rule from the output to the input. With :math:`\delta = dE/de` for each layer,

.. math:: \delta_2 = g_2'(e_2) \odot (z - t), \qquad \delta_1 = g_1'(e_1) \odot (V_2^{\mathsf T} \delta_2), \qquad
   \frac{dE}{dV_1} = \sum \delta_1 x^{\mathsf T}, \quad \frac{dE}{dV_2} = \sum \delta_2 h^{\mathsf T}
"""

# %%
# :func:`sigrnn.dense` is such a layer, and :func:`sigrnn.vjp` returns with its value a *pull-back*, from dE/dz to the
# gradients of inputs, weights and biases. The pull-back of the second layer feeds that of the first.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (400, 2))
t = np.where(np.hypot(*x.T) < 0.6, 1.0, 0.0)[:, None]  # is a point inside the circle?
weights = [rng.standard_normal((8, 2)), rng.standard_normal(8), rng.standard_normal((1, 8)), np.zeros(1)]


def error_and_gradients(v1, b1, v2, b2):
    h, back_1 = sigrnn.vjp(sigrnn.dense, x, v1, b1, activation="tanh")
    z, back_2 = sigrnn.vjp(sigrnn.dense, h, v2, b2, activation="sigmoid")
    dh, dv2, db2 = back_2((z - t) / len(x))
    _, dv1, db1 = back_1(dh)
    return 0.5 * np.mean((z - t) ** 2), [dv1, db1, dv2, db2], z


# %%
# The gradient predicts the change of the error when a weight changes a little:

error, gradients, _ = error_and_gradients(*weights)
changed = [w.copy() for w in weights]
changed[0][3, 1] += 1e-6
slope = (error_and_gradients(*changed)[0] - error) / 1e-6
assert np.isclose(gradients[0][3, 1], slope, rtol=1e-3)

# %%
# Gradient descent, :math:`V \leftarrow V - \eta\, dE/dV`, a few hundred times.

errors = []
for _ in range(1500):
    error, gradients, z = error_and_gradients(*weights)
    errors.append(error)
    weights = [w - 5.0 * g for w, g in zip(weights, gradients, strict=True)]
assert np.mean((z > 0.5) == (t > 0.5)) > 0.95

grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 100)] * 2), axis=-1)
hidden = sigrnn.dense(grid, *weights[:2], activation="tanh")
surface = sigrnn.dense(hidden, *weights[2:], activation="sigmoid")[..., 0]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.semilogy(errors)
left.set(xlabel="step", ylabel="E", title="training error")
image = right.pcolormesh(grid[..., 0], grid[..., 1], surface, cmap="RdBu_r", vmin=0, vmax=1, rasterized=True)
right.scatter(*x.T, c=t[:, 0], s=8, cmap="RdBu_r", vmin=-0.3, vmax=1.3, edgecolors="k", linewidths=0.3)
right.set(aspect="equal", title="z: inside the circle?")
fig.colorbar(image)
plt.show()

# %%
# **Exercise.** Why must the initial weights be random, and not all equal?
#
# **Solution.** Equal hidden units get equal gradients, so they stay equal: the layer acts like a single unit.

equal = [np.full((8, 2), 0.5), np.zeros(8), np.full((1, 8), 0.5), np.zeros(1)]
_, (dv1, _, _, _), _ = error_and_gradients(*equal)
print("spread of the gradients over the units:", np.ptp(dv1, axis=0))
