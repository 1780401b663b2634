"""Fast recurrences with exact gradients: SciPy's linear filters, nonlinear filters, recurrent layers, adaptive
filters."""

from sigrnn import adaptive
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
from sigrnn.patching.patch import is_patched, of_environment, patch_scipy, unpatch_scipy
from sigrnn.patching.report import Report, report
from sigrnn.training import DivergenceError, FitResult, Selection, fit, select
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


def __getattr__(name: str) -> object:
    """Raise an AttributeError that names the place of what is elsewhere."""
    from sigrnn._utils.elsewhere import hint

    where = hint(name, adaptive.__all__, __all__)
    raise AttributeError(f"module 'sigrnn' has no attribute {name!r}{where}", name=name)


of_environment()  # nothing, unless SIGRNN_PATCH is set
