"""
Blocked filtering: time and accuracy
====================================

In a recurrence each output needs the one before it. ``method='blocked'`` computes several blocks of time at once. Here it
is compared with the plain recurrence, for signals of increasing length.
"""

# %%
# First the time for each sample, the best of five runs. Times are those of the machine that built this page.

import timeit
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from scipy import signal

import sigrnn

b, a = signal.butter(4, 0.1)
x = np.random.default_rng(0).standard_normal(1_000_000)
lengths = [300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
methods = {
    "SciPy": signal.lfilter,
    "method='sequential'": partial(sigrnn.lfilter, method="sequential"),
    "method='blocked'": partial(sigrnn.lfilter, method="blocked"),
    "method='auto'": sigrnn.lfilter,
}
widths = dict(zip(methods, [6, 1.5, 4, 1.5], strict=True))  # where curves coincide, both are seen

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, way in methods.items():
    way(b, a, x[:1000])  # compile
    best = []
    for n in lengths:
        runs = max(1, 100_000 // n)
        best.append(min(timeit.repeat(partial(way, b, a, x[:n]), number=runs, repeat=5)) / runs)
    ax.loglog(lengths, 1e9 * np.array(best) / lengths, "o-", ms=3, lw=widths[name], label=name)
ax.set(xlabel="samples", ylabel="ns per sample", title="time")
ax.legend()

# %%
# Then the error against a computation with more digits, for low-pass filters of longer and shorter memory. Blocks are
# long enough that rounding errors do not grow from one to the next, so blocking costs no accuracy.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
cutoffs = np.geomspace(0.002, 0.5, 12)
x = x[:50_000]
for name, way in methods.items():
    errors = []
    for cutoff in cutoffs:
        b, a = signal.butter(2, cutoff)
        exact = signal.lfilter(*(np.longdouble(v) for v in (b, a, x)))
        errors.append(abs(way(b, a, x) - exact).max() / abs(exact).max())
    ax.loglog(cutoffs, np.float64(errors), "o-", ms=3, lw=widths[name], label=name)
ax.set(xlabel="cut-off / Nyquist frequency", ylabel="relative error", title="accuracy")
ax.legend()
plt.show()
