r"""
1. FIR and IIR filters
======================

A filter weighs what it has seen. A *finite impulse response* (FIR) filter sees the last inputs only; an *infinite
impulse response* (IIR) filter also sees what it has put out itself:

.. math:: y[n] = \sum_{m=0}^{M} b_m x[n-m], \qquad y[n] = \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m]

The lecture writes :math:`+a_m y[n-m]`; here signs are SciPy's, so the lecture's :math:`a_m` is ``-a[m]``.
"""

# %%
# One pulse tells all about a filter. Its answer to a pulse is the *impulse response*: for an FIR filter the
# coefficients themselves, over after M + 1 samples; for an IIR filter a decay that never quite ends.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

pulse = np.zeros(40)
pulse[0] = 1.0
b = np.array([1.0, 0.8, 0.6, 0.4, 0.2])
filters = {
    "FIR: b = [1, .8, .6, .4, .2]": (b, [1.0]),
    "IIR: y[n] = x[n] + 0.9 y[n-1]": ([1.0], [1.0, -0.9]),
    "IIR, poles 0.95 exp(±0.5 j)": ([1.0], [1.0, -1.9 * np.cos(0.5), 0.95**2]),
}
h = {name: sigrnn.lfilter(*filter, pulse) for name, filter in filters.items()}
assert np.array_equal(h["FIR: b = [1, .8, .6, .4, .2]"][:5], b)
assert np.allclose(h["IIR: y[n] = x[n] + 0.9 y[n-1]"], 0.9 ** np.arange(40))

# %%
# How long it lasts is up to the poles, the roots of :math:`a_0 z^P + a_1 z^{P-1} + \dots + a_P`: a pole of radius r
# rings as :math:`r^n`. Inside the unit circle the filter is stable; outside it, every sound grows for ever.

fig, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
for k, (axis, (name, response)) in enumerate(zip(axes, h.items(), strict=False)):
    axis.stem(response, linefmt=f"C{k}-", markerfmt=f"C{k}.", basefmt="0.7")
    axis.set(title=name, xlabel="n", ylim=(-2.0, 2.2))
axes[0].set_ylabel("h[n]")
circle = np.exp(2j * np.pi * np.linspace(0, 1, 200))
axes[3].plot(circle.real, circle.imag, "0.7")
for k, (_, a) in enumerate(filters.values()):
    poles = np.roots(a)
    axes[3].plot(poles.real, poles.imag, f"C{k}x", ms=8, mew=2)
axes[3].set(title="poles", aspect="equal", xlabel="real part", ylabel="imaginary part")
plt.show()

# %%
# An IIR filter says in three numbers what takes an FIR filter forty. That is what feedback buys, and what makes it
# harder to train: each output depends on all outputs before it.
