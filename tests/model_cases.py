"""Models for tests, and a model of one's own."""

from functools import partial

import numpy as np

import sigrnn
from sigrnn import (
    FIR,
    GRU,
    IIR,
    LSTM,
    RNN,
    SOS,
    Bidirectional,
    Chain,
    Delay,
    Dense,
    Feedback,
    NonlinearFIR,
    NonlinearIIR,
    Parallel,
    PiecewiseLinear,
    Polynomial,
    Residual,
    StateSpace,
    TanhNetwork,
)
from sigrnn.layers._cells import FUNCTIONS


class Shaper(sigrnn.Model):
    """y = p x + q x^3, for each channel: a model as users write it."""

    def _draw(self, inputs, rng):
        return {"p": 1.0 + 0.1 * rng.standard_normal(inputs), "q": 0.1 * rng.standard_normal(inputs)}, inputs

    def _run(self, x, state):
        return self.params["p"] * x + self.params["q"] * x**3, None

    def _vjp(self, x, state):
        def pull(dy):
            grads = {"p": (dy * x).sum(axis=(0, 1)), "q": (dy * x**3).sum(axis=(0, 1))}
            return grads, dy * (self.params["p"] + 3.0 * self.params["q"] * x**2)

        return self._run(x, state), pull


class Leak(Shaper):
    """With a memory and forward mode: y[n] = p y[n-1] + x[n], one channel."""

    def __init__(self, start=0.5):
        self.start = start

    def _draw(self, inputs, rng):
        return {"p": [self.start]}, inputs

    def _run(self, x, state):
        y, last = np.empty_like(x), np.zeros((len(x), x.shape[-1])) if state is None else state
        for n in range(x.shape[1]):
            y[:, n] = last = self.params["p"] * last + x[:, n]
        return y, last.copy()

    def _vjp(self, x, state):
        y, after = self._run(x, state)
        first = np.zeros_like(after) if state is None else state

        def pull(dy):
            dx, back = np.empty_like(x), np.zeros_like(after)
            for n in reversed(range(x.shape[1])):
                dx[:, n] = back = dy[:, n] + self.params["p"] * back
            before = np.concatenate([first[:, None], y[:, :-1]], axis=1)
            return {"p": np.array([(dx * before).sum()])}, dx

        return (y, after), pull

    def _jvp(self, x, tangents, dx, state):
        y, _ = self._run(x, state)
        first = np.zeros((len(x), 1, x.shape[-1])) if state is None else state[:, None]
        before = np.concatenate([first, y[:, :-1]], axis=1)
        u = tangents.get("p", 0.0) * before + (0.0 if dx is None else dx)
        return y, self._run(u, None)[0]


# (name, how to make it, inputs)
MODELS = [
    ("FIR", lambda: FIR(3), 1),
    ("FIR, one tap", lambda: FIR(1), 1),
    ("FIR, two inputs", lambda: FIR(3), 2),
    ("IIR", lambda: IIR(3), 1),
    ("IIR, stable, two inputs", lambda: IIR(2, stable=True), 2),
    ("SOS", lambda: SOS(2), 1),
    ("SOS, stable, two inputs", lambda: SOS(2, stable=True), 2),
    ("NonlinearFIR", lambda: NonlinearFIR(3), 1),
    ("NonlinearFIR, two inputs", lambda: NonlinearFIR(2, "silu"), 2),
    ("NonlinearIIR", lambda: NonlinearIIR(2, 3), 1),
    ("NonlinearIIR, two inputs", lambda: NonlinearIIR(2, 2, "gelu"), 2),
    *((cell.model, partial(getattr(sigrnn, cell.model), 3), 2) for cell in FUNCTIONS.values()),
    ("RNN, silu", lambda: RNN(3, "silu"), 1),
    ("GRU, reset before", lambda: GRU(3, reset_after=False), 2),
    ("LSTM, forget bias", lambda: LSTM(3, forget_bias=1.0), 1),
    ("LSTM, peephole", lambda: LSTM(3, peephole=True), 2),
    ("LSTM, first state", lambda: LSTM(3, initial=True), 2),
    ("GRU, first state", lambda: GRU(2, initial=True), 1),
    ("Dense", lambda: Dense(3, "tanh"), 2),
    ("Dense, gelu", lambda: Dense(2, "gelu"), 1),
    ("Polynomial", lambda: Polynomial(3), 1),
    ("Polynomial, two inputs", lambda: Polynomial(2), 2),
    ("PiecewiseLinear", lambda: PiecewiseLinear(5), 1),
    ("PiecewiseLinear, two inputs", lambda: PiecewiseLinear(4), 2),
    ("TanhNetwork", lambda: TanhNetwork(3), 1),
    ("TanhNetwork, two outputs", lambda: TanhNetwork(2, 2), 3),
    ("static in a chain", lambda: Chain(IIR(2), PiecewiseLinear(4), Residual(TanhNetwork(2)), FIR(2)), 1),
    ("Delay", lambda: Delay(4), 1),
    ("Delay in a chain, two inputs", lambda: Chain(Delay(3), IIR(2)), 2),
    ("Feedback", lambda: Feedback(IIR(2), Polynomial(3)), 1),
    (
        "Feedback, all operations",
        lambda: Feedback(
            Chain(SOS(2), Parallel(FIR(2), Dense(1, "tanh"))),
            Chain(Residual(PiecewiseLinear(4)), IIR(2, stable=True), TanhNetwork(2), Dense(1)),
        ),
        1,
    ),
    ("Feedback in a chain", lambda: Chain(FIR(2), Feedback(IIR(1), TanhNetwork(2)), GRU(2)), 1),
    ("StateSpace", lambda: StateSpace(3), 1),
    ("StateSpace, several inputs and outputs", lambda: StateSpace(2, 3), 2),
    ("StateSpace, units", lambda: StateSpace(2, 2, units=3), 2),
    ("StateSpace, powers", lambda: StateSpace(2, degree=3), 1),
    ("own", Leak, 1),
    ("Wiener-Hammerstein", lambda: Chain(IIR(2), Dense(1, "tanh"), IIR(2, stable=True)), 1),
    (
        "nested",
        lambda: Chain(
            LSTM(3),
            Residual(Chain(GRU(2), Dense(3))),
            Parallel(Dense(1), NonlinearIIR(2, 1), combine="concatenate"),
            FIR(2),
        ),
        2,
    ),
    ("Parallel", lambda: Parallel(FIR(2), IIR(2), Chain(Leak(0.25), SOS(1))), 1),
    ("Bidirectional", lambda: Chain(Bidirectional(GRU(2)), Dense(1)), 2),
]
IDS = [name for name, *_ in MODELS]


def made(make, inputs):
    model = make().init(inputs, rng=1)
    for name in {"h0", "c0"} & set(model.params):  # 0 as drawn
        model.params[name] = np.random.default_rng(2).standard_normal(model.params[name].shape)
    return model


def shapes(inputs, samples=7):
    """Shapes of signals for a model."""
    return [(samples,)] * (inputs == 1) + [(samples, inputs), (2, samples, inputs)]
