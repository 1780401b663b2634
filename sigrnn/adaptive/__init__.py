"""Adaptive filters: weights updated sample by sample, in one call or block by block."""

from sigrnn._utils.errors import DivergenceError as DivergenceError
from sigrnn.adaptive.base import AdaptiveFilter
from sigrnn.adaptive.block_lms import BlockLMS
from sigrnn.adaptive.fdaf import FDAF, PBFDAF
from sigrnn.adaptive.files import load
from sigrnn.adaptive.fxlms import ControlResult, FxLMS
from sigrnn.adaptive.iir import IIRLMS, RTRL, EquationErrorLMS
from sigrnn.adaptive.least_squares import AP, RLS, KalmanFilter
from sigrnn.adaptive.lms import LMS, NLMS, LeakyLMS
from sigrnn.adaptive.lms_variants import GNGD, LMF, VSSLMS, SignErrorLMS, SignRegressorLMS, SignSignLMS
from sigrnn.adaptive.result import AdaptiveResult
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
