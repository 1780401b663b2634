"""The command line: `sigrnn filter` against filtering in memory, its messages, and the other commands."""

import os
import signal as system_signal
import subprocess
import sys
import types

import numpy as np
import pytest
from scipy import signal
from scipy.io import wavfile

import sigrnn
from sigrnn import cli
from sigrnn._utils import progress as _progress
from sigrnn.cli import audio

pytest.importorskip("soundfile")

RATE = 8000

pytestmark = pytest.mark.filterwarnings("ignore:Chunk")  # SciPy does not know the peaks that soundfile notes in a file


@pytest.fixture
def sound():
    rng = np.random.default_rng(0)
    return (0.2 * rng.standard_normal((5000, 2))).astype("f4")


@pytest.fixture
def folder(tmp_path, monkeypatch, sound):
    """A current folder with in.wav: two channels of float32 at 8 kHz."""
    monkeypatch.chdir(tmp_path)
    wavfile.write("in.wav", RATE, sound)
    return tmp_path


def run(line):
    return cli.main(line.split())


def complaint(capsys, line):
    """Run a command that must be refused: exit code 2, one line on stderr, no new file."""
    before = sorted(os.listdir())
    assert run(line) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("sigrnn")
    assert sorted(os.listdir()) == before
    return err


# Filter


@pytest.mark.parametrize(
    ("options", "sos"),
    [
        ("--butter 4 --cutoff 1000", signal.butter(4, 1000, output="sos", fs=RATE)),
        ("--butter 3 --type highpass --cutoff 1000", signal.butter(3, 1000, "highpass", output="sos", fs=RATE)),
        ("--cheby1 4 --cutoff 300 1000", signal.cheby1(4, 1, [300, 1000], "bandpass", output="sos", fs=RATE)),
        ("--cheby2 4 --cutoff 1000 --attenuation 50", signal.cheby2(4, 50, 1000, output="sos", fs=RATE)),
        (
            "--ellip 5 --cutoff 300 1000 --type bandstop --ripple 2 --attenuation 50",
            signal.ellip(5, 2, 50, [300, 1000], "bandstop", output="sos", fs=RATE),
        ),
    ],
)
@pytest.mark.parametrize("block", [1, 997, 65536])
def test_filter_equals_the_whole_at_once_to_the_last_bit(folder, sound, options, sos, block):
    assert run(f"filter in.wav out.wav {options} --block {block}") == 0
    rate, y = wavfile.read("out.wav")
    assert (rate, y.dtype) == (RATE, np.float32)
    expected = sigrnn.sosfilt(sos, sound.astype(float), axis=0, method="sequential")
    np.testing.assert_array_equal(y, expected.astype("f4"))
    np.testing.assert_allclose(y, signal.sosfilt(sos, sound.astype(float), axis=0), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("block", [1, 997, 65536])
def test_filter_with_taps(folder, sound, block):
    assert run(f"filter in.wav out.wav --fir 65 --cutoff 1000 --block {block}") == 0
    expected = sigrnn.lfilter(signal.firwin(65, 1000, fs=RATE), [1.0], sound.astype(float), axis=0, method="sequential")
    np.testing.assert_array_equal(wavfile.read("out.wav")[1], expected.astype("f4"))


@pytest.mark.parametrize("block", [1, 997, 65536])
def test_zero_phase_equals_sosfiltfilt(folder, sound, block):
    assert run(f"filter in.wav out.wav --butter 4 --cutoff 300 1000 --zero-phase --block {block} --subtype DOUBLE") == 0
    y = wavfile.read("out.wav")[1]
    sos = signal.butter(4, [300, 1000], "bandpass", output="sos", fs=RATE)
    for library in (sigrnn, signal):
        expected = library.sosfiltfilt(sos, sound.astype(float), axis=0)
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13 * np.max(np.abs(expected)))


def test_zero_phase_with_taps(folder, sound):
    assert run("filter in.wav out.wav --fir 65 --cutoff 1000 --zero-phase --subtype double") == 0
    expected = sigrnn.filtfilt(signal.firwin(65, 1000, fs=RATE), [1.0], sound.astype(float), axis=0)
    np.testing.assert_allclose(wavfile.read("out.wav")[1], expected, rtol=0, atol=1e-13)


def test_workers_change_nothing(folder):
    run("filter in.wav one.wav --butter 4 --cutoff 1000")
    run("filter in.wav two.wav --butter 4 --cutoff 1000 --workers 2")
    np.testing.assert_array_equal(wavfile.read("one.wav")[1], wavfile.read("two.wav")[1])
    assert sigrnn.get_workers() == 1


@pytest.mark.parametrize(("kind", "dtype"), [("PCM_U8", "u1"), ("PCM_16", "i2"), ("PCM_32", "i4"), ("FLOAT", "f4")])
def test_sample_format_is_kept(folder, capsys, kind, dtype, sound):
    with audio.open_writer("a.wav", 11127, 2, kind) as writer:
        writer.write(sound.astype(float))
    assert run("filter a.wav b.wav --butter 2 --cutoff 1000") == 0
    assert capsys.readouterr().out == f"b.wav: 5000 samples, 2 channels, 11127 Hz, {kind}\n"
    rate, y = wavfile.read("b.wav")
    assert (rate, y.dtype, y.shape) == (11127, np.dtype(dtype), (5000, 2))


def test_integers_are_the_rounded_result(folder, sound):
    integers = np.rint(32768 * 0.5 * sound / np.max(np.abs(sound))).astype("i2")
    wavfile.write("a.wav", RATE, integers)
    run("filter a.wav b.wav --butter 4 --cutoff 1000")
    y = sigrnn.sosfilt(signal.butter(4, 1000, output="sos", fs=RATE), integers / 32768, axis=0)
    np.testing.assert_array_equal(wavfile.read("b.wav")[1], np.rint(32768 * y))


def test_clipping_is_reported(folder, capsys):
    square = np.where(np.arange(4000) // 40 % 2, 32767, -32768).astype("i2")
    wavfile.write("a.wav", RATE, square)
    assert run("filter a.wav b.wav --butter 4 --cutoff 1000") == 0
    scaled = np.rint(32768 * sigrnn.sosfilt(signal.butter(4, 1000, output="sos", fs=RATE), square / 32768))
    count = np.count_nonzero((scaled > 32767) | (scaled < -32768))
    assert count > 0
    assert capsys.readouterr().err.startswith(f"sigrnn: warning: {count} of 4000 samples clipped; --subtype FLOAT")
    assert run("filter a.wav c.wav --butter 4 --cutoff 1000 --subtype float") == 0
    assert capsys.readouterr().err == ""
    assert np.max(wavfile.read("c.wav")[1]) > 1.0


def test_other_formats(folder, capsys):
    assert run("filter in.wav out.flac --butter 4 --cutoff 1000") == 0
    assert run("filter out.flac back.wav --butter 4 --cutoff 1000 --zero-phase") == 0
    assert capsys.readouterr().out.splitlines()[1] == "back.wav: 5000 samples, 2 channels, 8000 Hz, PCM_24"


def test_an_empty_file_stays_empty(folder):
    wavfile.write("a.wav", RATE, np.zeros((0, 2), "i2"))
    assert run("filter a.wav b.wav --butter 4 --cutoff 1000") == 0
    with audio.open_reader("b.wav") as reader:
        assert reader.frames == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("filter in.wav out.wav --butter 4 --cutoff 9 --type band", "invalid choice: 'band' (choose from"),
        ("filter in.wav out.wav --butter 4 --cutoff 9 --type bandpass", "a bandpass filter has 2 cut-offs, 1 given"),
        ("filter in.wav out.wav --butter 4 --cutoff 4000", "not between 0 and 4000 Hz, half the sampling rate"),
        ("filter in.wav out.wav --butter 4 --cutoff high", "argument --cutoff: invalid float value: 'high'"),
        ("filter in.wav out.wav --butter 4", "the following arguments are required: --cutoff"),
        ("filter in.wav out.wav --cutoff 100", "one of the arguments --butter"),
        ("filter in.wav out.wav --butter 4 --fir 9 --cutoff 100", "not allowed with argument --butter"),
        ("filter in.wav out.wav --butter 0 --cutoff 100", "--butter: '0' is not a whole number above 0"),
        ("filter in.wav out.wav --butter 4 --cutoff 100 --ripple 3", "ripple is a property of cheby1 and ellip"),
        ("filter in.wav out.wav --fir 64 --cutoff 100 --type highpass", "even number of coefficients"),
        ("filter in.wav out.wav --fir 9000 --cutoff 100 --zero-phase", "more than 27000 samples here, IN has 5000"),
        ("filter in.wav out.wav --butter 4 --cutoff 100 --block 0", "--block: '0' is not a whole number"),
        ("filter in.wav out.wav --butter 4 --cutoff 100 --subtype NO", "cannot hold NO; the nearest it can is PCM_16"),
        ("filter in.wav in.wav --butter 4 --cutoff 100", "IN and OUT are the same file"),
        ("filter none.wav out.wav --butter 4 --cutoff 100", "cannot read none.wav: no such file"),
        ("filter broken.wav out.wav --butter 4 --cutoff 100", "cannot read broken.wav: "),
        ("filter in.wav none/out.wav --butter 4 --cutoff 100", "cannot write none/out.wav: no such folder"),
        ("filter in.wav out.xyz --butter 4 --cutoff 100", "cannot write out.xyz: "),
        ("filter in.wav out.wav --notch 50", "unrecognized arguments: --notch 50"),
        ("filter in.wav out --butter 4 --cutoff 100", "cannot write out: it needs an extension, such as out.wav"),
        ("filter in.wav out.wav --butter 1000 --cutoff 100", "--butter 1000 with these cut-offs is lost to rounding"),
        ("filter in.wav out.wav --cheby1 80 --cutoff 1000", "--cheby1 80 with these cut-offs is lost to rounding"),
        ("filter nan.wav out.wav --butter 4 --cutoff 100", "sample 50 (0.00625 s) of channel 2 is NaN; --nan zero"),
        ("philtre", "invalid choice: 'philtre'"),
        ("", "the following arguments are required: COMMAND"),
    ],
)
def test_mistakes_are_explained_in_one_line(folder, capsys, sound, line, message):
    sound[50, 1] = np.nan
    wavfile.write("nan.wav", RATE, sound)
    (folder / "broken.wav").write_bytes(b"RIFF no sound at all")
    assert message in complaint(capsys, line)


def test_a_file_that_breaks_off_leaves_nothing_behind(folder, capsys, sound):
    run("filter in.wav a.flac --butter 4 --cutoff 1000")
    capsys.readouterr()
    whole = (folder / "a.flac").read_bytes()
    (folder / "a.flac").write_bytes(whole[: len(whole) // 2])
    for more in ("", "--zero-phase"):
        assert "a.flac" in complaint(capsys, f"filter a.flac out.wav --butter 4 --cutoff 1000 --block 100 {more}")


def test_a_wav_file_that_breaks_off_is_filtered_with_a_warning(folder, capsys):
    whole = (folder / "in.wav").read_bytes()
    (folder / "in.wav").write_bytes(whole[:-800])
    assert run("filter in.wav out.wav --butter 4 --cutoff 1000") == 0
    out, err = capsys.readouterr()
    assert "4900 samples" in out
    assert err == "sigrnn: warning: in.wav is cut short: its header announces 40000 bytes, there are 39200\n"


def test_nan_becomes_zero_if_asked(folder, capsys, sound):
    sound[50, 1] = np.nan
    wavfile.write("nan.wav", RATE, sound)
    assert run("filter nan.wav out.wav --butter 4 --cutoff 1000 --nan zero") == 0
    assert "warning: 1 of 10000 samples were NaN or infinite and became 0" in capsys.readouterr().err
    sound[50, 1] = 0.0
    wavfile.write("in.wav", RATE, sound)
    assert run("filter in.wav zero.wav --butter 4 --cutoff 1000") == 0
    np.testing.assert_array_equal(wavfile.read("out.wav")[1], wavfile.read("zero.wav")[1])


def test_a_high_order_is_right_and_gets_a_warning(folder, capsys, sound):
    assert run("filter in.wav out.wav --butter 40 --cutoff 1000") == 0
    expected = signal.sosfilt(signal.butter(40, 1000, output="sos", fs=RATE), sound.astype(float), axis=0)
    np.testing.assert_allclose(wavfile.read("out.wav")[1], expected, atol=1e-6)
    assert "warning: order 40 is high: the filter rings for 0.0311 s (60 dB)" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_need_not_be_text(folder, capsys):
    name = os.fsdecode(b"\xff\xe9.wav")
    assert cli.main(["filter", "in.wav", name, "--butter", "4", "--cutoff", "1000"]) == 0
    assert capsys.readouterr().out == "\\udcff\\udce9.wav: 5000 samples, 2 channels, 8000 Hz, FLOAT\n"
    assert cli.main(["filter", name, "out.wav", "--butter", "4", "--cutoff", "1000"]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_leaves_nothing_behind(folder, monkeypatch):
    monkeypatch.setattr(audio.Writer, "write", lambda self, block: os.kill(os.getpid(), system_signal.SIGTERM))
    assert run("filter in.wav out.wav --butter 4 --cutoff 1000") == 143
    assert os.listdir() == ["in.wav"]
    assert system_signal.getsignal(system_signal.SIGTERM) == system_signal.SIG_DFL


def test_ctrl_c_leaves_nothing_behind(folder, capsys, monkeypatch):
    def interrupt(self, block):
        raise KeyboardInterrupt

    monkeypatch.setattr(audio.Writer, "write", interrupt)
    assert run("filter in.wav out.wav --butter 4 --cutoff 1000") == 130
    assert capsys.readouterr().err == "sigrnn: interrupted\n"
    assert os.listdir() == ["in.wav"]


def test_progress_bar_only_on_a_terminal(folder, capsys, monkeypatch):
    pytest.importorskip("tqdm")
    assert run("filter in.wav out.wav --butter 4 --cutoff 1000") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(_progress, "DELAY", 0.0)
    assert run("filter in.wav out.wav --butter 4 --cutoff 1000 --zero-phase") == 0
    assert "10.0k" in capsys.readouterr().err  # two passes of 5000


def test_a_log_gets_a_line_now_and_then(folder, capsys, monkeypatch):
    monkeypatch.setattr(_progress, "PERIOD", 0.0)
    assert run("filter in.wav out.wav --butter 4 --cutoff 1000 --block 2000") == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(", ")[0] for line in lines] == [
        "out.wav: 2000 of 5000 (40%) samples",
        "out.wav: 4000 of 5000 (80%) samples",
        "out.wav: 5000 of 5000 (100%) samples",
    ]


# The other commands


def test_info(capsys):
    assert run("info") == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[0] != " ")
    assert lines["sigrnn"] == sigrnn.__version__
    assert lines["numpy"] == np.__version__
    assert lines["workers"] == "1"
    assert "writable" in lines["cache"]
    assert {"Python", "numba", "processor", "optional", "missing"} <= set(lines)


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"sigrnn {sigrnn.__version__}\n"


@pytest.mark.parametrize("command", ["", "filter", "demo", "info", "warmup"])
def test_help(capsys, command):
    assert run(f"{command} --help") == 0
    assert capsys.readouterr().out.startswith(f"usage: sigrnn {command}".rstrip())


def test_warmup(monkeypatch, capsys):
    """The real one takes minutes: here only its arguments."""
    monkeypatch.setattr("sigrnn.warmup.warmup", lambda progress: len(list(progress(range(3)))))
    monkeypatch.setattr(_progress, "PERIOD", 0.0)
    assert run("warmup") == 0
    out, err = capsys.readouterr()
    assert "3 steps done; the compiled code lies in " in out
    assert "warmup: 2 of 3 (67%) step" in err


def test_bench_gets_its_arguments_untouched(monkeypatch):
    seen = []
    report = types.SimpleNamespace(main=lambda argv: seen.append(argv) or 3)
    monkeypatch.setitem(sys.modules, "sigrnn.bench.main", report)
    assert run("bench --quick --out x") == 3
    assert seen == [["--quick", "--out", "x"]]


def test_as_a_module(folder):
    line = [sys.executable, "-m", "sigrnn", "filter", "in.wav", "out.wav", "--butter", "4", "--cutoff"]
    assert subprocess.run([*line, "1000"], check=False).returncode == 0
    done = subprocess.run([*line, "5000"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "sigrnn: cut-off 5000 Hz is not between 0 and 4000 Hz, half the sampling rate\n"
