"""
Vanishing and exploding gradients of one unit
=============================================

:func:`sigrnn.gradient_flow` follows the gradient of one output back in time. At each sample it is
multiplied by the weight of the feedback and by the slope of the activation: it vanishes or explodes.
"""

# %%
# Weights below 1, at 1 and above 1, which are the poles of the linear filter; the same weights with tanh, once with
# signals so small that tanh is a straight line for them, and once with signals that saturate it.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

x = np.random.default_rng(0).standard_normal(200)
cases = {
    "linear": lambda a: sigrnn.gradient_flow(sigrnn.lfilter, [1.0], a, x),
    "tanh, small signals": lambda a: sigrnn.gradient_flow(sigrnn.nlfilter, [1.0], a, 1e-10 * x),
    "tanh, large signals": lambda a: sigrnn.gradient_flow(sigrnn.nlfilter, [0.4], a, x),
}

fig, axes = plt.subplots(1, 3, figsize=(10, 4), sharey=True, layout="constrained")
for ax, (title, measure) in zip(axes, cases.items(), strict=True):
    for weight in (1.1, 1.0, 0.9, 0.7):
        flow = measure([1.0, -weight])
        flow.plot(ax, label=f"{weight}: {flow.verdict}")
    ax.set(title=title, ylim=(1e-16, 1e16))
    ax.legend(title="weight -a[1]", fontsize="small", loc="upper left")
for ax in axes[1:]:
    ax.set_ylabel("")
plt.show()

# %%
# Straight lines on a logarithmic scale are exponentials. For the linear filter the factor per sample is the radius of
# the outermost pole. Signals that saturate tanh make all gradients vanish, also with a weight of 1.1: where the slope
# is small, so is the factor.

for title, measure in cases.items():
    print(f"{title:20}", measure([1.0, -1.1]))
