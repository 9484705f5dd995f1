"""Channel plans: which channels of a kept edge the operation keeps, and which a skip connection refills."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aca_ray.errors import ConfigError, shortened
from aca_ray.space.genotype import MOST_EDGES, Genotype
from aca_ray.space.schema import require_schema
from aca_ray.space.topology import NUM_STAGES, stage_cell_type

SCHEMA = "aca_ray.channel_plan"
SCHEMA_VERSION = 1

MOST_CHANNELS = 1 << 14  # of an edge; networks for ImageNet have at most a few thousand
_MOST_CHARACTERS = 200  # of the name of a ranker or a rule


@dataclass(frozen=True)
class EdgePlan:
    """The allocation of one kept edge in one stage.

    Attributes:
        kept_fraction: share of the channels that the operation keeps, in [0, 1].
        order: all channels of the ranked supernet edge, most important first.
    """

    kept_fraction: float
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0.0 <= self.kept_fraction <= 1.0:
            raise ConfigError(f"channel plan: kept_fraction must be in [0, 1], found {shortened(self.kept_fraction)}")
        if not 1 <= len(self.order) <= MOST_CHANNELS or sorted(self.order) != list(range(len(self.order))):
            raise ConfigError(
                f"channel plan: order must be a permutation of 0..C-1 with C from 1 to {MOST_CHANNELS}, "
                f"found {shortened(self.order)}"
            )

    def kept_channels(self, width: int) -> tuple[int, ...]:
        """Return the channels, ascending, that the operation keeps in a network whose edge has `width` channels.

        Channel j of the network covers the interval [j*C/width, (j+1)*C/width) of the C ranked channels; its rank is
        the mean rank over that interval, weighted by overlap. The round(kept_fraction*width) channels of best rank are
        kept, ties going to the lower index. One rule serves wider and narrower networks, and the total is exact.

        Source: ours (largest-remainder rounding is undefined where the network is narrower than the supernet).
        """
        num_ranked = len(self.order)
        rank = [0] * num_ranked
        for position, channel in enumerate(self.order):
            rank[channel] = position

        # In units of 1/width of a ranked channel, all bounds are integers, so ties are exact.
        def mean_rank(j: int) -> int:
            low, high = j * num_ranked, (j + 1) * num_ranked
            return sum(
                rank[c] * (min(high, (c + 1) * width) - max(low, c * width))
                for c in range(low // width, math.ceil(high / width))
            )

        best_first = sorted(range(width), key=lambda j: (mean_rank(j), j))
        return tuple(sorted(best_first[: self.num_kept(width)]))

    def num_kept(self, width: int) -> int:
        """Return how many of `width` channels the operation keeps (rounded half to even)."""
        return round(self.kept_fraction * width)


@dataclass(frozen=True)
class ChannelPlan:
    """The allocation of a whole derived network.

    Attributes:
        ranking: name of the ranker behind the orders.
        allocation: name of the rule behind the fractions.
        stages: for each of the five stages, one EdgePlan per kept edge of that stage's cell, in genotype order.
    """

    ranking: str
    allocation: str
    stages: tuple[tuple[EdgePlan, ...], ...]

    def __post_init__(self) -> None:
        if len(self.stages) != NUM_STAGES:
            raise ConfigError(f"channel plan: needs {NUM_STAGES} stages, found {len(self.stages)}")
        for stage, edges in enumerate(self.stages):
            widths = {len(edge.order) for edge in edges}
            if len(widths) > 1:  # all edges of a cell have the same width
                raise ConfigError(
                    f"channel plan: edges of stage {stage} must rank equal numbers of channels, found {sorted(widths)}"
                )

    @property
    def refilled_share(self) -> float:
        """Share of channels given to skip connections, in [0, 1]: the mean over stages and edges, 0 without edges."""
        fractions = [edge.kept_fraction for stage in self.stages for edge in stage]
        return 1.0 - sum(fractions) / len(fractions) if fractions else 0.0

    def check_fits(self, genotype: Genotype) -> None:
        """Raise ConfigError unless every stage has one entry per kept edge of its cell."""
        for stage, edges in enumerate(self.stages):
            kept = len(genotype.cell(stage_cell_type(stage)).edges)
            if len(edges) != kept:
                raise ConfigError(f"channel plan: stage {stage} plans {len(edges)} edges, the genotype keeps {kept}")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value that `from_json` reads back to an equal plan."""
        return {
            "schema": SCHEMA,
            "version": SCHEMA_VERSION,
            "ranking": self.ranking,
            "allocation": self.allocation,
            "stages": [
                [{"kept_fraction": edge.kept_fraction, "order": list(edge.order)} for edge in stage]
                for stage in self.stages
            ],
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ChannelPlan:
        """Return the plan in a JSON value, or raise ConfigError."""
        require_schema(value, "channel plan", SCHEMA, SCHEMA_VERSION)
        ranking, allocation, stages = (value.get(key) for key in ("ranking", "allocation", "stages"))
        for key, name in (("ranking", ranking), ("allocation", allocation)):
            if not isinstance(name, str) or len(name) > _MOST_CHARACTERS:
                raise _malformed(key, f"a string of at most {_MOST_CHARACTERS} characters", name)
        if not isinstance(stages, list) or any(not isinstance(s, list) or len(s) > MOST_EDGES for s in stages):
            raise _malformed("stages", f"a list of lists of at most {MOST_EDGES} edges", stages)
        if len(stages) != NUM_STAGES:
            raise ConfigError(f"channel plan: needs {NUM_STAGES} stages, found {len(stages)}")
        edges = (
            tuple(_edge_from_json(f"stages[{stage}][{index}]", edge) for index, edge in enumerate(edges))
            for stage, edges in enumerate(stages)
        )
        return ChannelPlan(value["ranking"], value["allocation"], tuple(edges))


def _edge_from_json(place: str, value: Any) -> EdgePlan:
    """Return the plan of an edge in JSON; numbers are not converted."""
    if not isinstance(value, Mapping):
        raise _malformed(place, "{kept_fraction, order}", value)
    fraction, order = value.get("kept_fraction"), value.get("order")
    if not isinstance(fraction, int | float) or isinstance(fraction, bool) or not 0 <= fraction <= 1:
        raise _malformed(f"{place}.kept_fraction", "a number in [0, 1]", fraction)
    if not isinstance(order, list) or len(order) > MOST_CHANNELS or any(type(channel) is not int for channel in order):
        raise _malformed(f"{place}.order", f"a list of at most {MOST_CHANNELS} integers", order)
    return EdgePlan(float(fraction), tuple(order))


def _malformed(place: str, rule: str, found: object) -> ConfigError:
    return ConfigError(f"channel plan: malformed JSON: {place} must be {rule}, found {shortened(found)}")
