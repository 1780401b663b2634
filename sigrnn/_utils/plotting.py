"""Style of all plots: colours, and axes with labels, a grid and a legend. Matplotlib is imported when one is drawn."""

from __future__ import annotations

from typing import Any

GREY, BLUE, RED = "#9aa5b1", "#1261a6", "#d1495b"  # as recorded, as computed, what to look at


def figure(width: float, height: float) -> Any:
    """Return a new figure of pyplot, in inches."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(width, height), layout="constrained")


def label(ax: Any, title: str, x: str, y: str, **legend: Any) -> None:
    """Finish axes: title, labels, grid, and a legend if a curve has a name."""
    ax.set(xlabel=x, ylabel=y)
    if title:
        ax.set_title(title, fontsize="medium")
    ax.grid(alpha=0.3)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(**{"frameon": False, "fontsize": "small"} | legend)
