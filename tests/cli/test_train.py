"""`sigrnn train` and `sigrnn apply`: models are right, and blocks give the same result as the whole file."""

import dataclasses
import importlib
import os
import time
import types

import numpy as np
import pytest
from scipy.io import wavfile

import sigrnn
from sigrnn import cli
from sigrnn._utils import progress as _progress
from sigrnn.cli import audio, train
from sigrnn.cli.model_spec import SpecError, model_from

pytest.importorskip("soundfile")

RATE = 8000

pytestmark = pytest.mark.filterwarnings("ignore:Chunk")  # SciPy does not know the peaks that soundfile notes in a file


@pytest.fixture
def sound():
    return (0.2 * np.random.default_rng(0).standard_normal((3000, 2))).astype("f4")


@pytest.fixture
def folder(tmp_path, monkeypatch, sound):
    """A current folder with in.wav, two channels at 8 kHz, and target.wav, the same filtered."""
    monkeypatch.chdir(tmp_path)
    wavfile.write("in.wav", RATE, sound)
    target = sigrnn.lfilter([0.5, 0.25], [1.0, -0.5], sound.astype(float), axis=0)
    wavfile.write("target.wav", RATE, target)
    return tmp_path


def run(line):
    return cli.main(line.split())


def complaint(capsys, line):
    """Run a command that must be refused: exit code 2, one line on stderr, no new file."""
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    assert run(line) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("sigrnn")
    assert {name: os.stat(name).st_mtime_ns for name in os.listdir()} == before
    return err


# Specs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lstm:16", "Chain(LSTM(16), Dense(1))"),
        ("fir:64", "FIR(64)"),
        ("iir:2,tanh,IIR:3", "Chain(IIR(2, stable=True), Dense(1, 'tanh'), IIR(3, stable=True))"),
        ("sos:3", "SOS(3, stable=True)"),
        ("gru:4, rnn:3:relu, softsign", "Chain(GRU(4), RNN(3, 'relu'), Dense(3, 'softsign'), Dense(1))"),
        ("nfir:3:sigmoid,niir:2:1,dense:2:relu,dense:1", None),
    ],
)
def test_specs(text, shown, rng):
    model = model_from(text)
    assert shown is None or repr(model) == shown
    assert model(rng.standard_normal(20)).shape == (20,)
    assert repr(model_from(text, residual=True)) == f"Residual({model!r})"
    assert "stable" not in repr(model_from(text, stable=False))


@pytest.mark.parametrize(
    "text", ["", "lstm", "lstm:0", "lstm:1.5", "lstm:-3", "niir:2", "fir:3:tanh", "rnn:2:tan", "x:1", "fir:2,"]
)
def test_specs_refused(text):
    with pytest.raises(SpecError):
        model_from(text)


# Train


def test_a_filter_is_learnt_and_applied(folder, capsys):
    assert run("train in.wav target.wav --model iir:1 -o model.npz") == 0
    out, err = capsys.readouterr()
    assert err == ""
    model = sigrnn.load("model.npz")
    np.testing.assert_allclose(model.params["b"], [0.5, 0.25], atol=1e-6)
    np.testing.assert_allclose(model.params["a"], [1.0, -0.5], atol=1e-6)
    assert "IIR(1, stable=True)" in out
    assert "model.npz: last 0.04 s, held out: error-to-signal ratio" in out
    assert run("apply model.npz in.wav out.wav --subtype double") == 0
    np.testing.assert_allclose(wavfile.read("out.wav")[1], wavfile.read("target.wav")[1], atol=1e-6)


def test_the_ratio_is_that_of_the_end(folder, capsys):
    assert run("train in.wav target.wav --model fir:2 --validation 0.5 -o model.npz") == 0
    x, t = wavfile.read("in.wav")[1].astype(float), wavfile.read("target.wav")[1]
    y = np.stack([sigrnn.load("model.npz")(x[:, c]) for c in (0, 1)], axis=1)
    ratio = np.sum((y - t)[1500:] ** 2) / np.sum(t[1500:] ** 2)
    assert (
        f"last 0.19 s, held out: error-to-signal ratio {ratio:.3g} ({10 * np.log10(ratio):.1f} dB)"
        in capsys.readouterr().out
    )


def test_the_seed_decides(folder):
    line = (
        "train in.wav target.wav --model gru:2 --solver adam --iterations 2 --batch 2 --tbptt 500 --learning-rate 0.01"
    )
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(f"{line} --seed {seed} -o {name}.npz") == 0
    a, b, c = (sigrnn.load(f"{name}.npz").to_vector() for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_time_ends_training(folder, capsys):
    run("train in.wav target.wav --model gru:2 --solver adam --iterations 1000 --batch 2 --time 1e-9 -o model.npz")
    assert "adam, 1 iteration; the time is over" in capsys.readouterr().out
    assert sigrnn.load("model.npz").n_parameters > 0


def test_compiling_takes_no_time(monkeypatch):
    """What Numba reports as compiling does not count, nor does what came before the clock."""
    event = importlib.import_module("numba.core.event")
    with train._Clock(0.2) as clock:
        with event.trigger_event("numba:compile"):
            time.sleep(0.4)
        assert not clock.is_over(None)
        time.sleep(0.4)
        assert clock.is_over(None)
    with train._Clock(None) as clock:
        assert not clock.is_over(None)


def test_a_model_worse_than_silence_is_no_success(folder, capsys):
    line = "train in.wav target.wav --model gru:2 --solver sgd --learning-rate 1e-9 --iterations 1 -o model.npz"
    assert run(line) == 1
    out, err = capsys.readouterr()
    ratio = float(out.split("error-to-signal ratio ")[1].split()[0])
    assert ratio > 1
    assert err.startswith("sigrnn: the model is worse than silence on what was held out: train longer")


def test_a_model_worse_than_before_is_no_success(folder, capsys, monkeypatch):
    real = train.fit

    def fit(model, *args, max_iter, **options):
        result = real(model, *args, max_iter=max_iter, **options)
        return result if max_iter != 0 else dataclasses.replace(result, validation_loss=1e-30)

    monkeypatch.setattr(train, "fit", fit)
    assert run("train in.wav target.wav --model fir:2 -o model.npz") == 1
    assert capsys.readouterr().err.startswith("sigrnn: the model is worse than before training on what was held out")


def test_ctrl_c_keeps_the_best(folder, capsys, monkeypatch):
    """Ctrl-C in the middle of the third look at the clock."""
    times = iter(range(100))

    def clock():
        if next(times) == 3:
            raise KeyboardInterrupt
        return 0.0

    monkeypatch.setattr(train, "time", types.SimpleNamespace(monotonic=clock))
    line = "train in.wav target.wav --model gru:2 --solver lbfgs --iterations 50 --time 9 -o model.npz"
    assert run(line) == 0
    assert "keyboard" in capsys.readouterr().out
    assert sigrnn.load("model.npz").n_parameters > 0


def test_ends_that_differ_are_left_out(folder, capsys, sound):
    wavfile.write("long.wav", RATE, np.concatenate([sound, sound]))
    assert run("train long.wav target.wav --model iir:1 -o model.npz") == 0
    assert "long.wav has 6000 samples, target.wav 3000: the end of the longer is left out" in capsys.readouterr().err
    np.testing.assert_allclose(sigrnn.load("model.npz").params["a"], [1.0, -0.5], atol=1e-6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train in.wav target.wav --model foo:3 -o m.npz", "no model is called 'foo'"),
        ("train in.wav none.wav -o m.npz", "cannot read none.wav: no such file"),
        ("train in.wav broken.wav -o m.npz", "cannot read broken.wav"),
        ("train in.wav mono.wav -o m.npz", "in.wav has 2 channels, mono.wav has 1"),
        ("train in.wav slow.wav -o m.npz", "in.wav has 8000 samples a second, slow.wav has 4000"),
        ("train in.wav nan.wav -o m.npz", "nan.wav: sample 0 (0 s) of channel 1 is NaN"),
        ("train in.wav target.wav -o none/m.npz", "no such folder"),
        ("train in.wav target.wav --warmup 9000 -o m.npz", "leave nothing of 3000 samples"),
        ("train in.wav target.wav --validation 1 -o m.npz", "'1' is not between 0 and 1"),
        ("train in.wav target.wav --solver lm --batch 2 -o m.npz", "batch"),
        ("train in.wav target.wav", "-o/--output"),
        ("apply none.npz in.wav out.wav", "cannot read none.npz: no such file"),
        ("apply fir.npz in.wav o5", "cannot write o5: it needs an extension, such as o5.wav or o5.flac"),
        ("apply fir.npz nan.wav out.wav", "nan.wav: sample 0 (0 s) of channel 1 is NaN; --nan zero"),
        ("apply in.wav in.wav out.wav", "is not a sigrnn model file"),
        ("apply fir.npz none.wav out.wav", "no such file"),
        ("apply fir.npz broken.wav out.wav", "cannot read broken.wav"),
        ("apply fir.npz in.wav in.wav", "same file"),
        ("apply fir.npz in.wav out.xyz", "cannot write out.xyz"),
        ("apply fir.npz in.wav none/out.wav", "no such folder"),
        ("apply three.npz in.wav out.wav", "the model has 3 inputs, IN has 2 channels"),
        ("apply both.npz in.wav out.wav", "Bidirectional"),
    ],
)
def test_what_cannot_be_done_is_explained_in_one_line(folder, capsys, sound, line, message):
    (folder / "broken.wav").write_bytes(b"RIFF no sound at all")
    wavfile.write("mono.wav", RATE, sound[:, 0])
    wavfile.write("slow.wav", 4000, sound)
    wavfile.write("nan.wav", RATE, np.full_like(sound, np.nan))
    sigrnn.FIR(2).init(1).save("fir.npz")
    sigrnn.FIR(2).init(3).save("three.npz")
    sigrnn.Chain(sigrnn.Bidirectional(sigrnn.GRU(2)), sigrnn.Dense(1)).init(1).save("both.npz")
    assert message in complaint(capsys, line)


# Apply


@pytest.mark.parametrize("block", [1, 997, 65536])
def test_apply_is_the_model_whatever_the_blocks(folder, sound, block):
    model = sigrnn.Chain(sigrnn.IIR(2), sigrnn.Dense(1, "tanh"), sigrnn.FIR(3)).init(1, rng=0)
    model.save("model.npz")
    assert run(f"apply model.npz in.wav out.wav --block {block} --subtype double") == 0
    rate, y = wavfile.read("out.wav")
    assert (rate, y.shape) == (RATE, (3000, 2))
    for c in (0, 1):
        np.testing.assert_allclose(y[:, c], model(sound[:, c].astype(float)), rtol=0, atol=1e-14)


def test_apply_mixes_channels_where_the_model_does(folder, sound):
    model = sigrnn.FIR(3).init(2, rng=0)
    model.save("model.npz")
    assert run("apply model.npz in.wav out.wav --subtype double --block 100") == 0
    np.testing.assert_allclose(wavfile.read("out.wav")[1], model(sound.astype(float))[:, 0], rtol=0, atol=1e-14)


def test_apply_keeps_sample_format_and_reports(folder, capsys, sound):
    with audio.open_writer("a.wav", 11127, 2, "PCM_24") as writer:
        writer.write(sound.astype(float))
    sigrnn.FIR(1).init(1).save("model.npz")
    assert run("apply model.npz a.wav b.wav") == 0
    assert capsys.readouterr().out.startswith("b.wav: 3000 samples, 2 channels, 11127 Hz, PCM_24; ")
    loud = sigrnn.FIR(1).init(1)
    loud.params["b"] = [100.0]
    loud.save("loud.npz")
    assert run("apply loud.npz a.wav b.wav") == 0
    assert "samples clipped" in capsys.readouterr().err


def test_apply_warns_of_another_rate(folder, capsys, sound):
    run("train in.wav target.wav --model fir:2 -o model.npz")
    wavfile.write("fast.wav", 2 * RATE, sound)
    assert run("apply model.npz fast.wav out.wav") == 0
    assert "the model was trained at 8000 Hz, IN has 16000 Hz" in capsys.readouterr().err


def test_apply_warns_of_an_unstable_model(folder, capsys):
    model = sigrnn.Chain(sigrnn.IIR(1), sigrnn.FIR(1)).init(1)
    model.params["0.b"], model.params["0.a"], model.params["1.b"] = [1.0, 0.0], [1.0, -1.01], [1.0]
    model.save("model.npz")
    assert run("apply model.npz in.wav out.wav") == 0
    assert "warning: the model is unstable: it has a pole of radius 1.01" in capsys.readouterr().err
    model.params["0.a"] = [1.0, -2.0]
    model.save("model.npz")
    assert run("apply model.npz in.wav never.wav") == 2
    err = capsys.readouterr().err
    assert "cannot write never.wav: sample 10" in err
    assert "is infinite: the filter or model is unstable" in err
    assert not os.path.exists("never.wav")


def test_apply_takes_zero_for_nan_if_asked(folder, sound):
    sigrnn.FIR(1).init(1).save("model.npz")
    sound[7, 0] = np.inf
    wavfile.write("inf.wav", RATE, sound)
    assert run("apply model.npz inf.wav out.wav --nan zero") == 0
    assert wavfile.read("out.wav")[1][7, 0] == 0.0


def test_a_log_gets_a_line_now_and_then(folder, capsys, monkeypatch):
    monkeypatch.setattr(_progress, "PERIOD", 0.0)
    assert run("train in.wav target.wav --model iir:2,tanh --solver lbfgs --iterations 2 -o model.npz") == 0
    assert "lbfgs: 2 of 2 (100%) iteration" in capsys.readouterr().err


def test_apply_leaves_nothing_behind(folder, capsys):
    run("filter in.wav a.flac --butter 4 --cutoff 1000")
    whole = (folder / "a.flac").read_bytes()
    (folder / "a.flac").write_bytes(whole[: len(whole) // 2])
    sigrnn.FIR(2).init(1).save("model.npz")
    capsys.readouterr()
    assert "a.flac" in complaint(capsys, "apply model.npz a.flac out.wav --block 100")
