"""Slow twins of the adaptive filters whose weights wait for the end of a block: as the textbooks write them."""

import numpy as np
from adaptive_reference import Mean, windows


def block_lms(x, d, n_taps, mu, block, keep=1.0, w0=None):
    """Return y and the weights at the end: after each whole block, w <- keep w + mu sum e u*."""
    u = windows(x, n_taps)
    dtype = np.result_type(u, d, float)
    w = np.zeros(u.shape[1:], dtype) if w0 is None else np.array(w0, dtype).reshape(u.shape[1:])
    y, total = np.empty(len(d), dtype), np.zeros_like(w)
    for n in range(len(d)):
        y[n] = np.sum(w * u[n])
        total += (d[n] - y[n]) * u[n].conj()
        if (n + 1) % block == 0:
            w, total = keep * w + mu * total, np.zeros_like(w)
    return y, w


def overlap_save(x, d, n_taps, mu, block, eps=None, part=None, smoothing=0.9, size=None, keep=1.0):
    """Return y and the weights at the end, over whole blocks: partitions of `part` taps, all constrained, in complex transforms.

    eps is 1e-3 of the mean power of the bin and of a sample unless it is given.
    """
    part = part or n_taps
    size = size or part + block - 1
    parts = -(-n_taps // part)
    x = np.concatenate([np.zeros(size), x])
    w = np.zeros((parts, size), np.result_type(x, d, float))
    power, mean, y = None, Mean(), np.empty(len(d), w.dtype)
    mask = np.arange(parts * part).reshape(parts, part) < n_taps
    for k in range(len(d) // block):
        end = size + (k + 1) * block
        spectra = np.zeros((parts, size), complex)
        for p in range(min(parts, k + 1)):
            spectra[p] = np.fft.fft(x[end - p * part - size : end - p * part])
        out = np.fft.ifft((np.fft.fft(w) * spectra).sum(0))
        now = slice(k * block, (k + 1) * block)
        y[now] = (out if np.iscomplexobj(y) else out.real)[size - block :]
        error = np.fft.fft(np.concatenate([np.zeros(size - block), d[now] - y[now]]))
        total = (np.abs(spectra) ** 2).sum(0)
        power = total if power is None else np.maximum(total, smoothing * power + (1 - smoothing) * total)
        loudness = mean(np.r_[total, np.sum(np.abs(x[end - size : end]) ** 2) / size])
        least = 1e-3 * (loudness[:-1] + loudness[-1]) if eps is None else eps
        step = np.fft.ifft(mu / (least + power) * error * spectra.conj())[:, :part]
        w *= keep
        w[:, :part] += np.where(mask, step if np.iscomplexobj(w) else step.real, 0)
    return y, w[:, :part].reshape(-1)[:n_taps]
