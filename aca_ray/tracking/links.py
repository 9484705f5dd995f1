"""Links from a sweep's experiment page in MLflow to its report and to charts across seeds and budgets."""

from __future__ import annotations

from urllib.parse import quote

from aca_ray.tracking import limits

_CHARTS = {
    "curves of the searches, seed by seed": "tags.`aca.kind` = 'search'",
    "curves of the retrainings": "tags.`aca.kind` = 'retraining'",
}


def with_links(description: str, experiment_id: str, run_id: str) -> str:
    """Return the description of a sweep's experiment as Markdown: links to report and charts, then the author's text.

    The links come first because the page collapses the description to its first lines.

    Args:
        description: description by the sweep's author.
        experiment_id: experiment of the sweep.
        run_id: parent run of the sweep, which has the report.
    """
    pages = {"report": f"runs/{run_id}/artifacts/comparison/report.html"}
    pages |= {name: f"runs?searchFilter={quote(query)}&compareRunsMode=CHART" for name, query in _CHARTS.items()}
    links = " | ".join(f"[{name}](#/experiments/{experiment_id}/{page})" for name, page in pages.items())
    return limits.shortened("\n\n".join(filter(None, (links, description.strip()))), limits.EXPERIMENT_TAG)
