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

from sigrnn.sklearn import FilterTransformer

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
