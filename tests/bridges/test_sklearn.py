"""scikit-learn: its own checks, pipelines, and that estimators do what the functions do."""

import pickle

import numpy as np
import pytest
from scipy import signal

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import sigrnn
from sigrnn.sklearn import AdaptiveFilterRegressor, FilterRegressor, FilterTransformer
from sigrnn.sklearn.adaptive import KINDS, OPTIONS, arguments

B, A = signal.butter(2, 0.3)
SOS = signal.butter(3, 0.3, output="sos")

# What the tag `non_deterministic` turns off: a row's result depends on other rows, so rows can come neither in another
# order nor in batches that start from rest.
MEMORY = {"check_methods_sample_order_invariance", "check_methods_subset_invariance"}


def untagged(estimator):
    """The same without the tag, so that nothing is skipped."""

    class Untagged(type(estimator)):
        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.non_deterministic = False
            return tags

    Untagged.__name__ = type(estimator).__name__
    return Untagged(**estimator.get_params(deep=False))


def passes(estimator):
    """Run scikit-learn's checks, and those that it skips for the tag, but for two."""
    found = check_estimator(estimator, on_skip=None)  # raises where a check fails
    skipped = {check["check_name"] for check in found if check["status"] == "skipped"} - {"check_array_api_input"}
    assert len(found) > 40
    for version, check in estimator_checks_generator(untagged(estimator)):
        if check.func.__name__ in skipped - MEMORY:
            check(version)


@pytest.mark.parametrize("options", [{}, {"b": B, "a": A}, {"sos": SOS, "zero_phase": True, "padlen": 3}])
def test_transformer_passes_the_checks_of_scikit_learn(options):
    passes(FilterTransformer(**options))


# -------------------------------------------------------------------------------------------------- FilterTransformer


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (FilterTransformer(), lambda x: x),
        (FilterTransformer(B, A), lambda x: signal.lfilter(B, A, x, axis=0)),
        (FilterTransformer(sos=SOS), lambda x: signal.sosfilt(SOS, x, axis=0)),
        (FilterTransformer(B, A, zero_phase=True), lambda x: signal.filtfilt(B, A, x, axis=0)),
        (FilterTransformer(sos=SOS, zero_phase=True), lambda x: signal.sosfiltfilt(SOS, x, axis=0)),
        (FilterTransformer(B, A, zero_phase=True, padlen=0), lambda x: signal.filtfilt(B, A, x, axis=0, padlen=0)),
    ],
)
def test_transformer_filters_columns(rng, estimator, expected):
    x = rng.standard_normal((200, 3))
    y = estimator.fit(x).transform(x)
    np.testing.assert_allclose(y, expected(x), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(estimator.fit_transform(x), y)
    single = estimator.transform(x.astype("f4"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected(x), rtol=0, atol=1e-5)


def test_transformer_in_a_grid(rng):
    """The band of a signal is found by cross-validation in time."""
    x = rng.standard_normal((2000, 1))
    y = signal.lfilter(*signal.butter(2, 0.1), x[:, 0])
    pipeline = make_pipeline(FilterTransformer(), StandardScaler(), Ridge())
    filters = {
        "filtertransformer__b": [B, signal.butter(2, 0.1)[0]],
        "filtertransformer__a": [A, signal.butter(2, 0.1)[1]],
    }
    search = GridSearchCV(pipeline, filters, cv=TimeSeriesSplit(3)).fit(x, y)
    np.testing.assert_array_equal(search.best_params_["filtertransformer__a"], signal.butter(2, 0.1)[1])
    assert search.best_score_ > 0.99


def test_transformer_keeps_names_of_columns(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rng.standard_normal((50, 2)), columns=["left", "right"])
    y = FilterTransformer(B, A).set_output(transform="pandas").fit_transform(frame)
    assert list(y.columns) == ["left", "right"]
    np.testing.assert_allclose(y.to_numpy(), signal.lfilter(B, A, frame.to_numpy(), axis=0), atol=1e-12)


def test_transformer_is_cloned_and_pickled(rng):
    x = rng.standard_normal((50, 2))
    fitted = FilterTransformer(B, A, zero_phase=True).fit(x)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(x), fitted.transform(x))
    fresh = clone(fitted)
    assert not hasattr(fresh, "n_features_in_")
    np.testing.assert_array_equal(fresh.fit_transform(x), fitted.transform(x))


def test_transformer_refuses_what_makes_no_filter(rng):
    x = rng.standard_normal((50, 2))
    with pytest.raises(ValueError, match="not both"):
        FilterTransformer(B, A, sos=SOS).fit(x)
    with pytest.raises(ValueError, match="sos"):
        FilterTransformer(sos=SOS[:, :5]).fit(x)
    with pytest.raises(ValueError, match="padlen"):
        FilterTransformer(B, A, zero_phase=True).fit(x).transform(x[:5])


# ----------------------------------------------------------------------------------------------------- FilterRegressor


@pytest.mark.filterwarnings("ignore:the trained model has an unstable filter")  # of twenty random rows
@pytest.mark.parametrize("model", [None, sigrnn.IIR(2)], ids=repr)
def test_regressor_passes_the_checks_of_scikit_learn(model):
    passes(FilterRegressor(model))


@pytest.fixture
def pair(rng):
    """Two channels, and what a filter of each makes of them together."""
    x = rng.standard_normal((600, 2))
    return x, sigrnn.lfilter(B, A, x[:, 0]) + sigrnn.lfilter([0.5, 0.25], [1.0], x[:, 1])


def test_regressor_is_fit(pair):
    x, y = pair
    given = sigrnn.FIR(6)
    regressor = FilterRegressor(given, solver="lm", warmup=10).fit(x, y)
    model = sigrnn.FIR(6)
    result = sigrnn.fit(model, x, y[:, None], solver="lm", warmup=10, progress=False)
    np.testing.assert_array_equal(regressor.model_.params["b"], model.params["b"])
    np.testing.assert_array_equal(regressor.predict(x), model(x)[:, 0])
    assert regressor.loss_ == result.loss
    assert given.inputs is None  # the model that was given is left alone
    assert regressor.n_features_in_ == 2


def test_regressor_scores_after_the_warm_up(pair):
    x, y = pair
    y = y + np.where(np.arange(600) < 5, 1e3, 0.0)
    regressor = FilterRegressor(sigrnn.FIR(8), warmup=5).fit(x, y)
    expected = 1.0 - np.sum((regressor.predict(x) - y)[5:] ** 2) / np.sum((y[5:] - np.mean(y[5:])) ** 2)
    assert regressor.score(x, y) == pytest.approx(expected, rel=1e-12)
    assert regressor.score(x, y, np.ones(600)) == pytest.approx(expected, rel=1e-12)
    assert expected > 0.9


def test_regressor_has_several_outputs(pair):
    x, y = pair
    t = np.stack([y, x[:, 0]], axis=1)
    regressor = FilterRegressor(sigrnn.Dense(2)).fit(x, t)
    assert regressor.predict(x).shape == (600, 2)
    np.testing.assert_allclose(regressor.predict(x)[:, 1], x[:, 0], atol=1e-5)
    with pytest.raises(ValueError, match="output"):
        FilterRegressor(sigrnn.FIR(2)).fit(x, t)


def test_regressor_weights(pair):
    x, y = pair
    broken = y.copy()
    broken[300:320] = 1e3
    weights = np.ones(600)
    weights[300:320] = 0.0
    regressor = FilterRegressor(sigrnn.FIR(4)).fit(x, broken, weights=weights)
    np.testing.assert_allclose(regressor.predict(x), FilterRegressor(sigrnn.FIR(4)).fit(x, y).predict(x), atol=0.1)


def test_regressor_grid_reaches_into_the_model(pair):
    x, y = pair
    pipeline = make_pipeline(StandardScaler(), FilterRegressor(sigrnn.Chain(sigrnn.FIR(1), sigrnn.FIR(1))))
    grid = {"filterregressor__model__0__n_taps": [1, 24], "filterregressor__solver": ["lm", "lbfgs"]}
    search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(2)).fit(x, y)
    assert search.best_params_["filterregressor__model__0__n_taps"] == 24
    best = search.best_estimator_[-1]
    assert repr(best.model) == "Chain(FIR(24), FIR(1))"
    assert best.model_.parts[0].params["b"].shape == (2, 24)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(x), search.predict(x))
    assert repr(clone(best).model) == repr(best.model)
    assert not hasattr(clone(best), "model_")


def test_regressor_parameters_of_the_model():
    regressor = FilterRegressor(sigrnn.Chain(sigrnn.GRU(4), sigrnn.Dense(1)))
    assert regressor.get_params()["model__0__hidden"] == 4
    assert "model__0__hidden" not in regressor.get_params(deep=False)
    regressor.set_params(model__0__hidden=8, model__1=sigrnn.Dense(2), loss="esr")
    assert (repr(regressor.model), regressor.loss) == ("Chain(GRU(8), Dense(2))", "esr")
    assert repr(FilterRegressor().set_params(model__n_taps=7).model) == "FIR(7)"
    with pytest.raises(ValueError, match="Invalid parameter 'order' for model"):
        regressor.set_params(model__order=3)
    with pytest.raises(ValueError, match="Invalid parameter 'speed'"):
        regressor.set_params(speed=3)
    with pytest.raises(TypeError, match="model must be a Model"):
        FilterRegressor("lstm").fit(np.ones((5, 1)), np.ones(5))


# --------------------------------------------------------------------------------------------- AdaptiveFilterRegressor


@pytest.mark.parametrize("options", [{}, {"algorithm": "NLMS", "n_taps": 4, "mu": 0.5}])
def test_adaptive_regressor_passes_the_checks_of_scikit_learn(options):
    passes(AdaptiveFilterRegressor(**options))


def test_adaptive_regressor_is_the_filter(pair):
    x, y = pair
    regressor = AdaptiveFilterRegressor("NLMS", n_taps=8, mu=0.7).fit(x, y)
    filter = sigrnn.adaptive.NLMS(8, 0.7)
    r = filter(x, y)
    np.testing.assert_array_equal(regressor.error_, r.e)
    np.testing.assert_array_equal(regressor.filter_.weights, r.w_final)
    np.testing.assert_array_equal(regressor.predict(x), filter.predict(x))
    np.testing.assert_array_equal(regressor.predict(x), filter.predict(x))  # prediction does not adapt
    parts = AdaptiveFilterRegressor(sigrnn.adaptive.NLMS, n_taps=8, mu=0.7)
    for part in (slice(0, 1), slice(1, 250), slice(250, 600)):
        parts.partial_fit(x[part], y[part])
    np.testing.assert_array_equal(parts.filter_.weights, r.w_final)
    np.testing.assert_array_equal(parts.fit(x, y).filter_.weights, r.w_final)  # anew


def test_adaptive_regressor_in_a_grid(pair):
    x, y = pair
    pipeline = make_pipeline(StandardScaler(with_std=False), AdaptiveFilterRegressor("NLMS", mu=0.1))
    grid = {"adaptivefilterregressor__mu": [1e-6, 0.5], "adaptivefilterregressor__n_taps": [1, 8]}
    search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(3)).fit(x, y)
    assert search.best_params_ == {"adaptivefilterregressor__mu": 0.5, "adaptivefilterregressor__n_taps": 8}
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    again[-1].partial_fit(x, y)
    search.best_estimator_[-1].partial_fit(x, y)
    np.testing.assert_array_equal(again.predict(x), search.predict(x))
    assert clone(search.best_estimator_[-1]).get_params() == search.best_estimator_[-1].get_params()


def test_adaptive_regressor_knows_all_algorithms():
    assert {"NLMS", "RLS", "AP"} <= {kind.__name__ for kind in KINDS}
    assert all(set(arguments(kind)) <= {"n_taps", *OPTIONS} for kind in KINDS)
    assert set(AdaptiveFilterRegressor().get_params()) == {"algorithm", "n_taps", *OPTIONS}


def test_adaptive_regressor_refuses():
    x, y = np.ones((5, 1)), np.ones(5)
    with pytest.raises(ValueError, match=r"algorithm must be one of .*NLMS.*; got 'nlm'"):
        AdaptiveFilterRegressor("nlm").fit(x, y)
    with pytest.raises(ValueError, match="forgetting is no argument of NLMS, which has n_taps, mu, eps"):
        AdaptiveFilterRegressor("NLMS", mu=0.5, forgetting=0.9).fit(x, y)
    with pytest.raises(TypeError, match="no algorithm has an argument 'speed'"):
        AdaptiveFilterRegressor("NLMS", speed=3)
    with pytest.raises(ValueError, match="Invalid parameter 'speed'"):
        AdaptiveFilterRegressor("NLMS").set_params(speed=3)
