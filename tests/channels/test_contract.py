"""The contract of every registered ranker with every registered rule."""

from __future__ import annotations

import json

import pytest
import torch

from aca_ray.channels import DEFAULT_RANKING, RANKERS, RULES, ChannelScores, allocate
from aca_ray.nn import DerivedNetwork
from aca_ray.space import ChannelPlan


def test_names_and_sources_are_filled() -> None:
    assert DEFAULT_RANKING in RANKERS
    for registry in (RANKERS, RULES):
        assert all(name == record.name and record.source for name, record in registry.items())


@pytest.fixture(scope="module", params=["search", "skipping_search"])
def kept(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def all_scores(kept) -> dict[str, ChannelScores]:
    return {name: kept.rank(name) for name in RANKERS}


@pytest.mark.parametrize("ranker", RANKERS)
def test_scores_every_channel_of_every_kept_edge(kept, all_scores, ranker) -> None:
    scores = all_scores[ranker]
    assert scores.ranking == ranker
    found = [(e.cell, e.stage, e.genotype_edge, e.operation, e.source, e.target, len(e.scores)) for e in scores.edges]
    assert found == [
        (cell, cell, index, *edge, width)
        for cell, width in enumerate((4, 8, 8, 16, 16))
        for index, edge in enumerate(kept.genotype.cell("reduce" if cell % 2 else "normal").edges)
    ]
    if not RANKERS[ranker].needs_data and ranker != "l1":
        assert all(edge.standard_errors is None for edge in scores.edges)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("ranker", RANKERS)
def test_plan_fits_survives_json_and_builds_a_network(kept, all_scores, ranker, rule) -> None:
    plan = allocate(all_scores[ranker], kept.genotype, rule, seed=0)
    plan.check_fits(kept.genotype)
    assert (plan.ranking, plan.allocation) == (ranker, rule)
    assert ChannelPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    # 3, 6 and 12 channels: narrower than the supernet, and odd numbers on edges that halve the resolution.
    network = DerivedNetwork(kept.genotype, plan, channels=3, num_cells=4, num_classes=3)
    logits = network(torch.randn(2, 3, 8, 8))
    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()
    logits.sum().backward()
