"""What a user gets wrong in the first minutes: the message names the argument, what was expected, and what came."""

import numpy as np
import pytest

import sigrnn
from sigrnn import adaptive

X = np.random.default_rng(0).standard_normal(50)
B, A = [0.5, 0.2], [1.0, -0.8]

MISTAKES = {
    "axis by name": (lambda: sigrnn.lfilter(B, A, X, axis="time"), TypeError, "axis must be a whole number, got 'time'"),
    "no steady state": (lambda: sigrnn.lfilter_zi([1.0], [1.0, -1.0]), np.linalg.LinAlgError, "pole at z = 1"),
    "complex activation": (
        lambda: sigrnn.Stream([1.0], [1.0, 0.5j], activation="tanh"),
        NotImplementedError,
        "a stream with an activation serves real numbers, not complex128, which b and a make",
    ),
    "no signals": (lambda: sigrnn.gradient_flow(sigrnn.FIR(3), np.zeros((0, 9, 1))), ValueError, "x has no channel or sequence"),
    "no coefficients": (lambda: sigrnn.lfilter_zi([], []), ValueError, "at least one nonzero `a`"),
    "no coefficients, in a gradient": (
        lambda: sigrnn.jvp(sigrnn.filtfilt, ([1.0], [], X), ([1.0], None, None)),
        ValueError,
        "`a` must have at least one coefficient",
    ),
    "a section without a[0]": (lambda: sigrnn.sosfilt_zi([[1.0, 0, 0, 0, 1, 0]]), ValueError, r"sos\[:, 3\] has a zero"),
    "text for numbers": (lambda: sigrnn.nlfilter(B, A, X, bias="x"), NotImplementedError, "which b, a, x, zi and bias make"),
    "objects for a stream": (lambda: sigrnn.Stream(B, A)(X.astype(object)), NotImplementedError, "x and the coefficients"),
    "complex layers": (lambda: sigrnn.rnn(X[:, None] + 1j, [[1.0]], [[0.5]]), NotImplementedError, "x and the weights"),
    "time and channels swapped": (
        lambda: sigrnn.rnn(np.zeros((2, 50)), np.ones((4, 2)), np.ones((4, 4))),
        ValueError,
        r"w_ih has shape \(4, 2\), expected \(4, 50\): x has 50 inputs, w_hh 4 units",
    ),
    "lengths": (
        lambda: sigrnn.rnn(np.zeros((1, 5, 1)), [[1.0]], [[0.5]], lengths=[1.5]),
        TypeError,
        "each of lengths must be a whole number, got 1.5",
    ),
    "a result in place of a function": (lambda: sigrnn.vjp(sigrnn.lfilter(B, A, X)), TypeError, "ndarray has no gradient here: give a function"),
    "an argument forgotten": (lambda: sigrnn.vjp(sigrnn.lfilter, B, A), TypeError, "lfilter: missing .*'x'"),
    "checkpoint": (lambda: sigrnn.vjp(sigrnn.lfilter, B, A, X, checkpoint="a"), TypeError, "checkpoint must be a whole"),
    "no signal": (lambda: sigrnn.gradient_flow(sigrnn.RNN(3)), TypeError, "a model and one signal x"),
    "a list of models": (lambda: sigrnn.Chain([sigrnn.FIR(2)]), TypeError, "give them one by one"),
    "a class": (lambda: sigrnn.Chain(sigrnn.FIR), TypeError, "make one of it by a call"),
    "arguments turned round": (lambda: sigrnn.fit(X, X, sigrnn.IIR(1)), TypeError, "model must be a model.* got ndarray"),
    "fit a class": (lambda: sigrnn.fit(sigrnn.IIR, X, X), TypeError, "the class IIR: call it"),
    "callback": (lambda: sigrnn.fit(sigrnn.IIR(1), X, X, callback=3), TypeError, "callback must be a function"),
    "max_iter": (lambda: sigrnn.fit(sigrnn.IIR(1), X, X, max_iter="a"), TypeError, "max_iter must be a whole number"),
    "a penalty by name": (
        lambda: sigrnn.fit(sigrnn.IIR(1), X, X, regularization="l2"),
        TypeError,
        "regularization must be a number, got 'l2'",
    ),
    "taps": (lambda: adaptive.NLMS(2.5, 0.5), TypeError, "n_taps must be a whole number, got 2.5"),
    "steps of a polynomial": (lambda: adaptive.VolterraLMS(4, "a"), TypeError, "mu must be a number, or one for each order, got 'a'"),
    "leakage": (lambda: adaptive.LMS(4, 0.1, leakage="a"), TypeError, "leakage must be a number, got 'a'"),
    "leakage of blocks": (lambda: adaptive.BlockLMS(4, 0.1, leakage="a"), TypeError, "leakage must be a number, got 'a'"),
    "radius": (lambda: adaptive.IIRLMS(4, 2, 0.1, radius="a"), TypeError, "radius must be a number, got 'a'"),
    "process noise": (lambda: adaptive.KalmanFilter(4, "a", 0.1), TypeError, "process must be a number.* got 'a'"),
    "negative process noise": (lambda: adaptive.KalmanFilter(4, -1, 0.1), ValueError, "process must be .* got -1"),
    "dtype by another name": (
        lambda: adaptive.FDAF(4, 0.5, dtype="full"),
        TypeError,
        "dtype must be float32 or float64, got 'full'",
    ),
    "step size": (lambda: adaptive.LMS(4, "a"), TypeError, "mu must be a number, got 'a'"),
    "an array for a number": (lambda: sigrnn.FIR(X), TypeError, r"n_taps must be a whole number, got an array of shape \(50,\)"),
    "nothing for a signal": (lambda: sigrnn.lfilter(B, A, None), ValueError, "x must be at least 1-D, got None"),
    "a name for a signal": (lambda: sigrnn.sosfilt([[1, 0, 0, 1, 0, 0]], "x.wav"), ValueError, "at least 1-D, got 'x.wav'"),
    "padlen": (lambda: sigrnn.filtfilt(B, A, X, padlen=1.5), TypeError, "padlen must be a whole number, got 1.5"),
    "irlen": (lambda: sigrnn.filtfilt(B, A, X, method="gust", irlen=-1), ValueError, "irlen must be at least 0, got -1"),
    "no a": (lambda: sigrnn.filtfilt(B, [], X), ValueError, "at least one nonzero `a` coefficient"),
    "channels of the past": (lambda: sigrnn.lfiltic(B, A, np.ones((5, 2))), ValueError, r"y must be 1-D.* got shape \(5, 2\)"),
    "a bias for each of no channels": (
        lambda: sigrnn.nlfilter(B, A, X, bias=[1, 2, 3], activation="tanh"),
        ValueError,
        r"bias has shape \(3,\), expected a number",
    ),
    "workers": (lambda: sigrnn.set_workers("all"), TypeError, "workers must be a whole number, got 'all'"),
    "seed": (lambda: sigrnn.GRU(3).init(1, rng="a"), TypeError, "rng must be a seed, a Generator or None, got 'a'"),
    "seed of fit": (lambda: sigrnn.fit(sigrnn.IIR(1), X, X, rng=-1), ValueError, "rng must be a seed, .* got -1"),
    "no path": (lambda: sigrnn.load(3), TypeError, "path must be a path or an open file, got 3"),
    "adapt before control": (lambda: adaptive.FxLMS(4, 0.1, [1.0]).adapt(X), ValueError, "call `control` .* first"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_message_helps(mistake):
    call, kind, message = MISTAKES[mistake]
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("load", [sigrnn.load, adaptive.load])
def test_message_of_a_file_of_another_kind(load, tmp_path):
    (tmp_path / "notes.npz").write_text("not an archive")
    with pytest.raises(ValueError, match=r"notes\.npz .*no \.npz archive"):
        load(tmp_path / "notes.npz")


def test_stream_of_a_layer_says_what_does_not_fit():
    with pytest.raises(ValueError, match="x has 1 inputs"):
        sigrnn.GRU(3).init(2).stream()(X)


def test_workers_show_themselves():
    assert repr(sigrnn.set_workers(1)) == "set_workers(1)"
