"""The demo: it runs, its results agree with those of others, and missing packages are named."""

import importlib
import sys

import numpy as np
import pytest

import sigrnn
from sigrnn import cli
from sigrnn.cli import demo, demo_jobs


def need_recordings():
    for name in demo_jobs.PACKAGES:
        pytest.importorskip(name)


@pytest.fixture(scope="module")
def recordings():
    need_recordings()
    return demo_jobs.load()


@pytest.fixture(scope="module")
def steps(recordings):
    return list(demo_jobs.filtered(recordings, quick=True))


def test_the_whole_demo(tmp_path, capsys):
    need_recordings()
    picture = tmp_path / "picture.png"
    assert cli.main(["demo", "--quick", "--out", str(picture)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for words in (
        "ECG",
        "pulse",
        "sunspots",
        "8 channels",
        "laser",
        "predicted one step ahead",
        "SciPy",
        "sigrnn",
        f"Picture: {picture}",
    ):
        assert words in out
    header = picture.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(header[16:20], "big") == 1200


def test_default_name_of_the_picture(tmp_path, monkeypatch):
    need_recordings()
    monkeypatch.chdir(tmp_path)
    assert demo.run(quick=True) == 0
    assert (tmp_path / "sigrnn-demo.png").is_file()


def test_recordings_are_what_they_are_documented(recordings):
    assert [len(x) for x in (recordings.ecg, recordings.sunspots, recordings.years)] == [1024, 309, 309]
    assert recordings.pulse_rate == pytest.approx(100.42, abs=0.01)
    assert all(x.dtype == np.float64 and np.isfinite(x).all() for x in recordings if isinstance(x, np.ndarray))


def test_the_hum_is_where_the_rate_was_taken_from(recordings):
    quiet = recordings.ecg[330:450] * np.hanning(120)  # between two beats
    power = np.abs(np.fft.rfft(quiet, 4096)) ** 2
    frequency = np.fft.rfftfreq(4096, 1 / demo_jobs.ECG_RATE)
    above = frequency > 30.0
    assert frequency[above][np.argmax(power[above])] == pytest.approx(60.0, abs=1.0)


def test_ecg_loses_drift_and_hum_and_keeps_its_beats(steps):
    step = steps[0]
    spectra = np.abs(np.fft.rfft([step.raw * np.hanning(1024), step.result * np.hanning(1024)])) ** 2
    hum = round(60.0 / demo_jobs.ECG_RATE * 1024)
    assert spectra[1, hum] < 0.05 * spectra[0, hum]
    assert abs(np.mean(step.result)) < 0.05 * abs(np.mean(step.raw))
    for window in (slice(100, 300), slice(400, 600), slice(750, 950)):  # zero phase: the peaks stay where they were
        assert abs(int(np.argmax(step.result[window])) - int(np.argmax(step.raw[window]))) <= 1


def test_heart_rate_agrees_with_heartpy(recordings, steps):
    heartpy = pytest.importorskip("heartpy")
    rate = recordings.pulse_rate
    part = slice(round(200 * rate), round(300 * rate))
    theirs = heartpy.process(recordings.pulse[part], rate)[1]["bpm"]
    assert demo_jobs.heart_rate(steps[1].result[part], rate) == pytest.approx(theirs, rel=0.03)


def test_heart_rate_of_a_known_wave():
    assert demo_jobs.heart_rate(np.sin(2 * np.pi * 1.25 * np.arange(2000) / 100.0), 100.0) == pytest.approx(
        75.0, rel=0.01
    )


def test_results_are_compared_and_timed(steps):
    assert [step.function for step in steps] == ["sosfiltfilt", "sosfiltfilt", "filtfilt", "sosfilt", "Stream"]
    for step in steps:
        assert step.result.shape == step.raw.shape
        assert 0.0 <= step.difference <= demo_jobs.TOLERANCE
        assert min(step.scipy, step.sigrnn) > 0


def test_the_laser_is_learned(recordings):
    learned = demo_jobs.predict(recordings.laser, quick=True)
    target = recordings.laser[1001:2001]
    np.testing.assert_allclose(learned.target, target, rtol=1e-12)
    assert learned.error == pytest.approx(np.mean((learned.predicted - target) ** 2) / np.var(target), rel=1e-9)
    assert learned.error < 0.1
    assert learned.linear > 1.5 * learned.error


def test_a_wrong_result_stops_the_demo(recordings, monkeypatch, capsys, tmp_path):
    right = sigrnn.filtfilt
    monkeypatch.setattr(sigrnn, "filtfilt", lambda b, a, x: right(b, a, x) * (1 + 1e-6))
    assert demo.run(tmp_path / "picture.png", quick=True) == 1
    assert "sunspots, slow part: differs from the expected result by 1.0e-06" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nan_is_a_wrong_result(recordings):
    with pytest.raises(demo_jobs.DemoError):
        demo_jobs.compare("x", np.array([np.nan]), np.array([1.0]))


def test_missing_packages_are_named(monkeypatch, capsys):
    def missing(name):
        if name.startswith(("heartpy", "pywt")):
            raise ImportError(name)
        return sys.modules.get(name) or importlib.import_module(name)

    need_recordings()
    monkeypatch.setattr(demo_jobs, "import_module", missing)
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().err == "sigrnn: demo: heartpy, PyWavelets missing: pip install heartpy PyWavelets\n"


def test_a_picture_that_cannot_be_written(recordings, tmp_path, capsys):
    assert demo.run(tmp_path / "none" / "picture.png", quick=True) == 1
    assert "cannot write" in capsys.readouterr().err
    assert demo.run(tmp_path / "picture.what", quick=True) == 1
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.514, "2.51 s"), (0.0251, "25.1 ms"), (2.5e-4, "250 µs"), (1.234e-6, "1.23 µs")]
)
def test_seconds(seconds, text):
    assert demo.seconds(seconds) == text
