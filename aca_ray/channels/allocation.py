"""Channel plans from channel scores: the rules, and the controls that they have to beat."""

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

# No pair of ranker and rule is better than drawn channels by what was measured (experiments/RESULTS.md, pairs).
DEFAULT_ALLOCATION = "sign"
DEFAULT_WHOLE_EDGES = "rounded"  # if a benchmark's table alone measures networks

Stages = tuple[tuple[EdgePlan, ...], ...]
Count = Callable[[Sequence[float], float], int]


@dataclass(frozen=True)
class Rule:
    """An allocation rule, which turns scores into a plan.

    Attributes:
        name: registry name.
        summary: channels that the operation keeps, one phrase.
        source: origin of the rule.
        stages: returns the plan's stages for scores and genotype.
        whole_edges: whether an edge's operation keeps all channels or none, as in the networks of a benchmark's table.
    """

    name: str
    summary: str
    source: str
    stages: Callable[[ChannelScores, Genotype], Stages]
    whole_edges: bool = False


@dataclass(frozen=True)
class Control:
    """A control, which changes a rule's plan into one that the rule has to beat.

    Attributes:
        name: registry name.
        summary: the changed plan, one phrase.
        source: origin of the control.
        change: returns the changed stages, given the rule's stages, the scores and a seed.
        whole_edges: whether it leaves a plan of whole edges one of whole edges.
    """

    name: str
    summary: str
    source: str
    change: Callable[[Stages, ChannelScores, int], Stages]
    whole_edges: bool = False


def allocate(
    scores: ChannelScores, genotype: Genotype, rule: str, seed: int, control: str | None = None
) -> ChannelPlan:
    """Return the plan of a rule for the scores.

    Args:
        scores: scores of the genotype's edges in a supernet.
        genotype: the cells to plan for.
        rule: a name in RULES.
        seed: seed of the controls that draw.
        control: a name in CONTROLS; None for the rule's own plan.

    Raises:
        ConfigError: an unknown rule or control, or scores of another genotype.

    Source: arXiv 2204.04681, abstract (channels are allocated to the operation, the rest refilled); the rules ours.
    """
    if rule not in RULES:
        raise ConfigError(unknown_name("allocation", "rule", rule, RULES))
    stages = RULES[rule].stages(scores, genotype)
    if control is not None:
        if control not in CONTROLS:
            raise ConfigError(unknown_name("control", "control", control, CONTROLS))
        stages = CONTROLS[control].change(stages, scores, seed)
    plan = ChannelPlan(scores.ranking, PlanKind(rule, control).name, stages)
    plan.check_fits(genotype)
    return plan


@dataclass(frozen=True)
class PlanKind:
    """A rule, and the control that changes its plan, if any."""

    rule: str
    control: str | None = None

    @property
    def name(self) -> str:
        """Name of these plans in files: `sign`, or `sign_random`."""
        return self.rule if self.control is None else f"{self.rule}_{self.control}"

    @property
    def whole_edges(self) -> bool:
        """Whether every edge's operation keeps all channels or none."""
        return RULES[self.rule].whole_edges and (self.control is None or CONTROLS[self.control].whole_edges)


def merge_cells(cells: Sequence[EdgeScores], count: Count) -> EdgePlan:
    """Return the plan of one edge in one stage from its scores in the stage's cells.

    The fraction is the mean over cells of the kept count divided by C. The order is that of the mean rank; ties go to
    the lower channel.

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
    """Return the scores of the stage's cells, by stage and kept edge; raise ConfigError for another genotype."""
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
    """Return the nearest present stage of the same cell type, itself if present; ties go to the earlier stage."""
    same_type = [other for other in present if other % 2 == stage % 2]
    if not same_type:
        raise ConfigError(
            f"allocation: no {stage_cell_type(stage)} cell has scores for every kept edge; "
            "rank a supernet of at least 3 cells"
        )
    return min(same_type, key=lambda other: (abs(other - stage), other))


def edge_rule(count: Count) -> Callable[[ChannelScores, Genotype], Stages]:
    """Return the rule that plans every edge of every stage independently.

    A stage without a cell in the supernet, as in very short ones, copies the nearest stage of its cell type.

    Source: ours.
    """

    def stages(scores: ChannelScores, genotype: Genotype) -> Stages:
        by_stage = _edges_of_stages(scores, genotype)
        present = [stage for stage, edges in enumerate(by_stage) if all(edges)]
        sources = [_nearest_stage(stage, present) for stage in range(NUM_STAGES)]
        return tuple(tuple(merge_cells(cells, count) for cells in by_stage[source]) for source in sources)

    return stages


def rounded(scores: ChannelScores, genotype: Genotype) -> Stages:
    """Return the plan of `sign` rounded to whole edges: the operation keeps all channels or none.

    A skip connection replaces an edge in all stages of its cell type if it takes the majority of the edge's channels,
    over all ranked cells together.

    Source: ours; the coarse case of refilling, which a table of whole cells covers.
    """
    kept: dict[tuple[int, int], int] = {}
    ranked: dict[tuple[int, int], int] = {}
    for edge in scores.edges:
        place = (edge.stage % 2, edge.genotype_edge)  # stages of one cell type are all even or all odd
        kept[place] = kept.get(place, 0) + counts.sign(edge.scores, edge.strength)
        ranked[place] = ranked.get(place, 0) + len(edge.scores)
    return tuple(
        tuple(
            EdgePlan(float(2 * kept[stage % 2, index] >= ranked[stage % 2, index]), edge.order)
            for index, edge in enumerate(edges)
        )
        for stage, edges in enumerate(edge_rule(counts.keep_all)(scores, genotype))
    )


def same_share_everywhere(stages: Stages, scores: ChannelScores, seed: int) -> Stages:
    """Return a plan with the same fraction on every edge of every stage.

    The fraction is the mean over all ranked channels of all cells, so the supernet keeps as many channels as under the
    rule's plan. Parameter counts agree only approximately, since convolutions grow faster than linearly.

    Source: ours, the control at equal size.
    """
    widths = [len(edge.scores) for edge in scores.edges]
    kept = sum(
        width * stages[edge.stage][edge.genotype_edge].kept_fraction
        for width, edge in zip(widths, scores.edges, strict=True)
    )
    fraction = min(1.0, kept / max(1, sum(widths)))  # without edges there is nothing to plan
    return tuple(tuple(EdgePlan(fraction, edge.order) for edge in stage) for stage in stages)


def random_order(stages: Stages, scores: ChannelScores, seed: int) -> Stages:
    """Return a plan with the channels of every edge in a random order.

    Source: ours, the control that keeps as many channels of every edge, but random ones.
    """
    generator = random.Random(seed)
    return tuple(
        tuple(EdgePlan(edge.kept_fraction, _shuffled(len(edge.order), generator)) for edge in stage) for stage in stages
    )


def shuffled_edges(stages: Stages, scores: ChannelScores, seed: int) -> Stages:
    """Return a plan whose fractions are shuffled among the edges of a cell, the same way in all stages of a cell type.

    Source: ours, the control that refills as much, but on random edges.
    """
    generator = random.Random(seed)
    dealt = [_shuffled(len(stages[kind]), generator) for kind in range(2)]
    return tuple(
        tuple(
            EdgePlan(edges[source].kept_fraction, edge.order)
            for edge, source in zip(edges, dealt[stage % 2], strict=True)
        )
        for stage, edges in enumerate(stages)
    )


def _shuffled(count: int, generator: random.Random) -> tuple[int, ...]:
    # Sort by draws: Python guarantees the same stream of random() across versions, but not of shuffle().
    keys = [generator.random() for _ in range(count)]
    return tuple(sorted(range(count), key=keys.__getitem__))


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("sign", "channels with a positive score", "ours", edge_rule(counts.sign)),
        Rule(
            "participation",
            "as many channels as the participation ratio (sum s)^2 / sum s^2 of the scores",
            "ours",
            edge_rule(counts.participation),
        ),
        Rule(
            "strength",
            "channels in proportion to the operation's share of the edge's mixing weights",
            "ours",
            edge_rule(counts.proportional_to_strength),
        ),
        Rule(
            "otsu", "channels above Otsu's threshold between two groups of scores", "Otsu 1979", edge_rule(counts.otsu)
        ),
        Rule(
            "rounded",
            "all channels or none: a skip connection replaces the edge if `sign` gives it most of the channels",
            "ours",
            rounded,
            whole_edges=True,
        ),
        Rule("all", "all channels; nothing is refilled", "ours", edge_rule(counts.keep_all), whole_edges=True),
    )
}
CONTROLS: dict[str, Control] = {
    control.name: control
    for control in (
        Control("uniform", "as many channels in total, the same share on every edge", "ours", same_share_everywhere),
        Control("random", "as many channels on every edge, chosen at random", "ours", random_order, whole_edges=True),
        Control("shuffled", "the same shares, shuffled among a cell's edges", "ours", shuffled_edges, whole_edges=True),
    )
}
SKIP_FREE = "all"
