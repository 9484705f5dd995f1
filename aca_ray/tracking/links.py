"""Links into MLflow's pages: what somebody who compares seeds and budgets looks at, a click away."""

from __future__ import annotations

from urllib.parse import quote

from aca_ray.tracking import limits

_CHARTS = {
    "curves of the searches, seed by seed": "tags.`aca.kind` = 'search'",
    "curves of the retrainings": "tags.`aca.kind` = 'evaluation'",
}


def with_links(description: str, experiment_id: str, run_id: str) -> str:
    """Return the description of a sweep's experiment, as Markdown: links to its report and charts, then the author's.

    The page shows the first lines only until it is asked for more.

    Args:
        description: by the sweep's author.
        experiment_id: of the sweep.
        run_id: of the sweep's own run, which has the report.
    """
    pages = {"report": f"runs/{run_id}/artifacts/comparison/report.html"}
    pages |= {name: f"runs?searchFilter={quote(query)}&compareRunsMode=CHART" for name, query in _CHARTS.items()}
    links = " | ".join(f"[{name}](#/experiments/{experiment_id}/{page})" for name, page in pages.items())
    return limits.shortened("\n\n".join(filter(None, (links, description.strip()))), limits.EXPERIMENT_TAG)
