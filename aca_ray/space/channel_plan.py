"""Which channels of every kept edge the operation keeps, and which a skip connection refills."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aca_ray.errors import ConfigError
from aca_ray.space.genotype import Genotype
from aca_ray.space.topology import NUM_STAGES, stage_cell_type

SCHEMA = "aca_ray.channel_plan"
SCHEMA_VERSION = 1


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
            raise ConfigError(f"channel plan: kept_fraction must be in [0, 1], found {self.kept_fraction}")
        if not self.order or sorted(self.order) != list(range(len(self.order))):
            raise ConfigError(f"channel plan: order must be a permutation of 0..C-1, found {self.order}")

    def kept_channels(self, width: int) -> tuple[int, ...]:
        """Return the channels, ascending, that the operation keeps in a network whose edge has `width` channels.

        Channel j of the network covers the interval [j*C/width, (j+1)*C/width) of the C ranked channels; its rank is
        the mean rank over that interval, weighted by overlap. The round(kept_fraction*width) channels of best rank are
        kept, ties going to the lower index. One rule serves wider and narrower networks, and the total is exact.

        Source: ours (a largest-remainder rounding has no answer where the network is narrower than the supernet).
        """
        num_ranked = len(self.order)
        rank = [0] * num_ranked
        for position, channel in enumerate(self.order):
            rank[channel] = position

        # In units of 1/width of a ranked channel all bounds are integers, so that ties are exact.
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

    @property
    def refilled_share(self) -> float:
        """Share of channels given to skip connections, the mean over all stages and edges, in [0, 1]; 0 of no edges."""
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
        """Return the plan of a JSON value, or raise ConfigError."""
        if value.get("schema") != SCHEMA or value.get("version") != SCHEMA_VERSION:
            raise ConfigError(
                f"channel plan: needs schema {SCHEMA!r} version {SCHEMA_VERSION}, "
                f"found {value.get('schema')!r} version {value.get('version')!r}"
            )
        try:
            stages = tuple(
                tuple(EdgePlan(float(edge["kept_fraction"]), tuple(int(c) for c in edge["order"])) for edge in stage)
                for stage in value["stages"]
            )
            return ChannelPlan(str(value["ranking"]), str(value["allocation"]), stages)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"channel plan: malformed JSON ({error!r})") from error
