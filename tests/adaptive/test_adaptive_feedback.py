"""Adaptive filters with feedback, behind a path, and of products: against twins, gradients, adafilt, cut anywhere."""

import pickle

import adaptive_feedback_reference as twins
import numpy as np
import pytest

import sigrnn
from sigrnn import adaptive
from sigrnn.adaptive import IIRLMS, LMS, NLMS, RTRL, DivergenceError, EquationErrorLMS, FxLMS, VolterraLMS

PATH, PLANT = [0.0, 0.7, 0.3, -0.1], [0.0, 0.8, 0.2, 0.0, 0.1]
SLOPES = {"tanh": (np.tanh, lambda y: 1.0 - y * y), "sigmoid": (lambda e: 1 / (1 + np.exp(-e)), lambda y: y * (1 - y))}
MAKERS = {
    "IIRLMS": lambda **k: IIRLMS(3, 2, 0.01, **k),
    "EquationErrorLMS": lambda **k: EquationErrorLMS(3, 2, 0.3, eps=0.1, **k),
    "RTRL": lambda **k: RTRL(3, 2, 0.05, **k),
    "FxLMS": lambda **k: FxLMS(9, 0.01, PATH, plant=PLANT, **k),
    "VolterraLMS": lambda **k: VolterraLMS(3, [0.05, 0.03], **k),
}


def signals(n=400, kind="float64", seed=0):
    """Return an input, and what a resonance and some noise make of it."""
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n))
    if kind == "complex128":
        x = x + 1j * rng.standard_normal(n)
    return x, sigrnn.lfilter([0.5, 0.2, 0.1], [1.0, -0.9, 0.5], x) + 0.01 * noise


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (lambda **k: IIRLMS(3, 2, 0.005, **k), {}),
        (lambda **k: IIRLMS(4, 3, 0.05, eps=0.5, **k), {"eps": 0.5, "mu": 0.05, "n_taps": 4, "n_feedback": 3}),
        (lambda **k: IIRLMS(3, 2, 0.005, gradient="feintuch", leakage=0.1, **k), {"full": False, "keep": 0.9995}),
        (lambda **k: EquationErrorLMS(3, 2, 0.005, **k), {"full": False, "target": True}),
        (lambda **k: EquationErrorLMS(3, 0, 0.005, **k), {"full": False, "target": True, "n_feedback": 0}),
    ],
)
def test_linear_filters_are_their_twin(make, settings, kind):
    x, d = signals(kind=kind)
    settings = {"n_taps": 3, "n_feedback": 2, "mu": 0.005} | settings
    w0 = np.r_[np.ones(settings["n_taps"]), np.full(settings["n_feedback"], 0.1)]
    r = make(w0=w0)(x, d, history=True)
    y, history, _, w = twins.feedback(x, d, w0=w0, **settings)
    np.testing.assert_allclose(r.y, y, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.w, history, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.w_final, w, rtol=0, atol=1e-11)


@pytest.mark.parametrize("activation", SLOPES)
def test_rtrl_is_its_twin(activation):
    x, d = signals()
    g, slope = SLOPES[activation]
    r = RTRL(3, 2, 0.05, activation)(x, np.tanh(d))
    y, _, _, w = twins.feedback(x, np.tanh(d), 3, 2, 0.05, g, slope)
    np.testing.assert_allclose(r.y, y, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.w_final, w, rtol=0, atol=1e-11)


def sensitivities(f, x, n):
    """Return dy[n] / dw as a filter has it after sample n: from the step it takes for an error of one."""
    f(x[:n], np.zeros(n))
    before = f.weights
    f.mu = 1.0
    y = f.copy()(x[n : n + 1], [0.0]).y[0]
    return f(x[n : n + 1], [y + 1.0]).w_final - before


@pytest.mark.parametrize("n", [0, 1, 7, 150])
def test_iirlms_steps_along_the_tangents_of_jvp(n):
    x, _ = signals()
    w0 = np.array([0.5, 0.2, -0.3, -0.9, 0.5])
    b, a = w0[:3], np.r_[1.0, w0[3:]]
    found = sensitivities(IIRLMS(3, 2, 0.0, w0=w0, unstable="ignore"), x, n)
    for i in range(5):
        tangent = np.eye(6)[i if i < 3 else i + 1]
        _, dy = sigrnn.jvp(sigrnn.lfilter, (b, a, x), (tangent[:3], tangent[3:], None))
        np.testing.assert_allclose(found[i], dy[n], rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "linear"])
def test_rtrl_is_the_gradient_of_back_propagation_through_time(activation):
    x, d = signals(n=120)
    w0 = np.array([0.5, 0.2, -0.3, -0.4, 0.25, 0.1])
    b, a, bias = w0[:3], np.r_[1.0, w0[3:5]], w0[5]
    online = sum(
        (d[n] - RTRL(3, 2, 0.0, activation, w0=w0)(x[: n + 1], d[: n + 1]).y[n])
        * sensitivities(RTRL(3, 2, 0.0, activation, w0=w0), x, n)
        for n in range(len(d))
    )
    y, pullback = sigrnn.vjp(sigrnn.nlfilter, b, a, x, activation=activation, bias=bias)
    db, da, *_ = pullback(d - y)
    np.testing.assert_allclose(online[:5], np.r_[db, da[1:]], rtol=1e-9, atol=1e-9)


def test_rtrl_takes_an_activation_of_the_users():
    x, d = signals()
    cube = sigrnn.Activation(lambda e: e - 0.1 * e**3, lambda e: 1.0 - 0.3 * e**2)
    f = RTRL(2, 1, 0.005, cube)
    r = f(x, np.tanh(d))
    assert np.mean(r.e[-100:] ** 2) < 0.5 * np.mean(np.tanh(d[-100:]) ** 2)
    np.testing.assert_allclose(
        f.predict(x), sigrnn.nlfilter(f.b, f.a, x, activation=cube, bias=f.bias), rtol=0, atol=1e-12
    )
    with pytest.raises(TypeError, match="cannot be saved"):
        f.save("f.npz")


def test_rtrl_without_feedback_and_activation_is_lms():
    x, d = signals()
    lms = LMS(4, 0.01)(np.stack([x, np.ones(len(x))], 1)[:, 0], d)
    f = RTRL(4, 0, 0.01, "linear")
    f.weights = np.zeros(5)
    with_bias = twins.feedback(x, d, 4, 0, 0.01, lambda e: e, lambda y: 1.0)
    np.testing.assert_allclose(f(x, d).y, with_bias[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(IIRLMS(4, 0, 0.01)(x, d).y, lms.y, rtol=0, atol=1e-12)


def test_iirlms_finds_a_resonance():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(40000)
    d = sigrnn.lfilter([0.5, 0.2], [1.0, -1.2, 0.7], x)
    f = IIRLMS(2, 2, 0.002)
    f(x, d)
    np.testing.assert_allclose(f.b, [0.5, 0.2], rtol=0, atol=1e-3)
    np.testing.assert_allclose(f.a, [1.0, -1.2, 0.7], rtol=0, atol=1e-3)
    np.testing.assert_allclose(abs(f.poles), np.sqrt(0.7), rtol=0, atol=1e-3)
    np.testing.assert_allclose(f.predict(x[:50]), d[:50], rtol=0, atol=1e-2)


def test_poles_are_held_back():
    x, d = signals(n=3000)
    d = sigrnn.lfilter([1.0], [1.0, -1.9, 0.95], x)
    f = IIRLMS(1, 2, 0.002, radius=0.9)
    radii = []
    for n in range(0, 3000, 50):
        f(x[n : n + 50], d[n : n + 50])
        radii.append(abs(f.poles).max())
    assert f.held > 0
    assert max(radii) < 0.9
    free = IIRLMS(1, 2, 0.002, radius=0.9, unstable="ignore", on_divergence="ignore")
    with np.errstate(all="ignore"):
        free(x, d)
    assert free.held == 0
    assert not np.isfinite(free.a).all()


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_which_poles_lie_inside(order):
    rng = np.random.default_rng(0)
    for radius in (0.99, 1.01):
        for _ in range(20):
            roots = rng.uniform(0.0, 0.9, order) * np.exp(2j * np.pi * rng.random(order))
            roots[0] *= radius / abs(roots[0])
            a = np.poly(roots)[1:]
            for circle in (0.98, 1.0, 1.02):
                f = IIRLMS(1, order, 0.0, radius=circle, w0=np.r_[0.0, a])
                f([0j], [0.0])
                assert f.held == (radius > circle)


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize(("eps", "leakage"), [(0.0, 0.0), (0.5, 0.1)])
def test_fxlms_is_its_twin(kind, eps, leakage):
    x, d = signals(kind=kind)
    mu = 0.2 if eps else 0.01
    r = FxLMS(11, mu, PATH, eps, plant=PLANT, leakage=leakage)(x, d)
    u, y, e, w = twins.fxlms(x, d, 11, mu, PATH, PLANT, eps, 1 - mu * leakage)
    for found, expected in ((r.u, u), (r.y, y), (r.e, e), (r.w_final, w)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_fxlms_without_a_path_is_lms():
    x, d = signals()
    r = FxLMS(9, 0.01, [1.0])(x, d)
    np.testing.assert_allclose(r.y, LMS(9, 0.01)(x, d).y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(r.u, r.y, rtol=0, atol=1e-12)
    r = FxLMS(9, 0.5, [1.0], eps=1e-3)(x, d)
    np.testing.assert_allclose(r.y, NLMS(9, 0.5, eps=1e-3)(x, d).y, rtol=0, atol=1e-10)


def test_a_loop_outside_is_the_loop_inside():
    x, d = signals(n=3000)
    inside, outside = FxLMS(9, 0.01, PATH, plant=PLANT), FxLMS(9, 0.01, PATH)
    expected = inside(x, d)
    loudspeaker, errors = sigrnn.Stream(PLANT, [1.0]), []
    for n in range(len(d)):
        u = outside.control(x[n : n + 1])
        errors.append(d[n] - loudspeaker(u)[0])
        outside.adapt(errors[-1:])
    np.testing.assert_allclose(errors, expected.e, rtol=0, atol=1e-10)
    np.testing.assert_allclose(outside.weights, expected.w_final, rtol=0, atol=1e-11)


def test_a_loop_outside_in_blocks_converges():
    x, d = signals(n=20000)
    d = np.convolve(x, [0.0, 0.0, 0.5, 0.3, 0.1])[: len(x)]
    f, loudspeaker, errors = FxLMS(9, 0.005, PATH), sigrnn.Stream(PLANT, [1.0]), []
    for n in range(0, len(d), 100):
        errors.append(d[n : n + 100] - loudspeaker(f.control(x[n : n + 100])))
        f.adapt(errors[-1][:30])  # in as many pieces as one likes
        f.adapt(errors[-1][30:])
    assert np.mean(errors[-1] ** 2) < 0.01 * np.mean(d**2)
    f.control(x[:10])
    with pytest.raises(ValueError, match="10 samples given to control wait for their errors"):
        f(x[:10], d[:10])
    with pytest.raises(
        ValueError, match=r"e must have shape \(M,\) with M at most 10, the samples that wait, got \(11,\)"
    ):
        f.adapt(d[:11])
    with pytest.raises(ValueError, match="10 samples wait for their errors, with 5000 more it would be above 4096"):
        f.control(np.zeros(5000))


def test_a_loop_outside_that_diverges_is_noticed():
    x, d = signals(n=20000)
    f, loudspeaker = FxLMS(9, 0.5, PATH), sigrnn.Stream([0.0, -1.0], [1.0])  # the wrong sign

    def run():
        for n in range(0, len(d), 50):
            run.errors = d[n : n + 50] - loudspeaker(f.control(x[n : n + 50]))
            f.adapt(run.errors)

    with pytest.raises(DivergenceError, match=r"FxLMS with mu=0\.5 diverged") as caught:
        run()
    assert 1e8 < abs(run.errors[caught.value.sample]) < 1e30
    again = FxLMS(9, 0.5, PATH, nan_policy="raise")
    again.control([1.0])
    with pytest.raises(ValueError, match="e or the reference is not finite at sample 0"):
        again.adapt([np.nan])


def test_fxlms_is_adafilt():
    adafilt = pytest.importorskip("adafilt")
    x, d = signals()
    theirs = adafilt.LMSFilter(8, 0.2, normalized=True, epsilon_power=0.1)
    y, u, e, _ = theirs(x, d, PLANT, PATH)
    r = FxLMS(8, 0.2, PATH, eps=0.1, plant=PLANT)(x, d)
    np.testing.assert_allclose(r.u, y, rtol=0, atol=1e-11)  # what goes out is its y, what arrives its u
    np.testing.assert_allclose(r.y, u, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.e, e, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.w_final, theirs.w, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("n_taps", "order"), [(4, 1), (5, 2), (3, 3), (1, 3), (2, 5)])
@pytest.mark.parametrize("eps", [0.0, 0.2])
def test_volterra_is_its_twin(n_taps, order, eps):
    x, d = signals()
    x = np.tanh(x)
    mu = [0.02, 0.03, 0.01, 0.04, 0.05][:order]
    f = VolterraLMS(n_taps, mu, order, eps)
    r = f(x, d)
    y, w = twins.volterra(x, d, n_taps, mu, order, eps)
    np.testing.assert_allclose(r.y, y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(r.w_final, w, rtol=0, atol=1e-12)
    window = np.r_[x[:1], np.zeros(n_taps)][:n_taps]
    summed = 0.0
    for k in range(1, order + 1):
        kernel = f.kernel(k)
        assert np.array_equal(kernel, kernel.T)
        for _ in range(k):
            kernel = kernel @ window
        summed += kernel
    np.testing.assert_allclose(f.predict(x)[0], summed, rtol=0, atol=1e-12)


def test_steps_that_are_suggested_converge():
    rng = np.random.default_rng(0)
    x = 3.0 * rng.uniform(-1, 1, 60000)
    late = np.r_[0.0, x[:-1]]
    f = VolterraLMS(2, 0.0)
    f.mu = f.suggest_mu(x)
    f(x, x - 0.2 * late * x + 0.1 * x**2)
    np.testing.assert_allclose(f.kernel(2), [[0.1, -0.1], [-0.1, 0.0]], rtol=0, atol=1e-3)
    d = sigrnn.lfilter([2.0], [1.0, -0.5], x)
    f = EquationErrorLMS(1, 1, 0.0)
    f.mu = f.suggest_mu(x, d)
    np.testing.assert_allclose(f(x, d).w_final, [2.0, -0.5], rtol=0, atol=1e-6)
    f = FxLMS(16, 0.0, PATH)
    f.mu = f.suggest_mu(x)
    r = f(x, np.convolve(x, [0.0, 0.0, 1.0, 0.5])[: len(x)])
    assert np.mean(r.e[-100:] ** 2) < 1e-3
    with pytest.raises(ValueError, match="silent"):
        f.suggest_mu(np.zeros(10))


@pytest.mark.parametrize("name", MAKERS)
def test_blocks_are_the_whole_to_the_last_bit(name):
    x, d = signals(n=6000)
    x, d = np.tanh(x), np.tanh(d)
    whole, parts = MAKERS[name](), MAKERS[name]()
    expected = whole(x, d)
    cuts = np.sort(np.random.default_rng(2).integers(0, len(d), 200))
    found = [parts(x_, d_) for x_, d_ in zip(np.split(x, cuts), np.split(d, cuts), strict=True)]
    assert np.concatenate([r.y for r in found]).tobytes() == expected.y.tobytes()
    assert parts.weights.tobytes() == whole.weights.tobytes()
    assert np.mean(expected.e[-1000:] ** 2) < 0.4 * np.mean(d**2)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("way", ["copy", "pickle", "save"])
def test_state_is_carried(name, way, tmp_path):
    x, d = signals()
    x, d = np.tanh(x), np.tanh(d)
    f = MAKERS[name]()
    f(x[:150], d[:150])
    if way == "save":
        f.save(tmp_path / "f.npz")
        g = adaptive.load(tmp_path / "f.npz")
    else:
        g = f.copy() if way == "copy" else pickle.loads(pickle.dumps(f))
    assert repr(g) == repr(f)
    expected = f(x[150:], d[150:])
    assert g(x[150:], d[150:]).y.tobytes() == expected.y.tobytes()
    f.reset()
    assert np.array_equal(f(x, d).y, MAKERS[name]()(x, d).y)


@pytest.mark.parametrize("name", MAKERS)
def test_divergence_is_noticed_at_its_sample(name):
    x, d = signals(n=4000)
    f = MAKERS[name]()
    f.mu = 100.0
    kind = type(f).__name__
    if kind == "RTRL":  # its outputs are bounded
        assert np.isfinite(f(x, d).e).all()
        return
    with pytest.raises(DivergenceError, match=f"{kind} with mu=100(.0)? diverged at sample") as caught:
        f(x, d)
    g = MAKERS[name](on_divergence="reset")
    g.mu = 100.0
    r = g(x, d)
    assert r.resets[0] == caught.value.sample
    assert np.isfinite(r.e).all()
    assert len(getattr(r, "u", r.y)) == len(d)


@pytest.mark.parametrize("name", MAKERS)
def test_not_a_number(name):
    x, d = signals(n=2000)
    x, d = np.tanh(x), np.tanh(d)
    x[900] = d[1200] = np.nan
    r = MAKERS[name]()(x, d)
    assert np.isfinite(r.y[:900]).all()
    assert np.isnan(r.y[900:]).any()
    with pytest.raises(ValueError, match="not finite at sample 900"):
        MAKERS[name](nan_policy="raise")(x, d)
    r = MAKERS[name](nan_policy="omit")(x, d)
    assert np.isnan(r.e[[900, 1200]]).all()
    assert np.isfinite(r.e[:900]).all()
    assert np.isfinite(r.e[1300:]).all()
    assert np.mean(r.e[-300:] ** 2) < 0.5 * np.mean(d[-300:] ** 2)


@pytest.mark.parametrize("name", MAKERS)
def test_silence_does_no_harm(name):
    x, d = signals(n=2000)
    gate = np.repeat(np.random.default_rng(3).choice([0.0, 1e-8, 1.0], 20), 100)
    r = MAKERS[name]()(np.tanh(x) * gate, np.tanh(d) * gate)
    assert abs(r.e).max() < 3.0


def test_bad_settings():
    x, d = signals(n=10)
    with pytest.raises(ValueError, match="gradient must be one of 'full', 'feintuch', got 'half'"):
        IIRLMS(1, 1, 0.1, gradient="half")
    with pytest.raises(ValueError, match="radius must be finite and positive, got 0"):
        IIRLMS(1, 1, 0.1, radius=0)
    with pytest.raises(ValueError, match=r"x must have shape \(N,\), got \(10, 1\): IIRLMS takes one channel"):
        IIRLMS(1, 1, 0.1)(x[:, None], d)
    with pytest.raises(ValueError, match=r"w0 has shape \(3,\), expected \(2,\)"):
        IIRLMS(1, 1, 0.1, w0=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="unknown activation 'tan'"):
        RTRL(1, 1, 0.1, "tan")
    with pytest.raises(TypeError, match="RTRL takes real signals"):
        RTRL(1, 1, 0.1)(x + 0j, d)
    with pytest.raises(ValueError, match="secondary_path must be an impulse response"):
        FxLMS(1, 0.1, 0.5)
    with pytest.raises(ValueError, match="plant must be finite"):
        FxLMS(1, 0.1, [0.5], plant=[np.inf])
    with pytest.raises(ValueError, match="order must be at most 5, got 6"):
        VolterraLMS(2, 0.1, order=6)
    with pytest.raises(ValueError, match="mu must be finite and not negative, one or 2 of them"):
        VolterraLMS(2, [0.1, 0.1, 0.1])
    with pytest.raises(TypeError, match="VolterraLMS takes real signals"):
        VolterraLMS(2, 0.1)(x, d + 0j)
