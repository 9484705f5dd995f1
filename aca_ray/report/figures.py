"""The look that all figures share, and how they are saved.

Source: ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aca_ray.report.colors import LIGHT_GRAY
from aca_ray.storage import StoragePath
from aca_ray.storage.files import write_whole

# Five marks against seven colors: 35 combinations before one comes again.
MARKERS = ("o", "s", "^", "D", "v")
DOTS_PER_INCH = 150


def save_figure(figure: Figure, path: StoragePath) -> StoragePath:
    """Save a figure whole or not at all, in the format of the path's suffix, and return the path."""

    def write(file: Path) -> None:
        # Without a date and with a fixed salt, equal figures are equal files.
        metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {}
        with mpl.rc_context({"svg.hashsalt": "aca_ray"}):
            figure.savefig(file, dpi=DOTS_PER_INCH, metadata=metadata, facecolor="white")

    return write_whole(path, write)


def save_png_and_svg(figure: Figure, folder: StoragePath, name: str) -> list[StoragePath]:
    """Save a figure as name.png and name.svg, and return both paths."""
    return [save_figure(figure, folder / f"{name}{suffix}") for suffix in (".png", ".svg")]


def style_axes(axes: Axes) -> None:
    """Give axes the shared look: a light horizontal grid, no box."""
    axes.grid(axis="y", color=LIGHT_GRAY, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
