"""When adaptive filters stop: what is divergence and what is not, and resets that always go on or raise."""

import contextlib

import numpy as np
import pytest

import sigrnn
from sigrnn import adaptive
from sigrnn.adaptive import DivergenceError

H = np.array([0.9, -0.4])
# Filters of two weights, with steps that are small enough for all.
MAKERS = {
    "LMS": lambda **k: adaptive.LMS(2, 1e-3, **k),
    "NLMS": lambda **k: adaptive.NLMS(2, 0.5, **k),
    "SignErrorLMS": lambda **k: adaptive.SignErrorLMS(2, 1e-3, **k),
    "SignRegressorLMS": lambda **k: adaptive.SignRegressorLMS(2, 1e-3, **k),
    "SignSignLMS": lambda **k: adaptive.SignSignLMS(2, 1e-3, **k),
    "LMF": lambda **k: adaptive.LMF(2, 1e-4, **k),
    "VSSLMS": lambda **k: adaptive.VSSLMS(2, 1e-3, **k),
    "GNGD": lambda **k: adaptive.GNGD(2, 0.5, **k),
    "AP": lambda **k: adaptive.AP(2, 0.5, **k),
    "RLS": lambda **k: adaptive.RLS(2, **k),
    "KalmanFilter": lambda **k: adaptive.KalmanFilter(2, 1e-6, 1e-2, **k),
    "BlockLMS": lambda **k: adaptive.BlockLMS(2, 1e-3, **k),
    "FDAF": lambda **k: adaptive.FDAF(2, 0.5, **k),
    "PBFDAF": lambda **k: adaptive.PBFDAF(2, 0.5, 1, **k),
    "FxLMS": lambda **k: adaptive.FxLMS(2, 1e-3, [0.8, 0.2], **k),
    "IIRLMS": lambda **k: adaptive.IIRLMS(1, 1, 1e-3, **k),
    "EquationErrorLMS": lambda **k: adaptive.EquationErrorLMS(1, 1, 1e-3, **k),
    "VolterraLMS": lambda **k: adaptive.VolterraLMS(1, 1e-3, **k),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_target_that_fades_in_is_no_divergence(name):
    # The weights are right from the start, so the first errors are those of a system that is not switched on yet.
    x = np.random.default_rng(0).uniform(0.5, 1.0, 300)
    d = np.geomspace(1e-12, 1.0, 300) * sigrnn.lfilter(H, [1.0], x)
    r = MAKERS[name](w0=H)(x, d)
    assert abs(r.e[0]) > 1e8 * abs(d[0])
    assert np.isfinite(r.w_final).all()
    assert len(MAKERS[name](w0=H, on_divergence="reset")(x, d).resets) == 0


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("w0", [[1e12, 0.0], [1e12, 1e12], [1e160, 0.0], [1e308, 1e308]])
def test_a_reset_goes_on_or_raises(name, w0):
    x, d = np.ones(50), np.ones(50)
    f = MAKERS[name](w0=w0, on_divergence="reset")
    with contextlib.suppress(DivergenceError):
        r = f(x, d)
        assert (np.diff(r.resets) > 0).all()
        assert np.isfinite(r.e).all()


def test_weights_from_far_away_are_learnt_from():
    r = adaptive.NLMS(2, 0.5, w0=[1e12, 0.0], on_divergence="reset")(np.ones(50), np.ones(50))
    assert len(r.resets) == 0
    assert abs(r.e[-1]) < 1e-2 * abs(r.e[0])
    f = adaptive.NLMS(2, 0.5)
    f(np.ones(5), 1e-6 * np.ones(5))
    f.weights = [1e12, 0.0]  # the same by assignment
    assert np.isfinite(f(np.ones(50), np.ones(50)).e).all()


def test_a_reset_that_does_not_help_raises():
    f = adaptive.NLMS(2, 0.5, w0=[1e200, 0.0], on_divergence="reset")
    with pytest.raises(DivergenceError, match=r"NLMS with mu=0\.5 diverged at sample 0"):
        f(np.ones(50), np.ones(50))


@pytest.mark.parametrize("name", ["LMS", "BlockLMS", "VolterraLMS", "FxLMS"])
def test_what_was_seen_is_kept_over_a_reset(name):
    # A loud d allows for large errors, also after the filter was reset.
    x, d = np.ones(4000), np.ones(4000)
    d[0] = 1e9
    f = MAKERS[name](on_divergence="reset")
    f.mu = 3.0
    r = f(x, d)
    assert len(r.resets) > 1
    assert (abs(r.e[r.resets - 1]) > 1e8).all()
