"""The saved views ask what a sweep can answer, in the format that MLflow's pages read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from aca_ray.records import SearchRecord
from aca_ray.tracking import limits
from aca_ray.tracking.points import row_points
from aca_ray.tracking.views import View, views

RETRAINED = {"skip": ["searched", "allocated"], "retraining": {"protocol": "small"}, "table": None}


def keys(spec: dict[str, Any]) -> set[str]:
    return {view.key for view in views(spec)}


def test_questions_are_those_of_the_sweep() -> None:
    retrained = keys(RETRAINED)
    assert keys({**RETRAINED, "skip": ["searched"]}) == retrained - {"aca-refill"}
    assert keys({**RETRAINED, "table": "a_table", "retraining": None}) == retrained - {"aca-winner"} | {"aca-table"}
    assert keys({**RETRAINED, "table": "a_table"}) == retrained | {"aca-table"}
    assert len(keys(RETRAINED)) == len(views(RETRAINED))


@pytest.mark.parametrize("view", views({**RETRAINED, "table": "a_table"}), ids=lambda view: view.key)
def test_a_view_is_saved_as_the_pages_read_it(view: View) -> None:
    text = view.text(1_790_000_000_000)
    assert len(text) <= limits.EXPERIMENT_TAG
    envelope = json.loads(text)
    assert (envelope["name"], envelope["createdAt"]) == (view.question, 1_790_000_000_000)
    state = json.loads(envelope["state"])
    assert (state["searchFilter"], state["chartsSearchFilter"]) == (view.runs, view.charts)
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": view.group}]


def test_the_charts_of_a_view_exist(search_record: Callable[..., SearchRecord]) -> None:
    (view,) = (view for view in views(RETRAINED) if view.key == "aca-searches")
    names = {point.key for row in row_points(search_record(), 0) for point in row}
    assert {name for name in names if re.search(view.charts, name)} == {
        f"search_{split}/{name}" for split in ("train", "valid") for name in ("loss", "accuracy")
    }
