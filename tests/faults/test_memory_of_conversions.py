"""Signals of other dtypes than the result's are converted in the memory of the result: none is taken for a second copy."""

import tracemalloc

import numpy as np
import pytest
import scipy.signal

import sigrnn

SOS = scipy.signal.butter(4, 0.2, output="sos")
B, A = scipy.signal.butter(2, 0.2)
CALLS = {
    "lfilter": lambda x, **k: sigrnn.lfilter(B, A, x, **k),
    "sosfilt": lambda x, **k: sigrnn.sosfilt(SOS, x, **k),
    "taps": lambda x, **k: sigrnn.lfilter(np.ones(5), [1.0], x, **k),
}


@pytest.mark.parametrize("shape", [(16, 50_000), (400_000,)])
@pytest.mark.parametrize("dtype", ["i2", "f4", ">f8", "?"])
@pytest.mark.parametrize("name", CALLS)
def test_no_second_copy(name, dtype, shape):
    x = (50 * np.random.default_rng(0).standard_normal(shape)).astype(dtype)
    run, theirs = CALLS[name], {"sosfilt": lambda v: scipy.signal.sosfilt(SOS, v)}.get(name)
    before = x.copy()
    expected = run(x.astype(float))
    run(x[..., :1000])  # compiled, and scratch taken
    for out, allowed in ((None, 1.1), (np.empty(shape), 0.1)):
        tracemalloc.start()
        y = run(x, out=out)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < allowed * y.nbytes + 2e6
        assert np.array_equal(y, expected)
    assert np.array_equal(x, before)
    if theirs is not None:
        np.testing.assert_allclose(expected, theirs(x.astype(float)), rtol=0, atol=1e-9)
