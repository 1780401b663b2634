"""
The sunspots of next year
=========================

Seen since 1700, and a test of predictors ever since: linear ones by Yule in 1927, a net of Weigend and others in 1990. Twelve
years tell the next; training ends in 1920. Here nets learn what a linear predictor leaves, from square roots, for the spread
of the counts grows with them. Errors are relative to a variance of 1535, as in that literature.
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
# How strongly to hold the weights back is decided by cross-validation within the years up to 1920, in five stretches.

judged, y = {}, t.copy()
for penalty in (3e-3, 1e-2, 3e-2):
    for stretch in np.array_split(known, 5):
        y[stretch] = predicted(penalty, np.setdiff1d(known, stretch), 3)[stretch]
    judged[penalty] = round(np.mean((y - t)[known] ** 2) / 1535, 4)

plain, y = linear(spots, known)[1], predicted(min(judged, key=judged.get), known, 10)
before, reached = ({k: np.mean((p - t)[part] ** 2) / 1535 for k, part in spans.items()} for p in (plain, y))
for name, errors in (("cross-validation", judged), ("linear AR(12)", before), ("with ten nets", reached)):
    print(f"{name:16}", *(f"{key}: {error:.3f} " for key, error in errors.items()))

fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
for line, style, label in ((t, "k.-", "seen"), (plain, "C7-", "linear AR(12)"), (y, "C3-", "with nets")):
    ax.plot(years, line, style, lw=1 if line is t else 1.5, label=label)
ax.axvspan(1900, 1920.5, color="0.93", label="training")
ax.set(xlabel="year", ylabel="sunspots", xlim=(1900, 1980))
ax.legend(frameon=False, ncols=2)
plt.show()
