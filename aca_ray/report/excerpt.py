"""The beginning of a report as HTML, for the output of a notebook: the summary and the first picture."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from markupsafe import Markup

from aca_ray.comparison import Comparison
from aca_ray.report.figures import Plot
from aca_ray.report.panel import Panel
from aca_ray.report.panels import PANELS
from aca_ray.report.summary import summary


def excerpt(comparison: Comparison, title: str, facts: Sequence[str], panels: Sequence[Panel] = PANELS) -> str:
    """Return the summary and the first picture of a report; the HTML needs no other file.

    Args:
        comparison: comparison to report.
        title: heading.
        facts: lines below the summary.
        panels: what a report shows, in order.
    """
    sentences = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in summary(comparison))
    plot = next((plot for panel in panels for plot in panel.plots(comparison)), None)
    picture = "" if plot is None else _picture(plot)
    lines = Markup("<br>").join(facts)
    return str(Markup("<h3>{}</h3><ul>{}</ul>{}<p>{}</p>").format(title, sentences, picture, lines))


def _picture(plot: Plot) -> Markup:
    """Return the plot as an image: as elements of a page, two plots would share ids."""
    address = f"data:image/svg+xml;base64,{base64.b64encode(plot.svg).decode()}"
    return Markup(
        '<figure><img src="{}" width="{}" style="max-width:100%" alt="{}"><figcaption>{}. {}</figcaption></figure>'
    ).format(address, plot.width, plot.title, plot.title, plot.caption)
