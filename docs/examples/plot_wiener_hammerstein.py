"""
Identification of a Wiener-Hammerstein system
=============================================

Loudspeakers, amplifiers and nerves are modelled by a filter, a static nonlinearity and another filter. Only the
input and the output are measured. A chain of three small models identifies all parts.
"""

# %%
# The system: two filters of order 2 with a saturation between them.

import matplotlib.pyplot as plt
import numpy as np

import sigrnn

rng = np.random.default_rng(0)
first = [0.8, 0.4, 0.1], [1.0, -1.1, 0.6]
second = [1.0, -0.5, 0.3], [1.0, 0.4, 0.5]


def system(x):
    return sigrnn.lfilter(*second, np.tanh(sigrnn.lfilter(*first, x)))


x, fresh = rng.standard_normal((2, 20_000))
t = system(x)

# %%
# The error has several minima. `fit` starts from the best linear approximation, whose poles and zeros belong to one filter
# or the other: it tries the possible partitions and continues with the best one.

chain = sigrnn.Chain(sigrnn.IIR(2, stable=True), sigrnn.NonlinearFIR(1, "tanh"), sigrnn.IIR(2, stable=True))
result = sigrnn.fit(chain, x, t, progress=False)
print("losses of the starts:", *(f"{start.loss:.1e}" for start in result.starts))
y = result.model(fresh)
esr = np.sum((y - system(fresh)) ** 2) / np.sum(system(fresh) ** 2)
print(f"{result}\nfresh data: error-to-signal ratio {esr:.1e}")

# %%
# The gain between the parts cannot be identified, so the filters are compared by their responses,
# each relative to its own at the lowest frequency.

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
f, impulse = np.linspace(0, 0.5, 513), np.eye(1, 1024)[0]
found = [(result.model.params[f"{part}.b"], result.model.params[f"{part}.a"]) for part in (0, 2)]
for who, filters, color, width in (("true", (first, second), "0.6", 3.0), ("found", found, "C0", 1.2)):
    for k, ((b, a), line) in enumerate(zip(filters, ("--", "-"), strict=True), start=1):
        response = abs(np.fft.rfft(sigrnn.lfilter(b, a, impulse)))
        gain = 20 * np.log10(response / response[0])
        ax.plot(f, gain, line, color=color, lw=width, label=f"filter {k}, {who}")
ax.set(xlabel="frequency (cycles per sample)", ylabel="gain (dB)")
ax.legend(frameon=False)
plt.show()
