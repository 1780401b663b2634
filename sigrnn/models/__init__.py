"""Models: filters and layers with parameters, to be trained, run block by block, and kept in files."""

from sigrnn.models.base import Model
from sigrnn.models.composition import Chain
from sigrnn.models.delay import Delay
from sigrnn.models.exchange.methods import from_guitarml_json, from_keras, from_nam, from_rtneural_json
from sigrnn.models.feedback import Feedback
from sigrnn.models.files import load
from sigrnn.models.layers import GRU, LSTM, RNN, Dense, MinGRU
from sigrnn.models.linear import FIR, IIR, SOS
from sigrnn.models.nonlinear import NonlinearFIR, NonlinearIIR
from sigrnn.models.parallel import Bidirectional, Parallel, Residual
from sigrnn.models.state_space import StateSpace
from sigrnn.models.static import PiecewiseLinear, Polynomial, TanhNetwork

__all__ = [
    "FIR",
    "GRU",
    "IIR",
    "LSTM",
    "RNN",
    "SOS",
    "Bidirectional",
    "Chain",
    "Delay",
    "Dense",
    "Feedback",
    "MinGRU",
    "Model",
    "NonlinearFIR",
    "NonlinearIIR",
    "Parallel",
    "PiecewiseLinear",
    "Polynomial",
    "Residual",
    "StateSpace",
    "TanhNetwork",
    "from_guitarml_json",
    "from_keras",
    "from_nam",
    "from_rtneural_json",
    "load",
]
