"""Filters as estimators of scikit-learn: rows of X are samples in time, columns are channels."""

try:
    import sklearn as _sklearn  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("sigrnn.sklearn needs scikit-learn: pip install 'sigrnn[sklearn]'") from error

from sigrnn.sklearn.adaptive import AdaptiveFilterRegressor
from sigrnn.sklearn.filters import FilterTransformer
from sigrnn.sklearn.models import FilterRegressor

__all__ = ["AdaptiveFilterRegressor", "FilterRegressor", "FilterTransformer"]
