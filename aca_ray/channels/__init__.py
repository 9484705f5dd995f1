"""Adaptive Channel Allocation: rank a supernet's channels, then decide which of them skip connections refill."""

from aca_ray.channels.agreement import Agreement, agreement
from aca_ray.channels.allocation import CONTROL_RULES, DEFAULT_ALLOCATION, RULES, Rule, allocate
from aca_ray.channels.rankers import DEFAULT_RANKING, RANKERS, Ranker
from aca_ray.channels.ranking import rank_channels
from aca_ray.channels.scores import ChannelScores, EdgeScores

__all__ = [
    "CONTROL_RULES",
    "DEFAULT_ALLOCATION",
    "DEFAULT_RANKING",
    "RANKERS",
    "RULES",
    "Agreement",
    "ChannelScores",
    "EdgeScores",
    "Ranker",
    "Rule",
    "agreement",
    "allocate",
    "rank_channels",
]
