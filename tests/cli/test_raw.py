"""`sigrnn filter --raw`: files of samples without a header."""

import numpy as np
import pytest
from scipy import signal

from sigrnn.cli.main import main

ASKED = ["--rate", "1000", "--butter", "2", "--cutoff", "50"]
SOS = signal.butter(2, 50, fs=1000, output="sos")


def run(folder, x, *more, dtype="int16"):
    x.tofile(folder / "x.raw")
    given = ["--raw", dtype, "--channels", str(x.shape[1]), *ASKED, *more]
    code = main(["filter", str(folder / "x.raw"), str(folder / "y.raw"), *given])
    return code, np.fromfile(folder / "y.raw", dtype).reshape(x.shape)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize("phase", [[], ["--zero-phase"]])
def test_equals_scipy(rng, tmp_path, capsys, dtype, phase):
    x = (100 + 20 * rng.standard_normal((700, 3))).astype(dtype)
    code, y = run(tmp_path, x, *phase, "--block", "50", dtype=dtype)
    assert code == 0
    desired = (signal.sosfiltfilt if phase else signal.sosfilt)(SOS, x.astype(float), axis=0)
    np.testing.assert_allclose(y, desired, rtol=1e-6, atol=1e-9 if dtype[0] == "f" else 0.501)
    assert f"700 samples, 3 channels, 1000.0 Hz, {dtype}" in capsys.readouterr().out


def test_clipped(tmp_path, capsys):
    x = np.zeros((300, 1), np.int8)
    x[100:] = 127  # overshoots
    code, y = run(tmp_path, x, dtype="int8")
    assert code == 0
    assert y.max() == 127
    assert "samples clipped" in capsys.readouterr().err


def test_refused(rng, tmp_path, capsys):
    x = rng.standard_normal((100, 2))
    x[7, 1] = np.nan
    x.tofile(tmp_path / "x.raw")
    files = [str(tmp_path / "x.raw"), str(tmp_path / "y.raw")]
    raw = ["--raw", "float64", "--channels", "2"]
    for arguments, message in (
        ([*raw, *ASKED], "sample 7 (0.007 s) of channel 2 is NaN"),
        ([*raw, *ASKED[2:]], "--raw takes --rate HZ"),
        ([*raw, *ASKED, "--subtype", "FLOAT"], "--subtype is for sound files"),
        (ASKED, "they go with --raw"),
        (["--raw", "float64", "--channels", "7", *ASKED], "must hold a whole number of samples of 7 channels"),
    ):
        assert main(["filter", *files, *arguments]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "y.raw").exists()
    assert main(["filter", *files, *raw, *ASKED, "--nan", "zero"]) == 0
    assert "1 of 200 samples were NaN" in capsys.readouterr().err
