"""Saved views of a sweep in MLflow: charts that answer one question each, under "Views" on the experiment's page.

A saved view is a tag of the experiment, in the private format of MLflow's pages (3.17). A page that no longer reads it
shows an error and its default charts. Only the filters and the grouping are saved. The page makes the charts itself, so
a view has charts for exactly the metrics that its runs have, and no empty section.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

_TAG = "mlflow.sharedViewState."


@dataclass(frozen=True)
class View:
    """A question about a sweep, and the charts that answer it.

    Attributes:
        key: name in addresses and in the tag; never changed, since people keep links.
        question: title.
        runs: filter of runs, in MLflow's syntax.
        charts: regular expression for the names of metrics.
        group: tag by which runs are grouped. ``aca.group`` gives means over the seeds, with their range. The run's name
            gives one curve per run: without groups, the page would show the parent run and hide its children.
    """

    key: str
    question: str
    runs: str
    charts: str
    group: str = "aca.group"

    @property
    def tag(self) -> str:
        """Name of the tag that holds the view."""
        return f"{_TAG}{self.key}"

    def page(self, experiment_id: str) -> str:
        """Return the address of the view in MLflow, without the server."""
        return f"#/experiments/{experiment_id}/runs?viewStateShareKey={self.key}&compareRunsMode=CHART"

    def text(self, time_ms: int) -> str:
        """Return the value of the tag, for a view saved at a time in ms since 1970."""
        group = {"mode": "tag", "groupByData": self.group}
        state = {
            "searchFilter": self.runs,
            "chartsSearchFilter": self.charts,
            "groupBy": {"aggregateFunction": "average", "groupByKeys": [group]},
            "runsHiddenMode": "SHOW_ALL",  # the page shows ten by default
        }
        saved = {"name": self.question, "createdAt": time_ms, "updatedAt": time_ms, "state": json.dumps(state)}
        return json.dumps(saved)


def views(spec: Mapping[str, Any]) -> list[View]:
    """Return the views of a sweep.

    Args:
        spec: experiment of the sweep, as JSON.
    """
    searches, retrainings, look_ups = (f"tags.`aca.kind` = '{kind}'" for kind in ("search", "retraining", "look-up"))
    found = [
        View("aca-collapse", "Does it collapse?", searches, "^arch/|^search_valid/accuracy"),
        View("aca-searches", "Does every seed train?", searches, "^search_(train|valid)/", MLFLOW_RUN_NAME),
    ]
    if "allocated" in spec.get("skip", ()):
        found.append(View("aca-refill", "What is refilled?", searches, "^(refill|decided_share|agreement)/"))
    if spec.get("table") is not None:
        found.append(View("aca-table", "How good is every epoch?", look_ups, "^table/|^result/test_acc"))
    if spec.get("retraining") is not None or spec.get("table") is None:
        found.append(View("aca-winner", "Which network wins?", retrainings, "^test/accuracy|^result/(test_acc|param)"))
    sweep, trials = (f"tags.`aca.kind` {relation} 'sweep'" for relation in ("=", "!="))
    differences = " - [^/]+/(mean|low|high|p_holm)$"
    return [
        *found,
        View("aca-differences", "By how much?", sweep, differences, MLFLOW_RUN_NAME),
        View("aca-machine", "Is the machine busy?", trials, "^(system|time|memory)/", MLFLOW_RUN_NAME),
    ]
