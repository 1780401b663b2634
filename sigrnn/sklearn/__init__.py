"""Filters as estimators of scikit-learn: rows of X are samples in time, columns are channels."""

from sigrnn.sklearn.filters import FilterTransformer

__all__ = ["FilterTransformer"]
