"""`upfirdn`, `resample_poly`, `decimate` and `Resampler` against SciPy, against sums in plain Python, and block by block."""

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.signal
from helpers import LAYOUTS, Unchanged, assert_close, noise, same_values
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import sigrnn
from sigrnn import Resampler, decimate, resample_poly, upfirdn
from sigrnn.filters import _decimation, _polyphase, resampling
from sigrnn.filters._extension import MODES

examples = settings(derandomize=True, max_examples=150, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
factors = st.sampled_from([1, 2, 3, 4, 7, 12])
dtypes = st.sampled_from("dddfFDi?")
SHAPES = {"one": ((), 0), "last": ((3,), 1), "first": ((3,), 0), "many": ((9,), 0), "middle": ((2, 5), 1)}
# They read beyond a single sample, or divide by zero.
TWO = {"reflect", "antireflect", "smooth", "line"}


def shaped(where, samples):
    channels, axis = SHAPES[where]
    return (*channels[:axis], samples, *channels[axis:]), axis


def plain(h, x, up, down):
    """The definition, with the products that it has and no others."""
    raised = np.zeros(len(x) * up)
    raised[::up] = x
    count = ((len(x) - 1) * up + len(h) - 1) // down + 1
    y = np.zeros(count)
    for n in range(count):
        for i in range(len(x)):
            if 0 <= n * down - i * up < len(h):
                y[n] += h[n * down - i * up] * x[i]
    return y


@given(
    seeds,
    factors,
    factors,
    st.sampled_from([1, 2, 5, 9, 40, 200]),
    st.sampled_from([1, 2, 6, 60, 700]),
    st.sampled_from(list(SHAPES)),
    dtypes,
    st.sampled_from("ddfD"),
    st.sampled_from(MODES),
    st.sampled_from([0.0, 2.5]),
    st.sampled_from(list(LAYOUTS)),
)
@examples
def test_upfirdn_is_scipys(seed, up, down, taps, samples, where, dtype, kind, mode, cval, layout):
    assume(samples > 1 or mode not in TWO)
    rng = np.random.default_rng(seed)
    shape, axis = shaped(where, samples)
    h, x = noise(rng, taps, kind), same_values(layout, noise(rng, shape, dtype))
    with Unchanged(h, x):
        y = upfirdn(h, x, up, down, axis, mode, cval)
    native = x.astype(x.dtype.newbyteorder("="))
    assert_close(y, scipy.signal.upfirdn(h, native, up, down, axis, mode, cval))


@given(
    seeds,
    st.sampled_from([1, 2, 3, 20, 160]),
    st.sampled_from([1, 2, 7, 21, 147]),
    st.sampled_from([2, 50, 1000]),
    st.sampled_from(list(SHAPES)),
    dtypes,
    st.sampled_from([*MODES, "mean", "median", "minimum", "maximum"]),
    st.sampled_from([("kaiser", 5.0), "hann", [1.0, 2.0, 1.0], np.ones(31)]),
)
@examples
def test_resample_poly_is_scipys(seed, up, down, samples, where, dtype, padtype, window):
    assume(dtype not in "FD" or padtype not in ("median", "minimum", "maximum"))
    assume(dtype not in "?i" or padtype in MODES)  # there is no difference of booleans
    assume(dtype not in "?i" or up != down)  # a copy, of integers
    shape, axis = shaped(where, samples)
    x = noise(np.random.default_rng(seed), shape, dtype)
    with Unchanged(x):
        y = resample_poly(x, up, down, axis, window, padtype)
    expected = scipy.signal.resample_poly(x, up, down, axis, window, padtype)
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    size = max(np.abs(x).max(), np.abs(expected).max(initial=0.0))  # outputs may be small differences
    np.testing.assert_allclose(y, expected, rtol=0, atol=2000 * np.finfo(y.dtype).eps * size)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", MODES)
def test_signals_shorter_than_the_filter_are_continued_again_and_again(mode, samples):
    if samples == 1 and mode in TWO:
        np.testing.assert_array_equal(upfirdn(np.ones(3), [2.0], mode=mode), [6.0, 6.0, 6.0])
        return
    x, h = np.array([1.0, 2.0, 4.0, 9.0][:samples]), np.random.default_rng(0).standard_normal(23)
    assert_close(upfirdn(h, x, 2, 3, mode=mode), scipy.signal.upfirdn(h, x, 2, 3, mode=mode))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (1, 3), (3, 1), (5, 3), (3, 5)])
def test_nan_and_inf_go_where_the_equation_takes_them(up, down, value):
    rng = np.random.default_rng(1)
    h, x = rng.standard_normal(13), rng.standard_normal(120)
    x[[3, 50, 51, 119]] = value
    with np.errstate(invalid="ignore"):
        expected = plain(h, x, up, down)
    y = upfirdn(h, x, up, down)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    columns = upfirdn(h, np.repeat(x[:, None], 11, axis=1), up, down, axis=0)
    np.testing.assert_allclose(columns, np.repeat(expected[:, None], 11, axis=1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("up", "down"), [(3, 2), (2, 3), (1, 1), (1, 4), (160, 147)])
@pytest.mark.parametrize("shape", [(6000,), (400, 20), (3, 700, 2)])
def test_threads_do_not_change_a_bit(up, down, shape, monkeypatch):
    monkeypatch.setattr(_polyphase, "THREADED", 0.0)
    rng = np.random.default_rng(2)
    h, x, axis = rng.standard_normal(50 * max(up, down)), rng.standard_normal(shape), len(shape) // 2
    alone = upfirdn(h, x, up, down, axis, "reflect")
    with sigrnn.set_workers(3):
        np.testing.assert_array_equal(upfirdn(h, x, up, down, axis, "reflect"), alone)


def test_long_filters_and_large_factors():
    rng = np.random.default_rng(3)
    h, x = rng.standard_normal(20_001), rng.standard_normal(3000)
    for up, down in ((1, 1000), (1000, 1), (999, 1000), (1, 1), (7, 20_000)):
        assert_close(upfirdn(h, x, up, down), scipy.signal.upfirdn(h, x, up, down), 20_000)


def test_float32_is_filtered_in_float64():
    rng = np.random.default_rng(4)
    x = rng.standard_normal(5000).astype("f")
    for up, down in ((3, 2), (2, 3), (1, 2)):
        exact = scipy.signal.resample_poly(x.astype(float), up, down)
        assert_close(resample_poly(x, up, down), exact.astype("f"), 0.51)


def test_only_what_remains_is_computed(monkeypatch):
    asked = []
    found = resampling.resampled
    monkeypatch.setattr(
        resampling, "resampled", lambda h, x, rates, *rest: asked.append(rates) or found(h, x, rates, *rest)
    )
    decimate(np.ones(1003), 10, ftype="fir")
    decimate(np.ones(1003), 10, ftype="fir", zero_phase=False)
    resample_poly(np.ones(1000), 3, 2)
    assert [rates.outputs for rates in asked] == [101, 101, 1500]
    assert [(rates.up, rates.down) for rates in asked] == [(1, 10), (1, 10), (3, 2)]


# ------------------------------------------------------------------------------------------------------------ decimate

SYSTEMS = {
    "fir": "fir",
    "iir": "iir",
    "butter": scipy.signal.dlti(*scipy.signal.butter(3, 0.2)),
    "real pole": scipy.signal.dlti(*scipy.signal.butter(1, 0.2)),
    "taps": scipy.signal.dlti([1.0, 2.0, 3.0], [2.0]),
    "complex": scipy.signal.dlti([], [0.5 + 0.3j], 1.0),
}


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("zero_phase", [True, False])
@given(
    seeds,
    st.sampled_from([2, 5, 13]),
    st.sampled_from(list(SHAPES)),
    st.sampled_from("dDi"),
    st.sampled_from(list(LAYOUTS)),
)
@settings(derandomize=True, max_examples=15, deadline=None, database=None)
def test_decimate_is_scipys(system, zero_phase, seed, q, where, dtype, layout):
    shape, axis = shaped(where, 300)
    x = same_values(layout, noise(np.random.default_rng(seed), shape, dtype))
    with Unchanged(x):
        y = decimate(x, q, None, SYSTEMS[system], axis, zero_phase)
    native = x.astype(x.dtype.newbyteorder("="))
    expected = scipy.signal.decimate(native, q, None, SYSTEMS[system], axis, zero_phase)
    assert_close(y, np.ascontiguousarray(expected), 1e6)  # SciPy's own error, of order 8 near z = 1


@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize("q", [10, 50, 150])
def test_decimate_of_float32_is_that_of_float64_rounded(q, zero_phase):
    x = np.random.default_rng(5).standard_normal(20_000).astype("f") + np.float32(100.0)
    exact = scipy.signal.decimate(x.astype(float), q, zero_phase=zero_phase)
    found = decimate(x, q, zero_phase=zero_phase)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 200), (200, 30), (2, 200, 5), (1, 200, 40)])
@pytest.mark.parametrize("dtype", "fd")
def test_decimate_by_groups_of_channels(shape, dtype, monkeypatch):
    x = np.random.default_rng(6).standard_normal(shape).astype(dtype)
    axis = shape.index(200)
    whole = decimate(x, 4, axis=axis)
    monkeypatch.setattr(_decimation, "TOGETHER", 700)
    assert_close(decimate(x, 4, axis=axis), whole)


@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize("system", ["iir", "butter", "real pole", "complex"])
@pytest.mark.parametrize("block", [64, 100, 333, 1000])
@pytest.mark.parametrize("dtype", "fdDh")
def test_decimate_of_a_long_channel_block_by_block(zero_phase, system, block, dtype, monkeypatch):
    x = (100.0 * noise(np.random.default_rng(7), (2, 1000), "D" if dtype == "D" else "d")).astype(dtype)
    whole, reversed_time = (decimate(part, 7, None, SYSTEMS[system], zero_phase=zero_phase) for part in (x, x[0, ::-1]))
    monkeypatch.setattr(_decimation, "TOGETHER", 900)
    monkeypatch.setattr(_decimation, "BLOCK", block)
    with Unchanged(x):
        assert_close(decimate(x, 7, None, SYSTEMS[system], zero_phase=zero_phase), whole, 1e4)
    assert_close(decimate(x[0, ::-1], 7, None, SYSTEMS[system], zero_phase=zero_phase), reversed_time, 1e4)


def test_memory_does_not_grow_with_a_long_channel(monkeypatch):
    monkeypatch.setattr(_decimation, "TOGETHER", 1 << 14)
    monkeypatch.setattr(_decimation, "BLOCK", 1 << 14)
    x = np.random.default_rng(8).standard_normal(1 << 19)
    decimate(x[: 1 << 15], 10)  # compiles
    tracemalloc.start()
    try:
        decimate(x, 10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes // 4  # a tenth is the result


# ----------------------------------------------------------------------------------------------------------- Resampler


@given(
    seeds,
    st.sampled_from([1, 2, 3, 7, 160]),
    st.sampled_from([1, 2, 5, 10, 147]),
    st.sampled_from(["one", "first", "last", "many", "middle"]),
    st.sampled_from("dfDi"),
    st.lists(st.integers(0, 400), max_size=12),
    st.sampled_from([("kaiser", 5.0), "hann", [1.0, 2.0], np.ones(31)]),
)
@examples
def test_blocks_are_the_whole(seed, up, down, where, dtype, cuts, window):
    shape, axis = shaped(where, 400)
    x = noise(np.random.default_rng(seed), shape, dtype)
    if dtype == "i":
        x = x.astype(float)  # at equal factors resample_poly returns integers as they are
    resampler = Resampler(up, down, window, axis=axis)
    parts = [resampler(block) for block in np.split(x, sorted(cuts), axis=axis)]
    whole = resample_poly(x, up, down, axis, window)
    assert_close(np.concatenate([*parts, resampler.flush()], axis=axis), whole)
    again = np.concatenate([resampler(x), resampler.flush()], axis=axis)  # as new after the end
    assert_close(again, whole)


def test_outputs_come_as_soon_as_they_can():
    resampler, x = Resampler(1, 4), np.random.default_rng(7).standard_normal(300)
    assert resampler.delay == 40.0
    counts = np.cumsum([len(resampler(x[n : n + 1])) for n in range(300)])
    np.testing.assert_array_equal(counts, [max(0, (n - 40) // 4 + 1) for n in range(300)])
    assert counts[-1] + len(resampler.flush()) == 75


def test_what_a_resampler_keeps_does_not_grow():
    resampler = Resampler(3, 2)
    kept = {len(pickle.dumps((resampler(np.ones(100)), resampler)[1])) for _ in range(50)}
    assert max(kept) - min(kept) < 100


def test_copies_have_the_same_past_and_their_own_future():
    x = np.random.default_rng(8).standard_normal((3, 200))
    resampler = Resampler(3, 2, axis=-1)
    head = resampler(x[:, :90])
    other, third = resampler.copy(), pickle.loads(pickle.dumps(resampler))
    rest = [np.concatenate([one(x[:, 90:]), one.flush()], axis=-1) for one in (resampler, other, third)]
    for tail in rest:
        assert_close(np.concatenate([head, tail], axis=-1), resample_poly(x, 3, 2, axis=-1))


def test_a_block_is_not_kept_by_reference():
    x = np.ones(300)
    resampler = Resampler(1, 4)
    first = resampler(x)
    x[:] = np.nan
    assert np.isfinite(resampler.flush()).all()
    assert np.isfinite(first).all()


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: upfirdn([], [1.0]), ValueError, "h must be 1-D with non-zero length"),
        (lambda: upfirdn([[1.0]], [1.0]), ValueError, "h must be 1-D"),
        (lambda: upfirdn([1.0], [1.0], 1, 0), ValueError, "Both up and down must be >= 1"),
        (lambda: upfirdn([1.0], [1.0], mode="bad"), ValueError, "Unknown mode: bad"),
        (lambda: upfirdn([1.0], [1.0], axis=1), IndexError, "axis 1 is out of bounds"),
        (lambda: upfirdn([1.0], 1.0), IndexError, "axis"),
        (lambda: upfirdn([1.0], np.ones(3, object)), TypeError, "x has dtype object"),
        (lambda: upfirdn([1.0], np.ones(3, np.longdouble)), TypeError, "no kernel"),
        (lambda: resample_poly(np.ones(9), 1.5, 1), ValueError, "up must be an integer"),
        (lambda: resample_poly(np.ones(9), 1, 0), ValueError, "up and down must be >= 1"),
        (lambda: resample_poly(np.ones(9), 2, 1, padtype="bad"), ValueError, "padtype must be one of"),
        (lambda: resample_poly(np.ones(9), 2, 1, padtype="mean", cval=1.0), ValueError, "cval has no effect"),
        (lambda: resample_poly(np.ones(9), 2, 1, window=np.ones((2, 2))), ValueError, "window must be 1-D"),
        (lambda: resample_poly(np.ones(9), 2, 1, axis=1), IndexError, "axis 1 is out of bounds"),
        (lambda: decimate(np.ones(90), 0.5), TypeError, "float"),
        (lambda: decimate(np.ones(90), 2, 0.5), TypeError, "float"),
        (lambda: decimate(np.ones(90), 2, ftype="bad"), ValueError, "invalid ftype"),
        (lambda: decimate(np.ones(90), 2, ftype=3), ValueError, "invalid ftype"),
        (lambda: decimate(np.ones(5), 2), ValueError, "greater than padlen"),
        (lambda: decimate(np.ones(90), 2, axis=1), IndexError, "axis 1 is out of bounds"),
        (lambda: Resampler(0, 1), ValueError, "up and down must be >= 1"),
        (lambda: Resampler(2, 1, []), ValueError, "window has no taps"),
        (lambda: Resampler(2, 1)(np.ones(3, np.longdouble)), NotImplementedError, "Resampler serves"),
    ],
)
def test_bad_input_is_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_a_resampler_refuses_other_channels():
    resampler = Resampler(2, 1)
    resampler(np.ones((5, 2)))
    for x in (np.ones((5, 3)), np.ones(5)):
        with pytest.raises(ValueError, match="other channels than the blocks before"):
            resampler(x)
    resampler.reset()
    assert resampler(np.ones(50)).ndim == 1


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_signals_without_samples(shape):
    x = np.zeros(shape)
    assert_close(resample_poly(x, 3, 2), scipy.signal.resample_poly(x, 3, 2))
    assert_close(decimate(x, 2, ftype="fir", axis=0), scipy.signal.decimate(x, 2, ftype="fir", axis=0))
