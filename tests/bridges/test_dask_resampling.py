"""Resampling and smoothing of dask arrays: what NumPy's functions give, whatever the chunks."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import sigrnn

da = pytest.importorskip("dask.array")
sd = pytest.importorskip("sigrnn.dask")

SAMPLES = 120
MANY = settings(derandomize=True, max_examples=40, deadline=None, database=None)


@st.composite
def parts(draw, total, most=6):
    """Chunks of one axis, empty ones and single samples among them."""
    cuts = draw(st.lists(st.integers(0, total), max_size=most))
    return tuple(np.diff([0, *sorted(cuts), total]).tolist())


def same(lazy, desired):
    """Equal to rounding, and of the shape and dtype that were promised."""
    found = lazy.compute(scheduler="synchronous")
    assert (lazy.shape, lazy.dtype) == (found.shape, found.dtype) == (desired.shape, desired.dtype)
    eps = np.finfo(desired.dtype).eps
    np.testing.assert_allclose(found, desired, rtol=0, atol=64 * eps * max(1.0, np.abs(desired).max(initial=0.0)))


def made(seed, chunks, axis, dtype):
    x = np.random.default_rng(seed).standard_normal((2, SAMPLES))
    if dtype in "FD":
        x = x * (1 + 2j)
    x = x.T.astype(dtype) if axis == 0 else x.astype(dtype)
    return x, da.from_array(x, ((1, 1), chunks) if axis else (chunks, (1, 1)))


@given(
    parts(SAMPLES),
    st.sampled_from([1, 2, 3, 7]),
    st.sampled_from([1, 2, 5, 11]),
    st.sampled_from([1, 2, 9, 40]),
    st.sampled_from([0, 1]),
    st.sampled_from("fdFD"),
)
@MANY
def test_upfirdn(chunks, up, down, taps, axis, dtype):
    x, lazy = made(0, chunks, axis, dtype)
    h = np.random.default_rng(1).standard_normal(taps)
    same(sd.upfirdn(h, lazy, up, down, axis), sigrnn.upfirdn(h, x, up, down, axis))


@given(parts(SAMPLES), st.sampled_from([(3, 2), (2, 3), (1, 4), (5, 1), (2, 2)]), st.sampled_from([0, 1]))
@MANY
def test_resample_poly(chunks, rates, axis):
    x, lazy = made(0, chunks, axis, "f")
    same(sd.resample_poly(lazy, *rates, axis), sigrnn.resample_poly(x, *rates, axis))
    taps = np.random.default_rng(1).standard_normal(8)
    same(sd.resample_poly(lazy, *rates, axis, taps), sigrnn.resample_poly(x, *rates, axis, taps))


@given(parts(SAMPLES), st.sampled_from(["iir", "fir"]), st.booleans(), st.sampled_from([0, 1]), st.sampled_from("fd"))
@MANY
def test_decimate(chunks, ftype, zero_phase, axis, dtype):
    x, lazy = made(0, chunks, axis, dtype)
    given = {"ftype": ftype, "zero_phase": zero_phase, "axis": axis}
    same(sd.decimate(lazy, 4, **given), sigrnn.decimate(x, 4, **given))


def test_decimate_by_a_filter_of_ones_own():
    x, lazy = made(0, (50, 70), 1, "d")
    for system in (scipy.signal.dlti(*scipy.signal.butter(1, 0.2)), scipy.signal.dlti([0.5, 0.5], [1.0, 0.0])):
        same(sd.decimate(lazy, 2, ftype=system), sigrnn.decimate(x, 2, ftype=system))
    same(sd.decimate(da.arange(100, chunks=30), 2), sigrnn.decimate(np.arange(100), 2))


@given(
    parts(SAMPLES),
    st.sampled_from([1, 5, 6, 31]),
    st.sampled_from(["interp", "mirror", "constant", "nearest"]),
    st.sampled_from([0, 1]),
)
@MANY
def test_savgol_filter(chunks, window, mode, axis):
    x, lazy = made(0, chunks, axis, "d")
    given = {"mode": mode, "axis": axis, "cval": 0.5}
    same(sd.savgol_filter(lazy, window, 0, **given), sigrnn.savgol_filter(x, window, 0, **given))
    if window > 4:
        same(sd.savgol_filter(lazy, window, 3, 1, 0.5, **given), sigrnn.savgol_filter(x, window, 3, 1, 0.5, **given))


def test_a_graph_is_small_and_lazy():
    def read(block):
        raise AssertionError("read before its time")

    x = da.zeros((2, 1000), chunks=(1, 100)).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    y = sd.decimate(x, 5, ftype="fir")
    assert y.chunks[1] == tuple([10] + 8 * [20] + [30])  # those of the delay come with the chunk after
    assert len(y.__dask_graph__()) < 20 * x.npartitions


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda x: sd.upfirdn([], x), ValueError, "h must be 1-D"),
        (lambda x: sd.upfirdn([1.0], x, 0), ValueError, "up=0"),
        (lambda x: sd.upfirdn([1.0], x.astype("g")), NotImplementedError, "float128|longdouble"),
        (lambda x: sd.resample_poly(x, 1, 0), ValueError, "up and down must be >= 1"),
        (lambda x: sd.decimate(x, 2.5), TypeError, "integer"),
        (lambda x: sd.decimate(x, 2, ftype="all"), ValueError, "ftype"),
        (lambda x: sd.savgol_filter(x, 5, 2, mode="wrap"), NotImplementedError, "wrap"),
        (lambda x: sd.savgol_filter(x, 5, 5), ValueError, "polyorder must be less"),
        (lambda x: sd.savgol_filter(x, 99, 2), ValueError, "window_length"),
        (lambda x: sd.savgol_filter(x[x > 0], 5, 2), ValueError, "unknown size"),
    ],
)
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call(da.ones(40, chunks=10))
