"""A derived network as JSON: its cells and its channel plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aca_ray.space.channel_plan import ChannelPlan
from aca_ray.space.genotype import Genotype
from aca_ray.space.schema import require_schema

NETWORK_SCHEMA = "aca_ray.network"
NETWORK_VERSION = 1


def network_json(genotype: Genotype, plan: ChannelPlan | None) -> dict[str, Any]:
    """Return a derived network as JSON: genotype and channel plan."""
    return {
        "schema": NETWORK_SCHEMA,
        "version": NETWORK_VERSION,
        "genotype": genotype.to_json(),
        "plan": None if plan is None else plan.to_json(),
    }


def network_from_json(value: Any) -> tuple[Genotype, ChannelPlan | None]:
    """Return genotype and plan of a network in JSON, or of a genotype in JSON (without a plan).

    Raises:
        ConfigError: the value is neither, is malformed, or its plan does not fit the genotype.
    """
    if not isinstance(value, Mapping) or value.get("schema") != NETWORK_SCHEMA:
        return Genotype.from_json(value), None
    require_schema(value, "network", NETWORK_SCHEMA, NETWORK_VERSION)
    genotype, plan = Genotype.from_json(value.get("genotype")), value.get("plan")
    return genotype, None if plan is None else plan_from_json(plan, genotype)


def plan_from_json(value: Any, genotype: Genotype) -> ChannelPlan:
    """Return the plan in a JSON value, or raise ConfigError if it is malformed or does not fit the genotype."""
    plan = ChannelPlan.from_json(value)
    plan.check_fits(genotype)
    return plan
