from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from aca_ray.comparison import EdgeRow, MixingTrajectory, Pair, SweepRows, compare, read_sweep
from aca_ray.report.figures import Plot
from aca_ray.report.panels import PANELS

if TYPE_CHECKING:
    from conftest import SweepWriter

MAIN = Pair("taylor_identity", "sign")


def _plots(rows: SweepRows) -> dict[str, Plot]:
    comparison = compare(rows, [MAIN])
    return {plot.name: plot for panel in PANELS for plot in panel.plots(comparison)}


def _texts(plot: Plot) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(plot.svg).iterfind(".//{*}text")]


def _edge(**values: object) -> EdgeRow:
    common = {"sweep": "toy", "space": "darts", "data": "digits", "setting": "{}", "epochs": 4, "epoch": 2}
    common |= {"ranking": "taylor_identity", "allocation": "sign", "operation": "sep_conv_3x3", "search": "s"}
    return EdgeRow(**{**common, "method": "darts", "source": 0, **values})  # type: ignore[arg-type]


def _trajectory(
    cell_type: str = "normal", seed: int = 0, num_epochs: int = 3, method: str = "darts"
) -> MixingTrajectory:
    weights = np.full((num_epochs, 2, 2), 0.5, np.float32)
    weights[1:, 0, 1] = np.nan
    return MixingTrajectory(
        sweep="toy",
        method=method,
        skip="searched",
        space="darts",
        data="digits",
        seed=seed,
        cell_type=cell_type,
        candidates=("skip_connect", "sep_conv_3x3"),
        edges=("0->2", "1->2"),
        epochs=tuple(range(1, num_epochs + 1)),
        weights=weights,
        search=f"{method} {seed} {num_epochs}",
    )


@pytest.fixture
def rows(sweep_folder: SweepWriter) -> SweepRows:
    """Two seeds, searched and allocated."""
    for seed in range(2):
        search = sweep_folder.search(seed=seed)
        sweep_folder.network(search, 0.8 + 0.01 * seed, seed=seed)
        search = sweep_folder.search(seed=seed, skip="allocated")
        sweep_folder.network(search, 0.85 + 0.02 * seed, seed=seed, rule=MAIN)
        plan = {"refilled_share": 0.4, "kept_share": [], "parameters": 90, "macs": 1}
        sweep_folder.allocation(search, 2, {"sign": plan})
    return read_sweep(sweep_folder.folder)


def test_plots_of_a_sweep(rows: SweepRows) -> None:
    plots = _plots(rows)
    assert list(plots) == ["test_accuracy", "accuracy_parameters", "accuracy_cost", "skips", "refilled"]
    for plot in plots.values():
        assert b"<image" not in plot.svg
        assert plot.caption.endswith((".", ")"))
        assert "darts" in _texts(plot)  # text stays text
        assert not re.search(rb' d="[^"]*\.\d{3}', plot.svg)  # half as many bytes


def test_every_seed_is_a_point(rows: SweepRows) -> None:
    """Count the markers of both seeds of both policies, without those of ticks and legend."""
    svg = _plots(rows)["accuracy_parameters"].svg.decode()
    axes = svg[svg.index('id="axes_1"') :]
    lines = [
        group for group in re.split(r'<g id="line2d_\d+">', axes) if "#009E73" in group or "#0072b2" in group.lower()
    ]
    assert [group.count("<use ") for group in lines[:4]] == [2, 1, 2, 1]  # seeds and their mean, twice


def test_cost_leaves_out_arms_with_copied_retrainings(rows: SweepRows) -> None:
    allocated = [row for row in rows.networks if row.ranking]
    networks = tuple(replace(row, shared_with="x") if row is allocated[0] else row for row in rows.networks)

    def points(found: SweepRows) -> int:
        svg = _plots(found)["accuracy_cost"].svg.decode()
        return svg[svg.index('id="axes_1"') :].count("<use ")

    assert points(rows) - points(replace(rows, networks=networks)) >= 3  # two seeds and their mean


def test_equal_rows_give_equal_files(rows: SweepRows) -> None:
    assert _plots(rows) == _plots(rows)


def test_nothing_to_plot_gives_no_plot() -> None:
    assert _plots(SweepRows()) == {}


def test_kept_shares_are_drawn_per_method_for_the_main_rule() -> None:
    edges = [
        _edge(method=method, seed=seed, stage=stage, target=target, kept_share=0.1 * target)
        for method in ("darts", "pc_darts")
        for seed in range(3)
        for stage in range(2)
        for target in range(2, 4)
    ]
    rows = SweepRows(edges=(*edges, _edge(seed=9, stage=4, target=5, kept_share=0.5, allocation="sign_uniform")))
    plots = _plots(rows)
    assert list(plots) == ["kept_share_darts", "kept_share_pc-darts"]
    texts = _texts(plots["kept_share_darts"])
    names = [text for text in texts if text.startswith("stage")]
    assert names == [f"stage {stage}, 0→{target}" for stage in range(2) for target in (2, 3)]


def test_of_many_methods_twelve_heat_maps_are_drawn_and_the_others_are_counted() -> None:
    rows = SweepRows(
        edges=tuple(_edge(method=f"m{i:02}", seed=0, stage=0, target=2, kept_share=1.0) for i in range(15))
    )
    plots = _plots(rows)
    assert len(plots) == 12
    assert all("3 more methods" in plot.caption for plot in plots.values())


def test_mixing_weights_are_those_of_the_lowest_seed_of_the_largest_budget() -> None:
    trajectories = [
        _trajectory(cell, seed, num_epochs) for seed in (4, 2) for num_epochs in (3, 5) for cell in ("normal", "reduce")
    ]
    (plot,) = _plots(SweepRows(trajectories=tuple(trajectories))).values()
    assert plot.name == "mixing_darts-searched-darts"
    assert "epochs 1 to 5" in plot.caption
    assert "seed 2" in plot.caption
    texts = _texts(plot)
    assert {"normal cell", "reduce cell", "skip_connect", "sep_conv_3x3"} < set(texts)
    assert texts.count("0→2") == 2


def test_deleted_edges_have_no_line_and_do_not_stretch_the_axis() -> None:
    weights = np.full((3, 2, 3), [[[np.nan, 0.5, 0.4], [1.0, np.nan, np.nan]]], np.float32)
    names = ("none", "skip_connect", "sep_conv_3x3")
    (plot,) = _plots(SweepRows(trajectories=(replace(_trajectory(), weights=weights, candidates=names),))).values()
    assert "weights from 0.400 to 0.500" in plot.caption
    assert "none" not in _texts(plot)
    assert "1→2" in _texts(plot)  # its panel is empty
    only = np.full((3, 2, 1), 1.0, np.float32)
    (plot,) = _plots(SweepRows(trajectories=(replace(_trajectory(), weights=only, candidates=("none",)),))).values()
    assert "none" in _texts(plot)


def test_long_searches_and_many_methods_stay_small() -> None:
    trajectories = [_trajectory(cell, 0, 300, f"m{i:02}") for i in range(11) for cell in ("normal", "reduce")]
    plots = _plots(SweepRows(trajectories=tuple(trajectories)))
    assert len(plots) == 8
    for plot in plots.values():
        assert "3 more methods" in plot.caption
        assert len(plot.svg) < 30_000


def test_one_epoch_of_mixing_weights_is_visible() -> None:
    (plot,) = _plots(SweepRows(trajectories=(_trajectory(num_epochs=1),))).values()
    assert "epochs 1 to 1" in plot.caption
    assert plot.svg.count(b"<path") > 4
