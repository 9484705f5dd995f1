from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from xml.etree.ElementTree import Element

import pytest

from aca_ray.errors import ConfigError
from aca_ray.report.cells import cell_svg, draw_genotype
from aca_ray.space import CELL_TYPES, PUBLISHED, ChannelPlan, EdgePlan, Genotype, stage_cell_type
from aca_ray.space.nasbench201 import parse_architecture_string

ONE_INPUT = parse_architecture_string(
    "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|"
)
NO_EDGES = parse_architecture_string("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
GENOTYPES = {**PUBLISHED, "one_input": ONE_INPUT, "no_edges": NO_EDGES}
NUM_CHANNELS = 8

Parse = Callable[[str], Element]
COLORS = {"with weights": "#0072B2", "skip": "#009E73", "without weights": "#9c5700"}


def kind(operation: str) -> str:
    if "conv" in operation:
        return "with weights"
    return "skip" if operation == "skip_connect" else "without weights"


def plan_of(genotype: Genotype) -> ChannelPlan:
    """Return a plan that keeps 0, 1, ... of 8 channels, edge by edge and stage by stage, 0 again after 8."""
    stages = [
        tuple(
            EdgePlan((stage + index) % (NUM_CHANNELS + 1) / NUM_CHANNELS, tuple(range(NUM_CHANNELS)))
            for index in range(len(genotype.cell(stage_cell_type(stage)).edges))
        )
        for stage in range(5)
    ]
    return ChannelPlan("taylor_identity", "sign", tuple(stages))


def groups(root: Element) -> list[Element]:
    return root.findall("{*}g")


def length(line: Element) -> float:
    return float(line.attrib["x2"]) - float(line.attrib["x1"])


@pytest.mark.parametrize("name", sorted(GENOTYPES))
@pytest.mark.parametrize("with_plan", [False, True])
def test_every_edge_is_drawn_and_described(name: str, with_plan: bool, parse_svg: Parse) -> None:
    genotype = GENOTYPES[name]
    root = parse_svg(cell_svg(genotype, plan_of(genotype) if with_plan else None))
    edges = [edge for cell_type in CELL_TYPES for edge in genotype.cell(cell_type).edges]
    assert len(edges) == len(groups(root))
    description = root.findtext("{*}desc") or ""
    for edge, group in zip(edges, groups(root), strict=True):
        operation = edge.operation.removeprefix("plain_")
        described = group.findtext("{*}title") or ""
        source = f"c_{{k-{genotype.num_inputs - edge.source}}}" if edge.source < genotype.num_inputs else edge.source
        assert described.startswith(f"{operation} from {source} to node {edge.target}")
        assert described in description
        label = group.find("{*}text")
        assert label is not None
        assert label.text == operation
        color = COLORS[kind(operation)]
        line = group.find("{*}path")
        assert line is not None
        assert line.get("stroke") == label.get("fill") == color
        assert (line.get("stroke-dasharray") == "none") == (kind(operation) == "with weights")


@pytest.mark.parametrize("name", sorted(GENOTYPES))
def test_bars_are_to_scale(name: str, parse_svg: Parse) -> None:
    genotype = GENOTYPES[name]
    root = parse_svg(cell_svg(genotype, plan_of(genotype)))
    drawn = iter(groups(root))
    for cell_type, stages in (("normal", (0, 2, 4)), ("reduce", (1, 3))):
        for index, edge in enumerate(genotype.cell(cell_type).edges):
            group = next(drawn)
            _, *bars = group.findall("{*}rect")  # the first is the background of the label
            kept, frames, refilled = bars[::2], bars[1::2], group.findall("{*}line")
            assert len(kept) == len(frames) == len(refilled) == len(stages)
            _, *texts = (text.text for text in group.iterfind(".//{*}text"))
            for number, stage in enumerate(stages):
                num_kept = (stage + index) % 9
                full = float(frames[number].attrib["width"])
                solid, striped = kept[number], refilled[number]
                assert float(solid.attrib["width"]) == pytest.approx(full * num_kept / 8, abs=0.01)
                assert length(striped) == pytest.approx(full * (8 - num_kept) / 8, abs=0.01)
                assert solid.get("fill") == COLORS[kind(edge.operation)]
                assert striped.get("stroke") == COLORS["skip"]
                assert striped.get("stroke-dasharray")
                assert texts[2 * number] == str(stage)
                assert texts[2 * number + 1] == f"{100 * num_kept / 8:.0f} %"
                assert f"{100 * num_kept / 8:.0f} % in stage {stage}" in (group.findtext("{*}title") or "")


def test_arcs_run_from_source_to_target(parse_svg: Parse) -> None:
    root = parse_svg(cell_svg(PUBLISHED["DARTS_V2"]))
    nodes = [rect for rect in root.findall("{*}rect") if rect.get("rx")]
    assert len(nodes) == 2 * 7
    left = [float(node.attrib["x"]) for node in nodes]
    edges = [(0, edge) for edge in PUBLISHED["DARTS_V2"].normal.edges]
    edges += [(7, edge) for edge in PUBLISHED["DARTS_V2"].reduce.edges]
    for (first, edge), group in zip(edges, groups(root), strict=True):
        line = group.findall("{*}path")[0].attrib["d"]
        start = float(line[1:].split()[0])
        end = float(line.partition("Q")[2].rpartition("Q")[2].split()[0])
        assert left[first + edge.source] < start < left[first + edge.source] + 44
        assert left[first + edge.target] < end < left[first + edge.target] + 44


def test_cells_of_one_input_are_drawn_alone(parse_svg: Parse) -> None:
    texts = ["".join(text.itertext()) for text in parse_svg(cell_svg(ONE_INPUT)).iterfind(".//{*}text")]
    assert texts.count("avg_pool_3x3") == 2  # the name that the benchmark gives it
    assert {"Normal cell", "ck-1", "1", "2", "3", "ck"} < set(texts)
    assert not {"Reduction cell", "concat"} & set(texts)
    texts = ["".join(text.itertext()) for text in parse_svg(cell_svg(PUBLISHED["DARTS_V1"])).iterfind(".//{*}text")]
    assert texts.count("concat") == 2
    assert {"Normal cell", "Reduction cell", "ck-2"} < set(texts)


def test_the_legend_explains_bars_if_there_are_any() -> None:
    genotype = PUBLISHED["DARTS_V2"]
    with_plan, without = cell_svg(genotype, plan_of(genotype)), cell_svg(genotype)
    share = f"{100 * plan_of(genotype).refilled_share:.0f} %"
    assert f"sign of taylor_identity: {share}" in with_plan
    for drawing in (with_plan, without):
        assert "operation without weights" in drawing
        assert ("(striped)" in drawing) == (drawing is with_plan)


def test_a_long_legend_widens_the_drawing(parse_svg: Parse) -> None:
    plan = ChannelPlan("r" * 80, "a" * 80, plan_of(ONE_INPUT).stages)
    parse_svg(cell_svg(ONE_INPUT, plan))


def test_the_title_names_the_drawing(parse_svg: Parse) -> None:
    root = parse_svg(cell_svg(ONE_INPUT, title='darts < seed 0 & "more"'))
    assert root.findtext("{*}title") == 'darts < seed 0 & "more"'


def test_equal_cells_are_equal_files(tmp_path: Path) -> None:
    genotype = PUBLISHED["PC_DARTS_CIFAR"]
    first = draw_genotype(genotype, tmp_path / "first.svg", plan_of(genotype))
    second = draw_genotype(genotype, tmp_path / "second.svg", plan_of(genotype))
    assert first.read_bytes() == second.read_bytes() == cell_svg(genotype, plan_of(genotype)).encode()


def test_a_refused_drawing_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stage 0 .*\b8 edges.*\b4\b"):
        draw_genotype(PUBLISHED["FAIR_DARTS_A"], tmp_path / "cells.svg", plan_of(PUBLISHED["DARTS_V2"]))
    with pytest.raises(ConfigError, match=r"cells\.png: .*\.svg, found '\.png'"):
        draw_genotype(ONE_INPUT, tmp_path / "cells.png")
    assert not list(tmp_path.iterdir())


def test_a_trial_draws_without_heavy_libraries() -> None:
    heavy = {"matplotlib", "numpy", "scipy", "pyarrow", "pandas", "torch"}
    code = f"import sys, aca_ray.report.cells, aca_ray.report.mixing; sys.exit(str({heavy} & set(sys.modules)))"
    assert run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == "set()"
