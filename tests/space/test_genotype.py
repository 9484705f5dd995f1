"""Genotypes round-trip JSON, and malformed ones are refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from aca_ray.errors import ConfigError
from aca_ray.space import PUBLISHED, CellGenotype, Genotype, KeptEdge
from aca_ray.space.genotype import MOST_NODES, RESIDUAL_BLOCK
from aca_ray.space.published import parse_cell


def cell(*edges: tuple[str, int, int], concat: tuple[int, ...] = (2,)) -> CellGenotype:
    return CellGenotype(tuple(KeptEdge(*edge) for edge in edges), concat)


@pytest.mark.parametrize("name", PUBLISHED)
def test_json_round_trip(name: str) -> None:
    genotype = PUBLISHED[name]
    again = Genotype.from_json(json.loads(json.dumps(genotype.to_json())))
    assert again == genotype
    assert hash(again) == hash(genotype)


def test_json_form() -> None:
    genotype = Genotype(cell(("noise", 0, 2)), cell(("skip_connect", 1, 2), ("sep_conv_3x3", 0, 3), concat=(3,)))
    assert genotype.to_json() == {
        "schema": "aca_ray.genotype",
        "version": 1,
        "normal": {"edges": [["noise", 0, 2]], "concat": [2]},
        "reduce": {"edges": [["skip_connect", 1, 2], ["sep_conv_3x3", 0, 3]], "concat": [3]},
    }


def test_counts_of_published_cells() -> None:
    darts = PUBLISHED["DARTS_V1"]  # counted by eye
    assert (darts.num_skips, darts.num_parametric) == (6, 5)
    assert darts.cell("normal") is darts.normal
    assert darts.cell("reduce") is darts.reduce
    fair = PUBLISHED["FAIR_DARTS_A"]
    assert (fair.num_skips, fair.num_parametric) == (2, 5)
    assert fair.normal.nodes == fair.normal.concat == (2, 4, 5)
    for name, genotype in PUBLISHED.items():
        if name != "FAIR_DARTS_A":
            targets = [[edge.target for edge in part.edges] for part in (genotype.normal, genotype.reduce)]
            assert targets == [[2, 2, 3, 3, 4, 4, 5, 5]] * 2


def test_short_text() -> None:
    assert parse_cell("s3-1 mp-0 | | d5-2").edges == (
        ("sep_conv_3x3", 1, 2),
        ("max_pool_3x3", 0, 2),
        ("dil_conv_5x5", 2, 4),
    )


@pytest.mark.parametrize(
    ("edges", "concat", "message"),
    [
        ((("sep_conv_9", 0, 2),), (2,), "unknown operation 'sep_conv_9'. Did you mean"),
        ((("none", 0, 2),), (2,), "unknown operation 'none'"),
        ((("noise", 3, 4),), (4,), r"edge \('noise', 3, 4\) reads node 3"),
        ((("noise", -1, 2),), (2,), "reads node -1"),
        ((("noise", 0, 2), ("noise", 2, 2)), (2,), r"\('noise', 2, 2\)"),
        ((("noise", 0, 3), ("noise", 3, 2)), (3,), r"\('noise', 3, 2\)"),
        ((("noise", 0, 2),), (), r"concat \(\) must"),
        ((), (), r"concat \(\) must"),
        ((("noise", 0, 2),), (2, 3), r"concat \(2, 3\) .*\[3\]"),
        ((("noise", 0, 2),), (1, 2), r"concat \(1, 2\) .*\[1\]"),
    ],
)
def test_malformed_cells_are_refused(
    edges: tuple[tuple[str, int, int], ...], concat: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cell(*edges, concat=concat)


@pytest.mark.parametrize(
    "edges",
    [
        (("noise", 0, 2), ("noise", 2, 3), ("noise", 1, 2)),  # node 3 would read half of node 2
        (("noise", 0, 3), ("noise", 0, 2)),
        (("noise", 0, 1), ("noise", 0, 2)),  # would write into an input
    ],
)
def test_edges_must_be_listed_node_by_node(edges: tuple[tuple[str, int, int], ...]) -> None:
    with pytest.raises(ConfigError, match="list edges node by node"):
        cell(*edges)


def test_a_node_is_concatenated_once() -> None:
    with pytest.raises(ConfigError, match=r"concat \(2, 2\) .*\[2, 2\]"):
        cell(("noise", 0, 2), concat=(2, 2))


def one_input(*edges: tuple[str, int, int], concat: tuple[int, ...] = (3,)) -> CellGenotype:
    return CellGenotype(tuple(KeptEdge(*edge) for edge in edges), concat, num_inputs=1)


def test_a_cell_of_one_input_has_all_its_nodes() -> None:
    # Nothing enters node 1, and node 3 reads it.
    part = one_input(("noise", 0, 2), ("skip_connect", 1, 3))
    assert part.nodes == (1, 2, 3)
    assert one_input().nodes == (1, 2, 3)
    assert RESIDUAL_BLOCK.nodes == ()
    value = Genotype(part, RESIDUAL_BLOCK).to_json()
    assert value["normal"] == {"edges": [["noise", 0, 2], ["skip_connect", 1, 3]], "concat": [3], "num_inputs": 1}
    assert value["reduce"] == {"edges": [], "concat": [], "num_inputs": 1}


@pytest.mark.parametrize(
    ("edges", "concat", "message"),
    [
        ((("none", 0, 1),), (3,), "unknown operation 'none'"),
        ((("noise", 1, 1),), (3,), r"edge \('noise', 1, 1\) "),
        ((("noise", -1, 1),), (3,), r"edge \('noise', -1, 1\) "),
        ((("noise", 0, 4),), (3,), r"edge \('noise', 0, 4\) .*\(0, 1, 2, 3\)"),
        ((("noise", 0, 1),), (), r"edge \('noise', 0, 1\) .*\(0,\)"),
        ((("noise", 0, 2), ("noise", 0, 1)), (3,), r"node by node, .*\[2, 1\]"),
        ((("noise", 0, 1),), (2, 3), r"one output.*found \(2, 3\)"),
        ((), (0,), r"one output.*found \(0,\)"),
    ],
)
def test_malformed_cells_of_one_input_are_refused(
    edges: tuple[tuple[str, int, int], ...], concat: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^genotype: .*{message}"):
        one_input(*edges, concat=concat)


def test_cells_have_one_input_or_two() -> None:
    with pytest.raises(ConfigError, match="num_inputs must be 1 or 2, found 3"):
        CellGenotype((KeptEdge("noise", 0, 3),), (3,), num_inputs=3)


@pytest.mark.parametrize(
    ("normal", "reduce"),
    [
        (one_input(), one_input()),
        (one_input(), cell(("noise", 0, 2))),
        (cell(("noise", 0, 2)), RESIDUAL_BLOCK),
        (RESIDUAL_BLOCK, RESIDUAL_BLOCK),
    ],
)
def test_both_cells_are_of_one_skeleton(normal: CellGenotype, reduce: CellGenotype) -> None:
    with pytest.raises(ConfigError, match=r"^genotype: .*found normal .* and reduce "):
        Genotype(normal, reduce)


def remove(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(value: dict[str, Any]) -> None:
        for key in path[:-1]:
            value = value[key]
        del value[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(schema="aca_ray.channel_plan"), "found 'aca_ray.channel_plan' version 1"),
        (lambda v: v.update(version=2), "found 'aca_ray.genotype' version 2"),
        (remove("schema"), "found None version 1"),
        (remove("version"), "version None"),
        (remove("normal"), "malformed JSON"),
        (remove("reduce", "concat"), "malformed JSON"),
        (remove("normal", "edges"), "malformed JSON"),
        (lambda v: v.update(normal=None), "malformed JSON"),
        (lambda v: v["normal"]["edges"].append(["noise", 0]), "malformed JSON"),
        (lambda v: v["normal"]["edges"].append(["noise", "zero", 2]), "malformed JSON"),
        (lambda v: v["normal"].update(edges=3), "malformed JSON"),
        (lambda v: v["normal"]["edges"].append(["sep", 0, 5]), "unknown operation 'sep'"),
    ],
)
def test_malformed_json_is_refused(change: Callable[[dict[str, Any]], None], message: str) -> None:
    value = copy.deepcopy(PUBLISHED["DARTS_V1"].to_json())
    change(value)
    with pytest.raises(ConfigError, match=f"^genotype: .*{message}"):
        Genotype.from_json(value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda cell: cell.update(concat=[10**9]), "nodes .* 31, found 1000000000"),
        (lambda cell: cell.update(num_inputs=1, edges=[], concat=[2 * 10**9]), "nodes .* found 2000000000"),
        (lambda cell: cell["edges"].append(["noise", 0, 10**30]), "nodes .* found 1000000"),
        (lambda cell: cell.update(edges=[["noise", 0, 2]] * 3000), r"normal\.edges .* 496 "),
        (lambda cell: cell.update(concat=[2] * 10**6), r"normal\.concat .* 32 "),
        (lambda cell: cell.update(concat=[True]), r"normal\.concat"),
        (lambda cell: cell.update(concat=["2"]), r"normal\.concat"),
        (lambda cell: cell.update(num_inputs=2.0), r"normal\.num_inputs"),
        (lambda cell: cell["edges"].append(["noise", 0, 2.5]), r"normal\.edges\[8\]"),
        (lambda cell: cell["edges"].append("abc"), r"normal\.edges\[8\]"),
        (lambda cell: cell["edges"].append([["noise"], 0, 5]), r"normal\.edges\[8\]"),
        (lambda cell: cell["edges"].append(["x" * 10**6, 0, 5]), "unknown operation"),
    ],
)
def test_absurd_values_are_refused_with_a_short_message(change: Callable[[dict[str, Any]], None], place: str) -> None:
    value = copy.deepcopy(PUBLISHED["DARTS_V1"].to_json())
    change(value["normal"])
    with pytest.raises(ConfigError, match=f"^genotype: .*{place}") as caught:
        Genotype.from_json(value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("value", [None, [], "DARTS_V1", 7])
def test_values_other_than_objects_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^genotype: .*must be an object"):
        Genotype.from_json(value)


def test_the_largest_cell_is_read_back() -> None:
    edges = tuple(KeptEdge("noise", source, target) for target in range(2, MOST_NODES) for source in range(target))
    whole = CellGenotype(edges, tuple(range(2, MOST_NODES)))
    genotype = Genotype(whole, whole)
    assert Genotype.from_json(genotype.to_json()) == genotype
