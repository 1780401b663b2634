"""
Identification of an IIR filter
===============================

An unknown filter of order 6 is identified from its input and output, without a starting point. With noise, the variance of
the estimate is compared with the smallest possible one.
"""

# %%
# Six poles, up to a radius of 0.95, and any numerator.

import time

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
poles = rng.uniform(0.4, 0.95, 3) * np.exp(1j * rng.uniform(0.2, 2.9, 3))
a, b = np.poly([*poles, *poles.conj()]).real, rng.standard_normal(7)
x = rng.standard_normal(10_000)
t = sigrnn.lfilter(b, a, x)

sigrnn.fit(sigrnn.IIR(6), x[:100], t[:100], progress=False)  # compile before timing
start = time.perf_counter()
result = sigrnn.fit(sigrnn.IIR(6), x, t, progress=False)
seconds, found = time.perf_counter() - start, result.model.params
error = max(abs(found["b"] - b).max(), abs(found["a"] - a).max())
print(f"{result}\nlargest error of a parameter {error:.1e}, in {seconds:.2f} s")

# %%
# A filter of order 4, and white noise a tenth as strong as its output. No unbiased method has a smaller variance than the
# bound of Cramer and Rao, the inverse of Fisher's information. That follows from the sensitivities at the true filter.

poles = np.array([0.9 * np.exp(0.7j), 0.8 * np.exp(2.0j)])
x, truth = rng.standard_normal(2000), sigrnn.IIR(4).init()
truth.params = {"b": np.array([1.0, 0.5, -0.3, 0.2, 0.1]), "a": np.poly([*poles, *poles.conj()]).real}
clean, rows = truth.sensitivities(x)
noise = np.std(clean) / 10
bound = np.linalg.inv(rows @ rows.T / noise**2)

runs = 100
errors = np.empty((runs, len(rows)))
for run in range(runs):
    noisy = clean + noise * rng.standard_normal(len(x))
    model = sigrnn.fit(sigrnn.IIR(4), x, noisy, solver="lm", progress=False).model
    errors[run] = model.to_vector() - truth.to_vector()
variance = np.mean(errors**2, axis=0)
ratio = np.mean(np.einsum("ri,ij,rj->r", errors, np.linalg.inv(bound), errors)) / len(rows)
print(f"{runs} runs: variance {ratio:.3f} times the bound (all parameters together)")

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
names = [*(f"b[{m}]" for m in range(5)), *(f"a[{m}]" for m in range(1, 5))]
ax.bar(names, variance / np.diag(bound), color="C0", label="variance of 100 runs, relative to the bound")
ax.axhline(1.0, color="k", lw=1)
ax.set(ylim=(0, 1.6), ylabel="variance / bound")
ax.legend(frameon=False)
plt.show()
