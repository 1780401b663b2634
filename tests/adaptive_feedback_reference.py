"""Slow twins of adaptive filters with feedback, with a path behind them, and of polynomial ones: as the textbooks write them."""

from itertools import combinations_with_replacement

import numpy as np
from adaptive_reference import windows


def feedback(x, d, n_taps, n_feedback, mu, g=None, slope=None, eps=0.0, full=True, target=False, w0=None, keep=1.0):
    """Return y, the weights and the sensitivities at each sample; slope takes y. A bias goes with g."""
    dtype = np.result_type(x, d, float)
    size = n_taps + n_feedback + (g is not None)
    w = np.zeros(size, dtype) if w0 is None else np.array(w0, dtype)
    u_x = windows(x, n_taps)[..., 0]
    y, past = np.zeros(len(d), dtype), np.zeros(n_feedback, dtype)
    psi = [np.zeros(size, dtype)] * n_feedback
    history, gradients = [], []
    for n in range(len(d)):
        history.append(w)
        u = np.concatenate([u_x[n], -past, [1.0] * (g is not None)])
        e_n = np.sum(w * u)
        y[n] = e_n if g is None else g(e_n)
        now = u.astype(dtype)
        if full:
            for k in range(n_feedback):
                now = now - w[n_taps + k] * psi[k]
        now = now if slope is None else slope(y[n]) * now
        gradients.append(now)
        error = d[n] - y[n]
        step = mu / (eps + np.sum(np.abs(now) ** 2)) if eps else mu
        w = keep * w + step * error * now.conj()
        psi = [now, *psi][:n_feedback]
        past = np.concatenate([[d[n] if target else y[n]], past])[:n_feedback]
    return y, np.array(history), np.array(gradients), w


def fxlms(x, d, n_taps, mu, believed, plant, eps=0.0, keep=1.0):
    """Return u, y, e and the weights at the end."""
    dtype = np.result_type(x, d, float)
    w = np.zeros(n_taps, dtype)
    u_x = windows(x, n_taps)[..., 0]
    filtered = windows(np.convolve(x, believed)[: len(x)], n_taps)[..., 0]
    sent, y, e = (np.zeros(len(d), dtype) for _ in range(3))
    for n in range(len(d)):
        sent[n] = np.sum(w * u_x[n])
        y[n] = sum(plant[k] * sent[n - k] for k in range(min(len(plant), n + 1)))
        e[n] = d[n] - y[n]
        step = mu / (eps + np.sum(np.abs(filtered[n]) ** 2)) if eps else mu
        w = keep * w + step * e[n] * filtered[n].conj()
    return sent, y, e, w


def volterra(x, d, n_taps, mu, order, eps=0.0):
    """Return y and the weights at the end; mu one step for each order."""
    products = [t for k in range(1, order + 1) for t in combinations_with_replacement(range(n_taps), k)]
    steps = np.array([mu[len(t) - 1] for t in products])
    w, y = np.zeros(len(products)), np.zeros(len(d))
    for n, window in enumerate(windows(x, n_taps)[..., 0]):
        u = np.array([np.prod(window[list(t)]) for t in products])
        y[n] = w @ u
        w = w + steps * (d[n] - y[n]) * u / (eps + u @ u if eps else 1.0)
    return y, w
