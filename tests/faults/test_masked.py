"""Masked arrays: a filter would run through the numbers under the mask, so all that takes samples refuses them by name."""

import numpy as np
import pytest
from numpy import ma

import sigrnn
from sigrnn import adaptive

X = np.ones(1000)
MASKED = ma.array(np.r_[0.0, 0.0, 1e9, np.ones(997)], mask=np.arange(1000) == 2)
ROW = MASKED[:, None]
B, A, SOS = [1.0], [1.0, -0.5], [[1.0, 0, 0, 1, -0.5, 0]]
NB, NA = np.array(B), np.array(A)

CALLS = {
    "lfilter": (lambda: sigrnn.lfilter(B, A, MASKED), "x"),
    "lfilter, arrays": (lambda: sigrnn.lfilter(NB, NA, MASKED), "x"),
    "lfilter, the case": (lambda: sigrnn.lfilter(B, A, ma.array([0, 0, 1e9, 0], mask=[0, 0, 1, 0])), "x"),
    "lfilter, channels": (lambda: sigrnn.lfilter(NB, NA, MASKED.reshape(2, -1)), "x"),
    "lfilter, list of arrays": (lambda: sigrnn.lfilter(NB, NA, [X, MASKED]), "x"),
    "lfilter, taps": (lambda: sigrnn.lfilter(np.ones(5), 1.0, MASKED), "x"),
    "lfilter, b": (lambda: sigrnn.lfilter(MASKED, A, X), "b"),
    "lfilter, a": (lambda: sigrnn.lfilter(NB, MASKED + 1, X), "a"),
    "lfilter, zi": (lambda: sigrnn.lfilter(B, A, X, zi=MASKED[2:3]), "zi"),
    "lfilter_tv": (lambda: sigrnn.lfilter_tv(np.ones((1000, 1)), np.ones((1000, 1)), MASKED), "x"),
    "lfilter_zi": (lambda: sigrnn.lfilter_zi(B, MASKED), "a"),
    "lfiltic": (lambda: sigrnn.lfiltic(B, A, MASKED[2:3]), "y"),
    "sosfilt": (lambda: sigrnn.sosfilt(SOS, MASKED), "x"),
    "filtfilt": (lambda: sigrnn.filtfilt(B, A, MASKED), "x"),
    "filtfilt, gust": (lambda: sigrnn.filtfilt(B, A, MASKED, method="gust"), "x"),
    "sosfiltfilt": (lambda: sigrnn.sosfiltfilt(SOS, MASKED), "x"),
    "Stream": (lambda: sigrnn.Stream(B, A)(MASKED), "x"),
    "Stream, sections": (lambda: sigrnn.Stream(sos=SOS)(MASKED), "x"),
    "Stream, activation": (lambda: sigrnn.Stream(B, A, activation="tanh")(MASKED), "x"),
    "nlfilter": (lambda: sigrnn.nlfilter(B, A, MASKED), "x"),
    "rnn": (lambda: sigrnn.rnn(ROW, [[1.0]], [[0.5]]), "x"),
    "rnn, weights": (lambda: sigrnn.rnn(X[:, None], ROW[2:3], [[0.5]]), "w_ih"),
    "gru": (lambda: sigrnn.gru(ROW, np.ones((3, 1)), np.ones((3, 1))), "x"),
    "lstm": (lambda: sigrnn.lstm(ROW, np.ones((4, 1)), np.ones((4, 1))), "x"),
    "mingru": (lambda: sigrnn.mingru(ROW, np.ones((2, 1))), "x"),
    "dense": (lambda: sigrnn.dense(ROW, [[1.0]]), "x"),
    "LayerStream": (lambda: sigrnn.layers.streams.LayerStream("rnn", [[1.0]], [[0.5]])(ROW), "x"),
    "vjp": (lambda: sigrnn.vjp(sigrnn.lfilter, B, A, MASKED), "x"),
    "pull-back": (lambda: sigrnn.vjp(sigrnn.lfilter, B, A, X)[1](MASKED), "dy"),
    "jvp": (lambda: sigrnn.jvp(sigrnn.lfilter, (B, A, X), (None, None, MASKED)), "the tangent of x"),
    "vjp of a layer": (lambda: sigrnn.vjp(sigrnn.rnn, ROW, [[1.0]], [[0.5]]), "x"),
    "synchronous_grad": (lambda: sigrnn.synchronous_grad(sigrnn.nlfilter, B, A, MASKED), "x"),
    "gradient_flow": (lambda: sigrnn.gradient_flow(sigrnn.RNN(2).init(1), MASKED), "x"),
    "model": (lambda: sigrnn.GRU(3).init(1)(MASKED), "x"),
    "stream of a layer": (lambda: sigrnn.GRU(3).init(1).stream()(ROW), "x"),
    "stream of a filter": (lambda: sigrnn.IIR(2).init(1).stream()(MASKED), "x"),
    "stream of a composition": (lambda: sigrnn.Parallel(sigrnn.FIR(2), sigrnn.FIR(3)).init(1).stream()(MASKED), "x"),
    "params": (lambda: setattr(sigrnn.FIR(3).init(1), "params", {"b": MASKED[:3]}), "b"),
    "fit, x": (lambda: sigrnn.fit(sigrnn.FIR(3), MASKED, X, progress=False), "x"),
    "fit, t": (lambda: sigrnn.fit(sigrnn.FIR(3), X, MASKED, progress=False), "t"),
    "fit, sequences": (lambda: sigrnn.fit(sigrnn.FIR(3), [X, X], [X, MASKED], progress=False), r"t\[1\]"),
    "fit, weights": (lambda: sigrnn.fit(sigrnn.FIR(3), X, X, weights=MASKED, progress=False), "weights"),
    **{
        f"{name}, {which}": (lambda make=make, pair=pair: make()(*pair), which)
        for name, make in {
            "NLMS": lambda: adaptive.NLMS(4, 0.5),
            "RLS": lambda: adaptive.RLS(4),
            "FDAF": lambda: adaptive.FDAF(4, 0.1),
            "FxLMS": lambda: adaptive.FxLMS(4, 0.1, [1.0]),
            "VolterraLMS": lambda: adaptive.VolterraLMS(4, 0.1),
            "EquationErrorLMS": lambda: adaptive.EquationErrorLMS(3, 2, 0.1),
        }.items()
        for which, pair in (("x", (MASKED, X)), ("d", (X, MASKED)))
    },
    "w0": (lambda: adaptive.NLMS(3, 0.5, w0=MASKED[:3]), "w0"),
    "predict": (lambda: adaptive.NLMS(4, 0.5).predict(MASKED), "x"),
    "control": (lambda: adaptive.FxLMS(4, 0.1, [1.0]).control(MASKED), "x"),
    "suggest_mu, x": (lambda: adaptive.LMS(4, 0.1).suggest_mu(MASKED), "x"),
    "suggest_mu, d": (lambda: adaptive.SignErrorLMS(4, 0.1).suggest_mu(X, MASKED), "d"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_what_is_masked_is_refused(call):
    run, name = CALLS[call]
    with pytest.raises(TypeError, match=rf"^{name} is masked, .*: fill the gaps, as .*\.filled\(value\) does"):
        run()


def test_an_array_of_that_type_without_gaps_is_an_array():
    # netCDF4 gives nothing else; SciPy takes it, too.
    assert np.array_equal(sigrnn.lfilter(NB, NA, ma.array(X)), sigrnn.lfilter(NB, NA, X))
    assert np.array_equal(sigrnn.lfilter(NB, NA, ma.array(X, mask=False)), sigrnn.lfilter(NB, NA, X))
    filled = MASKED.filled(0.0)
    assert np.array_equal(sigrnn.lfilter(B, A, filled), sigrnn.lfilter(B, A, np.where(MASKED.mask, 0.0, MASKED.data)))
