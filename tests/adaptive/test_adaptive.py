"""Adaptive filters: every rule against its slow twin, blocks against the whole, and state that is kept, copied and saved."""

import copy
import pickle
import sys

import adaptive_reference as twins
import numpy as np
import pytest

import sigrnn
from sigrnn import adaptive
from sigrnn._kernels.adaptive import sizes
from sigrnn.adaptive import (
    AP,
    FDAF,
    GNGD,
    LMF,
    LMS,
    NLMS,
    RLS,
    VSSLMS,
    DivergenceError,
    KalmanFilter,
    SignErrorLMS,
    SignRegressorLMS,
    SignSignLMS,
)
from sigrnn.adaptive.per_sample import SampleFilter

N = 400
# How to make each filter, and its twin.
ALGORITHMS = {
    "LMS": (lambda n, **k: LMS(n, 0.02, **k), lambda: twins.LMS(0.02)),
    "LMS leaky": (lambda n, **k: LMS(n, 0.02, leakage=0.1, **k), lambda: twins.LMS(0.02, 0.1)),
    "NLMS": (lambda n, **k: NLMS(n, 0.5, **k), lambda: twins.NLMS(0.5)),
    "NLMS absolute": (lambda n, **k: NLMS(n, 0.5, 0.1, **k), lambda: twins.NLMS(0.5, 0.1)),
    "NLMS leaky": (lambda n, **k: NLMS(n, 0.5, leakage=0.1, **k), lambda: twins.NLMS(0.5, leakage=0.1)),
    "SignErrorLMS": (lambda n, **k: SignErrorLMS(n, 0.01, **k), lambda: twins.SignError(0.01)),
    "SignRegressorLMS": (lambda n, **k: SignRegressorLMS(n, 0.02, **k), lambda: twins.SignRegressor(0.02)),
    "SignSignLMS": (lambda n, **k: SignSignLMS(n, 0.02, **k), lambda: twins.SignSign(0.02)),
    "LMF": (lambda n, **k: LMF(n, 2e-4, **k), lambda: twins.LMF(2e-4)),
    "VSSLMS": (lambda n, **k: VSSLMS(n, 0.02, 1e-4, mu_max=0.05, **k), lambda: twins.Mathews(0.02, 1e-4, 0, 0.05)),
    "VSSLMS of Kwong": (
        lambda n, **k: VSSLMS(n, 0.02, 1e-3, 1e-3, 0.05, method="kwong", **k),
        lambda: twins.Kwong(0.02, 1e-3, 1e-3, 0.05),
    ),
    "GNGD": (lambda n, **k: GNGD(n, 0.8, rho=0.5, **k), lambda: twins.GNGD(0.8, rho=0.5, relative=True)),
    "GNGD absolute": (lambda n, **k: GNGD(n, 0.8, 1.0, 0.5, **k), lambda: twins.GNGD(0.8, 1.0, 0.5)),
    "AP": (lambda n, **k: AP(n, 0.4, 3, **k), lambda: twins.AP(0.4, 3)),
    "AP absolute": (lambda n, **k: AP(n, 0.4, 3, 0.1, **k), lambda: twins.AP(0.4, 3, 0.1)),
    "RLS": (lambda n, **k: RLS(n, 0.98, **k), lambda: twins.RLS(0.98)),
    "RLS absolute": (lambda n, **k: RLS(n, 0.98, 0.1, **k), lambda: twins.RLS(0.98, 0.1)),
    "KalmanFilter": (lambda n, **k: KalmanFilter(n, 1e-4, 0.01, **k), lambda: twins.Kalman(1e-4, 0.01)),
}


def signals(channels=None, kind="float64", seed=0, n=N):
    """Return an input, and what a system of 4 taps and some noise make of it."""
    rng = np.random.default_rng(seed)
    shape = (n,) if channels is None else (n, channels)

    def noise(*size):
        return rng.standard_normal(size) + (1j * rng.standard_normal(size) if kind == "complex128" else 0)

    x, h = noise(*shape), noise(4, channels or 1)
    d = (twins.windows(x, 4) * h).sum((1, 2)) + 0.1 * noise(n)
    return x, d


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(
    ("n_taps", "channels", "kind", "delay"),
    [
        (4, None, "float64", 0),
        (23, None, "float64", 0),
        (5, 2, "float64", 3),
        (401, None, "float64", 2),
        (4, None, "complex128", 1),
    ],
)
def test_is_its_twin(name, n_taps, channels, kind, delay):
    make, twin = ALGORITHMS[name]
    x, d = signals(channels, kind)
    if n_taps > 100:  # where the steps above would be too large
        x, d = 0.2 * x, 0.2 * d
    w0 = 3 / n_taps * np.random.default_rng(1).standard_normal((n_taps,) if channels is None else (n_taps, channels))
    r = make(n_taps, w0=w0, delay=delay)(x, d, history=True)
    y, e, history, w = twins.run(twin(), x, d, n_taps, w0, delay)
    np.testing.assert_allclose(r.y, y, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(r.e, e, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(r.w, history.reshape(r.w.shape), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(r.w_final, w.reshape(r.w_final.shape), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(("channels", "kind"), [(None, "float64"), (2, "float64"), (None, "complex128")])
def test_blocks_are_the_whole_to_the_last_bit(name, channels, kind):
    make, _ = ALGORITHMS[name]
    x, d = signals(channels, kind, n=6000)
    whole, parts = make(7), make(7)
    expected = whole(x, d, history=True)
    cuts = np.sort(np.random.default_rng(2).integers(0, len(d), 30))
    found = [parts(x_, d_, history=True) for x_, d_ in zip(np.split(x, cuts), np.split(d, cuts), strict=True)]
    assert np.array_equal(np.concatenate([r.y for r in found]), expected.y)
    assert np.array_equal(np.concatenate([r.w for r in found]), expected.w)
    assert np.array_equal(parts.weights, whole.weights)


@pytest.mark.parametrize("channels", [None, 2])
def test_long_weights_in_groups(channels):
    # Steps wait for groups of 4 samples: wherever blocks end, a NaN comes or the filter is reset, nothing of it may be seen.
    x, d = signals(channels, n=5000)
    (x if channels is None else x[:, 0])[700] = np.nan
    d[1500] = np.nan
    whole, parts = (NLMS(400, 0.9, nan_policy="omit") for _ in range(2))
    expected = whole(x, d, history=True)
    cuts = np.sort(np.random.default_rng(2).integers(0, len(d), 60))
    for x_, d_, w in zip(np.split(x, cuts), np.split(d, cuts), np.split(expected.w, cuts), strict=True):
        if len(w) and parts._state:
            np.testing.assert_allclose(parts.weights, w[0], rtol=1e-12, atol=1e-14)
        found = parts(x_, d_, history=True).w
        assert np.array_equal(found, w)
    assert np.array_equal(parts.weights, whole.weights)
    assert (expected.w[701:1100] == expected.w[700]).all()
    assert np.isfinite(whole.weights).all()
    g = parts.copy()
    g.weights = g.weights
    np.testing.assert_allclose(g(x[:50], d[:50]).y, parts(x[:50], d[:50]).y, rtol=1e-10)
    y, _, _, w = twins.run(twins.NLMS(0.9), x[:600], d[:600], 400)
    np.testing.assert_allclose(expected.y[:600], y, atol=1e-12)


def test_long_weights_that_diverge_are_reset():
    x, d = signals(n=2000)
    r = LMS(400, 0.1, on_divergence="reset")(x, d)
    assert len(r.resets) > 1
    for a, b in zip(r.resets[:-1], r.resets[1:], strict=True):
        again = LMS(400, 0.1, on_divergence="ignore")
        again(x[:a], 0 * d[:a])
        np.testing.assert_allclose(r.e[a : min(b, a + 20)], again(x[a:b], d[a:b]).e[: b - a][:20], rtol=1e-6)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("way", ["copy", "pickle", "save"])
def test_state_is_carried(name, way, tmp_path):
    make, _ = ALGORITHMS[name]
    x, d = signals()
    f = make(6, delay=2, w0=np.ones(6))
    f(x[:100], d[:100])
    if way == "save":
        f.save(tmp_path / "f.npz")
        g = adaptive.load(tmp_path / "f.npz")
    else:
        g = f.copy() if way == "copy" else pickle.loads(pickle.dumps(f))
    assert repr(g) == repr(f)
    expected = f(x[100:], d[100:]).y
    assert np.array_equal(g(x[100:], d[100:]).y, expected)
    g.reset()
    f.reset()
    assert np.array_equal(g(x, d).y, f(x, d).y)
    assert np.array_equal(copy.copy(g).weights, g.weights)


def test_copy_shares_nothing():
    x, d = signals()
    f = NLMS(4, 0.5)
    f(x, d)
    w, g = f.weights, f.copy()
    g.mu = 0.1
    g(x, d)
    assert f.mu == 0.5
    assert np.array_equal(f.weights, w)


def test_a_file_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=1)
    with pytest.raises(ValueError, match="is not a file of an adaptive filter"):
        adaptive.load(tmp_path / "x.npz")


FILES = ALGORITHMS["NLMS"][0], ALGORITHMS["AP"][0], ALGORITHMS["RLS"][0], ALGORITHMS["VSSLMS"][0]


@pytest.mark.parametrize(
    "make",
    [
        *(lambda make=make: make(6, delay=2) for make in FILES),
        lambda: NLMS(400, 0.5),
        lambda: adaptive.BlockLMS(6, 1e-3, 5),
        lambda: FDAF(6, 0.5),
        lambda: adaptive.FxLMS(6, 1e-3, [0.5, 0.1]),
        lambda: adaptive.IIRLMS(3, 2, 1e-3),
    ],
)
def test_a_file_that_was_tampered_with_is_refused(make, tmp_path):
    # It would lead compiled code outside of its arrays.
    f, path = make(), tmp_path / "f.npz"
    f(*signals())
    f.save(path)
    whole = dict(np.load(path))
    arrays = [name for name, a in whole.items() if name.startswith("state_") and a.size]
    places = [place for place in sizes_of_counts(f) if whole["state_counts"][place] < 2**40]

    def refused(**changed):
        np.savez(path, **(whole | changed))
        with pytest.raises(ValueError, match="is broken"):
            adaptive.load(path)

    for name in arrays:
        refused(**{name: whole[name][..., :-1]})
        refused(**{name: np.zeros(whole[name].shape, np.float16)})
    for place in places:
        for value in (2**40, -1):
            counts = whole["state_counts"].copy()
            counts[place] = value
            refused(state_counts=counts)
    np.savez(path, **{name: a for name, a in whole.items() if name != arrays[0]})
    with pytest.raises(ValueError, match="is broken"):
        adaptive.load(path)


def sizes_of_counts(f):
    """Return the places among the counts that lead to places in arrays."""
    if isinstance(f, SampleFilter):
        return sizes.AT, sizes.PHASE, sizes.DELAY, sizes.MEMBER, sizes.HOLD
    if isinstance(f, FDAF):
        return sizes.TAKEN, sizes.NEWEST
    return (sizes.AT, sizes.TAKEN) if isinstance(f, adaptive.BlockLMS) else (sizes.AT,)


def test_a_block_takes_few_calls():
    x, d = signals(n=64)
    f, calls = NLMS(32, 0.5), []
    f(x, d)
    sys.setprofile(lambda frame, event, argument: calls.append(frame.f_code.co_name) if event == "call" else None)
    f(x, d)
    sys.setprofile(None)
    assert len(calls) <= 3, calls  # the call, the loop, the result


def test_weights_can_be_assigned():
    x, d = signals()
    f = NLMS(4, 0.5)
    f.weights = [1, 2, 3, 4]
    assert np.array_equal(f.weights, [1, 2, 3, 4])
    assert f(x[:1], d[:1]).y[0] == x[0]
    f.weights = np.zeros(4)
    assert f(x[1:2], d[1:2]).y[0] == 0
    with pytest.raises(ValueError, match=r"weights has shape \(3,\), expected \(4,\)"):
        f.weights = [1, 2, 3]


def test_predict_leaves_the_state_alone():
    x, d = signals(2)
    f, g = NLMS(5, 0.5, delay=1), NLMS(5, 0.5, delay=1)
    f(x[:200], d[:200])
    g(x[:200], d[:200])
    y = f.predict(x)
    np.testing.assert_allclose(y, (twins.windows(x, 5, delay=1) * f.weights).sum((1, 2)), atol=1e-12)
    assert np.array_equal(f(x[200:], d[200:]).y, g(x[200:], d[200:]).y)


def test_silence_after_a_loud_passage():
    x = np.r_[1e8 * np.ones(50), np.zeros(100), 1e-3 * np.ones(50)]
    r = NLMS(8, 1.0, eps=1e-12)(x, 0.5 * x)
    assert np.isfinite(r.w_final).all()
    assert abs(r.e[-40:]).max() < 1e-9


def test_divergence_is_noticed():
    x, d = signals()
    with pytest.raises(DivergenceError, match=r"LMS with mu=1 diverged at sample \d+") as info:
        LMS(23, 1.0)(x, d)
    limit = 1e8 * np.maximum.accumulate(abs(d))
    with np.errstate(all="ignore"):
        e = twins.run(twins.LMS(1.0), x, d, 23)[1]
    assert info.value.sample == np.argmax(abs(e) > limit)
    r = LMS(23, 1.0, on_divergence="reset")(x, d)
    assert r.resets[0] == info.value.sample
    assert np.isfinite(r.e).all()
    assert r.e[r.resets[0]] == d[r.resets[0]]
    assert not np.isfinite(LMS(23, 1.0, on_divergence="ignore")(np.tile(x, 9), np.tile(d, 9)).w_final).any()


def test_there_is_one_divergence_error():
    x, d = signals()
    assert sigrnn.DivergenceError is DivergenceError
    with pytest.raises(sigrnn.DivergenceError) as info:
        LMS(23, 1.0)(x, d)
    again = pickle.loads(pickle.dumps(info.value))
    assert str(again) == str(info.value)
    assert (again.algorithm, again.step, again.sample) == ("LMS", "mu=1", info.value.sample)
    assert abs(again.e) > 1e8
    assert again.parameter is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["x", "d"])
def test_what_is_not_finite(bad, where):
    x, d = signals()
    clean = NLMS(4, 0.5)(x[:100], d[:100]).w_final
    (x if where == "x" else d)[100] = bad
    assert np.isnan(NLMS(4, 0.5)(x, d).w_final).all()
    with pytest.raises(ValueError, match="not finite at sample 100"):
        NLMS(4, 0.5, nan_policy="raise")(x, d)
    r = NLMS(4, 0.5, nan_policy="omit")(x, d, history=True)
    seen = 4 if where == "x" else 1
    assert (r.w[100 : 101 + seen] == clean).all()
    assert (r.w[101 + seen] != clean).any()
    assert np.isfinite(r.w_final).all()
    assert np.isfinite(r.e[100:]).sum() == len(d) - 100 - seen


@pytest.mark.parametrize(
    ("x", "d", "dtype"),
    [
        ("float32", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("int64", "float32", "float64"),
        ("float64", "complex64", "complex128"),
        ("complex64", "float32", "complex64"),
    ],
)
def test_dtypes(x, d, dtype):
    r = LMS(2, 0.1)(np.ones(5, x), np.ones(5, d), history=True)
    assert r.y.dtype == r.e.dtype == r.w.dtype == dtype
    np.testing.assert_allclose(r.e, twins.run(twins.LMS(0.1), np.ones(5), np.ones(5), 2)[1], rtol=1e-6)


def test_a_real_filter_can_go_on_with_complex_samples():
    x, d = signals()
    f = NLMS(4, 0.5)
    parts = [f(x[:50], d[:50]).y, f(x[50:] + 0j, d[50:]).y]
    np.testing.assert_allclose(np.concatenate(parts), NLMS(4, 0.5)(x, d).y, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LMS(0, 0.1), "n_taps must be at least 1, got 0"),
        (lambda: LMS(3, -0.1), "mu must be finite and not negative, got -0.1"),
        (lambda: NLMS(3, 0.1, eps=0), "eps must be finite and positive, got 0"),
        (lambda: LMS(3, 0.1, leakage=11), "mu times leakage"),
        (lambda: LMS(3, 0.1, nan_policy="drop"), "nan_policy must be one of 'propagate', 'raise', 'omit', got 'drop'"),
        (lambda: LMS(3, 0.1, w0=[1, 2]), r"w0 has shape \(2,\), expected \(3,\)"),
        (lambda: LMS(3, 0.1)([1, 2], [1]), r"d has shape \(1,\), expected \(2,\)"),
        (lambda: LMS(3, 0.1)(np.ones((2, 2, 2)), [1, 1]), r"x must have shape \(N,\)"),
        (lambda: LMS(3, 0.1, w0=np.ones((3, 2)))([1, 2], [1, 2]), r"expected \(N, 2\), the channels of w0"),
        (lambda: LMS(3, 0.1).suggest_mu([0.0, 0.0]), "silent"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: LMS(3, 0.1, leakage=2.0), "mu", 0.6),
        (lambda: VSSLMS(3, 0.1, leakage=2.0), "mu", 0.6),
        (lambda: FDAF(4, 0.1, leakage=2.0), "mu", 0.6),
        (lambda: NLMS(3, 0.1), "eps", 0.0),
        (lambda: NLMS(3, 0.1), "mu", np.nan),
        (lambda: RLS(3, 0.99), "forgetting", 1.5),
    ],
)
def test_a_bad_value_changes_nothing(make, name, value, tmp_path):
    x, d = signals()
    f, untouched = make(), make()
    f(x, d)
    untouched(x, d)
    before = getattr(f, name), repr(f)
    with pytest.raises(ValueError, match=name):
        setattr(f, name, value)
    assert (getattr(f, name), repr(f)) == before
    f.save(tmp_path / "f.npz")
    for same in (f, adaptive.load(tmp_path / "f.npz")):
        assert np.array_equal(same(x, d).y, untouched.copy()(x, d).y)


def test_only_mu_sets_the_step_that_varies():
    x, d = signals()
    f = VSSLMS(4, 0.02, 1e-3)
    f(x, d)
    step = f.step
    f.rho, f.mu_max = 1e-4, 0.5
    assert f.step == step != 0.02
    f.mu = 0.03
    assert f.step == 0.03


def test_channels_must_stay():
    f = LMS(3, 0.1)
    f([1.0], [1.0])
    with pytest.raises(ValueError, match=r"expected \(N,\), the channels of the blocks before"):
        f([[1.0, 2.0]], [1.0])
    f.reset()
    assert f([[1.0, 2.0]], [1.0]).w_final.shape == (3, 2)


def test_suggested_step_is_safe():
    x, d = signals(2)
    f = LMS(6, 0.0)
    f.mu = f.suggest_mu(x)
    assert 0 < f.mu <= 1 / (3 * 6 * (x**2).sum(1).mean())
    assert abs(f(np.tile(x, (20, 1)), np.tile(d, 20)).e[-100:]).max() < 2


def test_inputs_are_left_alone():
    x, d = signals()
    given = x.copy(), d.copy()
    NLMS(4, 0.5)(x, d)
    assert np.array_equal(x, given[0])
    assert np.array_equal(d, given[1])
