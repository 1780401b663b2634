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


class Mean:
    """The mean of what was given so far."""

    def __init__(self):
        self.total, self.count = 0.0, 0

    def __call__(self, value):
        self.total, self.count = self.total + value, self.count + 1
        return self.value

    @property
    def value(self):
        return self.total / max(self.count, 1)


class NLMS(LMS):
    """The same with mu / (eps + |u|^2); eps is 1e-3 of the mean of |u|^2 unless it is given."""

    def __init__(self, mu, eps=None, leakage=0.0):
        super().__init__(mu, leakage)
        self.eps, self.mean = eps, Mean()

    def step(self, w, u, e):
        power = np.sum(np.abs(u) ** 2)
        eps = 1e-3 * self.mean(power) if self.eps is None else self.eps
        return self.keep * w + (self.mu / (eps + power) if power else 0.0) * e * u.conj()


def sgn(z):
    """Signs of real and imaginary part."""
    return np.sign(z.real) + 1j * np.sign(z.imag) if np.iscomplexobj(z) else np.sign(z)


class SignError(LMS):
    """w <- w + mu sgn(e) u*."""

    def step(self, w, u, e):
        return self.keep * w + self.mu * sgn(e) * u.conj()


class SignRegressor(LMS):
    """w <- w + mu e sgn(u*)."""

    def step(self, w, u, e):
        return self.keep * w + self.mu * e * sgn(u.conj())


class SignSign(LMS):
    """w <- w + mu sgn(e) sgn(u*)."""

    def step(self, w, u, e):
        return self.keep * w + self.mu * sgn(e) * sgn(u.conj())


class LMF(LMS):
    """w <- w + mu |e|^2 e u*."""

    def step(self, w, u, e):
        return self.keep * w + self.mu * abs(e) ** 2 * e * u.conj()


class Mathews(LMS):
    """A step size that follows the gradient of the squared error."""

    def __init__(self, mu, rho, low=0.0, high=np.inf):
        super().__init__(mu)
        self.rho, self.low, self.high, self.e, self.u = rho, low, high, 0.0, 0.0

    def slope(self, u, e):
        """Re(e* e[n-1] u^T u*[n-1]): how the squared error of this sample changes with the step of the one before."""
        return np.real(np.conj(e) * self.e * np.sum(u * np.conj(self.u)))

    def step(self, w, u, e):
        self.mu = np.clip(self.mu + self.rho * self.slope(u, e), self.low, self.high)
        self.e, self.u = e, u
        power = np.sum(np.abs(u) ** 2)
        return w + min(self.mu, 1 / power if power else np.inf) * e * u.conj()


class Kwong(Mathews):
    """A step size that follows the squared error."""

    def step(self, w, u, e):
        power = np.sum(np.abs(u) ** 2)
        w = w + min(self.mu, 1 / power if power else np.inf) * e * u.conj()
        self.mu = np.clip(0.97 * self.mu + self.rho * abs(e) ** 2, self.low, self.high)
        return w


class GNGD(Mathews):
    """NLMS whose regularisation follows the gradient of the squared error; relative: in units of the mean of |u|^2."""

    def __init__(self, mu, eps=1.0, rho=0.1, relative=False):
        super().__init__(mu, rho)
        self.eps, self.relative, self.mean = eps, relative, Mean()

    def step(self, w, u, e):
        before, power = np.sum(np.abs(self.u) ** 2), np.sum(np.abs(u) ** 2)
        if before:
            unit = self.mean.value if self.relative else 1.0
            self.eps = max(self.eps - self.rho * self.mu * self.slope(u, e) / (self.eps * unit + before) ** 2, 1e-6)
        unit = self.mean(power) if self.relative else 1.0
        self.e, self.u = e, u
        return w + (self.mu / (self.eps * unit + power) if power else 0.0) * e * u.conj()


class AP:
    """w <- w + mu X* (X^T X* + eps I)^-1 e, all of it anew at each sample; eps as for NLMS."""

    def __init__(self, mu, order, eps=None):
        self.mu, self.order, self.eps, self.windows, self.d, self.mean = mu, order, eps, None, None, Mean()

    def step(self, w, u, e):
        if self.windows is None:
            self.windows, self.d = [np.zeros(u.size, u.dtype)] * self.order, [0.0] * self.order
        self.windows = [u.ravel(), *self.windows[:-1]]
        self.d = [e + np.sum(w * u), *self.d[:-1]]
        X = np.array(self.windows).T
        eps = 1e-3 * self.mean(np.sum(np.abs(u) ** 2)) if self.eps is None else self.eps
        if not eps:  # nothing but silence so far
            return w
        gram = X.T @ X.conj() + eps * np.eye(self.order)
        change = X.conj() @ np.linalg.solve(gram, np.array(self.d) - X.T @ w.ravel())
        return w + self.mu * change.reshape(w.shape)


class RLS:
    """The textbook's recursion for the inverse correlation matrix; delta is 0.1 of the first sample's power unless given."""

    def __init__(self, forgetting, delta=None):
        self.forgetting, self.delta, self.P = forgetting, delta, None

    def step(self, w, u, e):
        u = u.ravel()
        if self.P is None:
            delta = 0.1 * np.sum(np.abs(u) ** 2) if self.delta is None else self.delta
            if not delta:
                return w
            self.P = np.eye(u.size) / delta
        k = self.P @ u.conj() / (self.forgetting + u @ self.P @ u.conj())
        self.P = (self.P - np.outer(k, u @ self.P)) / self.forgetting
        return w + e * k.reshape(w.shape)


class Kalman(RLS):
    """Weights that wander with variance q a sample, seen through noise of variance r."""

    def __init__(self, q, r, delta=0.1):
        super().__init__(r, delta)
        self.q = q

    def step(self, w, u, e):
        u = u.ravel()
        self.P = (np.eye(u.size) / self.delta if self.P is None else self.P) + self.q * np.eye(u.size)
        k = self.P @ u.conj() / (self.forgetting + u @ self.P @ u.conj())
        self.P = self.P - np.outer(k, u @ self.P)
        return w + e * k.reshape(w.shape)
