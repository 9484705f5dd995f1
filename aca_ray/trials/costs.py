"""Parameters and MACs of the network that a retraining protocol builds."""

from __future__ import annotations

from aca_ray.data import ImageFacts
from aca_ray.nn import Cost, derived_cost
from aca_ray.retraining import Protocol
from aca_ray.space import ChannelPlan, Genotype


def retrained_cost(genotype: Genotype, plan: ChannelPlan | None, protocol: Protocol, info: ImageFacts) -> Cost:
    """Return parameters and MACs of the network that a protocol retrains, without its auxiliary tower."""
    return derived_cost(genotype, plan, height=info.height, width=info.width, **protocol.network_settings(info))
