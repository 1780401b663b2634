"""`FilterTransformer`: a given filter as a step of a pipeline."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sigrnn._arrays import Array
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.filters.zerophase import filtfilt, sosfiltfilt

__all__ = ["FilterTransformer"]


class FilterTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """
    Filter each column, as a step of a pipeline.

    Rows are samples in time. The filter starts at rest with each call of `transform`.

    Parameters
    ----------
    b, a : array_like, default 1.0
        Coefficients of the filter, as in `lfilter`; with the default, signals pass as they are.
    sos : array_like, shape (S, 6), optional
        Sections instead, as in `sosfilt`.
    zero_phase : bool, default False
        Whether to filter forward and backward (`filtfilt`, `sosfiltfilt`): no delay, but each sample of the output depends
        on those that follow.
    padlen : int, optional
        Samples by which `zero_phase` extends a signal at either end, as in `filtfilt`.

    Attributes
    ----------
    n_features_in_ : int
        Number of channels seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, where they have some.

    See Also
    --------
    FilterRegressor : A filter that is trained.
    sigrnn.Stream : Block by block, with memory.

    Notes
    -----
    Rows cannot be shuffled: split with `sklearn.model_selection.TimeSeriesSplit`. scikit-learn asks whether a row's
    result depends on that row alone; as it does not, the estimator has the tag `non_deterministic`, though the same
    signal always gives the same result. float32 stays float32.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn.sklearn import FilterTransformer
    >>> FilterTransformer([0.5, 0.5], [1.0]).fit_transform(np.array([[2.0, 0.0], [4.0, 8.0]]))
    array([[1., 0.],
           [3., 4.]])
    """

    def __init__(
        self,
        b: ArrayLike = 1.0,
        a: ArrayLike = 1.0,
        *,
        sos: ArrayLike | None = None,
        zero_phase: bool = False,
        padlen: int | None = None,
    ) -> None:
        self.b = b
        self.a = a
        self.sos = sos
        self.zero_phase = zero_phase
        self.padlen = padlen

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """
        Note how many channels there are, and check the filter.

        Parameters
        ----------
        X : array_like, shape (N, channels)
            A signal.
        y : ignored
            There for pipelines.

        Returns
        -------
        FilterTransformer
            The estimator itself.
        """
        validate_data(self, X, dtype=[np.float64, np.float32])
        self._filtered(np.zeros((1, 1)), one_way=True)
        return self

    def transform(self, X: ArrayLike) -> Array:
        """
        Filter.

        Parameters
        ----------
        X : array_like, shape (N, channels)
            A signal.

        Returns
        -------
        ndarray, shape (N, channels)
            Each column filtered from rest, or forward and backward.
        """
        check_is_fitted(self)
        x = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._filtered(x).astype(x.dtype, copy=False)

    def _filtered(self, x: Array, one_way: bool = False) -> Array:
        if self.sos is not None:
            if not (np.ndim(self.b) == np.ndim(self.a) == 0 and self.b == self.a == 1.0):
                raise ValueError("give b and a, or sos, not both")
            if self.zero_phase and not one_way:
                return sosfiltfilt(self.sos, x, axis=0, padlen=self.padlen)
            return sosfilt(self.sos, x, axis=0)
        b, a = np.atleast_1d(self.b), np.atleast_1d(self.a)
        return (
            filtfilt(b, a, x, axis=0, padlen=self.padlen)
            if self.zero_phase and not one_way
            else lfilter(b, a, x, axis=0)
        )

    def _remembers(self) -> bool:
        """Whether a sample of the output depends on more than one of the input."""
        return self.sos is not None or max(np.size(self.b), np.size(self.a)) > 1

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self._remembers()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
