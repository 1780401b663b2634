"""The look of all pictures of gallery and lecture; sphinx-gallery applies it before each script."""

from typing import Any

import matplotlib as mpl
from cycler import cycler

from sigrnn._utils.plotting import BLUE, RED

PALETTE = (BLUE, "#e08a1e", "#3a9d5d", RED, "#7a5195", "#8c6d46", "#c76d9e", "#6b7785", "#a8a43a", "#2a9db0")


def apply(_conf: Any, _script: str) -> None:
    """Set colours, grid and sizes; called as a `reset_modules` function."""
    mpl.rcdefaults()
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 11.0,
            "legend.frameon": False,
        }
    )
