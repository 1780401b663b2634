"""Adaptive filters over signals of any scale, and through silence and quiet passages."""

import numpy as np
import pytest

from sigrnn import lfilter, nlfilter
from sigrnn.adaptive import (
    AP,
    FDAF,
    GNGD,
    IIRLMS,
    LMF,
    LMS,
    NLMS,
    PBFDAF,
    RLS,
    RTRL,
    VSSLMS,
    BlockLMS,
    EquationErrorLMS,
    FxLMS,
    KalmanFilter,
    SignErrorLMS,
    SignRegressorLMS,
    SignSignLMS,
    VolterraLMS,
    load,
)

SYSTEM = np.array([0.5, -0.3, 0.2, 0.1])
# Every filter that has a regularisation by default; the step of each is without unit.
MAKERS = {
    "NLMS": lambda **k: NLMS(4, 0.5, **k),
    "AP": lambda **k: AP(4, 0.5, **k),
    "GNGD": lambda **k: GNGD(4, 0.5, **k),
    "FDAF": lambda **k: FDAF(4, 0.5, **k),
    "PBFDAF": lambda **k: PBFDAF(4, 0.5, 2, **k),
    "PBFDAF alternate": lambda **k: PBFDAF(4, 0.5, 2, constraint="alternate", **k),
    "RLS": lambda **k: RLS(4, **k),
}
STEPS = [name for name in MAKERS if name != "RLS"]


def target(x, noise=0.0, seed=1):
    """Return what the system makes of x, and some noise."""
    return np.convolve(x, SYSTEM)[: len(x)] + noise * np.random.default_rng(seed).standard_normal(len(x))


def misalignment(w):
    """Return the squared distance from the system, relative to its square."""
    return np.sum((w - SYSTEM) ** 2) / np.sum(SYSTEM**2)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("scale", [1e-13, 1e-5, 1e-3, 1e6])
def test_units_do_not_matter(name, scale):
    x = np.random.default_rng(0).standard_normal(20_000)
    d = target(x, 0.01)
    expected, found = MAKERS[name]()(x, d), MAKERS[name]()(scale * x, scale * d)
    np.testing.assert_allclose(found.w_final, expected.w_final, rtol=0, atol=1e-9)
    assert misalignment(MAKERS[name]()(scale * x, scale * target(x)).w_final) < 1e-15


# Those whose step has a unit: `suggest_mu` finds it.
SUGGESTED = {
    "LMS": lambda mu, c: LMS(4, mu),
    "SignErrorLMS": lambda mu, c: SignErrorLMS(4, mu),
    "SignRegressorLMS": lambda mu, c: SignRegressorLMS(4, mu),
    "SignSignLMS": lambda mu, c: SignSignLMS(4, mu),
    "LMF": lambda mu, c: LMF(4, mu),
    "VSSLMS": lambda mu, c: VSSLMS(4, mu, 1e-4 / c**6),
    "VSSLMS kwong": lambda mu, c: VSSLMS(4, mu, 1e-4 / c**4, method="kwong"),
    "BlockLMS": lambda mu, c: BlockLMS(4, mu),
    "EquationErrorLMS": lambda mu, c: EquationErrorLMS(4, 2, mu),
    "FxLMS": lambda mu, c: FxLMS(4, mu, [1.0]),
}


@pytest.mark.parametrize("name", SUGGESTED)
@pytest.mark.parametrize("scale", [1e-13, 1e-5, 1e-3, 1e6])
def test_suggested_steps_make_up_for_the_unit(name, scale):
    x = np.random.default_rng(0).standard_normal(20_000)
    d = target(x, 0.01)
    found = []
    for c in (1.0, scale):
        mu = SUGGESTED[name](0.0 if name == "FxLMS" else 1e-300, c).suggest_mu(c * x, c * d)
        found.append(misalignment(SUGGESTED[name](mu, c)(c * x, c * d).w_final[:4]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
    assert found[0] < (0.02 if name != "FxLMS" else 10.0)  # FxLMS finds the negative: y + d is to vanish


@pytest.mark.parametrize("gradient", ["full", "feintuch"])
@pytest.mark.parametrize("scale", [1e-13, 1e-5, 1e-3, 1e6])
def test_suggested_steps_of_a_recursive_filter(gradient, scale):
    x = np.random.default_rng(0).standard_normal(20_000)
    d = lfilter([0.5, 0.3], [1.0, -0.6], x)
    found = []
    for c in (1.0, scale):
        f = IIRLMS(2, 1, 0.0, gradient=gradient)
        f.mu = f.suggest_mu(c * x, c * d)
        found.append(f(c * x, c * d).w_final)
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[0], [0.5, 0.3, -0.6], rtol=0, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-13, 1e-5, 1e-3, 1e6])
def test_suggested_steps_of_a_polynomial(scale):
    # Products of k samples have the unit to the power k, and so a step of their own.
    x = np.random.default_rng(0).uniform(-1.0, 1.0, 60_000)
    d = x - 0.5 * np.append(0.0, x[:-1]) + 0.8 * x * np.append(0.0, x[:-1])
    found = []
    for c in (1.0, scale):
        f = VolterraLMS(2, 0.0)
        f.mu = f.suggest_mu(c * x)
        f(c * x, c * d)
        found.append((f.kernel(1), c * f.kernel(2)))
    for mine, expected in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[0][0], [1.0, -0.5], rtol=0, atol=1e-3)
    np.testing.assert_allclose(found[0][1], [[0.0, 0.4], [0.4, 0.0]], rtol=0, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-13, 1e-5, 1e-3, 1e6])
def test_recurrent_learning_of_signals_brought_into_the_range_of_the_activation(scale):
    x = np.random.default_rng(0).standard_normal(20_000)
    d = nlfilter([0.5], [1.0, -0.6], x, bias=0.2)
    expected = RTRL(1, 1, 0.05)(x, d).w_final
    unit = np.abs(scale * d).max()
    found = RTRL(1, 1, 0.05)(scale * x / unit * np.abs(d).max(), scale * d / unit * np.abs(d).max()).w_final
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found, [0.5, -0.6, 0.2], rtol=0, atol=1e-3)
    linear = [
        RTRL(1, 1, 0.01 / c**2, "linear")(c * x, c * lfilter([0.5], [1.0, -0.6], x)).w_final for c in (1.0, 1024.0)
    ]
    np.testing.assert_allclose(linear[1][:2], linear[0][:2], rtol=0, atol=1e-6)  # the bias has a unit


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("exponent", [-43, 20])
def test_powers_of_two_change_no_bit(name, exponent):
    x = np.random.default_rng(0).standard_normal(3000)
    x[:100] = 0.0
    d, scale = target(x, 0.01), 2.0**exponent
    expected, found = MAKERS[name]()(x, d), MAKERS[name]()(scale * x, scale * d)
    assert np.array_equal(found.w_final, expected.w_final)
    assert np.array_equal(found.e, scale * expected.e)


@pytest.mark.parametrize("scale", [1e-13, 1e6])
def test_what_kalman_is_told_of_the_noise_has_a_unit(scale):
    x = np.random.default_rng(0).standard_normal(2000)
    d = target(x, 0.01)
    expected = KalmanFilter(4, 1e-6, 1e-4)(x, d)
    found = KalmanFilter(4, 1e-6, 1e-4 * scale**2)(scale * x, scale * d)
    np.testing.assert_allclose(found.w_final, expected.w_final, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["FDAF", "PBFDAF"])
@pytest.mark.parametrize("scale", [1e-13, 1e6])
def test_units_do_not_matter_in_single_precision(name, scale):
    x = (scale * np.random.default_rng(0).standard_normal(20_000)).astype(np.float32)
    r = MAKERS[name](dtype=np.float32)(x, target(x).astype(np.float32))
    assert misalignment(r.w_final) < 1e-8


@pytest.mark.parametrize("name", STEPS)
def test_a_quiet_far_end_does_not_spoil_the_weights(name):
    # A talker at the near end while the far end is 80 dB down: without regularisation the filter would learn from that.
    x = np.random.default_rng(0).standard_normal(30_000)
    x[10_000:20_000] *= 1e-4
    d = target(x, 1e-2)
    f = MAKERS[name]()
    f(x[:10_000], d[:10_000])
    f(x[10_000:20_000], d[10_000:20_000])
    assert misalignment(f.weights) < 0.1
    if name != "GNGD":  # which finds its own
        absolute = MAKERS[name](eps=1e-12)
        absolute(x[:20_000], d[:20_000])
        assert misalignment(absolute.weights) > 1.0


@pytest.mark.parametrize("name", MAKERS)
def test_silence_before_between_and_throughout(name):
    x = np.random.default_rng(0).standard_normal(6000)
    x[:1000] = x[3000:4000] = 0.0
    f = MAKERS[name]()
    before = f(x[:500], np.ones(500))
    assert np.array_equal(before.w_final, np.zeros(4))
    assert np.array_equal(before.e, np.ones(500))
    f(x[500:3000], target(x)[500:3000])
    learnt = f(x[3000:3900], 0.01 * np.ones(900)).w_final
    assert misalignment(learnt) < 0.1  # steps along what is left of x in the window
    assert misalignment(f(x[3900:], target(x)[3900:]).w_final) < 1e-8


@pytest.mark.parametrize(
    ("make", "name", "default"),
    [
        (lambda **k: NLMS(4, 0.5, **k), "eps", 1e-3),
        (lambda **k: AP(4, 0.5, **k), "eps", 1e-3),
        (lambda **k: FDAF(4, 0.5, **k), "eps", 1e-3),
        (lambda **k: GNGD(4, 0.5, **k), "eps", 1.0),
        (lambda **k: RLS(4, **k), "delta", 0.1),
    ],
)
def test_a_number_that_is_given_is_absolute(make, name, default, tmp_path):
    x = 1e-3 * np.random.default_rng(0).standard_normal(500)
    d = target(x)
    relative, absolute = make(), make(**{name: default})
    assert getattr(relative, name) == getattr(absolute, name) == default
    assert name not in repr(relative)
    assert f"{name}={default}" in repr(absolute)
    learnt, not_learnt = relative(x, d).w_final, absolute(x, d).w_final
    assert misalignment(learnt) < 0.01 < 0.1 < misalignment(not_learnt)
    for f, expected in ((make(), learnt), (make(**{name: default}), not_learnt)):
        f.save(tmp_path / "f.npz")
        assert np.array_equal(load(tmp_path / "f.npz")(x, d).w_final, expected)
    changed = make()
    setattr(changed, name, default)
    if name == "eps":
        assert np.array_equal(changed(x, d).w_final, not_learnt)


def test_the_unit_of_gngd_may_change_on_the_way():
    x = np.random.default_rng(0).standard_normal(2000)
    d = target(x, 0.01)
    f = GNGD(4, 0.5)
    f(x[:1000], d[:1000])
    f.eps = 1.0  # absolute from now on, from where it is
    assert "eps=1.0" in repr(f)
    assert misalignment(f(x[1000:], d[1000:]).w_final) < 1e-3
