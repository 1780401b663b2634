"""Slow twins of the kernels, in plain Python and NumPy: written to be read, in whatever dtype they are given.

Each computes in the common dtype of its arguments, long double and complex included. Terms are added in the order of
the equations, so in float64 they round as SciPy does.
"""

import numpy as np


def common(*arrays):
    """The arrays in their common dtype."""
    dtype = np.result_type(*arrays)
    return [np.array(array, dtype) for array in arrays]


def padded(b, a):
    """Numerator and denominator divided by a[0], both of the length of the longer."""
    length = max(len(b), len(a))
    full = [np.concatenate([c, np.zeros(length - len(c), c.dtype)]) for c in (b, a)]
    return full if a[0] == 1 else [c / a[0] for c in full]


def direct_form(b, a, x, z=None):
    """Transposed direct form II: y = z[0] + b[0] x, z[p] <- z[p+1] + b[p+1] x - a[p+1] y with z[P] = 0."""
    b, a, x = common(b, a, x)
    b, a = padded(b, a)
    z = np.zeros(len(b) - 1, x.dtype) if z is None else np.array(z, np.result_type(x, np.asarray(z)))
    y = np.empty(len(x), z.dtype)
    if not len(z):
        return b[0] * x, z
    for n in range(len(x)):
        y[n] = z[0] + b[0] * x[n]
        z = np.append(z[1:], z.dtype.type(0)) + b[1:] * x[n] - a[1:] * y[n]
    return y, z


def scalar_direct_form(b, a, x, z=None):
    """The same, one scalar operation after the other; b and a have the same length and a[0] is 1."""
    z = [0.0] * (len(b) - 1) if z is None else list(z)
    last, y = len(z) - 1, []
    for n in range(len(x)):
        y.append(z[0] + b[0] * x[n])
        for p in range(last):
            z[p] = z[p + 1] + b[p + 1] * x[n] - a[p + 1] * y[n]
        z[last] = b[last + 1] * x[n] - a[last + 1] * y[n]
    return np.array(y), np.array(z)


def cascade(sos, x, z=None):
    """Second-order sections, one after the other: y = b0 x + z0, z0 <- b1 x - a1 y + z1, z1 <- b2 x - a2 y."""
    sos, x = common(sos, x)
    z = np.zeros((len(sos), 2), x.dtype) if z is None else np.array(z, np.result_type(x, np.asarray(z)))
    y = x.astype(z.dtype)
    for s, (b0, b1, b2, _, a1, a2) in enumerate(sos):
        z0, z1 = z[s]
        for n in range(len(y)):
            before = y[n]
            y[n] = b0 * before + z0
            z0 = b1 * before - a1 * y[n] + z1
            z1 = b2 * before - a2 * y[n]
        z[s] = z0, z1
    return y, z


def fir(b, x, z=None):
    """y[n] = sum_m b[m] x[n-m], and what the next outputs will still receive; z is added to the first outputs."""
    b, x = common(b, x)
    memory, samples = len(b) - 1, len(x)
    full = np.zeros(samples + memory, x.dtype if z is None else np.result_type(x, np.asarray(z)))
    for n in range(samples + memory):
        for m in range(max(0, n - samples + 1), min(memory, n) + 1):
            full[n] += b[m] * x[n - m]
    if z is not None:
        full[:memory] += z
    return full[:samples], full[samples:]


def varying(b, a, x, z=None):
    """The transposed direct form II with row n of b (N, M + 1) and a (N, P + 1) at sample n."""
    b, a, x = common(b, a, x)
    order = max(b.shape[1], a.shape[1]) - 1
    z = np.zeros(order, x.dtype) if z is None else np.array(z, np.result_type(x, np.asarray(z)))
    y = np.empty(len(x), z.dtype)
    for n in range(len(x)):
        bn, an = padded(b[n], a[n])
        if order:
            y[n] = z[0] + bn[0] * x[n]
            z = np.append(z[1:], z.dtype.type(0)) + bn[1:] * x[n] - an[1:] * y[n]
        else:
            y[n] = bn[0] * x[n]
    return y, z


def state_matrix(a):
    """A of the transposed direct form II, z <- A z + B x: first column -a[1:], ones above the diagonal."""
    order = len(a) - 1
    matrix = np.eye(order, k=1, dtype=np.asarray(a).dtype)
    matrix[:, 0] -= a[1:]
    return matrix


def entry(b, a, length):
    """For sections b, a (S, P + 1): A^L, G (L, R) with row n = A^(L-1-n) B, and the largest entry of A, A^2, ... A^L.

    A and B of the cascade are found by asking it: one sample from each state, one impulse from rest. In long double.
    """
    b, a = b.astype(np.longdouble), a.astype(np.longdouble)
    count, order = b.shape[0], b.shape[1] - 1

    def step(states, x):
        after = []
        for s in range(count):
            y, z = direct_form(b[s], a[s], np.array([x]), states[s * order : (s + 1) * order])
            after.append(z)
            x = y[0]
        return np.concatenate(after)

    unit, nothing = np.eye(count * order, dtype=np.longdouble), np.zeros(count * order, np.longdouble)
    matrix = np.array([step(state, np.longdouble(0)) for state in unit]).T
    rows, power, largest = [step(nothing, np.longdouble(1))], unit, 0.0
    for _ in range(length):
        rows.append(matrix @ rows[-1])
        power = matrix @ power
        largest = max(largest, np.abs(power).max())
    return power, np.array(rows[-2::-1]), float(largest)


# Activations, in the dtype of e: float64, long double, or complex ones, whose imaginary part carries a derivative


def by_sign(e, below, above):
    """One expression where e is negative, another where it is not."""
    return np.where(np.real(e) < 0, below, above)


def sigmoid(e):
    """1 / (1 + exp(-e)), never with a large exponential."""
    small = np.exp(by_sign(e, e, -e))
    return by_sign(e, small, 1) / (1 + small)


def between(e, low, high):
    """e, or the nearer of two constants outside of them."""
    return np.where(np.real(e) < low, low, np.where(np.real(e) > high, high, e))


def normal(e):
    """The normal distribution: a series around 0, a continued fraction from 3 on."""
    t = by_sign(e, -e, e)
    t = np.where(np.real(t) < 200, t, 200)  # where all is over, in long double too
    head = np.real(t).astype(np.float32).astype(np.real(t).dtype)  # its square is exact in long double
    two_pi = 8 * np.arctan(np.ones((), head.dtype))
    density = np.exp(-head * head / 2) * np.exp(-(t - head) * (t + head) / 2) / np.sqrt(two_pi)
    near = np.where(np.real(t) < 3, t, 0)
    term = total = near
    for n in range(1, 80):
        term = term * near * near / (2 * n + 1)
        total = total + term
    far = tail = np.where(np.real(t) < 3, 3, t)
    for k in range(150, 0, -1):
        tail = far + k / tail
    beyond = np.where(np.real(t) < 3, 0.5 - density * total, density / tail)
    return by_sign(e, beyond, 1 - beyond)


ACTIVATIONS = {
    "linear": lambda e: e,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda e: by_sign(e, 0, e),
    "leaky_relu": lambda e: by_sign(e, e / 100, e),
    "softsign": lambda e: between(e, -1e300, 1e300) / by_sign(e, 1 - between(e, -1e300, 0), 1 + between(e, 0, 1e300)),
    "softplus": lambda e: by_sign(e, 0, e) + np.log1p(np.exp(by_sign(e, e, -e))),
    "hard_tanh": lambda e: between(e, -1, 1),
    "hard_sigmoid": lambda e: between(e + 3, 0, 6) / 6,
    "silu": lambda e: between(e, -1e4, np.inf) * sigmoid(e),
    "gelu": lambda e: between(e, -1e4, np.inf) * normal(e),
    "mish": lambda e: between(e, -1e4, np.inf) * np.tanh(ACTIVATIONS["softplus"](between(e, -1e4, 1e4))),
}


def slope(g, e):
    """g'(e) by a complex step: exact but for rounding."""
    step = 1e-30
    return np.imag(g(e + 1j * step * np.ones_like(e))) / step


# The nonlinear filter and its gradient


def nonlinear(b, a, x, g, bias=0.0, z=None):
    """Transposed direct form II: e = z[0] + b[0] x + bias, y = g(e), z[p] <- z[p+1] + b[p+1] x - a[p+1] y; y, z and e."""
    b, a, x, bias = common(b, a, x, bias)
    b, a = padded(b, a)
    z = np.zeros(len(b) - 1, x.dtype) if z is None else np.array(z, np.result_type(x, np.asarray(z)))
    y, e = np.empty(len(x), z.dtype), np.empty(len(x), z.dtype)
    for n in range(len(x)):
        e[n] = (z[0] if len(z) else 0.0) + (b[0] * x[n] + bias)
        y[n] = g(e[n : n + 1])[0]
        if len(z):
            z = np.append(z[1:], z.dtype.type(0)) + b[1:] * x[n] - a[1:] * y[n]
    return y, z, e


def excitation_gradient(a, slopes, dy, tail=()):
    """delta[n] = g'(e[n]) (dy[n] - sum_m a[m] delta[n+m]), a[0] = 1; beyond the last sample, delta is the tail, then 0."""
    delta = np.zeros(len(dy) + len(a) - 1)
    delta[len(dy) : len(dy) + len(tail)] = tail
    for n in reversed(range(len(dy))):
        total = dy[n]
        for m in range(1, len(a)):
            total -= a[m] * delta[n + m]
        delta[n] = slopes[n] * total
    return delta[: len(dy)]


# Recurrent layers, (N, I) or (B, N, I); complex arrays carry a derivative


def filled(*arrays):
    """The arrays in their common dtype, zero for None."""
    dtype = np.result_type(*(array for array in arrays if array is not None), np.float32)
    return [np.zeros((), dtype) if array is None else np.array(array, dtype) for array in arrays]


def through(x, hidden, state, lengths, step):
    """state <- step(x[n], *state) for all n: its first part after each step, and the last state of all.

    Beyond the length of a sequence nothing moves, and there is zero in the first.
    """
    state = [np.zeros((*x.shape[:-2], hidden), x.dtype) + part for part in state]
    h = np.zeros((*x.shape[:-1], hidden), x.dtype)
    for n in range(x.shape[-2]):
        on = np.full(x.shape[:-2], True) if lengths is None else n < np.asarray(lengths)
        after = step(x[..., n, :], *state)
        state = [np.where(on[..., None], new, old) for new, old in zip(after, state, strict=True)]
        h[..., n, :] = np.where(on[..., None], state[0], 0)
    return h, state


def rnn(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, *, activation="tanh", lengths=None):
    """h[n] = g(W_ih x[n] + b_ih + W_hh h[n-1] + b_hh); the activation is a name or a function."""
    x, w_ih, w_hh, b_ih, b_hh, h0 = filled(x, w_ih, w_hh, b_ih, b_hh, h0)
    g = ACTIVATIONS.get(activation, activation)

    def step(x, h):
        return (g(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh),)

    h, (last,) = through(x, w_hh.shape[1], [h0], lengths, step)
    return h, last


def gates(count, *arrays):
    """The rows for each of the gates: of the first array, of the second, ..."""
    return [np.split(array, count) if array.ndim else [array] * count for array in arrays]


def gru(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, *, reset_after=True, lengths=None):
    """r, z = sigmoid(W x[n] + b + W h[n-1] + b), h[n] = (1 - z) n + z h[n-1], where

    n = tanh(W_in x[n] + b_in + r (W_hn h[n-1] + b_hn)), or n = tanh(W_in x[n] + b_in + W_hn (r h[n-1]) + b_hn).
    """
    x, w_ih, w_hh, b_ih, b_hh, h0 = filled(x, w_ih, w_hh, b_ih, b_hh, h0)
    (w_ir, w_iz, w_in), (w_hr, w_hz, w_hn), (b_ir, b_iz, b_in), (b_hr, b_hz, b_hn) = gates(3, w_ih, w_hh, b_ih, b_hh)

    def step(x, h):
        r = sigmoid(x @ w_ir.T + b_ir + h @ w_hr.T + b_hr)
        z = sigmoid(x @ w_iz.T + b_iz + h @ w_hz.T + b_hz)
        units = r * (h @ w_hn.T + b_hn) if reset_after else (r * h) @ w_hn.T + b_hn
        n = np.tanh(x @ w_in.T + b_in + units)
        return ((1 - z) * n + z * h,)

    h, (last,) = through(x, w_hh.shape[1], [h0], lengths, step)
    return h, last


def mingru(x, w_ih, b_ih=None, h0=None, *, lengths=None):
    """z = sigmoid(W_z x[n] + b_z), h[n] = (1 - z) h[n-1] + z (W_h x[n] + b_h)."""
    x, w_ih, b_ih, h0 = filled(x, w_ih, b_ih, h0)
    (w_z, w_h), (b_z, b_h) = gates(2, w_ih, b_ih)

    def step(x, h):
        z = sigmoid(x @ w_z.T + b_z)
        return ((1 - z) * h + z * (x @ w_h.T + b_h),)

    h, (last,) = through(x, len(w_ih) // 2, [h0], lengths, step)
    return h, last


def lstm(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, c0=None, *, peephole=None, lengths=None):
    """i, f = sigmoid(W x[n] + b + W h[n-1] + b + p c[n-1]), g = tanh(W x[n] + b + W h[n-1] + b),

    c[n] = f c[n-1] + i g, o = sigmoid(W x[n] + b + W h[n-1] + b + p c[n]), h[n] = o tanh(c[n]).
    """
    x, w_ih, w_hh, b_ih, b_hh, h0, c0, peephole = filled(x, w_ih, w_hh, b_ih, b_hh, h0, c0, peephole)
    (w_ii, w_if, w_ig, w_io), (w_hi, w_hf, w_hg, w_ho), *biases = gates(4, w_ih, w_hh, b_ih, b_hh)
    (b_ii, b_if, b_ig, b_io), (b_hi, b_hf, b_hg, b_ho) = biases
    p_i, p_f, p_o = peephole if peephole.ndim else [None] * 3

    def seen(p, c):
        return 0 if p is None else p * c

    def step(x, h, c):
        i = sigmoid(x @ w_ii.T + b_ii + h @ w_hi.T + b_hi + seen(p_i, c))
        f = sigmoid(x @ w_if.T + b_if + h @ w_hf.T + b_hf + seen(p_f, c))
        g = np.tanh(x @ w_ig.T + b_ig + h @ w_hg.T + b_hg)
        c = f * c + i * g
        o = sigmoid(x @ w_io.T + b_io + h @ w_ho.T + b_ho + seen(p_o, c))
        return o * np.tanh(c), c

    h, (last, c) = through(x, w_hh.shape[1], [h0, c0], lengths, step)
    return h, (last, c)
