"""Agreement of two rankings of one search, for example of two of its epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

from aca_ray.channels.scores import ChannelScores, EdgeScores
from aca_ray.errors import ConfigError
from aca_ray.space.channel_plan import ChannelPlan


@dataclass(frozen=True)
class Agreement:
    """Agreement of two rankings on their common edges.

    Attributes:
        kendall_tau: mean Kendall tau-b of the channel scores, in [-1, 1]; 0 is chance. None if it is undefined on every
            common edge.
        jaccard: mean Jaccard index of the kept channels, in [0, 1]. None if no edge is common.

    Source: ours.
    """

    kendall_tau: float | None
    jaccard: float | None


def agreement(
    previous: ChannelScores, current: ChannelScores, previous_plan: ChannelPlan, current_plan: ChannelPlan
) -> Agreement:
    """Return the agreement of two rankings and their plans on the edges that both keep with the same operation.

    Tau is the mean over cells and edges, except edges where it is undefined (all scores equal). The Jaccard index is
    that of the kept channels at the plans' own width, the mean over the stages' edges; two empty sets have index 1.

    Args:
        previous: scores of the earlier supernet.
        current: scores of the later supernet, of the same shape.
        previous_plan: the plan made of `previous`.
        current_plan: the plan made of `current`.

    Raises:
        ConfigError: the supernets differ in width.

    Source: ours; Kendall 1945 for tau-b.
    """
    from scipy.stats import kendalltau

    earlier = {_identity(edge): edge for edge in previous.edges}
    common = [(earlier[_identity(edge)], edge) for edge in current.edges if _identity(edge) in earlier]
    taus = []
    for before, after in common:
        if len(before.scores) != len(after.scores):
            raise ConfigError(
                f"agreement: {after.place}: needs supernets of the same width, "
                f"found {len(before.scores)} and {len(after.scores)} channels"
            )
        tau = float(kendalltau(before.scores, after.scores).statistic)  # scipy's default variant is tau-b
        if not math.isnan(tau):
            taus.append(tau)
    planned = dict.fromkeys((after.stage, before.genotype_edge, after.genotype_edge) for before, after in common)
    overlaps = [
        _jaccard(_kept(previous_plan, stage, before), _kept(current_plan, stage, after))
        for stage, before, after in planned
    ]
    return Agreement(fmean(taus) if taus else None, fmean(overlaps) if overlaps else None)


def _identity(edge: EdgeScores) -> tuple[int, int, int, str]:
    return edge.cell, edge.source, edge.target, edge.operation


def _kept(plan: ChannelPlan, stage: int, genotype_edge: int) -> frozenset[int]:
    edge = plan.stages[stage][genotype_edge]
    return frozenset(edge.kept_channels(len(edge.order)))


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other) if one or other else 1.0
