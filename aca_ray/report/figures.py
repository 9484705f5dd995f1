"""The look that all figures share, and how they are saved.

Source: ours; colors are those of Okabe & Ito 2008 ("Color Universal Design"), told apart with any color vision.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aca_ray.storage import StoragePath
from aca_ray.storage.files import write_whole

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
# Yellow is left out: as a line on white it can't be seen.
COLORS = (BLUE, VERMILION, GREEN, ORANGE, "#CC79A7", "#56B4E9", "#000000")
# Five marks against seven colors: 35 combinations before one comes again.
MARKERS = ("o", "s", "^", "D", "v")
GRAY = "#666666"
LIGHT_GRAY = "#dddddd"
DOTS_PER_INCH = 150
CSS_PIXELS_PER_INCH = 96


def save_figure(figure: Figure, path: StoragePath) -> StoragePath:
    """Save a figure whole or not at all, in the format of the path's suffix, and return the path."""

    def write(file: Path) -> None:
        # Without a date and with a fixed salt, equal figures are equal files.
        metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {}
        with mpl.rc_context({"svg.hashsalt": "aca_ray"}):
            figure.savefig(file, dpi=DOTS_PER_INCH, metadata=metadata, facecolor="white")

    return write_whole(path, write)


@dataclass(frozen=True)
class Look:
    """How a method is drawn everywhere."""

    color: str
    marker: str


@dataclass(frozen=True)
class Plot:
    """A plot, ready to be written and shown.

    Attributes:
        name: of its file, without the suffix.
        title: what it shows.
        caption: how to read it, in a sentence or two.
        svg: the file; its text is text.
        width: in CSS pixels.
    """

    name: str
    title: str
    caption: str
    svg: bytes
    width: int


def plot_of(figure: Figure, name: str, title: str, caption: str) -> Plot:
    """Return a figure as a plot."""
    stream = io.BytesIO()
    # Without a date and with a fixed salt, equal figures are equal files.
    with mpl.rc_context({"svg.hashsalt": "aca_ray", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None}, facecolor="white")
    return Plot(name, title, caption, stream.getvalue(), round(CSS_PIXELS_PER_INCH * figure.get_figwidth()))


def looks_of(methods: Iterable[str]) -> dict[str, Look]:
    """Return one color and one marker per method."""
    return {
        method: Look(COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)])
        for index, method in enumerate(sorted(set(methods)))
    }


def style_axes(axes: Axes) -> None:
    """Give axes the shared look: a light horizontal grid, no box."""
    axes.grid(axis="y", color=LIGHT_GRAY, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
