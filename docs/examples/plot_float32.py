"""
Accuracy of filters in single precision
=======================================

The lower the cut-off, the closer the poles come to 1, and the more a rounding error counts. Coefficients ``b, a`` in float32
fail first: they describe another filter, whatever the precision of its sums. Sections stay accurate much longer.
"""

# %%
# The same noise, low-pass filters of order 4 with ever lower cut-offs, and the sections in float64 as the reference.

import matplotlib.pyplot as plt
import numpy as np
from scipy import signal

import sigrnn

x = np.random.default_rng(0).standard_normal(100_000)
x32 = x.astype(np.float32)
cutoffs = np.geomspace(1e-4, 0.3, 25)


def error(y, exact):
    """Relative to the output, at most 1."""
    return min(np.nan_to_num(np.std(y - exact) / np.std(exact), nan=1.0, posinf=1.0), 1.0)


names = "SciPy: b, a in float32", "sigrnn: b, a in float32", "sigrnn: sections in float32", "sigrnn: b, a in float64"
errors = {name: [] for name in names}
for cutoff in cutoffs:
    b, a = signal.butter(4, cutoff)
    sos = signal.butter(4, cutoff, output="sos")
    b32, a32, sos32 = (v.astype(np.float32) for v in (b, a, sos))
    exact = sigrnn.sosfilt(sos, x32.astype(float))
    with np.errstate(all="ignore"):
        results = (
            signal.lfilter(b32, a32, x32),
            sigrnn.lfilter(b32, a32, x32),
            sigrnn.sosfilt(sos32, x32),
            sigrnn.lfilter(b, a, x32),
        )
        for name, y in zip(names, results, strict=True):
            errors[name].append(error(y.astype(float), exact))

# %%
# An error of 1 means that nothing of the signal is left. The signal was float32 in all cases: what matters is the dtype of the
# coefficients, and whether they are sections.

fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for (name, found), marker in zip(errors.items(), "xosd", strict=True):
    ax.loglog(cutoffs, found, marker + "-", ms=4, lw=1, label=name)
ax.set(xlabel="cut-off / Nyquist frequency", ylabel="relative error")
ax.legend()
plt.show()
