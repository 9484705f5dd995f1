"""The look that all figures share, and what a plot is.

Source: ours.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aca_ray.report.colors import COLORS, LIGHT_GRAY

# Five marks against seven colors: 35 combinations before one comes again.
MARKERS = ("o", "s", "^", "D", "v")
CSS_PIXELS_PER_INCH = 96


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
