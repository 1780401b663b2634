"""`FilterRegressor`: a model that is trained to predict y from X."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sigrnn._arrays import F8, Array
from sigrnn.models import FIR, Model
from sigrnn.training import fit

__all__ = ["FilterRegressor"]

TAPS = 4  # of the filter that is taken where none is given


class FilterRegressor(RegressorMixin, BaseEstimator):
    """
    Train a filter, or a chain of filters and layers, to predict y from X.

    Rows are samples in time. The model starts at rest with each call of `fit` and `predict`.

    Parameters
    ----------
    model : Model, optional
        The model; a copy of it is trained. One with sizes starts from its parameters. By default
        ``FIR(4)``. Its arguments are parameters of the estimator: ``model__n_taps``, of part 0 of a chain
        ``model__0__order``.
    solver, loss, max_iter, batch, tbptt, clip, warmup, validation, regularization, rng, progress, callback, learning_rate
        As in `fit`, but that there is no progress bar by default.

    Attributes
    ----------
    model_ : Model
        The trained model.
    loss_ : float
        The loss it reached.
    history_ : ndarray
        The loss after each iteration.
    n_iter_ : int
        Iterations, 1 or more.
    stop_reason_ : str
        Why training ended.
    n_features_in_ : int
        Number of channels.
    feature_names_in_ : ndarray of str
        Their names, where they have some.

    See Also
    --------
    sigrnn.fit : The same for arrays of any layout.
    AdaptiveFilterRegressor : A filter that goes on learning.

    Notes
    -----
    Split with `sklearn.model_selection.TimeSeriesSplit`, without shuffling, and set `warmup` to the length of the memory: a
    test set starts from rest, and its first rows would count as errors. A row's result depends on the rows before it,
    which only the tag `non_deterministic` expresses; nevertheless the same data give the same result.
    Weights of samples are an argument of `fit` named `weights`: a sample of weight 0 is not counted, but not left out of
    the signal either, as scikit-learn would expect of ``sample_weight``.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> from sigrnn.sklearn import FilterRegressor
    >>> X = np.random.default_rng(0).standard_normal((500, 1))
    >>> y = sigrnn.lfilter([1.0, 0.5], [1.0, -0.9], X[:, 0])
    >>> regressor = FilterRegressor(sigrnn.IIR(1)).fit(X, y)
    >>> regressor.model_.params["a"].round(6)
    array([ 1. , -0.9])
    >>> regressor.get_params()["model__order"]
    1
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        solver: str = "auto",
        loss: Any = "mse",
        max_iter: int | None = None,
        batch: int | None = None,
        tbptt: int | None = None,
        clip: float | None = None,
        warmup: int = 0,
        validation: Any = None,
        regularization: float = 0.0,
        rng: Any = None,
        progress: bool = False,
        callback: Any = None,
        learning_rate: Any = None,
    ) -> None:
        self.model = model
        self.solver = solver
        self.loss = loss
        self.max_iter = max_iter
        self.batch = batch
        self.tbptt = tbptt
        self.clip = clip
        self.warmup = warmup
        self.validation = validation
        self.regularization = regularization
        self.rng = rng
        self.progress = progress
        self.callback = callback
        self.learning_rate = learning_rate

    def fit(self, X: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """
        Train the model.

        Parameters
        ----------
        X : array_like, shape (N, channels)
            Inputs.
        y : array_like, shape (N,) or (N, outputs)
            Targets.
        weights : array_like, shape (N,), optional
            Not negative; how much each sample counts.

        Returns
        -------
        FilterRegressor
            The estimator itself.
        """
        if self.model is not None and not isinstance(self.model, Model):
            hint = ": call it" if isinstance(self.model, type) else ""
            raise TypeError(f"model must be a Model, got {self.model!r}{hint}")
        x, t = validate_data(self, X, y, dtype=F8, y_numeric=True, multi_output=True)
        if t.ndim == 2 and t.shape[1] == 1:
            t = column_or_1d(t, warn=True)
        self._flat = t.ndim == 1
        options = {name: value for name, value in self.get_params(deep=False).items() if name != "model"}
        model = FIR(TAPS) if self.model is None else self.model.copy()
        result = fit(model, x, np.asarray(t, F8).reshape(len(t), -1), weights=weights, **options)
        self.model_, self.loss_ = result.model, result.loss
        self.n_iter_ = max(result.n_iter, 1)  # scikit-learn wants one; linear least squares may need none
        self.history_, self.stop_reason_ = np.array(list(result.history)), result.stop_reason
        return self

    def predict(self, X: ArrayLike) -> Array:
        """
        Run the model, from rest.

        Parameters
        ----------
        X : array_like, shape (N, channels)
            Inputs.

        Returns
        -------
        ndarray, shape (N,) or (N, outputs)
            Outputs.
        """
        check_is_fitted(self)
        y: Array = self.model_(validate_data(self, X, dtype=F8, reset=False))
        return y[:, 0] if self._flat else y

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """
        Return R2, as all regressors do, without the first `warmup` rows.

        Parameters
        ----------
        X : array_like, shape (N, channels)
            Inputs.
        y : array_like, shape (N,) or (N, outputs)
            Targets.
        sample_weight : array_like, shape (N,), optional
            How much each row counts.

        Returns
        -------
        float
            1 is best, and 0 what the mean of y would get.
        """
        part = slice(self.warmup, None)
        weights = None if sample_weight is None else np.asarray(sample_weight)[part]
        return float(r2_score(np.asarray(y)[part], self.predict(X)[part], sample_weight=weights))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """
        Return the parameters.

        Parameters
        ----------
        deep : bool, default True
            Whether to include the arguments of the model.

        Returns
        -------
        dict
            Names and values.
        """
        found: dict[str, Any] = super().get_params(deep)
        if deep and isinstance(self.model, Model):
            found |= {f"model__{name}": value for name, value in arguments(self.model).items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """
        Set parameters.

        Parameters
        ----------
        **params
            Names and values. If there are arguments of the model, it is recreated with them, without sizes.

        Returns
        -------
        FilterRegressor
            The estimator itself.
        """
        inner = {name: value for name, value in params.items() if name.startswith("model__")}
        super().set_params(**{name: value for name, value in params.items() if name not in inner})
        if inner:
            changes = {name.removeprefix("model__"): value for name, value in inner.items()}
            self.model = changed(FIR(TAPS) if self.model is None else self.model, changes)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


def arguments(model: Model) -> dict[str, Any]:
    """Arguments of a model and of its parts; theirs have the number of the part in front."""
    found = dict(model.config())
    for i, part in enumerate(model.parts):
        found[str(i)] = part
        found |= {f"{i}__{name}": value for name, value in arguments(part).items()}
    return found


def changed(model: Model, changes: dict[str, Any]) -> Model:
    """A new model of the same kind, with other arguments."""
    config, parts = model.config(), list(model.parts)
    deeper: dict[int, dict[str, Any]] = {}
    for name, value in changes.items():
        first, _, rest = name.partition("__")
        if first.isdigit() and int(first) < len(parts):
            if rest:
                deeper.setdefault(int(first), {})[rest] = value
            else:
                parts[int(first)] = value
        elif name in config:
            config[name] = value
        else:
            known = ", ".join(arguments(model)) or "none"
            raise ValueError(f"Invalid parameter {name!r} for model {model!r}. Valid parameters are: {known}")
    made = [changed(part, deeper.get(i, {})) for i, part in enumerate(parts)]
    new: Model = type(model)(*made, **config)
    return new
