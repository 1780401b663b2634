"""Streams and files of models, and their pictures."""

import copy
import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_cases import IDS, MODELS, Leak, Shaper, made, shapes

import sigrnn
from sigrnn import FIR, GRU, IIR, LSTM, SOS, Activation, Bidirectional, Chain, Dense, NonlinearFIR

STREAMED = [each for each in MODELS if each[0] != "Bidirectional"]


def in_blocks(stream, x, ends):
    axis = 1 if x.ndim == 3 else 0
    return np.concatenate([stream(block) for block in np.split(x, ends, axis)], axis)


@pytest.mark.parametrize(("name", "make", "inputs"), STREAMED, ids=[name for name, *_ in STREAMED])
def test_block_by_block(name, make, inputs, rng):
    model = made(make, inputs)
    for shape in shapes(inputs, 60):
        x = rng.standard_normal(shape)
        y, stream = model(x), model.stream()
        for _ in range(2):
            np.testing.assert_allclose(in_blocks(stream, x, [1, 1, 4, 33]), y, rtol=1e-12, atol=1e-13)
            stream.reset()
        half = 30
        first, second = np.split(x, [half], axis=1 if x.ndim == 3 else 0)
        stream(first)
        other = stream.copy()
        stream(np.flip(second))  # goes its own way
        expected = np.split(y, [half], axis=1 if x.ndim == 3 else 0)[1]
        np.testing.assert_allclose(other(second), expected, rtol=1e-12, atol=1e-13)


CHAIN = Chain(IIR(3), LSTM(3), Dense(1, "tanh"), SOS(2), NonlinearFIR(4)).init(1, 3)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 300), max_size=12), st.integers(0, 2**32 - 1))
def test_any_blocks(ends, seed):
    x = np.random.default_rng(seed).standard_normal(300)
    np.testing.assert_allclose(in_blocks(CHAIN.stream(), x, sorted(ends)), CHAIN(x), rtol=1e-11, atol=1e-13)


def test_states_go_on_to_the_last_bit(rng):
    """Layers in blocks are layers at once; filters are where their function promises it."""
    x = rng.standard_normal((40, 2))
    for model in (GRU(3).init(2, 0), LSTM(3, peephole=True).init(2, 0)):
        first, state = model.run(x[:17])
        np.testing.assert_array_equal(np.concatenate([first, model.run(x[17:], state)[0]]), model(x))


def test_float32(rng):
    x = rng.standard_normal(50).astype(np.float32)
    for parts in (
        [FIR(3, dtype="float32"), IIR(2, dtype="float32")],
        [LSTM(3, dtype="float32"), Dense(1, dtype="float32")],
    ):
        model = Chain(*parts).init(1, 0)
        y = in_blocks(model.stream(), x, [7, 8])
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, model(x), atol=2e-6)
    assert sigrnn.Residual(FIR(2, dtype="float32")).init().stream()(x).dtype == np.float32


def test_a_stream_has_the_parameters_of_its_making(rng):
    x = rng.standard_normal(10)
    for model, name in ((FIR(3).init(1, 0), "b"), (Dense(1).init(1, 0), "v"), (Leak().init(), "p")):
        stream, before = model.stream(), model(x)
        model.params[name] = model.params[name] + 1.0
        np.testing.assert_allclose(stream(x), before, atol=1e-14)
        assert not np.allclose(model(x), before)


def test_what_streams_refuse():
    with pytest.raises(ValueError, match="has no sizes yet"):
        FIR(2).stream()
    for model in (Bidirectional(GRU(2)), Chain(Bidirectional(FIR(2)), Dense(1))):
        with pytest.raises(ValueError, match="needs the whole signal: it has no stream"):
            model.init().stream()
    with pytest.raises(ValueError, match=r"x has shape \(4, 2\), expected \(N,\), \(N, 1\) or \(B, N, 1\)"):
        IIR(2).init().stream()(np.zeros((4, 2)))
    with pytest.raises(TypeError, match="models are for real signals"):
        IIR(2).init().stream()(np.zeros(4, complex))
    for model in (Dense(2), GRU(4)):
        with pytest.raises(
            ValueError, match=r"x has shape \(4, 2\), expected \(N, 3\) or \(B, N, 3\): the model has 3 input"
        ):
            model.init(3).stream()(np.zeros((4, 2)))


@pytest.mark.parametrize(("name", "make", "inputs"), MODELS, ids=IDS)
def test_files(name, make, inputs, rng, tmp_path):
    model, x = made(make, inputs), rng.standard_normal((2, 20, inputs))
    path = tmp_path / "model.npz"
    model.save(path)
    other = sigrnn.load(path)
    assert repr(other) == repr(model)
    assert list(other.params) == list(model.params)
    np.testing.assert_array_equal(other(x), model(x))
    for same in (model.copy(), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(same(x), model(x))
        same.from_vector(same.to_vector() + 0.01)
        np.testing.assert_array_equal(other(x), model(x))


def test_files_without_sizes_and_of_single_precision(tmp_path):
    path = str(tmp_path / "model.npz")
    Chain(LSTM(2, forget_bias=1.0), Dense(1)).save(path)
    assert repr(sigrnn.load(path)) == "Chain(LSTM(2, forget_bias=1.0), Dense(1))"
    LSTM(2, dtype="float32").init(1, 0).save(path)
    assert sigrnn.load(path).params["w_ih"].dtype == np.float32
    file = io.BytesIO()
    FIR(3).init(1, 0).save(file)
    file.seek(0)
    assert sigrnn.load(file).n_parameters == 3


def test_files_hold_no_pickle(tmp_path):
    path = tmp_path / "model.npz"
    IIR(3).init().save(path)
    with np.load(path, allow_pickle=False) as file:
        assert {name: file[name].dtype.kind for name in file.files} == {
            "params/b": "f",
            "params/a": "f",
            "description": "u",
        }
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_what_is_no_file_of_a_model(tmp_path):
    path = tmp_path / "model.npz"
    Chain(GRU(2), Dense(1)).init(1, 0).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"model\.npz is not a sigrnn model file"):
        sigrnn.load(path)
    middle = whole.index(b"w_hh") + 200
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(ValueError, match="is broken"):
        sigrnn.load(path)
    for content in (b"", b"hello", np.float64(1.0).tobytes() * 100):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a sigrnn model file"):
            sigrnn.load(path)
    np.savez(path, b=[1.0, 2.0])
    with pytest.raises(ValueError, match="it has no description of one"):
        sigrnn.load(path)
    np.save(tmp_path / "array.npy", [1.0])
    with pytest.raises(ValueError, match="is not a sigrnn model file"):
        sigrnn.load(tmp_path / "array.npy")
    with pytest.raises(FileNotFoundError):
        sigrnn.load(tmp_path / "nothing.npz")


def rewritten(path, old, new):
    """The same file with other words in its description."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    text = arrays["description"].tobytes().decode()
    assert old in text
    arrays["description"] = np.frombuffer(text.replace(old, new).encode(), np.uint8)
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"hidden": 3', '"hidden": 1000000000', r"0\.w_ih has shape \(9, 1\), expected \(3000000000, 1\)"),
        ('"inputs": 1', '"inputs": 100000000000', r"0\.w_ih has shape \(9, 1\), expected \(9, 100000000000\)"),
        ('"inputs": 1', '"inputs": "1"', "inputs must be a whole number"),
        ('"inputs": 1', '"inputs": -1', "inputs must be at least 1, got -1"),
        ('"outputs": 1', '"outputs": 1e99', "outputs must be a whole number"),
        ('"outputs": 1', '"outputs": 2', r"1\.v has shape \(1, 3\), expected \(2, 3\)"),
        ('"activation": "linear"', '"activation": []', "is broken"),
        ('"config": {}', '"config": {"combine": "sum"}', "is broken"),
        ('"config": {}', '"config": []', "is broken"),
        ('"parts": []', '"parts": 3', "is broken"),
        ('"class": "Chain"', '"class": []', "is broken"),
        ('"class": "Chain"', '"class": "builtins.dict"', "is not known here"),
        ('"version": 1', f'"version": {"[" * 5000}{"]" * 5000}', "it has no description of one"),
    ],
)
def test_a_damaged_description_allocates_nothing(old, new, message, tmp_path):
    path = tmp_path / "model.npz"
    Chain(GRU(3), Dense(1)).init(1, 0).save(path)
    rewritten(path, old, new)
    with pytest.raises(ValueError, match=message) as info:
        sigrnn.load(path)
    assert "model.npz" in str(info.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("params/0.b_hh"), r"it has no array params/0\.b_hh"),
        (lambda a: a.update({"params/0.c": np.ones(2)}), r"unknown 0\.c"),
        (lambda a: a.update({"params/1.v": a["params/1.v"].astype(int)}), r"1\.v has dtype int64, expected float32 or"),
        (lambda a: a.update({"params/1.v": a["params/1.v"] + 0j}), r"1\.v has dtype complex128, expected float32 or"),
        (lambda a: a.update({"params/1.v": a["params/1.v"].astype(str)}), r"1\.v has dtype <U\d+, expected float32 or"),
        (lambda a: a.update({"params/1.v": a["params/1.v"].T}), r"1\.v has shape \(3, 1\), expected \(1, 3\)"),
    ],
)
def test_arrays_of_a_file_are_checked_by_name_shape_and_dtype(change, message, tmp_path):
    path = tmp_path / "model.npz"
    Chain(GRU(3), Dense(1)).init(1, 0).save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=rf"model\.npz is broken: .*{message}"):
        sigrnn.load(path)


def test_files_of_others(tmp_path):
    path = tmp_path / "model.npz"
    model = Chain(Leak(0.75), FIR(2)).init(1, 0)
    model.save(path)
    rewritten(path, "model_cases.Leak", "elsewhere.Leak")
    assert repr(sigrnn.load(path)) == "Chain(Leak(0.75), FIR(2))", "a class that has moved"
    rewritten(path, "elsewhere.Leak", "elsewhere.Unheard")
    with pytest.raises(ValueError, match=r"class elsewhere\.Unheard, which is not known here: import it before load"):
        sigrnn.load(path)
    model.save(path)
    rewritten(path, '"version": 1', '"version": 99')
    with pytest.raises(ValueError, match="has version 99 of the format, this sigrnn reads up to 1"):
        sigrnn.load(path)
    model.save(path)
    rewritten(path, '"n_taps": 2', '"n_taps": 3')
    with pytest.raises(ValueError, match=r"b has shape \(2,\), expected \(3,\)"):
        sigrnn.load(path)


def test_code_is_not_written(tmp_path):
    path = tmp_path / "model.npz"
    Shaper().init().save(path)
    before = path.read_bytes()
    model = Chain(FIR(2), Dense(1, Activation(lambda e: e**3, lambda e: 3.0 * e**2))).init()
    with pytest.raises(
        TypeError, match=r"1\.Dense: activation=Activation.* one of your own is code, and is not written"
    ):
        model.save(path)
    assert path.read_bytes() == before, "the old file stays"


def test_pictures():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    for model, titles in (
        (FIR(4).init(2, 0), ["impulse response", "frequency response", "poles and zeros"]),
        (SOS(2).init(1, 0), ["impulse response", "frequency response", "poles and zeros"]),
        (
            NonlinearFIR(3).init(1, 0),
            ["activation tanh", "response to a pulse, divided by it", "loudness of white noise"],
        ),
        (CHAIN, ["response to a pulse, divided by it", "spectrum of the response", "loudness of white noise"]),
    ):
        figure = model.plot()
        assert [ax.get_title() for ax in figure.axes] == titles
        assert all(ax.lines or ax.containers for ax in figure.axes)
        plt.close(figure)
    model = IIR(1)
    model.params = {"b": [1.0, 0.0], "a": [1.0, -0.5]}
    figure = model.plot()
    stem = figure.axes[0].containers[0].markerline.get_ydata()
    np.testing.assert_allclose(stem[:5], 0.5 ** np.arange(5))
    gain = figure.axes[1].lines[0].get_ydata()
    np.testing.assert_allclose(gain[[0, -1]], 20.0 * np.log10([2.0, 1.0 / 1.5]), atol=1e-6)
    plt.close(figure)
    with pytest.raises(ValueError, match=r"plot: .* has no sizes yet"):
        FIR(2).plot()
