"""Fast recurrences with exact gradients: SciPy's linear filters, nonlinear filters, recurrent layers, adaptive
filters."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # at run time each is imported when it is asked for: all of them take longer than NumPy
    from sigrnn import adaptive
    from sigrnn._utils.errors import DivergenceError
    from sigrnn.activations import Activation
    from sigrnn.filters.deconvolution import deconvolve
    from sigrnn.filters.linear import lfilter, sosfilt
    from sigrnn.filters.nonlinear import nlfilter
    from sigrnn.filters.resampler import Resampler
    from sigrnn.filters.resampling import decimate, resample_poly, upfirdn
    from sigrnn.filters.smoothing import savgol_filter
    from sigrnn.filters.state_space import dimpulse, dlsim, dstep, lsim
    from sigrnn.filters.steady import lfilter_zi, lfiltic, sosfilt_zi
    from sigrnn.filters.streams import Stream
    from sigrnn.filters.varying import lfilter_tv
    from sigrnn.filters.zerophase import filtfilt, sosfiltfilt
    from sigrnn.gradients import jvp, synchronous_grad, vjp
    from sigrnn.gradients.flow import GradientFlow, gradient_flow
    from sigrnn.layers.recurrent import dense, gru, lstm, mingru, rnn
    from sigrnn.models import (
        FIR,
        GRU,
        IIR,
        LSTM,
        RNN,
        SOS,
        Bidirectional,
        Chain,
        Delay,
        Dense,
        Feedback,
        MinGRU,
        Model,
        NonlinearFIR,
        NonlinearIIR,
        Parallel,
        PiecewiseLinear,
        Polynomial,
        Residual,
        StateSpace,
        TanhNetwork,
        from_guitarml_json,
        from_keras,
        from_nam,
        from_rtneural_json,
        load,
    )
    from sigrnn.patching.patch import is_patched, patch_scipy, unpatch_scipy
    from sigrnn.patching.report import Report, report
    from sigrnn.training.fit import fit
    from sigrnn.training.result import FitResult
    from sigrnn.training.select import Selection, select
    from sigrnn.workers import get_workers, set_workers

__version__ = "0.1.0"

__all__ = [
    "FIR",
    "GRU",
    "IIR",
    "LSTM",
    "RNN",
    "SOS",
    "Activation",
    "Bidirectional",
    "Chain",
    "Delay",
    "Dense",
    "DivergenceError",
    "Feedback",
    "FitResult",
    "GradientFlow",
    "MinGRU",
    "Model",
    "NonlinearFIR",
    "NonlinearIIR",
    "Parallel",
    "PiecewiseLinear",
    "Polynomial",
    "Report",
    "Resampler",
    "Residual",
    "Selection",
    "StateSpace",
    "Stream",
    "TanhNetwork",
    "adaptive",
    "decimate",
    "deconvolve",
    "dense",
    "dimpulse",
    "dlsim",
    "dstep",
    "filtfilt",
    "fit",
    "from_guitarml_json",
    "from_keras",
    "from_nam",
    "from_rtneural_json",
    "get_workers",
    "gradient_flow",
    "gru",
    "is_patched",
    "jvp",
    "lfilter",
    "lfilter_tv",
    "lfilter_zi",
    "lfiltic",
    "load",
    "lsim",
    "lstm",
    "mingru",
    "nlfilter",
    "patch_scipy",
    "report",
    "resample_poly",
    "rnn",
    "savgol_filter",
    "select",
    "set_workers",
    "sosfilt",
    "sosfilt_zi",
    "sosfiltfilt",
    "synchronous_grad",
    "unpatch_scipy",
    "upfirdn",
    "vjp",
]


# Where the public names are defined
_PLACES = {
    "activations": "Activation",
    "filters.deconvolution": "deconvolve",
    "filters.linear": "lfilter sosfilt",
    "filters.nonlinear": "nlfilter",
    "filters.resampler": "Resampler",
    "filters.resampling": "decimate resample_poly upfirdn",
    "filters.smoothing": "savgol_filter",
    "filters.state_space": "dimpulse dlsim dstep lsim",
    "filters.steady": "lfilter_zi lfiltic sosfilt_zi",
    "filters.streams": "Stream",
    "filters.varying": "lfilter_tv",
    "filters.zerophase": "filtfilt sosfiltfilt",
    "gradients": "jvp synchronous_grad vjp",
    "gradients.flow": "GradientFlow gradient_flow",
    "layers.recurrent": "dense gru lstm mingru rnn",
    "models": (
        "FIR GRU IIR LSTM RNN SOS Bidirectional Chain Delay Dense Feedback MinGRU Model NonlinearFIR NonlinearIIR Parallel "
        "PiecewiseLinear Polynomial Residual StateSpace TanhNetwork from_guitarml_json from_keras from_nam from_rtneural_json "
        "load"
    ),
    "patching.patch": "is_patched patch_scipy unpatch_scipy",
    "patching.report": "Report report",
    "_utils.errors": "DivergenceError",
    "training.fit": "fit",
    "training.result": "FitResult",
    "training.select": "Selection select",
    "workers": "get_workers set_workers",
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}
_PACKAGES = "activations", "adaptive", "filters", "gradients", "layers", "models", "patching", "training", "workers"


def __getattr__(name: str) -> Any:
    """Import a public name, or raise an AttributeError that names the place of what is elsewhere."""
    if name in _MODULES:
        found = globals()[name] = getattr(import_module(f"sigrnn.{_MODULES[name]}"), name)
        return found
    if name in _PACKAGES:
        return import_module(f"sigrnn.{name}")
    if name.startswith("__"):  # what tools ask any module for
        raise AttributeError(f"module 'sigrnn' has no attribute {name!r}", name=name)
    from sigrnn import adaptive
    from sigrnn._utils.elsewhere import hint

    where = hint(name, adaptive.__all__, __all__)
    raise AttributeError(f"module 'sigrnn' has no attribute {name!r}{where}", name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})


if os.environ.get("SIGRNN_PATCH", "0") not in ("", "0"):
    from sigrnn.patching.patch import of_environment

    of_environment()
