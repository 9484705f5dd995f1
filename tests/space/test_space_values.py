"""Spaces by value: canonical texts, candidates per edge, and every mistake with its place."""

from __future__ import annotations

from typing import Any

import pytest

from aca_ray.errors import ConfigError
from aca_ray.space import CELL_TYPES, SPACES, find_space, in_nasbench201, read_space, without_skip
from aca_ray.space.candidates import ALL_CANDIDATES
from aca_ray.space.labels import space_label
from aca_ray.space.topology import edge_names
from aca_ray.space.trials import SearchTrial

DARTS = {"base": "darts"}
MOST_INTO_5 = ["0->5", "1->5", "2->5"]
RAGGED = {
    "base": "s2",
    "normal": {"0->2": ["none", "dil_conv_3x3"]},
    "reduce": {"operations": ["max_pool_3x3", "skip_connect"], "4->5": "noise"},
}


def deleting(*edges: str) -> dict[str, list[str]]:
    return {edge: [] for edge in edges}


def text_of(value: Any) -> str:
    text, problems = read_space(value, "p")
    assert problems == []
    return text


def problems_of(value: Any) -> list[str]:
    text, problems = read_space(value, "p")
    assert text == ""
    return problems


def test_registered_spaces_are_in_canonical_order() -> None:
    for space in SPACES.values():
        for names in (*space.normal, *space.reduce):
            assert list(names) == sorted(names, key=ALL_CANDIDATES.index)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("s1", "s1"),
        ({**DARTS, "operations": ["sep_conv_5x5", "skip_connect"]}, "darts(skip_connect,sep_conv_5x5)"),
        ({"base": "s1", "operations": "noise"}, "darts(noise)"),
        ({**DARTS, "normal": ["noise"], "reduce": ["none", "noise"]}, "darts(normal=noise;reduce=noise,none)"),
        (
            {**DARTS, "operations": ["noise"], "reduce": {"1->3": ["skip_connect"]}},
            "darts(noise;reduce 1->3=skip_connect)",
        ),
        (
            {"base": "nasbench201", "operations": ["avg_pool_3x3", "nor_conv_3x3"]},
            "nasbench201(nor_conv_3x3,avg_pool_3x3)",
        ),
        ({"base": "nasbench201", "operations": ["plain_avg_pool_3x3"]}, "nasbench201(avg_pool_3x3)"),
        # Deleted edges.
        ({**DARTS, "operations": ["noise"], "normal": {"0->3": []}}, "darts(noise;normal 0->3=none)"),
        ({**DARTS, "operations": ["noise"], "normal": {"0->3": ["none"]}}, "darts(noise;normal 0->3=none)"),
        ("darts(noise;normal 0->3=)", "darts(noise;normal 0->3=none)"),
        (
            {"base": "s2", "reduce": {"operations": ["noise"], "4->5": [], "0->5": []}},
            "darts(normal=skip_connect,sep_conv_3x3;reduce=noise;reduce 0->5=none;reduce 4->5=none)",
        ),
        (
            {"base": "nasbench201", "operations": "skip_connect", "normal": {"0->1": [], "1->2": [], "1->3": []}},
            "nasbench201(skip_connect;normal 0->1=none;normal 1->2=none;normal 1->3=none)",
        ),
        (
            {**DARTS, "operations": "noise", "normal": deleting("0->3", "0->4", "1->4", *MOST_INTO_5)},
            "darts(noise;normal 0->3=none;normal 0->4=none;normal 1->4=none;normal 0->5=none;normal 1->5=none;"
            "normal 2->5=none)",
        ),
        # What equals a registered space is that space.
        ({**DARTS, "operations": ["sep_conv_3x3", "skip_connect"]}, "s2"),
        ({**DARTS, "normal": ["noise", "sep_conv_3x3"], "reduce": ["sep_conv_3x3", "noise"]}, "s4"),
        ({"base": "s1", "normal": {"0->2": ["dil_conv_3x3", "skip_connect"]}}, "s1"),
        ("darts(sep_conv_3x3, skip_connect)", "s2"),
    ],
)
def test_canonical_texts(value: Any, text: str) -> None:
    assert text_of(value) == text
    assert text_of(text) == text
    assert find_space(text).name == text


@pytest.mark.parametrize("name", SPACES)
def test_a_space_written_out_edge_by_edge_is_that_space(name: str) -> None:
    space = SPACES[name]
    edges = edge_names(space.topology)
    cells = {kind: dict(zip(edges, map(list, space.candidates(kind)), strict=True)) for kind in space.cell_types}
    base = "nasbench201" if name == "nasbench201" else "darts"
    assert text_of({"base": base, **cells}) == name


def test_candidates_of_edges_cells_and_the_base() -> None:
    space = find_space(text_of(RAGGED))
    edges = edge_names(space.topology)
    normal, reduce = (dict(zip(edges, space.candidates(kind), strict=True)) for kind in CELL_TYPES)
    assert normal.pop("0->2") == ("none", "dil_conv_3x3")
    assert set(normal.values()) == {("skip_connect", "sep_conv_3x3")}
    assert reduce.pop("4->5") == ("noise",)
    assert set(reduce.values()) == {("max_pool_3x3", "skip_connect")}


def test_spellings_of_one_space_are_one_trial() -> None:
    spelled = {**DARTS, "normal": {"operations": ["skip_connect", "sep_conv_3x3"], "0->2": ["dil_conv_3x3", "none"]}}
    spelled["reduce"] = {"operations": ["skip_connect", "max_pool_3x3"], "4->5": ["noise"]}
    texts = {text_of(RAGGED), text_of(spelled), text_of(text_of(RAGGED))}
    rest = {"epochs": 1, "data": {"name": "digits"}, "network": {"channels": 4, "cells": 3}, "batch_size": None}
    trials = [SearchTrial(method="darts", skip="searched", seed=0, space=text, **rest) for text in texts]
    assert len({trial.fingerprint for trial in trials}) == len({space_label(text) for text in texts}) == 1


def test_labels_are_short_and_distinct() -> None:
    short, long = text_of({**DARTS, "operations": ["noise", "skip_connect"]}), text_of(RAGGED)
    other = text_of({**RAGGED, "base": "s3"})
    assert space_label("s2") == "s2"
    assert space_label(short) == short
    assert len({space_label(long), space_label(other)}) == 2
    assert all(space_label(text).startswith("darts(") and len(space_label(text)) < 20 for text in (long, other))


def test_all_problems_at_once_with_their_places() -> None:
    value = {
        "base": "dart",
        "operations": ["none"],
        "normal": {"0->9": ["noise"], "operations": [], "0->2": ["sep_conv_3", "noise", "noise", 1]},
        "redduce": ["noise"],
        "name": "mine",
    }
    places = [problem.partition(": ")[0] for problem in problems_of(value)]
    assert sorted(places) == sorted(
        [
            *("p.base", "p.operations", "p.normal.0->9", "p.normal.operations", "p.normal.0->2[0]", "p.normal.0->2[2]"),
            *("p.normal.0->2[3]", "p.redduce", "p.name"),
        ]
    )
    text = "\n".join(problems_of(value))
    assert all(hint in text for hint in ("mean darts?", "mean sep_conv_3x3?", "mean reduce?", "0->2, 1->2, 0->3"))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (5, "p"),
        ({}, "p.base"),
        ({"operations": ["noise"]}, "p.base"),
        (DARTS, "p"),
        ({**DARTS, "normal": {}}, "p.normal"),
        ({**DARTS, "normal": None}, "p.normal"),
        ({**DARTS, "operations": {"0->2": ["noise"]}}, "p.operations"),
        ({"base": "nasbench201", "reduce": ["noise"]}, "p.reduce"),
        ({"base": "nasbench201", "normal": {"0->4": ["noise"]}}, "p.normal.0->4"),
        ({"base": "nasbench201", "operations": ["avg_pool_3x3", "plain_avg_pool_3x3"]}, "p.operations[1]"),
        ("dart", "p"),
        ("darts()", "p.operations"),
        ("darts(skip_connect;skip_connect)", "p"),
        ("darts(normal=skip)", "p.normal.operations[0]"),
        ("darts(1f2e3d4c)", "p.operations[0]"),
    ],
)
def test_mistakes(value: Any, place: str) -> None:
    (problem,) = problems_of(value)
    assert problem.startswith(f"{place}: ")
    if isinstance(value, str):
        with pytest.raises(ConfigError):
            find_space(value)


def test_all_problems_of_deleted_edges_at_once() -> None:
    """A derived cell of two inputs keeps two edges into every node."""
    value = {
        **DARTS,
        "normal": {"1->2": [], "0->3": [], "1->3": [], "2->3": [], "0->4": [], "operations": []},
        "reduce": deleting(*MOST_INTO_5, "3->5"),
    }
    problems = problems_of(value)
    assert [problem.partition(": ")[0] for problem in problems] == [
        "p.normal.operations",
        "p.normal",
        "p.normal",
        "p.reduce",
    ]
    assert "node 2" in problems[1]
    assert "found 0->2." in problems[1]
    assert "node 3" in problems[2]
    assert "found none." in problems[2]
    assert "found 4->5." in problems[3]


@pytest.mark.parametrize(
    ("deleted", "problems"),
    [
        (["0->1"], {f"p.normal.{edge}": "from node 0 to node 1. " for edge in ("1->2", "1->3")}),
        (["1->2", "1->3"], {"p.normal.0->1": "from node 1 to node 3. "}),
        (["0->1", "0->2"], {f"p.normal.{edge}": "from node 0 to node" for edge in ("1->2", "1->3", "2->3")}),
        (["1->3", "2->3"], {f"p.normal.{edge}": "to node 3. " for edge in ("0->1", "0->2", "1->2")}),
        (["0->3", "1->3", "2->3"], {"p.normal": "node 3"}),
        (["0->1", "0->2", "0->3"], {"p.normal": "node 3"}),
    ],
)
def test_edges_of_cells_of_one_input_are_on_a_path(deleted: list[str], problems: dict[str, str]) -> None:
    found = problems_of({"base": "nasbench201", "normal": deleting(*deleted)})
    assert [problem.partition(": ")[0] for problem in found] == sorted(problems)
    for problem in found:
        assert problems[problem.partition(": ")[0]] in problem


def test_deleted_edges_stay_deleted_without_skips() -> None:
    space = find_space("darts(skip_connect,sep_conv_3x3;normal 0->3=none;reduce 4->5=skip_connect)")
    for own in (space, without_skip(space)):
        assert own.present("normal") == (0, 1, *range(3, 14))
        assert own.present("reduce") == tuple(range(14))


@pytest.mark.parametrize(
    ("space", "covered"),
    [
        ("nasbench201", True),
        ("nasbench201(skip_connect,avg_pool_3x3)", True),
        ("nasbench201(skip_connect,avg_pool_3x3;normal 0->3=none)", True),
        ("nasbench201(skip_connect,sep_conv_3x3)", False),
        ("darts", False),
        ("darts(nor_conv_3x3)", False),
        ("unknown", False),
    ],
)
def test_cells_of_the_benchmark(space: str, covered: bool) -> None:
    assert in_nasbench201(space) is covered
