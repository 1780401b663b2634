"""Adaptive filters against other libraries, against theory, and over long and poor signals."""

import adaptive_reference as twins
import numpy as np
import pytest

from sigrnn.adaptive import AP, GNGD, LMF, LMS, NLMS, RLS, VSSLMS, KalmanFilter

N = 500


def system(n=N, seed=0, taps=6):
    """Return white noise, and what a system of 6 taps and a little noise make of it."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    return x, np.convolve(x, rng.standard_normal(taps))[:n] + 0.01 * rng.standard_normal(n)


@pytest.mark.parametrize(
    ("name", "ours", "settings"),
    [
        ("LMS", lambda: LMS(6, 0.02), {"mu": 0.02}),
        ("NLMS", lambda: NLMS(6, 0.5, 1e-3), {"mu": 0.5, "eps": 1e-3}),
        ("LMF", lambda: LMF(6, 0.001), {"mu": 0.001}),
        ("GNGD", lambda: GNGD(6, 0.9, 1.0, 0.1), {"mu": 0.9, "eps": 1.0, "ro": 0.1}),
        ("VSLMS_Mathews", lambda: VSSLMS(6, 0.01, 1e-4), {"mu": 0.01, "ro": 1e-4}),
        ("AP", lambda: AP(6, 0.5, 4, 1e-3), {"mu": 0.5, "order": 4, "ifc": 1e-3}),
        ("RLS", lambda: RLS(6, 0.99, 0.1), {"mu": 0.99, "eps": 0.1}),
    ],
)
def test_padasip(name, ours, settings):
    # padasip wants the windows, and begins with random weights by default.
    padasip = pytest.importorskip("padasip")
    x, d = system()
    theirs = getattr(padasip.filters, f"Filter{name}")(6, w="zeros", **settings)
    y, e, w = theirs.run(d, twins.windows(x, 6)[:, :, 0])
    r = ours()(x, d, history=True)
    for found, expected in ((r.y, y), (r.e, e), (r.w, w)):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ["LMS", "NLMS", "RLS", "KalmanFilter"])
def test_adafilt(name):
    # Its leakage is the share that is kept. Its RLS multiplies P by alpha^2 = 1 / lambda before it finds the gain, and not
    # after: the variance of the noise is 1 there, and not lambda.
    adafilt = pytest.importorskip("adafilt")
    x, d = system()
    ours, theirs = {
        "LMS": (LMS(6, 0.02, leakage=0.1), adafilt.LMSFilter(6, 0.02, leakage=1 - 0.002, normalized=False)),
        "NLMS": (NLMS(6, 0.5, eps=1e-5), adafilt.LMSFilter(6, 0.5)),
        "RLS": (RLS(6, 0.98, 1.0), adafilt.RLSFilter(6, 0.98**-0.5, 1.0, meas_noise_var=1 - 1e-8)),
        "KalmanFilter": (
            KalmanFilter(6, 1e-4, 0.01, 1.0),
            adafilt.RLSFilter(6, 1, 1.0, meas_noise_var=0.01 - 1e-8, proc_noise_var=1e-4),
        ),
    }[name]
    y, _, e, w = theirs(x, d)
    r = ours(x, d, history=True)
    for found, expected in ((r.y, y), (r.e, e), (r.w, w)):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


def excess(make, taps, runs=100, samples=12_000, settled=4000):
    """Return the excess mean square error over that of the noise, in the steady state of many runs on white noise."""
    rng, found = np.random.default_rng(5), []
    for _ in range(runs):
        x, noise = rng.standard_normal(samples), 0.1 * rng.standard_normal(samples)
        d = np.convolve(x, np.ones(taps) / taps)[:samples] + noise
        found.append(np.mean((make()(x, d).e - noise)[settled:] ** 2) / 0.01)
    return np.mean(found)


@pytest.mark.parametrize("mu", [0.005, 0.01, 0.02])
def test_misadjustment_of_lms(mu):
    # S. Haykin, Adaptive Filter Theory, on Gaussian windows: mu L / (2 - mu (L + 2)).
    assert excess(lambda: LMS(16, mu), 16) == pytest.approx(mu * 16 / (2 - mu * 18), rel=0.03)


@pytest.mark.parametrize("mu", [0.1, 0.5, 1.0])
def test_misadjustment_of_nlms(mu):
    # Energy conservation (A. H. Sayed, Adaptive Filters): mu / (2 - mu) E|u|^2 E[1 / |u|^2], which is L / (L - 2) for Gaussian
    # windows. It takes windows for independent; that they overlap makes the excess 4 % smaller at L = 16, 2 % at 32.
    assert excess(lambda: NLMS(32, mu, eps=1e-9), 32) == pytest.approx(mu / (2 - mu) * 32 / 30, rel=0.03)


@pytest.mark.parametrize("forgetting", [0.99, 0.995, 0.998])
def test_misadjustment_of_rls(forgetting):
    expected = 16 * (1 - forgetting) / (1 + forgetting)
    assert excess(lambda: RLS(16, forgetting), 16) == pytest.approx(expected, rel=0.03)


def poor(n):
    """Return a signal that hardly excites: a sine, silence, a constant, a click, a decay, each for a fifth."""
    t = np.arange(n // 5)
    parts = np.sin(0.1 * t), 0.0 * t, np.ones(n // 5), (t == 5) * 1e3, np.exp(-t / 2000.0)
    return np.concatenate(parts)


@pytest.mark.parametrize("settings", [{}, {"p_max": 1e4}])
def test_rls_over_a_long_and_poor_signal(settings):
    x, f = poor(1_000_000), RLS(8, 0.99, **settings)
    for block in np.split(x, 5):
        r = f(block, 0.5 * block)
        assert np.isfinite(r.w_final).all()
        assert (f._state["s"][:8] > 0).all()
        p = f.P
        assert np.array_equal(p, p.T) or abs(p - p.T).max() < 1e-15 * abs(p).max()
        assert p.diagonal().max() <= 3 * f.p_max / (1.0 if settings else np.sin(0.1) ** 2)
        if settings:
            np.linalg.cholesky(p)
    x, d = system()
    assert abs(f(x, d).e[200:]).max() < 0.1


def test_what_rls_does_at_the_bound_is_the_textbook_before():
    x, d = poor(400), poor(400)
    free, bounded = RLS(4, 0.99, p_max=np.inf), RLS(4, 0.99)
    assert np.array_equal(free(x, d).y, bounded(x, d).y)
    np.testing.assert_allclose(bounded.P, free.P)


def test_rls_is_least_squares():
    x, d = system(80)
    r = RLS(6, 1.0, 1e-9)(x, d)
    expected = np.linalg.lstsq(twins.windows(x, 6)[:, :, 0], d, rcond=None)[0]
    np.testing.assert_allclose(r.w_final, expected, atol=1e-7)


def test_covariance_of_kalman_is_symmetric_to_the_last_bit():
    x, d = system(20_000)
    f = KalmanFilter(6, np.array([1e-4, 1e-5, 0, 0, 0, 0]), 0.01)
    f(x, d)
    assert np.array_equal(f.P, f.P.T)
    assert (np.linalg.eigvalsh(f.P) > 0).all()
    assert f.P[0, 0] > f.P[1, 1] > f.P[2, 2]


def test_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    x, d = system()
    r = NLMS(6, 0.5)(x, d, history=True)
    h = np.random.default_rng(0)
    h.standard_normal(N)  # the signal comes before the system
    top, bottom = r.plot(system=h.standard_normal(6), smooth=20)
    lines = {line.get_label(): line.get_ydata() for line in top.lines}
    assert set(lines) == {"desired d", "error e", "misalignment of w"}
    np.testing.assert_allclose(lines["error e"][-1], 10 * np.log10(np.mean(r.e[-20:] ** 2)), atol=1e-6)
    assert lines["misalignment of w"][0] == pytest.approx(0)  # dB: weights of 0
    assert lines["misalignment of w"][-1] < -30
    np.testing.assert_array_equal(bottom.lines[0].get_ydata(), r.w_final)
    with pytest.raises(ValueError, match="channels"):
        r.plot(system=np.ones((6, 2)), ax=(top, bottom))
    matplotlib.pyplot.close("all")
