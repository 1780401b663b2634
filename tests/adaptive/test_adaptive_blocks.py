"""Adaptive filters whose weights wait for the end of a block: against twins, each other and adafilt, cut anywhere."""

import pickle

import adaptive_block_reference as twins
import numpy as np
import pytest
from adaptive_reference import windows

from sigrnn import adaptive, set_workers
from sigrnn.adaptive import FDAF, LMS, PBFDAF, BlockLMS, DivergenceError

MAKERS = {
    "BlockLMS": lambda n, **k: BlockLMS(n, 0.002, block=10, **k),
    "FDAF": lambda n, **k: FDAF(n, 0.5, block=12, **k),
    "PBFDAF": lambda n, **k: PBFDAF(n, 0.5, block=8, **k),
    "PBFDAF alternate": lambda n, **k: PBFDAF(n, 0.5, block=8, constraint="alternate", **k),
}


def signals(n=600, taps=20, channels=None, kind="float64", seed=0, noise=0.0):
    """Return an input, and what a decaying system makes of it."""
    rng = np.random.default_rng(seed)
    shape = (n,) if channels is None else (n, channels)

    def normal(*size):
        return rng.standard_normal(size) + (1j * rng.standard_normal(size) if kind == "complex128" else 0)

    x = normal(*shape)
    h = normal(taps, channels or 1) * 0.9 ** np.arange(taps)[:, None]
    d = (windows(x, taps) * h).sum((1, 2)) + noise * normal(n)
    return x, d, h if channels else h[:, 0]


@pytest.mark.parametrize(
    ("n_taps", "block", "channels", "kind"),
    [(20, 7, None, "float64"), (70, 50, None, "float64"), (9, 64, 2, "float64"), (5, 3, None, "complex128")],
)
def test_block_lms_is_its_twin(n_taps, block, channels, kind):
    x, d, _ = signals(channels=channels, kind=kind)
    w0 = np.random.default_rng(1).standard_normal((n_taps,) if channels is None else (n_taps, channels))
    r = BlockLMS(n_taps, 0.001, block, leakage=2.0, w0=w0)(x, d)
    y, w = twins.block_lms(x, d, n_taps, 0.001, block, 0.998, w0)
    np.testing.assert_allclose(r.y, y, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.e, d - y, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.w_final, w.reshape(r.w_final.shape), rtol=0, atol=1e-12)


def test_block_of_one_is_lms():
    x, d, _ = signals(noise=0.1)
    r, lms = BlockLMS(20, 0.01, block=1)(x, d, history=True), LMS(20, 0.01)(x, d, history=True)
    np.testing.assert_allclose(r.e, lms.e, rtol=0, atol=1e-12)
    np.testing.assert_allclose(r.w, lms.w, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize(("n_taps", "block"), [(20, 20), (20, 7), (7, 20)])
def test_fdaf_is_block_lms_without_normalisation(n_taps, block, kind):
    x, d, _ = signals(kind=kind, noise=0.1)
    r = FDAF(n_taps, 0.001, block, normalised=False, leakage=1.0)(x, d)
    expected = BlockLMS(n_taps, 0.001, block, leakage=1.0)(x, d)
    np.testing.assert_allclose(r.y, expected.y, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.w_final, expected.w_final, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n_taps", "block"), [(40, 8), (37, 8), (16, 16), (5, 16)])
def test_pbfdaf_is_block_lms_without_normalisation(n_taps, block):
    x, d, _ = signals(noise=0.1)
    r, expected = PBFDAF(n_taps, 0.001, block, normalised=False)(x, d), BlockLMS(n_taps, 0.001, block)(x, d)
    np.testing.assert_allclose(r.y, expected.y, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.w_final, expected.w_final, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n_taps", "block", "part"), [(20, 20, None), (20, 12, None), (40, 8, 8), (37, 8, 8)])
@pytest.mark.parametrize("kind", ["float64", "complex128"])
def test_normalised_filters_are_their_twin(n_taps, block, part, kind):
    x, d, _ = signals(n=480, kind=kind, noise=0.1)
    f = FDAF(n_taps, 0.4, block, leakage=0.01) if part is None else PBFDAF(n_taps, 0.4, block, leakage=0.01)
    r = f(x, d)
    y, w = twins.overlap_save(x, d, n_taps, 0.4, block, part=part, size=f._points(), keep=0.996)
    whole = len(d) // block * block
    np.testing.assert_allclose(r.y[:whole], y[:whole], rtol=0, atol=1e-10)
    np.testing.assert_allclose(r.w_final, w, rtol=0, atol=1e-11)


def test_one_partition_is_fdaf():
    x, d, _ = signals(noise=0.1)
    assert np.array_equal(PBFDAF(20, 0.5, 20)(x, d).e, FDAF(20, 0.5)(x, d).e)
    two = [PBFDAF(16, 0.5, 8, constraint=name)(x, d).e for name in ("full", "alternate")]
    np.testing.assert_allclose(*two, rtol=0, atol=1e-11)  # the other one of two is in turn every time


def test_channels_are_partitions_of_one_filter():
    x, d, h = signals(n=6000, taps=12, channels=2)
    f = PBFDAF(12, 0.5, 4)
    r = f(x, d)
    np.testing.assert_allclose(r.w_final, h, rtol=0, atol=1e-6)
    np.testing.assert_allclose(f.predict(x)[:100], d[:100], rtol=0, atol=1e-5)
    one, beside = PBFDAF(12, 0.5, 4), PBFDAF(12, 0.5, 4)
    expected = one(x[:, 0], d).y  # a silent channel changes nothing
    np.testing.assert_allclose(beside(np.stack([x[:, 0], 0 * d], 1), d).y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("channels", "kind"), [(None, "float64"), (2, "float64"), (None, "complex128")])
def test_blocks_are_the_whole_to_the_last_bit(name, channels, kind):
    x, d, _ = signals(n=5000, channels=channels, kind=kind, noise=0.1)
    whole, parts = MAKERS[name](37), MAKERS[name](37)
    expected = whole(x, d)
    cuts = np.sort(np.random.default_rng(2).integers(0, len(d), 400))
    found = [parts(x_, d_) for x_, d_ in zip(np.split(x, cuts), np.split(d, cuts), strict=True)]
    assert np.concatenate([r.y for r in found]).tobytes() == expected.y.tobytes()
    assert parts.weights.tobytes() == whole.weights.tobytes() == expected.w_final.tobytes()
    with set_workers(2):
        assert MAKERS[name](37)(x, d).y.tobytes() == expected.y.tobytes()


@pytest.mark.parametrize("name", MAKERS)
def test_history_holds_the_weights_of_each_sample(name):
    x, d, _ = signals(n=100, channels=2)
    f = MAKERS[name](11)
    r = f(x, d, history=True)
    np.testing.assert_allclose(r.y, (r.w * windows(x, 11)).sum((1, 2)), rtol=0, atol=1e-9)
    assert np.array_equal(MAKERS[name](11)(x, d).e, r.e)
    at_40 = MAKERS[name](11)(x[:40], d[:40]).w_final
    assert np.array_equal(r.w[40], at_40)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("way", ["copy", "pickle", "save"])
def test_state_is_carried(name, way, tmp_path):
    x, d, _ = signals(noise=0.1)
    f = MAKERS[name](30, leakage=0.01)
    f(x[:333], d[:333])
    if way == "save":
        f.save(tmp_path / "f.npz")
        g = adaptive.load(tmp_path / "f.npz")
    else:
        g = f.copy() if way == "copy" else pickle.loads(pickle.dumps(f))
    assert repr(g) == repr(f)
    expected = f(x[333:], d[333:])
    assert g(x[333:], d[333:]).y.tobytes() == expected.y.tobytes()
    f.reset()
    assert np.array_equal(f(x, d).y, MAKERS[name](30, leakage=0.01)(x, d).y)


@pytest.mark.parametrize("name", MAKERS)
def test_weights_may_be_assigned_within_a_block(name):
    x, d, h = signals()
    f = MAKERS[name](20)
    f(x[:101], d[:101])
    f.weights = h
    r = f(x[101:], d[101:])
    np.testing.assert_allclose(r.e, 0.0, atol=1e-10)
    np.testing.assert_allclose(f.weights, h, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", MAKERS)
def test_a_complex_block_goes_on_from_real_ones(name):
    x, d, _ = signals(n=900)
    f, whole = MAKERS[name](20), MAKERS[name](20)
    f(x[:500], d[:500])
    r = f(x[500:] + 0j, d[500:])
    expected = whole(x, d)
    np.testing.assert_allclose(r.y, expected.y[500:], rtol=0, atol=1e-10)
    np.testing.assert_allclose(f.weights, whole.weights, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["FDAF", "PBFDAF", "PBFDAF alternate"])
def test_single_precision(name):
    x, d, _ = signals(n=3000)
    r = MAKERS[name](20, dtype=np.float32)(x.astype(np.float32), d.astype(np.float32))
    assert r.y.dtype == r.w_final.dtype == np.float32
    np.testing.assert_allclose(r.y, MAKERS[name](20)(x, d).y, rtol=0, atol=2e-4)
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        MAKERS[name](20, dtype=int)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("cut", [500, 64])
def test_divergence_is_noticed_at_its_sample(name, cut):
    x, d, _ = signals(n=3000)
    f = MAKERS[name](20)
    f.mu = 50.0
    blocks = iter(range(0, len(d), cut))

    def run():
        for start in blocks:
            run.start = start
            f(x[start : start + cut], d[start : start + cut])

    with pytest.raises(DivergenceError, match=f"{type(f).__name__} with mu=50 diverged at sample") as caught:
        run()
    sample = run.start + caught.value.sample
    again = MAKERS[name](20, on_divergence="reset")
    again.mu = 50.0
    r = again(x, d)
    assert r.resets[0] == sample
    assert np.array_equal(r.y[sample : sample + 1], [0.0])
    assert np.isfinite(r.e).all()
    loose = MAKERS[name](20, on_divergence="ignore")
    loose.mu = 50.0
    with np.errstate(all="ignore"):
        assert not abs(loose(x, d).e).max() < 1e8


@pytest.mark.parametrize("name", MAKERS)
def test_not_a_number(name):
    x, d, _ = signals(n=1000)
    x[300] = d[700] = np.nan
    r = MAKERS[name](20)(x, d)
    assert np.isfinite(r.y[:300]).all()
    assert np.isnan(r.y[300:]).any()
    with pytest.raises(ValueError, match="not finite at sample 300"):
        MAKERS[name](20, nan_policy="raise")(x, d)
    r = MAKERS[name](20, nan_policy="omit")(x, d)
    bad = np.r_[300:320]
    assert np.isnan(r.y[bad]).all()
    assert np.isfinite(np.delete(r.y, bad)).all()
    assert np.isnan(r.e[700])
    assert np.isfinite(r.y[700])
    assert np.mean(r.e[-50:] ** 2) < 0.1 * np.mean(d[-50:] ** 2)


@pytest.mark.parametrize("name", MAKERS)
def test_bursts_after_silence_do_no_harm(name):
    x, d, _ = signals(n=4000)
    gate = np.repeat(np.random.default_rng(3).choice([0.0, 1e-8, 1.0], 40), 100)
    x, d = x * gate, np.convolve(x * gate, 0.8 ** np.arange(20))[:4000]
    r = MAKERS[name](20)(x, d)
    assert np.isfinite(r.e).all()
    assert abs(r.e).max() <= 2.0 * abs(d).max()


def test_steps_that_are_suggested_converge():
    x, d, h = signals(n=20000)
    x, d = 5.0 * x, 5.0 * d
    for f in (BlockLMS(20, 1.0, block=16), FDAF(20, 1.0, normalised=False), FDAF(20, 1.0), PBFDAF(20, 1.0, 8)):
        f.mu = f.suggest_mu(x)
        np.testing.assert_allclose(f(x, d).w_final, h, rtol=0, atol=1e-3)
    with pytest.raises(ValueError, match="x is silent"):
        BlockLMS(20, 1.0).suggest_mu(np.zeros(100))


def test_bad_settings():
    with pytest.raises(ValueError, match="block must be at least 1, got 0"):
        BlockLMS(8, 0.1, 0)
    with pytest.raises(ValueError, match="constraint must be 'full' or 'alternate', got 'none'"):
        PBFDAF(8, 0.1, constraint="none")
    with pytest.raises(ValueError, match="smoothing must be at least 0 and below 1, got 1"):
        FDAF(8, 0.1, smoothing=1.0)
    with pytest.raises(ValueError, match="mu times leakage"):
        FDAF(8, 0.1, leakage=20.0)
    assert [PBFDAF(n, 0.1).block for n in (8, 512, 1000, 16384, 10**6)] == [64, 64, 128, 2048, 2048]


@pytest.mark.parametrize("normalised", [False, True])
def test_is_adafilt(normalised):
    adafilt = pytest.importorskip("adafilt")
    x, d, _ = signals(n=1280, noise=0.1)
    mu = 0.4 if normalised else 0.001
    # with blocks shorter than the filter adafilt counts some errors twice
    theirs = adafilt.FastBlockLMSFilter(20, 20, mu, power_averaging=0.0, normalized=normalised, epsilon_power=1e-3)
    ours = FDAF(20, mu, eps=1e-3, smoothing=0.0, normalised=normalised)
    assert ours._points() == 40  # as adafilt's: steps depend on how far apart bins are
    y, _, e, _ = theirs(x, d)
    r = ours(x, d)
    np.testing.assert_allclose(r.y, y, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.e, e, rtol=0, atol=1e-11)
    np.testing.assert_allclose(r.w_final, theirs.w, rtol=0, atol=1e-12)
