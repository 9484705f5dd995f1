from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.figure import Figure

from aca_ray.comparison import SweepRows, compare, read_sweep
from aca_ray.errors import ConfigError
from aca_ray.report import draw_genotype, draw_mixing, write_plots
from aca_ray.report.drawing import cell_figure
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, Genotype, find_space, stage_cell_type
from aca_ray.space.nasbench201 import parse_architecture_string

if TYPE_CHECKING:
    from conftest import SweepFolder

MAIN = ("taylor_identity", "sign")


def _assert_image(path: Path) -> None:
    if path.suffix == ".svg":
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    else:
        assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 5_000


def _plan(genotype: Genotype) -> ChannelPlan:
    stages = [
        tuple(EdgePlan(0.5, tuple(range(4))) for _ in genotype.cell(stage_cell_type(stage)).edges) for stage in range(5)
    ]
    return ChannelPlan("taylor_identity", "sign", tuple(stages))


def _alphas(space_name: str) -> dict[str, Any]:
    space = find_space(space_name)
    cells = {cell_type: space.candidates(cell_type) for cell_type in space.cell_types}
    weights = {cell: [[1 / len(names) for _ in names] for names in edges] for cell, edges in cells.items()}
    return {**weights, "candidates": {cell: [list(names) for names in edges] for cell, edges in cells.items()}}


def test_plots_of_a_sweep(sweep_folder: SweepFolder, tmp_path: Path) -> None:
    for seed in range(2):
        search = sweep_folder.search(seed=seed)
        sweep_folder.evaluation(search, 0.8 + 0.01 * seed, seed=seed)
        search = sweep_folder.search(seed=seed, skip="allocated")
        sweep_folder.evaluation(search, 0.85 + 0.02 * seed, seed=seed, rule=MAIN)
        plan = {"refilled_share": 0.4, "kept_share": [], "parameters": 90, "macs": 1}
        sweep_folder.allocation(search, 2, {"sign": plan})
    rows = read_sweep(sweep_folder.path)
    paths = write_plots(rows, compare(rows, "sign"), tmp_path / "plots")
    assert [path.name for path in paths] == [
        f"{name}{suffix}" for name in ("test_accuracy", "skips", "refilled") for suffix in (".png", ".svg")
    ]
    for path in paths:
        _assert_image(path)


def test_equal_rows_give_equal_files(sweep_folder: SweepFolder, tmp_path: Path) -> None:
    sweep_folder.search()
    rows = read_sweep(sweep_folder.path)
    first = write_plots(rows, compare(rows, "sign"), tmp_path / "first")
    second = write_plots(rows, compare(rows, "sign"), tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_nothing_to_plot_writes_nothing(tmp_path: Path) -> None:
    assert write_plots(SweepRows(), compare(SweepRows(), "sign"), tmp_path) == []


@pytest.mark.parametrize("name", sorted(PUBLISHED))
@pytest.mark.parametrize("with_plan", [False, True])
def test_no_two_labels_of_a_cell_overlap(name: str, with_plan: bool) -> None:
    genotype = PUBLISHED[name]
    figure = cell_figure(genotype, _plan(genotype) if with_plan else None)
    _assert_texts_apart(figure)


@pytest.mark.parametrize("with_plan", [False, True])
def test_a_cell_of_one_input_is_drawn_alone(with_plan: bool, tmp_path: Path) -> None:
    genotype = parse_architecture_string(
        "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|"
    )
    plan = _plan(genotype) if with_plan else None
    figure = cell_figure(genotype, plan)
    assert len(figure.axes) == 1
    _assert_texts_apart(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("avg_pool_3x3") == 2  # the name that the benchmark gives it
    assert {"$c_{k-1}$", "1", "2", "3", "$c_k$"} < set(texts)
    assert "concat" not in texts
    nothing = parse_architecture_string("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    _assert_image(draw_genotype(nothing, tmp_path / "cell.png", _plan(nothing)))


def _assert_texts_apart(figure: Figure) -> None:
    figure.draw_without_rendering()
    boxes = [
        (text.get_text(), text.get_window_extent()) for axes in figure.axes for text in axes.texts if text.get_text()
    ]
    assert len(boxes) > 10
    for index, (name, box) in enumerate(boxes):
        for other_name, other in boxes[index + 1 :]:
            apart = box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 or other.y1 <= box.y0
            assert apart, f"{name!r} overlaps {other_name!r}"


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_genotype_is_drawn(tmp_path: Path, suffix: str) -> None:
    genotype = PUBLISHED["DARTS_V2"]
    _assert_image(draw_genotype(genotype, tmp_path / f"cells{suffix}", _plan(genotype)))


def test_plan_of_another_genotype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stage 0 plans 8 edges, the genotype keeps 4"):
        draw_genotype(PUBLISHED["FAIR_DARTS_A"], tmp_path / "cells.png", _plan(PUBLISHED["DARTS_V2"]))


@pytest.mark.parametrize("space", ["darts", "s1", "s4", "nasbench201"])
def test_mixing_weights_are_drawn(tmp_path: Path, space: str) -> None:
    _assert_image(draw_mixing(_alphas(space), tmp_path / "mixing.svg"))


def test_mixing_weights_and_names_must_match(tmp_path: Path) -> None:
    alphas = _alphas("s2")
    alphas["reduce"][3] = [1.0]
    with pytest.raises(ConfigError, match=r"alphas\.reduce: needs one weight per name"):
        draw_mixing(alphas, tmp_path / "mixing.png")
    with pytest.raises(ConfigError, match=r"alphas: needs 'normal' and candidates\.normal"):
        draw_mixing({"normal": []}, tmp_path / "mixing.png")
    alphas = {"normal": [[1.0]], "reduce": [[1.0]], "candidates": {"normal": [["noise"]], "reduce": [["noise"]]}}
    with pytest.raises(ConfigError, match="1 edges are those of no densely connected cell"):
        draw_mixing(alphas, tmp_path / "mixing.png")
