"""Adaptive filters: weights that follow what they see, sample by sample, in one call or block by block."""

from sigrnn.adaptive.base import AdaptiveFilter, load
from sigrnn.adaptive.gradient import LMS, NLMS
from sigrnn.adaptive.result import AdaptiveResult, DivergenceError

__all__ = ["LMS", "NLMS", "AdaptiveFilter", "AdaptiveResult", "DivergenceError", "load"]
