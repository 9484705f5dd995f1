"""The contracts of rankers, allocation rules and controls."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache, partial

import torch

from aca_ray.channels import (
    DEFAULT_ALLOCATION,
    DEFAULT_RANKING,
    ChannelScores,
    Control,
    Ranker,
    Rule,
    allocate,
    rank_channels,
)
from aca_ray.contract import small
from aca_ray.contract.check import Check, require
from aca_ray.nn import DerivedNetwork
from aca_ray.search.search import Search
from aca_ray.space import SPACES, ChannelPlan, Genotype, without_skip

_SPACES = ("s3", "nasbench201")


def ranker_checks(ranker: Ranker) -> Iterator[Check]:
    """Yield the checks: scores of a searched supernet per kind of cell."""
    for name in _SPACES:
        yield Check(f"scores every channel on {name}, equally each time", partial(_ranks, ranker, name))


def rule_checks(rule: Rule) -> Iterator[Check]:
    """Yield the checks: a plan per kind of cell."""
    for name in _SPACES:
        yield Check(f"its plan on {name} is valid and builds a network", partial(_plans, name, rule.name, None))


def control_checks(control: Control) -> Iterator[Check]:
    """Yield the checks: a plan per kind of cell."""
    for name in _SPACES:
        title = f"its plan on {name} is valid and builds a network"
        yield Check(title, partial(_plans, name, DEFAULT_ALLOCATION, control.name))


@cache
def _search(name: str) -> tuple[Search, Genotype]:
    search = small.searched(without_skip(SPACES[name]))
    return search, search.genotype()


def _scores(name: str, ranker: str) -> ChannelScores:
    search, genotype = _search(name)
    batches = [
        (torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4) % small.NUM_CLASSES)
    ]
    return rank_channels(search.network, search.mixing(), search.space, genotype, batches, ranker, seed=0)


def _ranks(ranker: Ranker, name: str) -> None:
    search, _ = _search(name)
    before = copy.deepcopy(search.network.state_dict())
    scores, again = _scores(name, ranker.name), _scores(name, ranker.name)
    require(scores == again, "the same supernet and images give other scores; draw from the edge's generator alone")
    place = small.first_difference(dict(search.network.state_dict()), dict(before), "supernet")
    require(place is None, f"ranking changes {place}")
    expected = [len(edge.scores) for edge in _scores(name, "random").edges]
    found = [len(edge.scores) for edge in scores.edges]
    require(found == expected, f"every edge needs one score per channel: {expected}, found {found}")


def _plans(name: str, rule: str, control: str | None) -> None:
    _, genotype = _search(name)
    for ranking in dict.fromkeys((DEFAULT_RANKING, "random")):
        scores = _scores(name, ranking)
        plan = allocate(scores, genotype, rule, seed=0, control=control)
        require(plan == allocate(scores, genotype, rule, seed=0, control=control), "equal scores give other plans")
        plan.check_fits(genotype)
        require(ChannelPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan, "the plan does not survive JSON")
        network = DerivedNetwork(genotype, plan, channels=3, num_cells=4, num_classes=small.NUM_CLASSES)
        require(bool(network(torch.randn(2, 3, 8, 8)).isfinite().all()), "logits of the network are not finite")
