"""Long filters without feedback by Fourier transforms: right in all sizes, and what is summed instead."""

import numpy as np
import pytest
import scipy.signal
from helpers import assert_close, noise

from sigrnn import Stream, lfilter
from sigrnn._kernels.sizes import LANES
from sigrnn.filters import _fir, _transforms


def transformed(b, x, careful=True, y=None):
    y = np.empty_like(x) if y is None else y
    _transforms.OverlapSave(b, len(x), x.dtype.char, careful, _fir.direct)(x, y)
    return y


def summed(b, x):
    return np.convolve(b, x)[: len(x)]


@pytest.fixture
def no_sums(monkeypatch):
    def fail(*_):
        raise AssertionError("summed")

    monkeypatch.setattr(_fir, "direct", fail)


@pytest.mark.parametrize("taps", [2, 3, 64, 124, 125, 126, 400, 1025])
@pytest.mark.parametrize("samples", [1, 3, 64, 1000, 4096, 30_001])
def test_sums_by_transforms(rng, no_sums, taps, samples):
    b, x = noise(rng, taps), noise(rng, samples)
    assert_close(transformed(b, x), summed(b, x))


@pytest.mark.parametrize("size", [128, 256, 512, 1024, 2048, 4096, 8192, 16_384])
def test_every_size(rng, monkeypatch, no_sums, size):
    """With an even or odd number of doublings, in one group of rows or several, whole segments and a part of one."""
    length = size // 2
    monkeypatch.setattr(_transforms, "plan", lambda *_: _transforms.Plan(size, length, 0.0))
    b, x = noise(rng, size - length + 1), noise(rng, LANES * length + 5 * length + 3)
    assert_close(transformed(b, x), scipy.signal.oaconvolve(b, x)[: len(x)])


def test_the_order_of_frequencies():
    for size in (2, 4, 8, 32, 64):
        assert sorted(_transforms.frequencies(size)) == list(range(size))
    assert list(_transforms.frequencies(8)) == [0, 4, 1, 5, 2, 6, 3, 7]
    table = _transforms.twiddles(32).reshape(-1, 3, 2)
    assert len(table) == 8 + 2
    np.testing.assert_allclose(table[3, 1] @ [1, 1j], np.exp(-2j * np.pi * 2 * 3 / 32), rtol=0, atol=1e-16)
    np.testing.assert_allclose(table[8 + 1, 2] @ [1, 1j], np.exp(-2j * np.pi * 3 / 8), rtol=0, atol=1e-16)


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_layouts_and_places(rng, dtype):
    b, x = noise(rng, 200), noise(rng, (6000, 2)).astype(dtype)
    desired = [summed(b, column.astype(float)) for column in x.T]
    for column, right in zip(x.T, desired, strict=True):  # samples apart, then in place, then back to front
        np.testing.assert_allclose(transformed(b, column), right, rtol=0, atol=1e-5 if dtype == "f" else 1e-12)
        same = column.copy()
        transformed(b, same, y=same)
        np.testing.assert_allclose(same, right, rtol=0, atol=1e-5 if dtype == "f" else 1e-12)
        back = transformed(b, column[::-1].copy()[::-1])
        np.testing.assert_array_equal(back, same)


def test_a_signal_is_transformed_from_its_first_sample(rng, no_sums):
    """The zeros before the first sample and after the last are not a quiet part that has to be summed."""
    b, x = scipy.signal.firwin(512, 0.3), noise(rng, 9000)
    assert_close(transformed(b, x), scipy.signal.lfilter(b, 1.0, x))


def test_quiet_parts_within_reach_of_loud_ones_are_summed(rng):
    b, x = scipy.signal.firwin(512, 0.3), noise(rng, 9000)
    x[:1000] *= 1e-9
    desired = scipy.signal.lfilter(b, 1.0, x)
    np.testing.assert_allclose(transformed(b, x)[:900], desired[:900], rtol=1e-9, atol=1e-24)
    assert np.abs(transformed(b, x, careful=False)[:900] - desired[:900]).max() > 1e-18


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("careful", [True, False])
def test_numbers_that_would_spoil_a_transform(rng, value, careful):
    b, x = np.abs(noise(rng, 300)) / 300, noise(rng, 20_000)
    clean = transformed(b, x)
    for at in (0, 4567, 19_999):
        spoiled = x.copy()
        spoiled[at] = value
        y, right = transformed(b, spoiled, careful), scipy.signal.lfilter(b, 1.0, spoiled)
        reach = slice(at, at + len(b))
        np.testing.assert_allclose(y[reach], right[reach], rtol=1e-12)
        outside = np.ones(len(x), bool)
        outside[reach] = False
        assert_close(y[outside], clean[outside])


@pytest.mark.parametrize(
    ("taps", "samples", "chosen"),
    [
        (512, 4096, True),
        (512, 65_536, True),
        (63, 10**7, False),
        (128, 10**6, True),
        (128, 300, False),
        (10**5, 50, False),
    ],
)
def test_where_they_pay(taps, samples, chosen):
    assert _transforms.pay(taps, samples) == chosen


@pytest.mark.parametrize("reach", [0, 1, 63, 511, 5000])
@pytest.mark.parametrize("samples", [1, 100, 4096, 10**6, 12_345_678])
def test_plans_fit(reach, samples):
    size, length, _ = _transforms.plan(reach, samples)
    assert length % 4 == 0
    assert 0 < length <= size - reach
    assert size & (size - 1) == 0


@pytest.mark.parametrize("taps", [70, 300, 2000])
def test_a_stream_continues(rng, taps):
    b, x = noise(rng, taps), noise(rng, 40_000)
    stream = Stream(b, [1.0])
    blocks = [stream(part) for part in np.split(x, [5000, 5001, 5500, 25_000])]
    assert_close(np.concatenate(blocks), lfilter(b, [1.0], x))
    assert_close(np.concatenate(blocks), scipy.signal.oaconvolve(b, x)[: len(x)])
    z = noise(rng, taps - 1)
    y, zf = lfilter(b, [1.0], x, zi=z)
    right, final = scipy.signal.lfilter(b, [1.0], x, zi=z)
    assert_close(y, right)
    assert_close(zf, final)
