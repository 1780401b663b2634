"""Slow twins of the adaptive filters: sample by sample, newest sample first, each rule as its textbook writes it."""

import numpy as np


def windows(x, n_taps, delay=0):
    """Return u[n] = (x[n], x[n-1], ...) of each sample, shape (N, n_taps, channels), zeros before the first sample."""
    x = np.asarray(x).reshape(len(x), -1)
    x = np.concatenate([np.zeros((delay, x.shape[1])), x])[: len(x)]
    padded = np.concatenate([np.zeros((n_taps - 1, x.shape[1])), x])
    return np.lib.stride_tricks.sliding_window_view(padded, n_taps, axis=0)[..., ::-1].transpose(0, 2, 1)


def run(rule, x, d, n_taps, w0=None, delay=0):
    """Return y, e, the weights before each sample, and those at the end; `rule` has a method step(w, u, e) -> w."""
    d = np.asarray(d)
    shape = windows(x, n_taps).shape[1:]
    dtype = np.result_type(np.asarray(x), d, float)
    w = np.zeros(shape, dtype) if w0 is None else np.array(w0, dtype).reshape(shape)
    y, history = np.empty(len(d), dtype), np.empty((len(d), *shape), dtype)
    for n, u in enumerate(windows(x, n_taps, delay)):
        history[n] = w
        y[n] = np.sum(w * u)
        w = rule.step(w, u, d[n] - y[n])
    return y, d - y, history, w


class LMS:
    """w <- (1 - mu leakage) w + mu e u*."""

    def __init__(self, mu, leakage=0.0):
        self.mu, self.keep = mu, 1 - mu * leakage

    def step(self, w, u, e):
        return self.keep * w + self.mu * e * u.conj()


class NLMS(LMS):
    """The same with mu / (eps + |u|^2)."""

    def __init__(self, mu, eps=1e-3, leakage=0.0):
        super().__init__(mu, leakage)
        self.eps = eps

    def step(self, w, u, e):
        return self.keep * w + self.mu / (self.eps + np.sum(np.abs(u) ** 2)) * e * u.conj()
