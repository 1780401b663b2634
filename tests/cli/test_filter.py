"""Filters over blocks of a recording: the same as over the whole of it, forward, and forward and backward."""

import numpy as np
import pytest
from scipy import signal

import sigrnn
from sigrnn.cli import filter as offline

RATE = 8000.0
DESIGNS = {
    "butter": (("butter", 4, [900.0], RATE), {}),
    "butter, odd": (("butter", 5, [900.0], RATE), {"kind": "highpass"}),
    "cheby1": (("cheby1", 3, [200.0, 900.0], RATE), {"ripple": 0.5}),
    "cheby2": (("cheby2", 4, [200.0, 900.0], RATE), {"kind": "bandstop", "attenuation": 40.0}),
    "ellip": (("ellip", 6, [900.0], RATE), {}),
    "fir": (("fir", 31, [900.0], RATE), {}),
    "fir, two taps": (("fir", 2, [900.0], RATE), {}),
}


@pytest.fixture(params=DESIGNS)
def filter(request):
    args, keywords = DESIGNS[request.param]
    return offline.design(*args, **keywords)


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((1000, 3)) + 5.0


def cut(x, size):
    return (x[at : at + size] for at in range(0, len(x), size))


def whole(filter, x):
    if filter.sos is None:
        return sigrnn.lfilter(filter.taps, [1.0], x, axis=0, method="sequential")
    return sigrnn.sosfilt(filter.sos, x, axis=0, method="sequential")


def whole_zero_phase(library, filter, x):
    if filter.sos is None:
        return library.filtfilt(filter.taps, [1.0], x, axis=0)
    return library.sosfiltfilt(filter.sos, x, axis=0)


@pytest.mark.parametrize("size", [1, 7, 256, 5000])
def test_blocks_equal_the_whole_to_the_last_bit(filter, x, size):
    y = np.concatenate(list(offline.forward(cut(x, size), filter)))
    np.testing.assert_array_equal(y, whole(filter, x))


@pytest.mark.parametrize("size", [100, 333, 5000])
@pytest.mark.parametrize("library", [sigrnn, signal], ids=["sigrnn", "scipy"])
def test_zero_phase_equals_the_whole(filter, x, size, library, tmp_path):
    y = np.concatenate(list(offline.zero_phase(cut(x, size), filter, tmp_path)))
    expected = whole_zero_phase(library, filter, x)
    assert y.shape == x.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * np.max(np.abs(expected)))
    assert list(tmp_path.iterdir()) == []


def test_zero_phase_does_not_depend_on_the_blocks(filter, x):
    results = [np.concatenate(list(offline.zero_phase(cut(x, size), filter))) for size in (100, 101, 5000)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_zero_phase_takes_as_much_as_scipy_and_no_less(filter, x):
    enough = x[: filter.padding + 1]
    expected = whole_zero_phase(signal, filter, enough)
    y = np.concatenate(list(offline.zero_phase([enough], filter)))
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * np.max(np.abs(expected)))
    with pytest.raises(ValueError, match="padlen"):
        whole_zero_phase(signal, filter, x[: filter.padding])
    with pytest.raises(offline.FilterError, match=f"more than {filter.padding} samples"):
        list(offline.zero_phase([x[: filter.padding]], filter))


def test_zero_phase_of_nothing(filter):
    assert list(offline.zero_phase([], filter)) == []


def test_blocks_are_not_modified(filter, x):
    before = x.copy()
    list(offline.zero_phase(cut(x, 300), filter))
    list(offline.forward(cut(x, 300), filter))
    np.testing.assert_array_equal(x, before)


def test_designs_are_scipys():
    sos = offline.design("butter", 4, [900.0], RATE).sos
    np.testing.assert_array_equal(sos, signal.butter(4, 900.0, output="sos", fs=RATE))
    sos = offline.design("ellip", 4, [200.0, 900.0], RATE, ripple=0.5, attenuation=40.0).sos
    np.testing.assert_array_equal(sos, signal.ellip(4, 0.5, 40.0, [200.0, 900.0], "bandpass", output="sos", fs=RATE))
    taps = offline.design("fir", 51, [900.0], RATE, kind="highpass").taps
    np.testing.assert_array_equal(taps, signal.firwin(51, 900.0, pass_zero=False, fs=RATE))


@pytest.mark.parametrize(
    ("args", "keywords", "message"),
    [
        (("butter", 4, [900.0], RATE), {"kind": "lowpas"}, "unknown type of filter 'lowpas': choose from lowpass,"),
        (("butter", 4, [900.0], RATE), {"kind": "bandpass"}, "a bandpass filter has 2 cut-offs, 1 given"),
        (("butter", 4, [1.0, 2.0], RATE), {"kind": "lowpass"}, "a lowpass filter has 1 cut-off, 2 given"),
        (("butter", 4, [1.0, 2.0, 3.0], RATE), {}, "a bandpass filter has 2 cut-offs, 3 given"),
        (("butter", 4, [4000.0], RATE), {}, "cut-off 4000 Hz is not between 0 and 4000 Hz, half the sampling rate"),
        (("butter", 4, [0.0], RATE), {}, "cut-off 0 Hz is not between 0 and 4000 Hz"),
        (("butter", 4, [np.nan], RATE), {}, "cut-off nan Hz is not between"),
        (("butter", 4, [900.0, 200.0], RATE), {}, "the lower cut-off comes first"),
        (("butter", 4, [900.0], RATE), {"ripple": 1.0}, "ripple is a property of cheby1 and ellip, not of butter"),
        (("fir", 31, [900.0], RATE), {"attenuation": 9.0}, "attenuation is a property of cheby2 and ellip, not of fir"),
        (("fir", 1, [900.0], RATE), {}, "an FIR filter has 2 taps or more, 1 given"),
        (("fir", 32, [900.0], RATE), {"kind": "highpass"}, "no such filter: A filter with an even number"),
        (("ellip", 3, [900.0], RATE), {"ripple": -1.0}, "no such filter: "),
    ],
)
def test_impossible_filters_are_explained(args, keywords, message):
    with pytest.raises(offline.FilterError) as error:
        offline.design(*args, **keywords)
    assert str(error.value).startswith(message)
