"""
Prediction of a chaotic laser
=============================

The intensity of a far-infrared laser, data set A of the Santa Fe competition, pulses and collapses chaotically. From
1000 values a network learns to predict the next one from the ten before. The recording comes with reservoirpy.
"""

# %%
# Training sees the first 1000 values. Of these, the last 200 choose the regularisation.

import matplotlib.pyplot as plt
import numpy as np
from reservoirpy.datasets import santafe_laser

import sigrnn

laser = np.asarray(santafe_laser(), float)[:5000, 0]
z = (laser - laser[:1000].mean()) / laser[:1000].std()


past = np.stack([z[25 - k : 5000 - k] for k in range(1, 26)], axis=1)
x, t, n = past[:, :10], z[25:], np.arange(25, 5000)
known, early, test = n < 1000, n < 800, n >= 1000


def train(regularization, part, seed):
    net = sigrnn.Chain(sigrnn.Dense(16, "tanh"), sigrnn.Dense(8, "tanh"), sigrnn.Dense(1)).init(10, rng=seed)
    sigrnn.fit(net, x[part], t[part], solver="lm", regularization=regularization, max_iter=60, progress=False)
    return net(x)[:, 0]


def nmse(y):
    return np.mean((y - t)[test] ** 2) / np.var(t[test])


FULL = globals().get("FULL", False)  # the gallery tries less
choices = (1e-6, 1e-5, 1e-4, 1e-3) if FULL else (1e-5, 1e-3)
judged = {r: np.mean((train(r, early, 0) - t)[known & ~early] ** 2) for r in choices}
best = min(judged, key=judged.get)
print("validation:", {r: round(float(error), 5) for r, error in judged.items()}, "taken:", best)

# %%
# The mean of several networks, compared with the best linear predictor from 25 values.

y = np.mean([train(best, known, seed) for seed in range(3 if FULL else 1)], axis=0)
rows = np.c_[past, np.ones(len(t))]
linear = rows @ np.linalg.lstsq(rows[known], t[known], rcond=None)[0]
print(f"values 1000 to 5000, NMSE: linear AR(25) {nmse(linear):.4f}, net {nmse(y):.4f}")

fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
span = slice(1960 - 25, 2260 - 25)
top.plot(n[span], t[span], "k", lw=1)
top.set(ylabel="intensity (normalised)", title="test data")
bottom.plot(n[span], (linear - t)[span], "0.6", label="error of the linear predictor")
bottom.plot(n[span], (y - t)[span], "C3", label="error of the network")
bottom.legend(frameon=False)
bottom.set(xlabel="sample", ylabel="error")
plt.show()
