"""Some twenty kernels against SciPy or the plain equation, on any processor; `.ci/arm` runs it on an emulated one."""

import platform
import time

import numpy as np
import scipy.signal

import sigrnn
from sigrnn import adaptive

rng = np.random.default_rng(0)
EPS = np.finfo(float).eps


def check(name, found, expected, tolerance=1e-12):
    """Compare, and print how long it took since the check before."""
    global began
    found, expected = np.asarray(found), np.asarray(expected)
    off = np.abs(found - expected).max() / np.abs(expected).max()
    assert off <= tolerance, f"{name}: {off:.2g}, allowed {tolerance:.2g}"
    print(f"{name:<34}{off:10.1e}{time.monotonic() - began:8.0f} s", flush=True)
    began = time.monotonic()


def gru(x, w_ih, w_hh):
    """The equation, step by step, without biases."""
    h, found, size = np.zeros(w_hh.shape[1]), [], w_hh.shape[1]
    for row in x:
        a, u = (w_ih @ row).reshape(3, size), (w_hh @ h).reshape(3, size)
        r, z = 1 / (1 + np.exp(-(a[:2] + u[:2])))
        h = (1 - z) * np.tanh(a[2] + r * u[2]) + z * h
        found.append(h)
    return np.array(found)


def nonlinear(b, a, x):
    """The equation of `nlfilter` with tanh, order 2."""
    y = np.zeros(len(x) + 2)
    for n in range(len(x)):
        past = b[0] * x[n] + sum(b[m] * x[n - m] for m in (1, 2) if n >= m)
        y[n + 2] = np.tanh(past - a[1] * y[n + 1] - a[2] * y[n])
    return y[2:]


def nlms(x, d, taps, mu, eps):
    w, window, found = np.zeros(taps), np.zeros(taps), []
    for each, wanted in zip(x, d, strict=True):
        window = np.concatenate([[each], window[:-1]])
        e = wanted - w @ window
        w = w + mu * e * window / (eps + window @ window)
        found.append(e)
    return np.array(found)


began = time.monotonic()
print(platform.machine(), "Python", platform.python_version(), "NumPy", np.__version__, "SciPy", scipy.__version__)
x = rng.standard_normal(3000)
for order in (1, 2, 4):
    b, a = scipy.signal.butter(order, 0.2)
    check(f"lfilter, order {order}, sequential", sigrnn.lfilter(b, a, x[:400]), scipy.signal.lfilter(b, a, x[:400]))
check("lfilter, in blocks", sigrnn.lfilter(b, a, x), scipy.signal.lfilter(b, a, x))
many = rng.standard_normal((20, 300))
check("lfilter, channels in lanes", sigrnn.lfilter(b, a, many), scipy.signal.lfilter(b, a, many))
check("lfilter, float32", sigrnn.lfilter(b, a, x[:400].astype("f")), scipy.signal.lfilter(b, a, x[:400]), 1e-6)
check("filtfilt", sigrnn.filtfilt(b, a, x[:400]), scipy.signal.filtfilt(b, a, x[:400]))
sos = scipy.signal.butter(8, 0.2, output="sos")
check("sosfilt, four sections", sigrnn.sosfilt(sos, x[:400]), scipy.signal.sosfilt(sos, x[:400]))
taps = rng.standard_normal(31)
check("lfilter, 31 taps", sigrnn.lfilter(taps, 1.0, x), scipy.signal.lfilter(taps, 1.0, x))
stream = sigrnn.Stream(b, a)
check("Stream", np.concatenate([stream(part) for part in np.split(x, 10)]), scipy.signal.lfilter(b, a, x))

b2, a2 = [0.5, 0.2, 0.1], [1.0, -0.6, 0.2]
check("nlfilter, tanh", sigrnn.nlfilter(b2, a2, x[:300]), nonlinear(b2, a2, x[:300]), 1e-13)
check(
    "nlfilter, sigmoid without feedback",
    sigrnn.nlfilter([2.0], [1.0], x[:100], activation="sigmoid"),
    1 / (1 + np.exp(-2 * x[:100])),
    4 * EPS,
)

w_ih, w_hh = rng.standard_normal((15, 2)), 0.3 * rng.standard_normal((15, 5))
inputs = rng.standard_normal((50, 2))
check("gru", sigrnn.gru(inputs, w_ih, w_hh)[0], gru(inputs, w_ih, w_hh), 1e-13)

y, pull = sigrnn.vjp(sigrnn.lfilter, b, a, x[:400])
slope, step = rng.standard_normal(400), 1e-6
for k, (name, gradient) in enumerate(zip("bax", pull(slope), strict=True)):
    given = [b, a, x[:400]]
    shift = rng.standard_normal(gradient.shape)
    ends = [
        slope @ scipy.signal.lfilter(*(c + s * shift if k == i else c for i, c in enumerate(given)))
        for s in (step, -step)
    ]
    check(f"vjp of lfilter by {name}", gradient @ shift, (ends[0] - ends[1]) / (2 * step), 1e-6)

d = scipy.signal.lfilter([0.5, -0.3, 0.2], 1.0, x)
check("NLMS", adaptive.NLMS(4, 0.5, eps=1e-3)(x[:500], d[:500]).e, nlms(x[:500], d[:500], 4, 0.5, 1e-3))
check("RLS learns the system", adaptive.RLS(3, delta=1e-6)(x[:500], d[:500]).w_final, [0.5, -0.3, 0.2], 1e-6)
print("passed")
