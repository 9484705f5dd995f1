"""Saved views of a sweep in MLflow: charts that answer one question each, under "Views" on the experiment's page.

A saved view is a tag of the experiment, in the private format of MLflow's pages (3.17). A page that no longer reads it
shows an error and its default charts. Only the filters and the grouping are saved. The page makes the charts itself, so
a view has charts for exactly the metrics that its runs have, and no empty section.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TAG = "mlflow.sharedViewState."


@dataclass(frozen=True)
class View:
    """A question about a sweep, and the charts that answer it.

    Attributes:
        key: name in addresses and in the tag; never changed, since people keep links.
        question: title.
        runs: filter of runs, in MLflow's syntax.
        charts: regular expression for the names of metrics.
        grouped: whether curves are means over the seeds, with their range; else there is one curve per run.
    """

    key: str
    question: str
    runs: str
    charts: str
    grouped: bool = True

    @property
    def tag(self) -> str:
        """Name of the tag that holds the view."""
        return f"{_TAG}{self.key}"

    def page(self, experiment_id: str) -> str:
        """Return the address of the view in MLflow, without the server."""
        return f"#/experiments/{experiment_id}/runs?viewStateShareKey={self.key}&compareRunsMode=CHART"

    def text(self, time_ms: int) -> str:
        """Return the value of the tag, for a view saved at a time in ms since 1970."""
        state: dict[str, Any] = {"searchFilter": self.runs, "chartsSearchFilter": self.charts}
        if self.grouped:
            keys = [{"mode": "tag", "groupByData": "aca.group"}]
            state["groupBy"] = {"aggregateFunction": "average", "groupByKeys": keys}
            state["runsHiddenMode"] = "SHOW_ALL"  # the page shows ten by default
        packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
        return json.dumps(
            {"name": self.question, "createdAt": time_ms, "updatedAt": time_ms, "state": f"deflate;{packed}"}
        )


def views(spec: Mapping[str, Any]) -> list[View]:
    """Return the views of a sweep.

    Args:
        spec: experiment of the sweep, as JSON.
    """
    searches, retrainings, look_ups = (f"tags.`aca.kind` = '{kind}'" for kind in ("search", "retraining", "look-up"))
    found = [
        View("aca-collapse", "Does the search collapse?", searches, "^arch/|^search_valid/accuracy"),
        View("aca-searches", "How does every search train?", searches, "^search_(train|valid)/", grouped=False),
    ]
    if "allocated" in spec.get("skip", ()):
        found.append(View("aca-refill", "What is refilled?", searches, "^(refill|decided_share|agreement)/"))
    if spec.get("table") is not None:
        found.append(View("aca-table", "How good is the cell of every epoch?", look_ups, "^table/|^result/test_acc"))
    if spec.get("retraining") is not None or spec.get("table") is None:
        found.append(View("aca-winner", "Which network wins?", retrainings, "^test/accuracy|^result/(test_acc|param)"))
    sweep, trials = (f"tags.`aca.kind` {relation} 'sweep'" for relation in ("=", "!="))
    differences = " - [^/]+/(mean|low|high|p_holm)$"
    return [
        *found,
        View("aca-differences", "Is the difference significant?", sweep, differences, grouped=False),
        View("aca-machine", "Is the machine busy?", trials, "^(system|time|memory)/", grouped=False),
    ]
