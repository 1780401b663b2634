"""Filters as estimators of scikit-learn: rows of X are samples in time, columns are channels."""

from sigrnn.sklearn.adaptive import AdaptiveFilterRegressor
from sigrnn.sklearn.filters import FilterTransformer
from sigrnn.sklearn.models import FilterRegressor

__all__ = ["AdaptiveFilterRegressor", "FilterRegressor", "FilterTransformer"]
