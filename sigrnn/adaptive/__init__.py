"""Adaptive filters: weights that follow what they see, sample by sample, in one call or block by block."""

from sigrnn.adaptive.base import AdaptiveFilter
from sigrnn.adaptive.blocks import BlockLMS
from sigrnn.adaptive.control import ControlResult, FxLMS
from sigrnn.adaptive.feedback import IIRLMS, RTRL, EquationErrorLMS
from sigrnn.adaptive.files import load
from sigrnn.adaptive.frequency import FDAF, PBFDAF
from sigrnn.adaptive.gradient import LMS, NLMS, LeakyLMS
from sigrnn.adaptive.least_squares import AP, RLS, KalmanFilter
from sigrnn.adaptive.result import AdaptiveResult, DivergenceError
from sigrnn.adaptive.variants import GNGD, LMF, VSSLMS, SignErrorLMS, SignRegressorLMS, SignSignLMS
from sigrnn.adaptive.volterra import VolterraLMS

__all__ = [
    "AP",
    "FDAF",
    "GNGD",
    "IIRLMS",
    "LMF",
    "LMS",
    "NLMS",
    "PBFDAF",
    "RLS",
    "RTRL",
    "VSSLMS",
    "AdaptiveFilter",
    "AdaptiveResult",
    "BlockLMS",
    "ControlResult",
    "DivergenceError",
    "EquationErrorLMS",
    "FxLMS",
    "KalmanFilter",
    "LeakyLMS",
    "SignErrorLMS",
    "SignRegressorLMS",
    "SignSignLMS",
    "VolterraLMS",
    "load",
]
