"""What a user gets wrong in the first minutes: the message names the argument, what was expected, and what came."""

import numpy as np
import pytest

import sigrnn
from sigrnn import adaptive

X = np.random.default_rng(0).standard_normal(50)
RAGGED = [[1, 2], [3]]
UNEVEN = r"must be an array, got \[\[1, 2\], \[3\]\]: its parts have different lengths"
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
    "a bias of two lengths": (lambda: sigrnn.nlfilter(B, A, X, bias=[[1], [1, 2]]), ValueError, "bias must be an array"),
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
    "a result in place of a function": (lambda: sigrnn.vjp(sigrnn.lfilter(B, A, X)), TypeError, "expect a function of sigrnn .* got ndarray"),
    "an argument forgotten": (lambda: sigrnn.vjp(sigrnn.lfilter, B, A), TypeError, "lfilter: missing .*'x'"),
    "checkpoint": (lambda: sigrnn.vjp(sigrnn.lfilter, B, A, X, checkpoint="a"), TypeError, "checkpoint must be a whole"),
    "no signal": (lambda: sigrnn.gradient_flow(sigrnn.RNN(3)), TypeError, "a model and one signal x"),
    "a list of models": (lambda: sigrnn.Chain([sigrnn.FIR(2)]), TypeError, "pass them as separate arguments"),
    "a class": (lambda: sigrnn.Chain(sigrnn.FIR), TypeError, "pass an instance, e.g. FIR\\(3\\)"),
    "arguments swapped": (lambda: sigrnn.fit(X, X, sigrnn.IIR(1)), TypeError, "model must be a model instance .* got ndarray"),
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
    "uneven signal": (lambda: sigrnn.lfilter(B, A, RAGGED), ValueError, f"x {UNEVEN}"),
    "uneven coefficients": (lambda: sigrnn.lfilter(RAGGED, A, X), ValueError, f"b {UNEVEN}"),
    "uneven rows": (lambda: sigrnn.lfilter_tv(RAGGED, [[1.0]] * 2, X[:2]), ValueError, f"b {UNEVEN}"),
    "uneven state": (lambda: sigrnn.lfilter(B, A, X, zi=RAGGED), ValueError, f"zi {UNEVEN}"),
    "uneven sections": (lambda: sigrnn.sosfilt(RAGGED, X), ValueError, f"sos {UNEVEN}"),
    "uneven sections, both ways": (lambda: sigrnn.sosfiltfilt(RAGGED, X), ValueError, f"sos {UNEVEN}"),
    "uneven denominator": (lambda: sigrnn.filtfilt(B, RAGGED, X), ValueError, f"a {UNEVEN}"),
    "uneven numerator of a state": (lambda: sigrnn.lfilter_zi(RAGGED, A), ValueError, f"b {UNEVEN}"),
    "uneven sections of a state": (lambda: sigrnn.sosfilt_zi(RAGGED), ValueError, f"sos {UNEVEN}"),
    "uneven past": (lambda: sigrnn.lfiltic(B, A, [1.0], x=RAGGED), ValueError, f"x {UNEVEN}"),
    "uneven block": (lambda: sigrnn.Stream(B, A)(RAGGED), ValueError, f"x {UNEVEN}"),
    "uneven weights": (lambda: sigrnn.rnn(X[:, None], RAGGED, [[0.5]]), ValueError, f"w_ih {UNEVEN}"),
    "uneven lengths": (
        lambda: sigrnn.gru(np.zeros((2, 5, 1)), np.ones((3, 1)), np.ones((3, 1)), lengths=RAGGED),
        ValueError,
        f"lengths {UNEVEN}",
    ),
    "uneven inputs": (lambda: sigrnn.dense(RAGGED, [[1.0]]), ValueError, f"x {UNEVEN}"),
    "uneven signal of a model": (lambda: sigrnn.SOS(2).init(1)(RAGGED), ValueError, f"x {UNEVEN}"),
    "uneven parameter": (lambda: setattr(sigrnn.FIR(3).init(1), "params", {"b": RAGGED}), ValueError, f"b {UNEVEN}"),
    "uneven gradient": (lambda: sigrnn.vjp(sigrnn.lfilter, B, A, X)[1](RAGGED), ValueError, f"dy {UNEVEN}"),
    "uneven argument": (lambda: sigrnn.vjp(sigrnn.lfilter, B, A, RAGGED), ValueError, f"x {UNEVEN}"),
    "uneven tangent": (
        lambda: sigrnn.jvp(sigrnn.lfilter, (B, A, X), (B, A, RAGGED)),
        ValueError,
        f"the tangent of x {UNEVEN}",
    ),
    "uneven flow": (lambda: sigrnn.gradient_flow(sigrnn.RNN(3), RAGGED), ValueError, f"x {UNEVEN}"),
    "uneven input": (lambda: adaptive.NLMS(4, 0.5)(RAGGED, X), ValueError, f"x {UNEVEN}"),
    "uneven reference": (lambda: adaptive.FxLMS(4, 0.5, [1.0]).control(RAGGED), ValueError, f"x {UNEVEN}"),
    "uneven path": (lambda: adaptive.FxLMS(4, 0.5, RAGGED), ValueError, f"secondary_path {UNEVEN}"),
    "a name for coefficients": (
        lambda: sigrnn.lfilter("lowpass", A, X),
        NotImplementedError,
        "b has dtype <U7, a has dtype float64, x has dtype float64: there is no kernel .* input type .* not supported",
    ),
    "nothing for coefficients": (lambda: sigrnn.lfilter(None, A, X), NotImplementedError, "b has dtype object"),
    "a word for a state": (lambda: sigrnn.lfilter(B, A, X, zi="rest"), NotImplementedError, "zi has dtype <U4"),
    "texts, both ways": (lambda: sigrnn.filtfilt("b", A, X), TypeError, "b must be numbers, got dtype <U1"),
    "a record for a signal": (lambda: sigrnn.lfilter(B, A, np.zeros(5, [("a", float)])), TypeError, "common dtype of b float64"),
    "nothing for sections": (lambda: sigrnn.sosfilt(None, X), ValueError, r"shape \(n_sections, 6\), got None"),
    "b and a for sections": (lambda: sigrnn.sosfilt(B, X), ValueError, r"shape \(n_sections, 6\), got \(2,\)"),
    "a name for sections": (lambda: sigrnn.sosfilt_zi("sos"), ValueError, r"shape \(n_sections, 6\), got 'sos'"),
    "taps by fft of sections": (lambda: sigrnn.sosfilt([[1, 0, 0, 1, 0, 0]], X, method="fft"), ValueError, "FIR filters only: lfilter"),
    "texts for a state": (lambda: sigrnn.lfilter_zi("b", A), TypeError, "b must be numbers, got dtype <U1"),
    "nothing for a denominator": (lambda: sigrnn.lfilter_zi(B, None), TypeError, "a must be numbers, got None"),
    "nothing for the past": (lambda: sigrnn.lfiltic(B, A, None), TypeError, "y must be numbers, got None"),
    "a text for a stream": (lambda: sigrnn.Stream("b", A), TypeError, "b must be numbers, got dtype <U1"),
    "text for weights": (lambda: sigrnn.rnn(X[:, None], "w", [[0.5]]), NotImplementedError, "x float64, w_ih <U1"),
    "no tangents": (lambda: sigrnn.jvp(sigrnn.lfilter, (B, A, X), None), TypeError, "tangents must be a tuple, .* got None"),
    "model and signal swapped": (
        lambda: sigrnn.gradient_flow(X, sigrnn.RNN(3)),
        TypeError,
        r"is for nlfilter.* and models; got an array of shape \(50,\)",
    ),
    "a text for weights": (lambda: adaptive.LMS(4, 0.1, w0="x"), TypeError, "w0 must be numbers, got dtype <U1"),
    "two choices at once": (
        lambda: adaptive.IIRLMS(3, 2, 0.1, gradient=["full"]),
        ValueError,
        r"gradient must be one of 'full', 'feintuch', got \['full'\]",
    ),
    "a parameter there is not": (lambda: sigrnn.FIR(3).init(1).params["w"], KeyError, "w: the parameters are b"),
    "a picture by name": (
        lambda: sigrnn.fit(sigrnn.FIR(1), X, X, progress=False).plot("loss.png"),
        TypeError,
        "figure must be one of matplotlib's, or None, got 'loss.png'",
    ),
    "nowhere to save": (lambda: sigrnn.FIR(3).init(1).save(None), TypeError, "path must be .* got None"),
    "nowhere to save weights": (lambda: adaptive.NLMS(3, 0.5).save(None), TypeError, "path must be .* got None"),
    "no path of weights": (lambda: adaptive.load(None), TypeError, "path must be a path or an open file, got None"),
    "no path of RTNeural": (lambda: sigrnn.from_rtneural_json(3), TypeError, "source must be a path.* got 3"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_message_helps(mistake):
    call, kind, message = MISTAKES[mistake]
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("load", [sigrnn.load, adaptive.load])
def test_message_of_a_file_of_another_kind(load, tmp_path):
    (tmp_path / "notes.npz").write_text("not an archive")
    with pytest.raises(ValueError, match=r"notes\.npz .*expected an \.npz archive"):
        load(tmp_path / "notes.npz")


@pytest.mark.parametrize("load", [sigrnn.load, adaptive.load])
def test_message_of_an_array_in_a_file(load, tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(ValueError, match=r"x\.npy .*expected an \.npz archive"):
        load(tmp_path / "x.npy")


@pytest.mark.parametrize("made", [sigrnn.FIR(3).init(1), adaptive.NLMS(3, 0.5)], ids=["model", "adaptive"])
def test_message_of_a_folder_there_is_not(made, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        made.save(tmp_path / "none" / "m.npz")
    assert error.value.filename == str(tmp_path / "none" / "m.npz")
    made.save(tmp_path / "m.npz")
    with pytest.raises(IsADirectoryError) as error:
        made.save(tmp_path)
    assert error.value.filename == str(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("{", "broken: Expecting"),
        ("{}", "broken: 'algorithm'"),
        ('{"algorithm": "X", "channels": null, "given": {}}', "'X'"),
    ],
)
def test_message_of_an_adaptive_filter_that_is_broken(head, message, tmp_path):
    np.savez(tmp_path / "f.npz", sigrnn_adaptive=np.array(head))
    with pytest.raises(
        ValueError, match=rf"the adaptive filter in .*f\.npz is broken: .*{message.removeprefix('broken: ')}"
    ):
        adaptive.load(tmp_path / "f.npz")


def test_message_of_bits_that_are_wrong(tmp_path):
    for name, load, made in (
        ("m", sigrnn.load, sigrnn.GRU(8).init(1, rng=0)),
        ("f", adaptive.load, adaptive.NLMS(400, 0.5, w0=np.ones(400))),
    ):
        made.save(tmp_path / f"{name}.npz")
        whole = (tmp_path / f"{name}.npz").read_bytes()
        (tmp_path / f"{name}.npz").write_bytes(whole[:900] + bytes(b ^ 255 for b in whole[900:950]) + whole[950:])
        with pytest.raises(ValueError, match=rf"{name}\.npz .*broken: Bad CRC-32"):
            load(tmp_path / f"{name}.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{no", "not JSON: Expecting property name"),
        (b"[1]", "expected a JSON object, got a list"),
        (bytes(range(128, 256)), "not JSON"),
    ],
)
def test_message_of_a_file_that_is_none_of_rtneurals(text, message, tmp_path):
    (tmp_path / "m.json").write_bytes(text)
    with pytest.raises(ValueError, match=rf"no model of RTNeural in .*m\.json: {message}"):
        sigrnn.from_rtneural_json(tmp_path / "m.json")


def test_message_of_a_regressor_with_a_class():
    pytest.importorskip("sklearn")
    from sigrnn.sklearn import FilterRegressor

    with pytest.raises(TypeError, match=r"model must be a Model, got .*FIR'>: call it"):
        FilterRegressor(sigrnn.FIR).fit(X[:, None], X)


def test_stream_of_a_layer_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"x has shape .50,., expected .N, 2."):
        sigrnn.GRU(3).init(2).stream()(X)


def test_workers_show_themselves():
    assert repr(sigrnn.set_workers(1)) == "set_workers(1)"
