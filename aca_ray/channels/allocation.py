"""From channel scores to a channel plan: the rules, and the controls they have to beat."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aca_ray.channels import counts
from aca_ray.channels.scores import ChannelScores, EdgeScores
from aca_ray.errors import ConfigError, unknown_name
from aca_ray.space.channel_plan import ChannelPlan, EdgePlan
from aca_ray.space.genotype import Genotype
from aca_ray.space.topology import NUM_STAGES, stage_cell_type

# Provisional: which rule serves best is for recorded experiments to decide.
DEFAULT_ALLOCATION = "sign"

Stages = tuple[tuple[EdgePlan, ...], ...]
Count = Callable[[Sequence[float], float], int]


@dataclass(frozen=True)
class Rule:
    """One way to turn scores into a plan.

    Attributes:
        name: the registry name.
        source: where the rule comes from.
        stages: returns the plan's stages for scores, genotype and seed.
    """

    name: str
    source: str
    stages: Callable[[ChannelScores, Genotype, int], Stages]


def allocate(scores: ChannelScores, genotype: Genotype, rule: str, seed: int) -> ChannelPlan:
    """Return the plan that a rule makes of the scores.

    Args:
        scores: of the genotype's edges in a supernet.
        genotype: the cells to plan for.
        rule: a name in RULES. `uniform` and `random` are at the same total as the plan of DEFAULT_ALLOCATION.
        seed: for the rules that draw.

    Raises:
        ConfigError: an unknown rule, or scores of another genotype.

    Source: arXiv 2204.04681, abstract (channels are allocated to the operation, the rest refilled); the rules ours.
    """
    if rule not in RULES:
        raise ConfigError(unknown_name("allocation", "rule", rule, RULES))
    plan = ChannelPlan(scores.ranking, rule, RULES[rule].stages(scores, genotype, seed))
    plan.check_fits(genotype)
    return plan


def merge_cells(cells: Sequence[EdgeScores], count: Count) -> EdgePlan:
    """Return the plan of one edge in one stage from its scores in the stage's cells.

    The fraction is the mean over cells of the kept counts over C, the order that of the mean rank, ties to the lower
    channel.

    Source: ours.
    """
    channels = len(cells[0].scores)
    for cell in cells:
        if len(cell.scores) != channels:
            raise ConfigError(f"{cell.place}: all cells of a stage need {channels} scores, found {len(cell.scores)}")
    rank_sums = [0] * channels
    for cell in cells:
        for rank, channel in enumerate(_best_first(cell.scores)):
            rank_sums[channel] += rank
    num_kept = sum(count(cell.scores, cell.strength) for cell in cells)
    order = tuple(sorted(range(channels), key=lambda c: (rank_sums[c], c)))
    return EdgePlan(num_kept / (len(cells) * channels), order)


def _best_first(scores: Sequence[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda c: (-scores[c], c))


def _edges_of_stages(scores: ChannelScores, genotype: Genotype) -> list[list[list[EdgeScores]]]:
    """Return, for every stage and kept edge, the scores of the cells that stand there, or raise ConfigError."""
    stages: list[list[list[EdgeScores]]] = [
        [[] for _ in genotype.cell(stage_cell_type(stage)).edges] for stage in range(NUM_STAGES)
    ]
    for edge in scores.edges:
        planned = genotype.cell(stage_cell_type(edge.stage)).edges
        found = (edge.operation, edge.source, edge.target)
        if edge.genotype_edge >= len(planned) or planned[edge.genotype_edge] != found:
            raise ConfigError(
                f"{edge.place}: is not edge {edge.genotype_edge} of the genotype's {stage_cell_type(edge.stage)} cell; "
                "allocate with the genotype that was ranked"
            )
        stages[edge.stage][edge.genotype_edge].append(edge)
    return stages


def _nearest_stage(stage: int, present: Sequence[int]) -> int:
    """Return the nearest present stage of the same cell type, the earlier of two equally near; itself if present."""
    same_type = [other for other in present if other % 2 == stage % 2]
    if not same_type:
        raise ConfigError(
            f"allocation: no {stage_cell_type(stage)} cell has scores for every kept edge; "
            "rank a supernet of at least 3 cells"
        )
    return min(same_type, key=lambda other: (abs(other - stage), other))


def edge_rule(count: Count) -> Callable[[ChannelScores, Genotype, int], Stages]:
    """Return the rule that decides every edge of every stage by itself.

    A stage that has no cell in the supernet, as in very short ones, takes over the nearest stage of its cell type.

    Source: ours.
    """

    def stages(scores: ChannelScores, genotype: Genotype, seed: int) -> Stages:
        by_stage = _edges_of_stages(scores, genotype)
        present = [stage for stage, edges in enumerate(by_stage) if all(edges)]
        sources = [_nearest_stage(stage, present) for stage in range(NUM_STAGES)]
        return tuple(tuple(merge_cells(cells, count) for cells in by_stage[source]) for source in sources)

    return stages


def _reference(scores: ChannelScores, genotype: Genotype, seed: int) -> Stages:
    return RULES[DEFAULT_ALLOCATION].stages(scores, genotype, seed)


def same_share_everywhere(scores: ChannelScores, genotype: Genotype, seed: int) -> Stages:
    """Return the default rule's plan with one and the same fraction on every edge of every stage.

    The fraction is the mean over all ranked channels of all cells, so that the supernet's total of kept channels is
    that of the default rule's plan. Parameter counts then agree nearly, not exactly: convolutions grow faster than
    linearly.

    Source: ours, the control at equal size.
    """
    reference = _reference(scores, genotype, seed)
    widths = [len(edge.scores) for edge in scores.edges]
    kept = sum(
        width * reference[edge.stage][edge.genotype_edge].kept_fraction
        for width, edge in zip(widths, scores.edges, strict=True)
    )
    fraction = min(1.0, kept / max(1, sum(widths)))  # without edges there is nothing to plan
    return tuple(tuple(EdgePlan(fraction, edge.order) for edge in stage) for stage in reference)


def random_order(scores: ChannelScores, genotype: Genotype, seed: int) -> Stages:
    """Return the default rule's plan with the channels of every edge in a drawn order.

    Source: ours, the control that keeps as many channels of every edge, but not the ranked ones.
    """
    generator = random.Random(seed)

    def shuffled(channels: int) -> tuple[int, ...]:
        # Sorting by draws, since Python promises the same stream of random() across versions, but not of shuffle().
        keys = [generator.random() for _ in range(channels)]
        return tuple(sorted(range(channels), key=keys.__getitem__))

    return tuple(
        tuple(EdgePlan(edge.kept_fraction, shuffled(len(edge.order))) for edge in stage)
        for stage in _reference(scores, genotype, seed)
    )


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("sign", "ours", edge_rule(counts.sign)),
        Rule("participation", "ours", edge_rule(counts.participation)),
        Rule("strength", "ours", edge_rule(counts.proportional_to_strength)),
        Rule("otsu", "Otsu 1979", edge_rule(counts.otsu)),
        Rule("all", "ours: search without skips and no refilling", edge_rule(counts.keep_all)),
        Rule("uniform", "ours: the control at equal size", same_share_everywhere),
        Rule("random", "ours: the control of the ranking", random_order),
    )
}
# Plans that only show what the method has to beat.
CONTROL_RULES: frozenset[str] = frozenset({"all", "uniform", "random"})
