"""Adaptive filters: weights that follow what they see, sample by sample, in one call or block by block."""

from sigrnn.adaptive.base import AdaptiveFilter, load
from sigrnn.adaptive.blocks import BlockLMS
from sigrnn.adaptive.frequency import FDAF, PBFDAF
from sigrnn.adaptive.gradient import LMS, NLMS, LeakyLMS
from sigrnn.adaptive.least_squares import AP, RLS, KalmanFilter
from sigrnn.adaptive.result import AdaptiveResult, DivergenceError
from sigrnn.adaptive.variants import GNGD, LMF, VSSLMS, SignErrorLMS, SignRegressorLMS, SignSignLMS

__all__ = [
    "AP",
    "FDAF",
    "GNGD",
    "LMF",
    "LMS",
    "NLMS",
    "PBFDAF",
    "RLS",
    "VSSLMS",
    "AdaptiveFilter",
    "AdaptiveResult",
    "BlockLMS",
    "DivergenceError",
    "KalmanFilter",
    "LeakyLMS",
    "SignErrorLMS",
    "SignRegressorLMS",
    "SignSignLMS",
    "load",
]
