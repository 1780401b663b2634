"""The cache of filters: what it holds, and that memory stays bounded."""

import gc
import tracemalloc

import numpy as np
import pytest

import sigrnn
from sigrnn.filters import _kept


@pytest.fixture
def cache():
    """The cache, empty; afterwards it is as it was."""
    before = [(kept, dict(kept)) for kept in (_kept.direct_forms, _kept.cascades)]
    for kept, _ in before:
        kept.clear()
    yield _kept
    for kept, filters in before:
        kept.clear()
        kept.update(filters)


def taps(rng, count):
    return rng.standard_normal(count) / count


def test_a_filter_is_found_again(cache):
    x = np.ones(100)
    for _ in range(3):
        sigrnn.lfilter([1.0, 0.5], [1.0, -0.5], x)
        sigrnn.lfilter([1.0, 0.5], [1.0], x)
        sigrnn.sosfilt([[1.0, 0.5, 0.0, 1.0, -0.5, 0.0]], x)
    assert len(cache.direct_forms) == 2
    assert len(cache.cascades) == 1


def test_filters_used_last_are_kept(cache):
    for k in range(cache.NUMBER + 10):
        sigrnn.lfilter([1.0, float(k)], [1.0, -0.5], np.ones(4))
    first = [np.frombuffer(b)[1] for b, _ in cache.direct_forms]
    assert first == list(range(10, cache.NUMBER + 10))


def test_transforms_of_many_long_filters_take_bounded_memory(cache, rng, monkeypatch):
    monkeypatch.setattr(cache, "BYTES", 1 << 20)
    x = rng.standard_normal(40_000)
    cases = [(400, 20_000), (400, 40_000), (3000, 5000), (3000, 6000), (12_000, 1600)]  # taps, samples

    def run(rounds):
        for _ in range(rounds):
            for size, samples in cases:
                b = taps(rng, size)
                found = sigrnn.lfilter(b, [1.0], x[:samples])
                used = min(size, samples)
                np.testing.assert_allclose(found[-1], b[:used] @ x[samples - used : samples][::-1], rtol=0, atol=1e-12)

    run(2)  # tables that filters share
    gc.collect()
    tracemalloc.start()
    try:
        run(20)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert sum(filter.bytes for filter in cache.direct_forms.values()) <= cache.BYTES
    assert grown < 1.2 * cache.BYTES


def test_blocks_of_many_filters_take_bounded_memory(cache, rng, monkeypatch):
    monkeypatch.setattr(cache, "BYTES", 1 << 20)
    x = rng.standard_normal(20_000)
    lengths = range(4000, 20_000, 1600)
    tracemalloc.start()
    try:
        for k in range(30):
            poles = np.poly(np.linspace(0.1, 0.8, 12) * (0.9 + 0.003 * k))
            for samples in lengths:
                sigrnn.lfilter([1.0, 0.1 * k], poles, x[:samples])
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert sum(filter.bytes for filter in cache.direct_forms.values()) <= cache.BYTES
    assert grown < 1.5 * cache.BYTES


def test_bytes_of_a_filter_are_those_of_its_arrays(cache, rng):
    b = taps(rng, 3000)
    sigrnn.lfilter(b, [1.0], rng.standard_normal(6000))
    (fir,) = cache.direct_forms.values()
    assert fir.bytes >= 3 * b.nbytes + 2 * 4096 * 8  # at least one spectrum
    sigrnn.sosfilt([[1.0, 0.5, 0.1, 1.0, -0.5, 0.1]], rng.standard_normal(30_000))
    (cascade,) = cache.cascades.values()
    assert cascade.bytes > 200 * 2 * 8  # one group of constants at least


def test_a_filter_larger_than_the_limit_is_kept_alone(cache, rng, monkeypatch):
    monkeypatch.setattr(cache, "BYTES", 1000)
    x, b = rng.standard_normal(5000), taps(rng, 200)
    for _ in range(3):
        sigrnn.lfilter([1.0, 0.5], [1.0, -0.5], x)
        y = sigrnn.lfilter(b, [1.0], x)
    np.testing.assert_allclose(y, np.convolve(b, x)[:5000], rtol=0, atol=1e-13)
    assert [len(b) for b, _ in cache.direct_forms] == [8 * 200]
