"""What holds for every linear filter, on examples that hypothesis chooses."""

import numpy as np
from helpers import noise, stable
from hypothesis import given, settings
from hypothesis import strategies as st

from sigrnn import Stream, filtfilt, lfilter, lfilter_tv, sosfilt, sosfiltfilt

# The same examples in every run; few, for each may filter thousands of samples in several ways.
examples = settings(derandomize=True, max_examples=30, deadline=None, database=None)

seeds = st.integers(0, 2**32 - 1)
orders = st.sampled_from([0, 1, 2, 2, 9])  # kernels of few orders: all others are the same code
samples = st.one_of(st.integers(1, 80), st.sampled_from([127, 128, 1023, 1024, 1025, 3201, 6400, 7001]))
methods = st.sampled_from(["auto", "sequential", "blocked"])
channels = st.one_of(st.none(), st.integers(1, 20))


def drawn(seed, order, count, many=None):
    """A stable filter (order 0: taps) and a signal (count,) or (many, count)."""
    rng = np.random.default_rng(seed)
    b, a = stable(rng, order) if order else (noise(rng, (1, 3, 40)[seed % 3]), np.ones(1))
    return b, a, noise(rng, count if many is None else (many, count))


def assert_close(actual, desired):
    """To 1e-11 of the largest value: thousands of samples through a filter with poles inside radius 0.9."""
    assert actual.shape == desired.shape
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-11 * max(1.0, np.abs(desired).max(initial=0.0)))


@given(seeds, orders, samples, methods, channels)
@examples
def test_linear(seed, order, count, method, many):
    b, a, x = drawn(seed, order, count, many)
    other = np.random.default_rng(seed + 1).standard_normal(x.shape)
    together = lfilter(b, a, 2.5 * x - 3.0 * other, method=method)
    assert_close(together, 2.5 * lfilter(b, a, x, method=method) - 3.0 * lfilter(b, a, other, method=method))


@given(seeds, orders, samples, methods, channels, st.integers(0, 300))
@examples
def test_time_does_not_matter(seed, order, count, method, many, delay):
    b, a, x = drawn(seed, order, count, many)
    late = np.concatenate([np.zeros((*x.shape[:-1], delay)), x], axis=-1)
    y = lfilter(b, a, late, method=method)
    assert not y[..., :delay].any()
    assert_close(y[..., delay:], lfilter(b, a, x, method=method))


@given(seeds, orders, samples, methods, channels, st.data())
@examples
def test_two_blocks_are_one(seed, order, count, method, many, data):
    b, a, x = drawn(seed, order, count, many)
    cut = data.draw(st.integers(0, count))
    zi = np.random.default_rng(seed + 2).standard_normal((*x.shape[:-1], max(len(a), len(b)) - 1))
    whole, end = lfilter(b, a, x, zi=zi, method=method)
    first, between = lfilter(b, a, x[..., :cut], zi=zi, method=method)
    second, final = lfilter(b, a, x[..., cut:], zi=between, method=method)
    assert_close(np.concatenate([first, second], axis=-1), whole)
    assert_close(final, end)


@given(seeds, orders, samples, methods, st.integers(2, 20))
@examples
def test_channels_may_be_permuted(seed, order, count, method, many):
    b, a, x = drawn(seed, order, count, many)
    permutation = np.random.default_rng(seed).permutation(many)
    y = lfilter(b, a, x, method=method)
    assert np.array_equal(lfilter(b, a, x[permutation], method=method), y[permutation])


@given(seeds, orders, samples, methods, st.integers(1, 20))
@examples
def test_any_axis_is_time(seed, order, count, method, many):
    b, a, x = drawn(seed, order, count, many)
    y = lfilter(b, a, x, method=method)
    assert_close(lfilter(b, a, x.T, axis=0, method=method).T, y)
    assert_close(lfilter(b, a, x.T[:, None], axis=0, method=method)[:, 0].T, y)
    assert_close(lfilter(b, a, x[:, :, None], axis=1, method=method)[:, :, 0], y)


@given(seeds, st.integers(1, 4), samples, methods, channels)
@examples
def test_sections_are_the_filter_they_multiply_to(seed, count, n, method, many):
    rng = np.random.default_rng(seed)
    pairs = [stable(rng, 2, radius=0.7) for _ in range(count)]
    b, a = np.ones(1), np.ones(1)
    for bs, as_ in pairs:
        b, a = np.convolve(b, bs), np.convolve(a, as_)
    x = noise(rng, n if many is None else (many, n))
    assert_close(
        sosfilt(np.array([np.concatenate(pair) for pair in pairs]), x, method=method), lfilter(b, a, x, method=method)
    )


@given(seeds, st.sampled_from([1, 2, 9]), samples, channels)
@examples
def test_impulse_response_convolves(seed, order, count, many):
    b, a, x = drawn(seed, order, count, many)
    impulse = np.zeros(count)
    impulse[0] = 1.0
    taps = lfilter(b, a, impulse)
    assert_close(lfilter(b, a, x), lfilter(taps, [1.0], x))


@given(seeds, orders, samples, channels)
@examples
def test_gain_of_the_filter_scales(seed, order, count, many):
    b, a, x = drawn(seed, order, count, many)
    y = lfilter(b, a, x)
    assert np.array_equal(lfilter(4.0 * b, a, x), 4.0 * y)  # a power of two: to the last bit
    assert np.array_equal(lfilter(b, 0.5 * a, x), 2.0 * y)


@given(seeds, orders, samples, methods, channels, st.data())
@examples
def test_streams_do_not_care_about_blocks(seed, order, count, method, many, data):
    b, a, x = drawn(seed, order, count, many)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=6)))
    stream = Stream(b, a, method=method)
    blocks = [stream(block) for block in np.split(x, cuts, axis=-1)]
    whole, final = lfilter(b, a, x, zi=0.0, method=method)
    assert_close(np.concatenate(blocks, axis=-1), whole)
    assert_close(stream.zi, final)


@given(seeds, st.integers(1, 3), samples, methods, channels, st.data())
@examples
def test_streams_of_sections_do_not_care_about_blocks(seed, count, n, method, many, data):
    rng = np.random.default_rng(seed)
    sos = np.array([np.concatenate(stable(rng, 2)) for _ in range(count)])
    x = noise(rng, n if many is None else (many, n))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=6)))
    stream = Stream(sos=sos, method=method)
    assert_close(
        np.concatenate([stream(block) for block in np.split(x, cuts, axis=-1)], axis=-1), sosfilt(sos, x, method=method)
    )


@given(seeds, st.sampled_from([1, 2, 9]), st.integers(60, 300), channels)
@examples
def test_zero_phase_reverses_with_time(seed, order, count, many):
    # Without padding and from rest on symmetric silence, forward-backward is backward-forward.
    b, a, x = drawn(seed, order, count, many)
    silent = np.zeros((*x.shape[:-1], 400))
    x = np.concatenate([silent, x, silent], axis=-1)
    assert_close(filtfilt(b, a, x[..., ::-1])[..., ::-1], filtfilt(b, a, x))
    sos = np.concatenate([np.append(b, [0, 0])[:3], np.append(a, [0, 0])[:3]])
    if order < 3:
        assert_close(sosfiltfilt(sos, x), filtfilt(b, a, x))


@given(seeds, st.sampled_from([0, 1, 2, 9]), st.integers(1, 60), channels)
@examples
def test_varying_switches_filters(seed, order, count, many):
    # Two filters, one after the other, over the same state.
    b, a, x = drawn(seed, order, count, many)
    rng = np.random.default_rng(seed + 3)
    c, d = (noise(rng, len(b)), a) if order == 0 else stable(rng, order)
    half = count // 2
    rows = [np.concatenate([np.tile(p, (half, 1)), np.tile(q, (count - half, 1))]) for p, q in ((b, c), (a, d))]
    first, between = lfilter(b, a, x[..., :half], zi=0.0)
    second, _ = lfilter(c, d, x[..., half:], zi=between)
    assert_close(lfilter_tv(*rows, x), np.concatenate([first, second], axis=-1))
