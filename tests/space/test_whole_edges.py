"""Channel plans of whole edges as genotypes."""

from __future__ import annotations

import pytest

from aca_ray.errors import ConfigError
from aca_ray.space import ChannelPlan, EdgePlan, Genotype, stage_cell_type, whole_edge_genotype
from aca_ray.space.nasbench201 import architecture_string, parse_architecture_string
from aca_ray.space.published import PUBLISHED

FOUND = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_3x3~1|none~2|"


def plan_of(genotype: Genotype, normal: list[float], reduce: list[float]) -> ChannelPlan:
    kept = {"normal": normal, "reduce": reduce}
    return ChannelPlan(
        "taylor",
        "rounded",
        tuple(tuple(EdgePlan(share, (0, 1)) for share in kept[stage_cell_type(stage)]) for stage in range(5)),
    )


def test_edges_that_keep_nothing_become_skips() -> None:
    genotype = parse_architecture_string(FOUND)
    refilled = whole_edge_genotype(genotype, plan_of(genotype, [1.0, 0.0, 1.0, 0.0], []))
    expected = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|skip_connect~1|none~2|"
    assert architecture_string(refilled) == expected
    assert architecture_string(whole_edge_genotype(genotype, plan_of(genotype, [1.0] * 4, []))) == FOUND


def test_both_cells_are_refilled() -> None:
    genotype = next(iter(PUBLISHED.values()))
    num_normal, num_reduce = len(genotype.normal.edges), len(genotype.reduce.edges)
    plan = plan_of(genotype, [1.0] * num_normal, [0.0] * num_reduce)
    refilled = whole_edge_genotype(genotype, plan)
    assert refilled.normal == genotype.normal
    assert {edge.operation for edge in refilled.reduce.edges} == {"skip_connect"}
    assert [edge.edge for edge in refilled.reduce.edges] == [edge.edge for edge in genotype.reduce.edges]


def test_plans_that_are_not_genotypes_are_refused() -> None:
    genotype = parse_architecture_string(FOUND)
    with pytest.raises(ConfigError, match=r"rounded: edge 1 of the normal cell .*0\.5"):
        whole_edge_genotype(genotype, plan_of(genotype, [1.0, 0.5, 1.0, 0.0], []))
    whole = plan_of(genotype, [1.0, 0.0, 1.0, 0.0], [])
    different = ChannelPlan(whole.ranking, whole.allocation, (whole.stages[2][::-1], *whole.stages[1:]))
    with pytest.raises(ConfigError, match="edge 0 of the normal cell"):
        whole_edge_genotype(genotype, different)
    with pytest.raises(ConfigError, match="plans 3 edges"):
        whole_edge_genotype(genotype, plan_of(genotype, [1.0] * 3, []))
