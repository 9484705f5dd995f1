"""Orders for channel ranking: plain values that are sent to the process that carries them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from aca_ray.channels import DEFAULT_ALLOCATION, DEFAULT_RANKING, RANKERS, RULES, PlanKind
from aca_ray.errors import CheckpointError, ConfigError, unknown_name
from aca_ray.plugins import KeptPlugins, installed_plugins
from aca_ray.records import AllocationFolder, AllocationSummary, TrialFolder, TrialRecord
from aca_ray.retraining import DEFAULT_PROTOCOL, find_protocol, read_protocol
from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.storage import StoragePath
from aca_ray.sweep.manifest import Sweep, sweep_of
from aca_ray.sweep.orders import SearchOrder, plan_kinds, plans_of, protocol_of, rankings_of, search_orders
from aca_ray.training import select_device
from aca_ray.trials.allocating import allocate_milestone, complete_allocation, search_header
from aca_ray.trials.drawing import draw_allocation


@dataclass(frozen=True)
class RankingOrder:
    """The ranking of the channels of one checkpoint.

    Attributes:
        checkpoint: the milestone.
        epoch: epoch of the search at the milestone.
        folder: folder for scores and plans.
        base: folder that relative data paths are relative to.
        ranking: name of the ranker.
        plans: kinds of plans, the main one first.
        protocol: retraining protocol, by name or value, for whose network parameters and MACs are counted.
        previous: allocation folder of the previous milestone, or None.
        search: folder of the search, or None for a checkpoint given by path.
        fingerprint: fingerprint of the search.
        plugins: plug-ins of the sweep.
        code: plug-ins that rank and allocate; see `Question`.
    """

    checkpoint: StoragePath
    epoch: int
    folder: AllocationFolder
    base: Path
    ranking: str
    plans: tuple[PlanKind, ...]
    protocol: str | Mapping[str, Any]
    previous: AllocationFolder | None
    search: StoragePath | None
    fingerprint: str
    plugins: KeptPlugins = KeptPlugins()  # noqa: RUF009 - frozen
    code: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether nothing is missing that `carry_out` would compute; the checkpoint is then not needed."""
        return (
            complete_allocation(
                self.folder,
                ranking=self.ranking,
                plans=self.plans,
                protocol=find_protocol(self.protocol),
                identity=(self.fingerprint, self.epoch),
                code=self.code,
            )
            is not None
        )

    def carry_out(self, *, threads: int, gpus: float) -> AllocationSummary:
        """Rank, allocate and draw; return the summary (see `allocate_milestone`)."""
        torch.set_num_threads(threads)
        self.plugins.load()
        summary = allocate_milestone(
            self.checkpoint,
            self.folder,
            self.base,
            ranking=self.ranking,
            plans=self.plans,
            protocol=find_protocol(self.protocol),
            device=select_device(gpus),
            previous=self.previous,
            identity=(self.fingerprint, self.epoch),
            code=self.code,
        )
        draw_allocation(self.folder, self.plans[0].name)
        return summary


def milestone_orders(
    sweep: Sweep, search: SearchOrder, milestones: Sequence[int], rankings: Sequence[str], plans: tuple[PlanKind, ...]
) -> Iterator[RankingOrder]:
    """Yield the orders for milestones of a sweep's search: per ranker, milestones ascending."""
    for ranking in rankings:
        previous: AllocationFolder | None = None
        for epoch in milestones:
            folder = TrialFolder(search.folder).allocation(epoch, ranking)
            checkpoint = TrialFolder(search.folder).milestone(epoch)
            protocol = protocol_of(sweep.spec.experiment)
            yield RankingOrder(
                checkpoint,
                epoch,
                folder,
                sweep.base,
                ranking,
                plans,
                protocol,
                previous,
                search.folder,
                search.trial.fingerprint,
                sweep.plugins,
                _code(sweep, ranking, plans),
            )
            previous = folder


def sweep_orders(sweep: Sweep, rankings: Sequence[str], rules: Sequence[str]) -> list[RankingOrder]:
    """Return the orders for all milestones that the sweep's allocated searches have reached.

    Results are written to the sweep's own allocation folders, and existing ones are reused; so a pair of ranker and
    rule that is added to the spec later is already there.

    Args:
        sweep: sweep of the searches.
        rankings: names of rankers; empty for those of the sweep.
        rules: names of allocation rules in addition to those of the sweep, each with the sweep's controls.

    Raises:
        ConfigError: names are unknown, or the sweep has no milestones to rank, or their checkpoints were deleted; lists
            all problems.
    """
    problems = _unknown(rankings, rules)
    plans = dict.fromkeys([*plans_of(sweep), *plan_kinds(rules, sweep.spec.experiment.controls)])
    orders: list[RankingOrder] = []
    for search in search_orders(sweep):
        record = TrialRecord.read(search.folder) if search.trial.skip == "allocated" else None
        if record is not None:
            orders += milestone_orders(sweep, search, record.milestones, rankings or rankings_of(sweep), tuple(plans))
    if not orders:
        problems.append(f"{sweep.folder.path}: no search with allocated skips has reached a milestone; run it first")
    if not problems:
        gone = [order for order in orders if not order.checkpoint.is_file() and not order.is_done]
        problems += [
            f"{order.checkpoint}: is missing, and ranking by {order.ranking} with these rules needs it; "
            "`aca-ray gc --milestones` deletes milestones. Put it back from an archive or a backup, or repeat the "
            "search in a sweep of another name"
            for order in gone
        ]
    if problems:
        raise ConfigError(problems)
    return orders


def ranking_orders(
    checkpoints: Sequence[StoragePath],
    rankings: Sequence[str],
    rules: Sequence[str],
    protocol: str | Mapping[str, Any] | None,
    base: Path | None,
    out: StoragePath | None,
) -> list[RankingOrder]:
    """Return the orders for checkpoints given by path; see `aca_ray.rank`.

    Raises:
        ConfigError: names are unknown, or files are missing or not checkpoints of searches; lists all problems.
    """
    sweeps = {path: sweep_of(path) for path in checkpoints}
    installed_plugins()
    for found in filter(None, sweeps.values()):
        found.plugins.load()
    problems = _unknown(rankings, rules)
    if protocol is not None:
        protocol, wrong = read_protocol(protocol, "protocol")
        problems += wrong
    if not checkpoints:
        problems.append("rank: needs at least one checkpoint or the name of a sweep, found none; give one")
    orders = []
    plans = plan_kinds(rules or (DEFAULT_ALLOCATION,), ())
    for path in checkpoints:
        try:
            header = search_header(path)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        sweep = sweeps[path]
        counted = protocol or (DEFAULT_PROTOCOL if sweep is None else protocol_of(sweep.spec.experiment))
        path_base = base or (Path.cwd() if sweep is None else sweep.base)
        for ranking in rankings or (DEFAULT_RANKING,):
            name = f"{header['fingerprint'][:SHORT_DIGITS]}-{path.stem}-{ranking}"
            folder = AllocationFolder(((path.parent if out is None else out) / name).resolve())
            orders.append(
                RankingOrder(
                    path.resolve(),
                    header["epoch"],
                    folder,
                    path_base,
                    ranking,
                    plans,
                    counted,
                    None,
                    None,
                    header["fingerprint"],
                    KeptPlugins() if sweep is None else sweep.plugins,
                    {} if sweep is None else _code(sweep, ranking, plans),
                )
            )
    if problems:
        raise ConfigError(problems)
    return orders


def _code(sweep: Sweep, ranking: str, plans: Sequence[PlanKind]) -> dict[str, str]:
    """Return the SHA-256 of the sweep's plug-ins that make scores or plans, by what they make; see `Question`."""
    used = {("ranker", ranking)} | {("rule", plan.rule) for plan in plans}
    used |= {("control", plan.control) for plan in plans if plan.control is not None}
    return {
        f"{kind} {name}": plugin.sha256
        for kind, name in sorted(used)
        for plugin in sweep.spec.experiment.plugins
        if name in plugin.names.get(kind, ())
    }


def _unknown(rankings: Sequence[str], rules: Sequence[str]) -> list[str]:
    """Return a problem for every unknown name of a ranker or rule."""
    return [
        *(unknown_name("ranking", "ranker", name, RANKERS) for name in rankings if name not in RANKERS),
        *(unknown_name("allocation", "allocation rule", name, RULES) for name in rules if name not in RULES),
    ]
