"""The graph: what can start, what never can, and the longest chain."""

from __future__ import annotations

from aca_ray.sweep.graph import Graph, Job


def job(work: str, *needs: str, makes: tuple[str, ...] = (), length: float = 1.0) -> Job[str]:
    return Job(work, frozenset(needs), makes or (work,), length)


def works(jobs: list[Job[str]]) -> list[str]:
    return [one.work for one in jobs]


def test_a_job_can_start_once_all_its_needs_exist() -> None:
    graph = Graph([job("search", makes=("half", "whole")), job("rank half", "half"), job("both", "half", "whole")])
    assert works(graph.without_needs()) == ["search"]
    assert works(graph.made("half")) == ["rank half"]
    assert works(graph.made("half")) == []  # told twice
    assert works(graph.made("whole")) == ["both"]
    assert works(graph.made("unknown")) == []


def test_a_loss_reaches_everything_behind_it_once() -> None:
    graph = Graph([job("a"), job("b"), job("c", "a"), job("d", "c", "b"), job("e", "b"), job("f", "d")])
    assert works(graph.lost("a")) == ["c", "d", "f"]
    assert works(graph.lost("c")) == []
    assert works(graph.made("b")) == ["e"]  # d also needs c


def test_what_exists_is_not_lost_for_its_users() -> None:
    graph = Graph([job("search", makes=("half", "whole")), job("rank", "half"), job("retrain", "whole")])
    graph.made("half")
    assert works(graph.lost("half")) == []
    assert works(graph.lost("whole")) == ["retrain"]


def test_the_path_is_the_longest_chain() -> None:
    chain = [job("a", length=2), job("b", "a", length=3), job("c", "a", length=5), job("d", "b", length=4)]
    graph = Graph(chain)
    assert [graph.path(one) for one in chain] == [9, 7, 5, 4]
