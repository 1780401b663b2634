"""
Model selection with scikit-learn
=================================

A grid search over models, by scikit-learn. A signal has passed a filter and a valve. Which order has the filter, and is
the valve needed to explain the output?
"""

# %%
# The system is a resonance of order 2 and a soft limit. What is measured has noise, at 30 dB. The recorder gives the input as
# counts of its converter, around 2048.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import sigrnn
from sigrnn.sklearn import FilterRegressor

rng = np.random.default_rng(0)
x = rng.standard_normal(2000)
X = np.round(2048 + 300 * x)[:, np.newaxis]
clean = np.tanh(sigrnn.lfilter([0.6, 0.2], [1.0, -1.2, 0.7], x))
y = clean + 10 ** (-30 / 20) * clean.std() * rng.standard_normal(clean.size)

# %%
# A scaler precedes the model, in a pipeline. The arguments of the model's parts are parameters of the whole. Folds keep the
# order of time; each starts from rest, so its first 50 samples do not count.

model = sigrnn.Chain(sigrnn.IIR(1, stable=True), sigrnn.Dense(1, "tanh"))
regressor = FilterRegressor(model, solver="lm", max_iter=30, warmup=50)
pipeline = Pipeline([("scale", StandardScaler()), ("filter", regressor)])
grid = {"filter__model__0__order": [1, 2, 3], "filter__model__1__activation": ["linear", "tanh"]}
search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(3)).fit(X, y)
print(search.best_params_)
print(search.best_estimator_["filter"].model_)

# %%
# Unexplained share of the power on new data, in decibels.

left = 10 * np.log10(1 - search.cv_results_["mean_test_score"])
orders, kinds = (np.array(search.cv_results_[f"param_{name}"]) for name in grid)

fig, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for kind, label, mark in (("linear", "filter alone", "s"), ("tanh", "filter and tanh", "o")):
    axes.plot(orders[kinds == kind], left[kinds == kind], mark + "-", label=label)
axes.axhline(-30, color="0.5", ls=":", label="noise")
axes.set(xlabel="order of the filter", ylabel="error (dB)", xticks=[1, 2, 3])
axes.legend(loc="center right")
plt.show()

# %%
# Order 2 and the limit reach the noise; more order gains nothing, and no order makes up for the missing curve.
