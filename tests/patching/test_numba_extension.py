"""Filters and layers inside users' compiled functions: the same results, in prange, and messages for what they do not take."""

import configparser
import importlib
from pathlib import Path

import numba
import numpy as np
import pytest
import scipy.signal
from helpers import answer_of_fresh_process, layer_arrays, run_in_fresh_process, strided

import sigrnn
from sigrnn import numba_extension

B, A = scipy.signal.butter(3, 0.2)
SOS = scipy.signal.butter(6, 0.2, output="sos")


@numba.njit
def lfilter(b, a, x, zi):
    return sigrnn.lfilter(b, a, x, zi=zi)


@numba.njit
def sosfilt(sos, x, zi):
    return sigrnn.sosfilt(sos, x, -1, zi)


@numba.njit
def lfilter_zi(b, a):
    return sigrnn.lfilter_zi(b, a)


@numba.njit
def gru(x, w_ih, w_hh, b_ih, b_hh, h0, reset_after):
    return sigrnn.gru(x, w_ih, w_hh, b_ih, b_hh, h0, reset_after=reset_after)


@numba.njit
def lstm(x, w_ih, w_hh, b_ih, b_hh, h0, c0, peephole):
    return sigrnn.lstm(x, w_ih, w_hh, b_ih, b_hh, h0, c0, peephole=peephole)


def leaves(value):
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, tuple) else [value]


def assert_alike(found, wanted, tolerance=1e-12):
    for mine, theirs in zip(leaves(found), leaves(wanted), strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
        tolerated = 1e-6 if mine.dtype == np.float32 else tolerance
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerated * max(1.0, np.abs(theirs).max(initial=0)))


def test_entry_point():
    setup = configparser.ConfigParser()
    setup.read(Path(sigrnn.__file__).parents[1] / "setup.cfg")
    if not setup.has_section("options.entry_points"):
        pytest.skip("no source tree")
    (line,) = setup["options.entry_points"]["numba_extensions"].split("\n")[1:]
    name, target = line.split(" = ")
    module, function = target.split(":")
    assert name == "init"  # what Numba asks for
    assert getattr(importlib.import_module(module), function) is numba_extension.register


def test_only_numba_imports_it():
    run_in_fresh_process("import sys, sigrnn; assert 'sigrnn.numba_extension' not in sys.modules")


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize(
    ("b", "a"),
    [
        (B, A),
        (2.0 * B, 2.0 * A),
        (np.array([0.5]), np.array([2.0])),
        (np.ones(4) / 4, np.ones(1)),
        (np.ones(90) / 45, np.array([2.0])),  # long, without feedback
        (np.array([1.0, 0.5]), np.r_[1.0, np.zeros(79), -0.9]),  # a comb: more states than lie on the stack
    ],
    ids=["butter", "a0", "gain", "fir", "long fir", "comb"],
)
@pytest.mark.parametrize("samples", [0, 1, 30, 400])
def test_lfilter(rng, b, a, samples, state):
    x, zi = rng.standard_normal(samples), rng.standard_normal(max(len(b), len(a)) - 1) if state else None
    wanted = sigrnn.lfilter(b, a, x) if zi is None else sigrnn.lfilter(b, a, x, zi=zi)
    assert_alike(lfilter(b, a, x, zi), wanted)


def test_lfilter_of_short_recursions_has_the_same_bits(rng):
    x = rng.standard_normal(400)
    assert np.array_equal(lfilter(B, A, x, None), sigrnn.lfilter(B, A, x, method="sequential"))


def test_float32_is_computed_in_float64(rng):
    b, a = (c.astype("f4") for c in scipy.signal.butter(2, 0.002))
    x, zi = rng.standard_normal(3000).astype("f4"), np.ones(2, "f4")
    assert_alike(lfilter(b, a, x, zi), sigrnn.lfilter(b, a, x, zi=zi))
    assert_alike(lfilter(B, A, x, None), sigrnn.lfilter(B, A, x))


def test_rows_and_layouts(rng):
    x, zi = rng.standard_normal((5, 60)), rng.standard_normal((5, 3))
    assert_alike(lfilter(B, A, x, zi), sigrnn.lfilter(B, A, x, zi=zi))
    assert_alike(lfilter(B[::-1], A, strided(x), None), sigrnn.lfilter(B[::-1], A, x))
    assert_alike(sosfilt(SOS, x, None), sigrnn.sosfilt(SOS, x))
    zi = rng.standard_normal((3, 5, 2))
    assert_alike(sosfilt(SOS, x, zi), sigrnn.sosfilt(SOS, x, zi=zi))


@pytest.mark.parametrize("sections", [0, 1, 3, 40])
def test_sosfilt(rng, sections):
    sos = np.resize(SOS, (sections, 6))
    sos[:, :3] /= sos[:, :3].sum(axis=1, keepdims=True) if sections else 1.0
    x, zi = rng.standard_normal(100), rng.standard_normal((sections, 2))
    assert_alike(sosfilt(sos, x, None), sigrnn.sosfilt(sos, x))
    assert_alike(sosfilt(sos, x, zi), sigrnn.sosfilt(sos, x, zi=zi))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_lfilter_zi(dtype):
    for b, a in ((B, A), (3.0 * B[:2], 2.0 * A), (B, np.array([0.0, 2.0, 1.0])), (B, A[:1])):
        b, a = b.astype(dtype), a.astype(dtype)
        assert_alike(lfilter_zi(b, a), sigrnn.lfilter_zi(b, a))


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_nlfilter(rng, activation):
    # One function for each: activations are constants, as Numba sees them.
    run = numba.njit(
        {
            "tanh": lambda b, a, x, zi: sigrnn.nlfilter(b, a, x, -1, zi),
            "gelu": lambda b, a, x, zi: sigrnn.nlfilter(b, a, x, zi=zi, activation="gelu", bias=-1),
        }[activation]
    )
    options = {"tanh": {}, "gelu": {"bias": -1}}[activation]
    for b, a in ((B, A), (B, np.ones(1)), (np.ones(90) / 90, np.ones(1)), (np.array([2.0]), np.ones(1))):
        x, zi = rng.standard_normal((2, 70)), rng.standard_normal((2, max(len(b), len(a)) - 1))
        wanted = sigrnn.nlfilter(b, a, x, zi=zi, activation=activation, **options)
        assert_alike(run(b, a, x, zi), wanted)
    if activation == "tanh":
        coefficients, x = (B.astype("f4"), A.astype("f4")), x.astype("f4")
        assert_alike(run(*coefficients, x, None), sigrnn.nlfilter(*coefficients, x))


@pytest.mark.parametrize("name", ["gru", "reset_before", "lstm", "peephole"])
@pytest.mark.parametrize("steps", [0, 1, 12])
def test_layers(rng, name, steps):
    given = layer_arrays(rng, name, None, steps, 3, 5)
    if name in ("gru", "reset_before"):
        found = gru(*given.values(), name == "gru")
        wanted = sigrnn.gru(*given.values(), reset_after=name == "gru")
    else:
        peephole = given.pop("peephole", None)
        found = lstm(*given.values(), peephole)
        wanted = sigrnn.lstm(*given.values(), peephole=peephole)
    assert_alike(found, wanted)


def test_layers_in_float32_at_rest(rng):
    given = layer_arrays(rng, "gru", None, 12, 3, 5, np.float32)
    weights = [given[name] for name in ("x", "w_ih", "w_hh")]
    assert_alike(gru(*weights, None, None, None, True), sigrnn.gru(*weights))


def test_prange(rng):
    @numba.njit(parallel=True, nogil=True)
    def run(b, a, x, y):
        for c in numba.prange(len(x)):
            zi = sigrnn.lfilter_zi(b, a) * x[c, 0]
            y[c] = sigrnn.lfilter(b, a, x[c], zi=zi)[0]

    x = rng.standard_normal((20, 200))
    y = np.empty_like(x)
    run(B, A, x, y)
    zi = sigrnn.lfilter_zi(B, A) * x[:, :1]
    assert_alike(y, sigrnn.lfilter(B, A, x, zi=zi)[0])


def test_fast_math_of_the_caller_stays_outside(rng):
    @numba.njit(fastmath=True, error_model="python")
    def run(b, a, x):
        return sigrnn.nlfilter(b, a, x, activation="tanh")

    x = np.array([1e300, -np.inf, 0.5, -0.25, np.nan, 1.0])
    assert_alike(run(np.ones(1), np.ones(1), x), np.tanh(x), 1e-15)


NRT = """
import json
import numba, numpy as np, sigrnn
from sigrnn import numba_extension
from numba.core.runtime import rtsys

@numba.njit
def run(b, a, sos, x, wi, wh, many):
    for _ in range(many):
        sigrnn.lfilter(b, a, x)
        sigrnn.sosfilt(sos, x)
        sigrnn.gru(x.reshape(-1, 1), wi, wh)

x, b, a = np.ones(30), np.ones(3), np.array([1.0, -0.5])
arguments = b, a, np.array([[1.0, 0, 0, 1, 0, 0]]), x, np.ones((6, 1)), np.ones((6, 2))
run(*arguments, 1)
counts = []
for many in (0, 100):
    before = rtsys.get_allocation_stats().alloc
    run(*arguments, many)
    counts.append(rtsys.get_allocation_stats().alloc - before)
print(json.dumps(counts[1] - counts[0]))
"""


def test_nothing_is_allocated_but_results():
    assert answer_of_fresh_process(NRT, env={"NUMBA_NRT_STATS": "1"}) == 100 * (1 + 1 + 2)


# What is refused


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (
            lfilter,
            (B, A, np.ones(9, int), None),
            "sigrnn.lfilter: x must be a 1-D or 2-D array of float32 or float64, got",
        ),
        (
            lfilter,
            (B, A, np.ones(9, complex), None),
            "sigrnn.lfilter: x must be a 1-D or 2-D array of float32 or float64",
        ),
        (
            lfilter,
            (B, 1.0, np.ones(9), None),
            "sigrnn.lfilter: a must be a 1-D array of float32 or float64, got float64",
        ),
        (lfilter, (B, A, np.ones((2, 2, 9)), None), "sigrnn.lfilter: x must be a 1-D or 2-D array"),
        (lfilter, (B, A, np.ones((2, 9)), np.ones(3)), "sigrnn.lfilter: zi must be a 2-D array"),
        (sosfilt, (SOS[0], np.ones(9), None), "sigrnn.sosfilt: sos must be a 2-D array of float32 or float64"),
        (
            gru,
            (np.ones(4), np.ones((3, 1)), np.ones((3, 1)), None, None, None, True),
            "sigrnn.gru: x must be a 2-D array",
        ),
    ],
)
def test_types_that_are_refused(function, arguments, message):
    with pytest.raises(numba.TypingError, match=message):
        function(*arguments)


def test_unknown_activation():
    @numba.njit
    def run(b, a, x):
        return sigrnn.nlfilter(b, a, x, activation="tahn")

    with pytest.raises(numba.TypingError, match=r"sigrnn.nlfilter: activation must be one of 'linear', .*; got tahn"):
        run(B, A, np.ones(9))


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (lfilter, (B, np.zeros(2), np.ones(9), None), ValueError, r"a\[0\] must not be 0"),
        (lfilter, (B, A[:0], np.ones(9), None), ValueError, "must not be empty"),
        (lfilter, (B, A, np.ones(9), np.ones(2)), ValueError, "zi must have max"),
        (sosfilt, (2.0 * SOS, np.ones(9), None), ValueError, "should be all ones"),
        (sosfilt, (SOS[:, :5], np.ones(9), None), ValueError, r"must be shape \(n_sections, 6\)"),
        (lfilter_zi, (B, np.zeros(3)), ValueError, "at least one nonzero"),
        (lfilter_zi, (B, np.array([1.0, -1.0])), np.linalg.LinAlgError, "sum"),
        (gru, (np.ones((4, 1)), np.ones((6, 2)), np.ones((6, 2)), None, None, None, True), ValueError, "w_ih and w_hh"),
        (
            lstm,
            (np.ones((4, 1)), np.ones((8, 1)), np.ones((8, 2)), None, None, np.ones(3), None, None),
            ValueError,
            "states",
        ),
    ],
)
def test_values_that_are_refused(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)
