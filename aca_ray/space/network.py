"""A derived network as JSON: its cells and its channel plan."""

from __future__ import annotations

from typing import Any

from aca_ray.space.channel_plan import ChannelPlan
from aca_ray.space.genotype import Genotype

NETWORK_SCHEMA = "aca_ray.network"


def network_json(genotype: Genotype, plan: ChannelPlan | None) -> dict[str, Any]:
    """Return a derived network as JSON: genotype and channel plan."""
    return {
        "schema": NETWORK_SCHEMA,
        "version": 1,
        "genotype": genotype.to_json(),
        "plan": None if plan is None else plan.to_json(),
    }
