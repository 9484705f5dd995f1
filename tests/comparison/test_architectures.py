from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from aca_ray.comparison import read_sweep
from aca_ray.errors import ConfigError
from aca_ray.space.candidates import DARTS_CANDIDATES, NASBENCH201_CANDIDATES

if TYPE_CHECKING:
    from conftest import SweepWriter

NUM_EDGES = 14
CELL = {"edges": [["skip_connect", 1, 2], ["sep_conv_3x3", 0, 2], ["max_pool_3x3", 2, 3]], "concat": [2, 3]}
GENOTYPE: dict[str, Any] = {"schema": "aca_ray.genotype", "version": 1, "normal": CELL, "reduce": copy.deepcopy(CELL)}
OFFERED = [["none", "skip_connect", "sep_conv_3x3"]] * NUM_EDGES


def _architecture(genotype: dict[str, Any], weight: float, offered: list[list[str]] | None) -> dict[str, Any]:
    mixing = [[weight] * len(names) for names in offered or OFFERED]
    named = {"candidates": {"normal": offered, "reduce": offered}} if offered else {}
    return {"genotype": genotype, "mixing": {"normal": mixing, "reduce": mixing}, **named}


def _with_edge(genotype: dict[str, Any], index: int, edge: list[Any]) -> dict[str, Any]:
    changed = copy.deepcopy(genotype)
    changed["normal"]["edges"][index] = edge
    return changed


def test_genotypes_are_texts_and_churn_counts_edges_that_are_new(sweep_folder: SweepWriter) -> None:
    moved = _with_edge(GENOTYPE, 2, ["max_pool_3x3", 0, 3])
    changed = _with_edge(moved, 0, ["sep_conv_5x5", 1, 2])
    first, second, third = changed["normal"]["edges"]
    reordered = {**changed, "normal": {**changed["normal"], "edges": [second, first, third]}}
    by_epoch = dict(enumerate([GENOTYPE, GENOTYPE, changed, reordered], start=1))
    sweep_folder.search(
        epochs=4, architecture=lambda epoch: _architecture(by_epoch[epoch], 0.25, OFFERED if epoch == 1 else None)
    )
    rows = read_sweep(sweep_folder.folder).curves
    cell = "sep_conv_3x3~0+skip_connect~1|max_pool_3x3~2"
    assert rows[0].genotype == f"{cell} / {cell}"
    assert rows[2].genotype == f"sep_conv_3x3~0+sep_conv_5x5~1|max_pool_3x3~0 / {cell}"
    assert rows[3].genotype == rows[2].genotype  # the order of the edges is no difference
    assert [row.churn for row in rows] == [None, 0, 2, 0]
    assert rows[0].generalization_gap == pytest.approx(0.1)


def test_cell_without_edges_is_left_out_of_the_text(sweep_folder: SweepWriter) -> None:
    cell = {"edges": [["nor_conv_3x3", 0, 1], ["skip_connect", 0, 2]], "concat": [3], "num_inputs": 1}
    genotype = {**GENOTYPE, "normal": cell, "reduce": {"edges": [], "concat": [], "num_inputs": 1}}
    mixing = [[0.2] * 5] * 6
    sweep_folder.search(
        epochs=1,
        space="nasbench201",
        architecture=lambda _: {
            "genotype": genotype,
            "mixing": {"normal": mixing},
            "candidates": {"normal": [list(NASBENCH201_CANDIDATES)] * 6},
        },
    )
    rows = read_sweep(sweep_folder.folder)
    assert rows.curves[0].genotype == "nor_conv_3x3~0|skip_connect~0"
    (trajectory,) = rows.trajectories
    assert (trajectory.cell_type, trajectory.edges) == ("normal", ("0->1", "0->2", "1->2", "0->3", "1->3", "2->3"))
    assert trajectory.candidates == tuple(sorted(NASBENCH201_CANDIDATES, key=_canonical_place))


def _canonical_place(name: str) -> int:
    return tuple(dict.fromkeys((*DARTS_CANDIDATES, *NASBENCH201_CANDIDATES))).index(name)


def test_trajectories_carry_candidates_forward_until_some_are_dropped(sweep_folder: SweepWriter) -> None:
    fewer = [["sep_conv_3x3", "none"], *[["none"]] * (NUM_EDGES - 1)]

    def architecture(epoch: int) -> dict[str, Any]:
        if epoch < 3:
            return _architecture(GENOTYPE, 0.1 * epoch, OFFERED if epoch == 1 else None)
        after = _architecture(GENOTYPE, 0.1 * epoch, fewer)
        after["mixing"]["normal"][0] = [0.7, 0.3]
        if epoch > 3:
            del after["candidates"]
        return after

    sweep_folder.search(epochs=4, seed=5, architecture=architecture)
    normal, reduce = read_sweep(sweep_folder.folder).trajectories
    assert (normal.method, normal.skip, normal.seed, normal.cell_type) == ("darts", "searched", 5, "normal")
    assert reduce.cell_type == "reduce"
    assert normal.candidates == ("none", "skip_connect", "sep_conv_3x3")
    assert (normal.edges[0], normal.edges[-1], normal.epochs) == ("0->2", "4->5", (1, 2, 3, 4))
    assert normal.weights.shape == (4, NUM_EDGES, 3)
    assert normal.weights.dtype == np.float32
    np.testing.assert_allclose(normal.weights[:2], np.full((2, NUM_EDGES, 3), [[[0.1]], [[0.2]]]), rtol=1e-6)
    np.testing.assert_allclose(normal.weights[2:, 0], [[0.3, np.nan, 0.7]] * 2, rtol=1e-6)  # by name, not by place
    np.testing.assert_allclose(normal.weights[3, 1], [0.4, np.nan, np.nan], rtol=1e-6)


def test_edges_may_offer_different_candidates(sweep_folder: SweepWriter) -> None:
    offered = [["skip_connect", "dil_conv_3x3"], ["noise"], *[["sep_conv_3x3"]] * (NUM_EDGES - 2)]
    sweep_folder.search(epochs=1, architecture=lambda _: _architecture(GENOTYPE, 0.5, offered))
    normal, _ = read_sweep(sweep_folder.folder).trajectories
    assert normal.candidates == ("skip_connect", "sep_conv_3x3", "dil_conv_3x3", "noise")
    np.testing.assert_array_equal(normal.weights[0, :2], [[0.5, np.nan, 0.5, np.nan], [np.nan, np.nan, np.nan, 0.5]])


def test_older_records_have_no_genotypes(sweep_folder: SweepWriter) -> None:
    sweep_folder.search(epochs=2)
    rows = read_sweep(sweep_folder.folder)
    assert [(row.genotype, row.churn) for row in rows.curves] == [(None, None)] * 2
    assert rows.trajectories == ()


def test_record_continued_by_a_newer_version_starts_late(sweep_folder: SweepWriter) -> None:
    def architecture(epoch: int) -> dict[str, Any] | None:
        return None if epoch == 1 else _architecture(GENOTYPE, 0.2, OFFERED if epoch == 2 else None)

    sweep_folder.search(epochs=3, architecture=architecture)
    rows = read_sweep(sweep_folder.folder)
    assert [row.churn for row in rows.curves] == [None, None, 0]
    assert rows.trajectories[0].epochs == (2, 3)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"genotype": {"normal": {}}}, r"rows\[0\].architecture.genotype must be a genotype"),
        ({"candidates": None}, r"architecture.candidates must be named"),
        ({"candidates": {"normal": [["none"]], "reduce": OFFERED}}, "candidates must be .*14 or 6 edges"),
        ({"mixing": {"normal": [[0.5]] * NUM_EDGES}}, "mixing must be one weight per candidate"),
        ({"mixing": {"normal": [["x"] * 3] * NUM_EDGES}}, r"mixing.normal\[0\]\[0\] must be a valid number"),
    ],
)
def test_malformed_architectures_are_named(sweep_folder: SweepWriter, values: dict[str, Any], rule: str) -> None:
    broken = {**_architecture(GENOTYPE, 0.5, OFFERED), **values}
    search = sweep_folder.search(epochs=1, architecture=lambda _: broken)
    with pytest.raises(ConfigError, match=rule) as caught:
        read_sweep(sweep_folder.folder)
    assert f"{search[:12]}/record.json" in str(caught.value)
