"""
Prediction of sunspot numbers
=============================

Observed since 1700, and a classic test of predictors: linear ones by Yule in 1927, a network by Weigend et al. in 1990. Twelve
years predict the next; training ends in 1920. Networks learn the residual of a linear predictor, in square roots, since the
spread of the counts grows with them. Errors are relative to a variance of 1535, as in that literature.
"""

import matplotlib.pyplot as plt
import numpy as np
from statsmodels.datasets import sunspots

import sigrnn

years, spots = (np.asarray(sunspots.load().data[name][:280], float) for name in ("YEAR", "SUNACTIVITY"))
years, t, known = years[12:], spots[12:], np.flatnonzero(years[12:] <= 1920)
spans = {"1921-55": (years > 1920) & (years <= 1955), "1956-79": years > 1955}


def linear(z, part):
    x = np.lib.stride_tricks.sliding_window_view(z[:-1], 12)[:, ::-1]
    x = (x - x[known].mean()) / x[known].std()
    rows = np.c_[x, np.ones(len(x))]
    return x, rows @ np.linalg.lstsq(rows[part], t[part], rcond=None)[0]


def predicted(penalty, part, seeds):
    x, base = linear(np.sqrt(spots), part)
    left, nets = (t - base)[part], []
    for seed in range(seeds):
        net = sigrnn.Chain(sigrnn.Dense(4, "tanh"), sigrnn.Dense(1)).init(12, rng=seed)
        sigrnn.fit(net, x[part], left / left.std(), solver="lm", regularization=penalty, max_iter=60, progress=False)
        nets.append(net(x)[:, 0])
    return base + left.std() * np.mean(nets, axis=0)


# %%
# The regularisation is chosen by cross-validation within the years up to 1920, in five parts.

judged, y = {}, t.copy()
for penalty in (3e-3, 1e-2, 3e-2):
    for stretch in np.array_split(known, 5):
        y[stretch] = predicted(penalty, np.setdiff1d(known, stretch), 3)[stretch]
    judged[penalty] = round(np.mean((y - t)[known] ** 2) / 1535, 4)

plain, y = linear(spots, known)[1], predicted(min(judged, key=judged.get), known, 10)
before, reached = ({k: np.mean((p - t)[part] ** 2) / 1535 for k, part in spans.items()} for p in (plain, y))
for name, errors in (("cross-validation", judged), ("linear AR(12)", before), ("with ten networks", reached)):
    print(f"{name:16}", *(f"{key}: {error:.3f} " for key, error in errors.items()))

fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
for line, style, label in ((t, "k.-", "observed"), (plain, "C7-", "linear AR(12)"), (y, "C3-", "with networks")):
    ax.plot(years, line, style, lw=1 if line is t else 1.5, label=label)
ax.axvspan(1900, 1920.5, color="0.93", label="training")
ax.set(xlabel="year", ylabel="sunspot number", xlim=(1900, 1980))
ax.legend(frameon=False, ncols=2)
plt.show()
