"""
The sunspots of next year
=========================

Seen since 1700, and a test of predictors ever since: linear ones by Yule in 1927, a net of Weigend and others in 1990. Twelve
years tell the next; training ends in 1920. Errors are relative to a variance of 1535, as in that literature.
"""

# %%
# The linear predictor is fitted first, a small net then to what it leaves. Square roots of what went before are inputs, for
# the spread of the counts grows with them.

import matplotlib.pyplot as plt
import numpy as np
from statsmodels.datasets import sunspots

import sigrnn

data = sunspots.load().data[:280]
spots, lags = np.asarray(data["SUNACTIVITY"], float), 12
years, t = np.asarray(data["YEAR"], int)[lags:], spots[lags:]
known, spans = years <= 1920, {"1921-55": (years > 1920) & (years <= 1955), "1956-79": years > 1955}


def past(z):
    rows = np.stack([z[lags - k : -k] for k in range(1, lags + 1)], axis=1)
    return (rows - rows[known].mean()) / rows[known].std()


def linear(x, part):
    rows = np.c_[x, np.ones(len(x))]
    return rows @ np.linalg.lstsq(rows[part], t[part], rcond=None)[0]


def predicted(regularization, part, seeds):
    """The linear predictor and the mean of several nets, all from the years of `part`."""
    x = past(np.sqrt(spots))
    base = linear(x, part)
    left, nets = (t - base) / np.std((t - base)[part]), []
    for seed in range(seeds):
        net = sigrnn.Chain(sigrnn.Dense(4, "tanh"), sigrnn.Dense(1)).init(lags, rng=seed)
        sigrnn.fit(net, x[part], left[part], solver="lm", regularization=regularization, max_iter=60, progress=False)
        nets.append(net(x)[:, 0])
    return base + np.std((t - base)[part]) * np.mean(nets, axis=0)


def arv(y, part):
    return np.mean((y - t)[part] ** 2) / 1535


# %%
# How strongly to hold the weights back is decided by cross-validation within the years up to 1920, in five stretches.

judged = {}
for regularization in (3e-3, 1e-2, 3e-2):
    y = t.copy()
    for stretch in np.array_split(np.flatnonzero(known), 5):
        without = known & ~np.isin(np.arange(len(t)), stretch)
        y[stretch] = predicted(regularization, without, 3)[stretch]
    judged[regularization] = arv(y, known)
best = min(judged, key=judged.get)
print("cross-validation:", {r: round(float(v), 4) for r, v in judged.items()}, "taken:", best)

plain, y = linear(past(spots), known), predicted(best, known, 10)
reached = {span: arv(y, part) for span, part in spans.items()}
for span, part in spans.items():
    print(f"{span}: linear AR(12) {arv(plain, part):.3f}, with ten nets {reached[span]:.3f}")

fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
late = years > 1900
ax.plot(years[late], t[late], "k.-", lw=1, label="seen")
ax.plot(years[late], plain[late], color="0.6", label="linear AR(12)")
ax.plot(years[late], y[late], "C3", label="with nets")
ax.axvspan(1900, 1920.5, color="0.93", label="training")
ax.set(xlabel="year", ylabel="sunspots", xlim=(1900, 1980))
ax.legend(frameon=False, ncols=2)
plt.show()
