"""Orders for channel ranking: plain values that travel to the process that carries them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aca_ray.channels import DEFAULT_ALLOCATION, DEFAULT_RANKING, RANKERS, RULES, PlanKind
from aca_ray.config.fingerprint import SHORT_DIGITS
from aca_ray.errors import CheckpointError, ConfigError, unknown_name
from aca_ray.evaluation import find_protocol, read_protocol
from aca_ray.pipeline.allocating import allocate_milestone
from aca_ray.pipeline.drawing import draw_allocation
from aca_ray.pipeline.manifest import sweep_of
from aca_ray.storage import StoragePath, read_header
from aca_ray.training import select_device


@dataclass(frozen=True)
class RankingOrder:
    """Rank the channels of one checkpoint.

    Attributes:
        checkpoint: the milestone.
        folder: where scores and plans go.
        base: folder that relative data paths are relative to.
        ranking: name of the ranker.
        plans: kinds of plans, the main one first.
        protocol: the retraining protocol, by name or value, whose network the plans are counted for.
        previous: allocation folder of the milestone before, or None.
    """

    checkpoint: StoragePath
    folder: StoragePath
    base: Path
    ranking: str
    plans: tuple[PlanKind, ...]
    protocol: str | Mapping[str, Any]
    previous: StoragePath | None

    def carry_out(self, *, threads: int, gpus: float) -> dict[str, Any]:
        """Rank, allocate and draw; return the summary (see `allocate_milestone`)."""
        torch.set_num_threads(threads)
        summary = allocate_milestone(
            self.checkpoint,
            self.folder,
            self.base,
            ranking=self.ranking,
            plans=self.plans,
            protocol=find_protocol(self.protocol),
            device=select_device(gpus),
            previous=self.previous,
        )
        draw_allocation(self.folder, self.plans[0].name)
        return summary


def ranking_orders(
    checkpoints: Sequence[StoragePath],
    ranking: str | None,
    rules: Sequence[str],
    protocol: str | Mapping[str, Any],
    base: Path | None,
    out: StoragePath | None,
) -> list[RankingOrder]:
    """Return the orders for checkpoints that lie anywhere; see `aca_ray.rank`.

    Raises:
        ConfigError: names are unknown, or files are missing or no search checkpoints; holds all problems.
    """
    ranking, rules = ranking or DEFAULT_RANKING, tuple(rules) or (DEFAULT_ALLOCATION,)
    problems = [] if ranking in RANKERS else [unknown_name("ranking", "ranker", ranking, RANKERS)]
    problems += [unknown_name("allocation", "allocation rule", rule, RULES) for rule in rules if rule not in RULES]
    protocol, wrong = read_protocol(protocol, "protocol")
    problems += wrong
    if not checkpoints:
        problems.append("rank: needs at least one checkpoint")
    orders = []
    plans = tuple(map(PlanKind, rules))
    for path in checkpoints:
        try:
            header = read_header(path)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        if header.get("kind") != "search":
            problems.append(f"{path}: is a checkpoint of kind {header.get('kind')!r}; ranking needs a search's")
            continue
        name = f"{header['fingerprint'][:SHORT_DIGITS]}-{path.stem}-{ranking}"
        folder = (path.parent if out is None else out) / name
        orders.append(
            RankingOrder(path.resolve(), folder.resolve(), base or _base_of(path), ranking, plans, protocol, None)
        )
    if problems:
        raise ConfigError(problems)
    return orders


def _base_of(checkpoint: StoragePath) -> Path:
    """Return the folder that data paths are relative to: the sweep's, or the working directory outside of sweeps."""
    sweep = sweep_of(checkpoint)
    return Path.cwd() if sweep is None else sweep.base
