"""Adaptive Channel Allocation: rank a supernet's channels, then decide which of them skip connections refill."""

from aca_ray.channels.agreement import Agreement, agreement
from aca_ray.channels.allocation import (
    CONTROLS,
    DEFAULT_ALLOCATION,
    DEFAULT_WHOLE_EDGES,
    RULES,
    SKIP_FREE,
    Control,
    PlanKind,
    Rule,
    allocate,
)
from aca_ray.channels.rankers import DEFAULT_RANKING, RANKERS, Ranker
from aca_ray.channels.ranking import rank_channels
from aca_ray.channels.scores import ChannelScores, EdgeScores

__all__ = [
    "CONTROLS",
    "DEFAULT_ALLOCATION",
    "DEFAULT_RANKING",
    "DEFAULT_WHOLE_EDGES",
    "RANKERS",
    "RULES",
    "SKIP_FREE",
    "Agreement",
    "ChannelScores",
    "Control",
    "EdgeScores",
    "PlanKind",
    "Ranker",
    "Rule",
    "agreement",
    "allocate",
    "rank_channels",
]
