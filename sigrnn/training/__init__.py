"""Training: `fit` takes a model, inputs and targets, and finds parameters that make its outputs come close to them."""

from sigrnn._utils.errors import DivergenceError

from .fit import fit
from .result import FitResult
from .select import Selection, select

__all__ = ["DivergenceError", "FitResult", "Selection", "fit", "select"]
