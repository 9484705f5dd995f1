"""Links from a sweep's pages in MLflow to its report and to its saved views."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.tracking.views import View


def with_links(description: str, experiment_id: str, run_id: str, views: Sequence[View]) -> str:
    """Return the description of a sweep as Markdown: links to report and charts, then the author's text.

    The links come first because the page collapses the description to its first lines.

    Args:
        description: description by the sweep's author.
        experiment_id: experiment of the sweep.
        run_id: parent run of the sweep, which has the report.
        views: saved views of the experiment.
    """
    report = f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/comparison/report.html"
    pages = {"report": report, **{view.question: view.page(experiment_id) for view in views}}
    links = " | ".join(f"[{name}]({page})" for name, page in pages.items())
    return "\n\n".join(filter(None, (links, description.strip())))
