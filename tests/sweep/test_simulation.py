"""When the last job of a graph ends."""

from __future__ import annotations

import pytest

from aca_ray.sweep.graph import Graph, Job
from aca_ray.sweep.simulation import simulated_end

SECONDS = {"short": 1.0, "long": 5.0, "after short": 4.0, "after long": 1.0, "in between": 9.0, "last": 2.0}


def jobs() -> list[Job[str]]:
    """Two chains; the second passes through a job that takes no slot."""
    return [
        Job("short", frozenset(), ("a",), 1.0),
        Job("long", frozenset(), ("b",), 5.0),
        Job("after short", frozenset("a"), ("c",), 4.0),
        Job("after long", frozenset("b"), ("d",), 1.0),
        Job("in between", frozenset("d"), ("e",), 0.0),
        Job("last", frozenset("e"), ("f",), 2.0),
    ]


@pytest.mark.parametrize(
    ("slots", "end"),
    [
        (1, 13.0),  # one after the other: the sum
        (2, 8.0),  # the longest chain, 5 + 1 + 2, beside the other, 1 + 4
        (9, 8.0),
    ],
)
def test_whatever_is_ready_runs_and_the_longest_chain_first(slots: int, end: float) -> None:
    assert simulated_end(Graph(jobs()), slots, SECONDS.__getitem__, lambda work: work != "in between") == end


def test_a_job_without_a_slot_takes_no_time() -> None:
    assert simulated_end(Graph(jobs()), 2, SECONDS.__getitem__, lambda work: True) == 17.0  # 5 + 1 + 9 + 2
    assert simulated_end(Graph[str]([]), 2, SECONDS.__getitem__, lambda work: True) == 0.0
