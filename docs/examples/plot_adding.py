"""
The adding problem: GRU and plain RNN
=====================================

In a sequence of 200 numbers two are marked. After the last step the network outputs their sum. Always answering 1 gives an
error of 1/6. A GRU learns the task; a plain RNN does not, and its gradient flow shows why.
"""

# %%
# The first mark is in the first half, the second in the second. Only the last output counts: all others have weight 0.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
steps, units = 200, 16


def draw(count):
    x, k = np.zeros((count, steps, 2)), np.arange(count)
    x[..., 0] = rng.uniform(0, 1, (count, steps))
    x[k, rng.integers(0, steps // 2, count), 1] = x[k, rng.integers(steps // 2, steps, count), 1] = 1.0
    return x, np.repeat((x[..., :1] * x[..., 1:]).sum(axis=1, keepdims=True), steps, axis=1)


(x, t), judged, test = draw(5000), draw(500), draw(2000)
last = np.eye(1, steps, steps - 1)[0]

# %%
# The gate z of the GRU starts with a bias of 4, so that it keeps its state. Everything else is the same for both.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
reached = {}
for kind, function in ((sigrnn.GRU, sigrnn.gru), (sigrnn.RNN, sigrnn.rnn)):
    name = kind.__name__
    model = sigrnn.Chain(kind(units, dtype="float32"), sigrnn.Dense(1, dtype="float32")).init(2, rng=0)
    if kind is sigrnn.GRU:
        model.params["0.b_ih"] = model.params["0.b_ih"] + np.repeat([0.0, 4.0, 0.0], units)
    layer = [model.params[f"0.{w}"] for w in ("w_ih", "w_hh", "b_ih", "b_hh")]
    flow = sigrnn.gradient_flow(function, x[:8].astype("float32"), *layer, lags=steps - 1)
    result = sigrnn.fit(
        model, x, t, weights=last, validation=(*judged, last), solver="adam", batch=50, clip=1.0, learning_rate=0.01,
        max_iter=10, rng=0, progress=False, callback=lambda now: now.validation_loss < 2e-3,
    )  # fmt: skip
    reached[name] = np.mean((model(test[0]) - test[1])[:, -1] ** 2)
    print(f"{name}: new sequences {reached[name]:.4f}; gradient before training: {flow}")
    right.semilogy(result.history["validation_loss"], ".-", label=name)
    flow.plot(left, label=f"{name}: {flow.verdict}, time constant {flow.time_constant:.0f}")

left.set(title="gradient flow before training", ylim=(1e-20, 10))
right.axhline(1 / 6, color="0.6", ls=":", label="always 1")
right.set(xlabel="epoch", ylabel="validation error", title="training, 200 steps")
right.legend(frameon=False)
plt.show()
