"""Batches contain every point once, in order, within MLflow's limit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mlflow.entities import Metric

from aca_ray.records import AllocationSummary, PlanSummary, Question, SearchRecord, SearchRow
from aca_ray.space import PUBLISHED
from aca_ray.tracking.points import MARKER, MAX_POINTS, allocation_points, batches, end_time, row_points


@pytest.mark.parametrize("sizes", [[], [0], [1], [MAX_POINTS] * 2, [13] * 500, [5, 2 * MAX_POINTS + 1, 5]])
def test_batches_contain_every_point_once_in_order(sizes: list[int]) -> None:
    groups = [[Metric("loss", 0.0, index, group) for index in range(size)] for group, size in enumerate(sizes)]
    found = list(batches(groups))
    assert all(0 < len(batch) <= MAX_POINTS for batch in found)
    assert [point for batch in found for point in batch] == [point for group in groups for point in group]


def test_batches_split_no_row_that_fits() -> None:
    found = list(batches([[Metric("loss", 0.0, 0, group)] * 13 for group in range(500)]))
    assert all(len(batch) % 13 == 0 for batch in found)


def test_rows_end_with_their_marker_and_take_the_time_of_the_record(search_begun: SearchRecord) -> None:
    rows = (SearchRow(1, 100, {"loss": 2.0}), SearchRow(2, 200, {"loss": 1.0, "memory/peak_bytes": None}))
    record = replace(search_begun, rows=rows)
    (only,) = row_points(record, after=1)
    assert [(point.key, point.value, point.timestamp, point.step) for point in only] == [
        ("loss", 1.0, 200, 2),
        (MARKER, 2.0, 200, 2),
    ]
    assert (end_time(record), end_time(record, 1), end_time(record, 0)) == (200, 100, None)


def test_allocation_points_of_the_main_rule_go_edge_by_edge() -> None:
    plan = PlanSummary(0.5, ((0.25, 0.75) * 4,) * 5, parameters=1, macs=2)
    allocation = AllocationSummary(
        question=Question("a" * 64, 4, "l1", "sign", {}),
        epoch=4,
        ranking="l1",
        genotype=PUBLISHED["DARTS_V2"],
        plans={"sign": plan, "all": plan},
        agreement=None,
        decided_share=0.875,
        seconds=1.0,
    )
    values = {point.key: point.value for point in allocation_points(allocation, "sign", 7)}
    edges = {f"kept/l1/sign/stage{stage}/edge{edge}": (0.25, 0.75)[edge % 2] for stage in range(5) for edge in range(8)}
    assert values == {"refill/l1/sign": 0.5, "refill/l1/all": 0.5, "decided_share/l1": 0.875, **edges}
