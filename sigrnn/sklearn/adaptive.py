"""`AdaptiveFilterRegressor`: an adaptive filter that follows y from X, in one call or in parts."""

from __future__ import annotations

import inspect
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

import sigrnn.adaptive
from sigrnn._arrays import F8, Array
from sigrnn.adaptive import AdaptiveFilter

__all__ = ["AdaptiveFilterRegressor"]


def arguments(kind: type) -> dict[str, inspect.Parameter]:
    """All arguments of an algorithm: its own, and those of its base classes."""
    found: dict[str, inspect.Parameter] = {}
    for ancestor in inspect.getmro(kind):
        if "__init__" in vars(ancestor):
            own = list(inspect.signature(ancestor).parameters.values())
            found |= {p.name: p for p in own if p.kind != p.VAR_KEYWORD and p.name not in found}
            if not any(p.kind == p.VAR_KEYWORD for p in own):
                break
    return found


def algorithms() -> list[type[AdaptiveFilter]]:
    """The classes of adaptive filters that there are."""
    names = (getattr(sigrnn.adaptive, name) for name in sigrnn.adaptive.__all__)
    kinds = [kind for kind in names if isinstance(kind, type) and issubclass(kind, AdaptiveFilter)]
    return [kind for kind in kinds if kind is not AdaptiveFilter]


KINDS = algorithms()
OPTIONS = sorted({name for kind in KINDS for name in arguments(kind)} - {"n_taps"})
SIGNATURE = inspect.Signature(
    [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY),
        inspect.Parameter("algorithm", inspect.Parameter.POSITIONAL_OR_KEYWORD, default="RLS"),
        inspect.Parameter("n_taps", inspect.Parameter.KEYWORD_ONLY, default=16),
        *(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in OPTIONS),
    ]
)


class AdaptiveFilterRegressor(RegressorMixin, BaseEstimator):
    """
    Follow y from X by an adaptive filter.

    Rows are samples in time. `fit` starts from scratch, `partial_fit` goes on from the state reached, `predict` filters with the
    weights as they are.

    Parameters
    ----------
    algorithm : str or type, default 'RLS'
        A class of `sigrnn.adaptive`, or its name.
    n_taps : int, default 16
        Weights of each channel.
    **params
        The other arguments of the algorithm, such as ``mu``; None stands for the algorithm's own default. They are
        parameters of the estimator like all others, so a grid may search them.

    Attributes
    ----------
    filter_ : AdaptiveFilter
        The filter and its state.
    error_ : ndarray, shape (N,)
        What y differed by from the filter's output in the last call of `fit` or `partial_fit`, before each update.
    n_features_in_ : int
        Number of channels.
    feature_names_in_ : ndarray of str
        Their names, where they have some.

    See Also
    --------
    FilterRegressor : A filter that is trained once, with or without feedback.

    Notes
    -----
    Do not shuffle rows. A row's result depends on the rows before it, which scikit-learn expresses only by the tag
    `non_deterministic`; results are reproducible. As most algorithms need more samples than a test
    set has to come near, there is the tag `poor_score`, too.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> from sigrnn.sklearn import AdaptiveFilterRegressor
    >>> X = np.random.default_rng(0).standard_normal((500, 1))
    >>> y = sigrnn.lfilter([1.0, 0.5], [1.0], X[:, 0])
    >>> regressor = AdaptiveFilterRegressor("NLMS", n_taps=2, mu=0.5).fit(X[:300], y[:300])
    >>> regressor.partial_fit(X[300:], y[300:]).filter_.weights.ravel().round(4)
    array([1. , 0.5])
    """

    def __init__(self, algorithm: str | type[AdaptiveFilter] = "RLS", *, n_taps: int = 16, **params: Any) -> None:
        unknown = [name for name in params if name not in OPTIONS]
        if unknown:
            raise TypeError(f"no algorithm has an argument {unknown[0]!r}; they have {', '.join(OPTIONS)}")
        self.algorithm = algorithm
        self.n_taps = n_taps
        for name in OPTIONS:
            setattr(self, name, params.get(name))

    # scikit-learn reads the names of parameters here.
    __init__.__signature__ = SIGNATURE  # type: ignore[attr-defined]

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """
        Start from scratch, and go through the data once.

        Parameters
        ----------
        X : array_like, shape (N, channels)
            Inputs.
        y : array_like, shape (N,)
            What the filter is to give.

        Returns
        -------
        AdaptiveFilterRegressor
            The estimator itself.
        """
        return self._adapt(X, y, anew=True)

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """
        Go on with more data: part after part is the same as all at once.

        Parameters
        ----------
        X : array_like, shape (N, channels)
            Inputs.
        y : array_like, shape (N,)
            What the filter is to give.

        Returns
        -------
        AdaptiveFilterRegressor
            The estimator itself.
        """
        return self._adapt(X, y, anew=not hasattr(self, "filter_"))

    def _adapt(self, X: ArrayLike, y: ArrayLike, anew: bool) -> Self:
        x, d = validate_data(self, X, y, dtype=F8, y_numeric=True, reset=anew)
        if anew:
            self.filter_ = self._made()
        self.error_: Array = self.filter_(x, d.astype(F8)).e
        return self

    def predict(self, X: ArrayLike) -> Array:
        """
        Filter without adapting, from zeros before the first row.

        Parameters
        ----------
        X : array_like, shape (N, channels)
            Inputs.

        Returns
        -------
        ndarray, shape (N,)
            The output with the weights as they are.
        """
        check_is_fitted(self)
        return self.filter_.predict(validate_data(self, X, dtype=F8, reset=False))

    def _made(self) -> AdaptiveFilter:
        """A new filter."""
        kind = getattr(sigrnn.adaptive, self.algorithm, None) if isinstance(self.algorithm, str) else self.algorithm
        if kind not in KINDS:
            names = ", ".join(kind.__name__ for kind in KINDS)
            raise ValueError(f"algorithm must be one of {names}, or such a class; got {self.algorithm!r}")
        known = arguments(kind)
        given = {name: getattr(self, name) for name in ("n_taps", *OPTIONS)}
        given = {name: value for name, value in given.items() if value is not None}
        for name in given:
            if name not in known:
                raise ValueError(f"{name} is no argument of {kind.__name__}, which has {', '.join(known)}")
        made: AdaptiveFilter = kind(**given)
        return made

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.regressor_tags.poor_score = True
        return tags
