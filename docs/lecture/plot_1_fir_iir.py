r"""
1. FIR and IIR filters
======================

A filter is a weighted sum. That of a *finite impulse response* (FIR) filter runs over the last inputs; that of an *infinite
impulse response* (IIR) filter also includes its own past outputs:

.. math:: y[n] = \sum_{m=0}^{M} b_m x[n-m], \qquad y[n] = \sum_{m=0}^{M} b_m x[n-m] - \sum_{m=1}^{P} a_m y[n-m]

The lecture writes :math:`+a_m y[n-m]`; here signs are SciPy's, so the lecture's :math:`a_m` is ``-a[m]``.
"""

# %%
# The response to a unit pulse, the *impulse response*, describes a filter completely. For an FIR filter it consists of the
# coefficients, and ends after M + 1 samples; for an IIR filter it decays without end.

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
# Its duration depends on the poles, the roots of :math:`a_0 z^P + a_1 z^{P-1} + \dots + a_P`: a pole of radius r
# contributes a term that decays as :math:`r^n`. With all poles inside the unit circle the filter is stable; with one outside, its
# output grows without bound.

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
# An IIR filter needs three coefficients where an FIR filter needs forty. That is the benefit of feedback; the price is
# harder training, since each output depends on all earlier ones.
#
# **Exercise.** How many taps does an FIR filter need to approximate :math:`y[n] = x[n] + 0.9\, y[n-1]` with an error below 1 % of
# the impulse response's sum?
#
# **Solution.** The neglected terms sum to :math:`0.9^K / (1 - 0.9)`, the whole response to 10, so :math:`0.9^K < 0.01`:

K = int(np.ceil(np.log(0.01) / np.log(0.9)))
print(K, "taps")
assert 1 - sum(0.9 ** np.arange(K)) / 10 < 0.01
