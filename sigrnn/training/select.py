"""`select`: trains several models, and keeps the one that is best on validation data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from sigrnn.models import Model

from .arguments import Signals
from .fit import fit
from .result import FitResult


@dataclass(frozen=True, repr=False)
class Selection:
    """
    Models that were trained on the same data, and the best of them.

    Parameters
    ----------
    results : tuple of FitResult
        In the order of the models.
    best : FitResult
        The result with the lowest validation loss; among equal ones that with the fewest parameters.
    """

    results: tuple[FitResult, ...]
    best: FitResult

    @property
    def model(self) -> Model:
        """The best model."""
        model: Model = self.best.model
        return model

    def __repr__(self) -> str:
        return f"<Selection of {len(self.results)} models: {self.best!r}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the table."""
        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        rows = [
            (
                repr(r.model),
                f"{r.model.n_parameters:,}",
                f"{r.loss:.4g}",
                f"{r.validation_loss:.4g}",
                "  <" * (r is self.best),
            )
            for r in self.results
        ]
        heads = "model", "parameters", "loss", "validation", ""
        width = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        text = [
            "  ".join([row[0].ljust(width[0]), *(c.rjust(w) for c, w in zip(row[1:4], width[1:4], strict=True))])
            + row[4]
            for row in (heads, *rows)
        ]
        return "\n".join(text)


def select(
    models: Iterable[Model], x: Signals, t: Signals, *, validation: float | tuple[Any, ...] = 0.2, **options: Any
) -> Selection:
    """
    Train several models, and select the best on validation data.

    Parameters
    ----------
    models : iterable of Model
        Each is trained in place.
    x, t : array_like or list of array_like
        Inputs and targets, as of `fit`.
    validation : float or tuple, default 0.2
        As of `fit`: (x, t), or a share of the data.
    **options : dict
        Other arguments of `fit`.

    Returns
    -------
    Selection
        ``best`` and ``results`` are results of `fit`, ``model`` is the best model; printed, it is a table.

    Raises
    ------
    ValueError
        If there are no models, or no validation data.

    See Also
    --------
    fit : Trains one model.

    Examples
    --------
    >>> import numpy as np
    >>> import sigrnn
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal(1000)
    >>> t = sigrnn.lfilter([1.0, 0.5], [1.0, -1.2, 0.7], x) + 0.5 * rng.standard_normal(1000)
    >>> found = sigrnn.select([sigrnn.IIR(order) for order in (1, 2, 4)], x, t, progress=False)
    >>> found.model
    IIR(2)
    """
    if validation is None:
        raise ValueError("validation must be (x, t) or a share of the data: it decides between the models")
    results = tuple(fit(model, x, t, validation=validation, **options) for model in models)
    if not results:
        raise ValueError("models is empty")
    best = min(results, key=lambda result: (result.validation_loss, result.model.n_parameters))
    return Selection(results, best)
