"""Orders for trials: plain values that are sent to the process that carries them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from aca_ray.channels import CONTROLS, RULES, SKIP_FREE, PlanKind
from aca_ray.config import ExperimentSpec, LookUpTrial, NetworkTrial, RetrainingTrial, SearchTrial, search_trials
from aca_ray.packing import Member
from aca_ray.plugins import KeptPlugins
from aca_ray.records import RetrainingRecord, SearchRecord
from aca_ray.records.layout import sweep_folder_of
from aca_ray.space import ChannelPlan, Genotype, in_nasbench201
from aca_ray.space.plugged import PluginFacts, used_plugins
from aca_ray.storage import StoragePath, storage_path
from aca_ray.sweep.manifest import Sweep
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.looking_up import LookUp
from aca_ray.trials.new_record import new_retraining
from aca_ray.trials.resumable import ResumableTrial
from aca_ray.trials.retraining import TABLE_PROTOCOL, found_network, open_retraining, table_json
from aca_ray.trials.searching import open_search


@dataclass(frozen=True)
class SearchOrder:
    """A search and its folder."""

    trial: SearchTrial
    folder: StoragePath
    base: Path

    @property
    def data(self) -> DataRef:
        """The data of the search."""
        return DataRef(self.trial.data, self.base)

    def open(self, device: torch.device, member: Member | None = None) -> ResumableTrial[SearchRecord]:
        """Return the trial, resumed from the newest checkpoint in its folder, if any; `member` is that of its pack."""
        plugins_of(self).load()
        return open_search(self.trial, self.folder, self.data, device, member)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value for `order_from_json`."""
        return {
            "kind": self.trial.kind,
            "trial": self.trial.to_json(),
            "folder": str(self.folder),
            "base": str(self.base),
        }


@dataclass(frozen=True)
class NetworkOrder:
    """A retraining or look-up of what a search found, and its folder."""

    trial: NetworkTrial
    folder: StoragePath
    base: Path
    search: SearchTrial
    search_folder: StoragePath

    @property
    def data(self) -> DataRef:
        """The data of the retraining."""
        return DataRef(self.trial.data, self.base)

    def open(self, device: torch.device, member: Member | None = None) -> ResumableTrial[RetrainingRecord] | LookUp:
        """Return the trial, resumed from the newest checkpoint in its folder, if any; it is never packed."""
        plugins_of(self).load()
        if isinstance(self.trial, LookUpTrial):
            return LookUp(self.trial, self.folder, self.base, self.search, self.search_folder)
        genotype, plan = self.network()
        return open_retraining(new_retraining(self.trial), genotype, plan, self.folder, self.data, device)

    def network(self) -> tuple[Genotype, ChannelPlan | None]:
        """Return the genotype and channel plan that the search found, which has finished."""
        trial = self.trial
        return found_network(self.search, self.search_folder, trial.ranking, trial.allocation, trial.control)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value for `order_from_json`."""
        return {
            "kind": self.trial.kind,
            "trial": self.trial.to_json(),
            "folder": str(self.folder),
            "base": str(self.base),
            "search": self.search.to_json(),
            "search_folder": str(self.search_folder),
        }


Order = SearchOrder | NetworkOrder


def order_from_json(value: Mapping[str, Any]) -> Order:
    """Return the order of a JSON value."""
    folder, base = storage_path(value["folder"]), Path(value["base"])
    if value["kind"] == SearchTrial.kind:
        return SearchOrder(SearchTrial.from_json(value["trial"]), folder, base)
    trial_type = LookUpTrial if value["kind"] == LookUpTrial.kind else RetrainingTrial
    return NetworkOrder(
        trial_type.from_json(value["trial"]),
        folder,
        base,
        SearchTrial.from_json(value["search"]),
        storage_path(value["search_folder"]),
    )


def plugins_of(order: Order) -> KeptPlugins:
    """Return the plug-ins that a trial uses, from the copies in the folder of its sweep."""
    return KeptPlugins.of(order.trial.plugins, sweep_folder_of(order.folder).plugin)


def rankings_of(sweep: Sweep) -> tuple[str, ...]:
    """Return the names of the sweep's channel rankers, the main one first; () if it has no allocated searches."""
    return sweep.spec.experiment.ranking or ()


def rules_of(sweep: Sweep) -> tuple[str, ...]:
    """Return the names of the sweep's allocation rules, the main one first; () if it has no allocated searches."""
    return sweep.spec.experiment.allocation or ()


def protocol_of(experiment: ExperimentSpec) -> str | Mapping[str, Any]:
    """Return the protocol of an experiment's retrainings, or of the benchmark if networks are only looked up."""
    if experiment.retraining is None or experiment.retraining.protocol is None:
        return TABLE_PROTOCOL
    return experiment.retraining.protocol


def plans_of(sweep: Sweep) -> tuple[PlanKind, ...]:
    """Return the kinds of plans made from every ranking, the main one first."""
    return plan_kinds(rules_of(sweep), sweep.spec.experiment.controls)


def plan_kinds(rules: Sequence[str], controls: Sequence[str]) -> tuple[PlanKind, ...]:
    """Return the plans of every rule and of its controls; the rule that keeps all channels has no controls."""
    return tuple(
        PlanKind(rule, control)
        for rule in rules
        for control in (None, *controls)
        if control is None or rule != SKIP_FREE
    )


def needs_ranking(sweep: Sweep) -> bool:
    """Return whether any network of the sweep depends on the importance of channels."""
    return any(plan.rule != SKIP_FREE for plan in plans_of(sweep))


def search_orders(sweep: Sweep) -> tuple[SearchOrder, ...]:
    """Return an order for every search of a sweep."""
    return tuple(
        SearchOrder(trial, sweep.folder.trial(trial).path, sweep.base) for trial in search_trials(sweep.spec.experiment)
    )


def packable_searches(orders: Iterable[SearchOrder]) -> list[list[SearchOrder]]:
    """Return orders in groups that differ only in their seed."""
    groups: dict[str, list[SearchOrder]] = {}
    for order in orders:
        groups.setdefault(replace(order.trial, seed=0).fingerprint, []).append(order)
    return list(groups.values())


def packed_searches(groups: Sequence[Sequence[SearchOrder]], sizes: Sequence[int]) -> list[tuple[SearchOrder, ...]]:
    """Return orders in packs, which one process carries out each.

    Args:
        groups: groups of orders that may be packed.
        sizes: largest pack of each group.
    """
    return [
        tuple(group[start : start + size])
        for group, size in zip(groups, sizes, strict=True)
        for start in range(0, len(group), size)
    ]


def network_orders(sweep: Sweep, search: SearchOrder) -> tuple[NetworkOrder, ...]:
    """Return an order for every retraining and look-up of what a search finds."""
    experiment = sweep.spec.experiment
    protocol = protocol_of(experiment)
    trials: dict[str, NetworkTrial] = {}  # by fingerprint: a listed rule may be an arm already
    for ranking, plan in _networks(sweep, search.trial):
        rule, control = names = _names(plan)
        used = used_plugins(experiment.plugins, ranker=ranking, rule=rule, control=control)
        retrained = used | used_plugins(experiment.plugins, protocol=protocol)
        found: list[NetworkTrial] = [
            RetrainingTrial.of_search(search.trial, protocol, retrain_seed, ranking, *names, retrained)
            for retrain_seed in experiment.retrain_seeds
        ]
        covered = _is_in_table(search.trial.space, experiment) and (plan is None or _has_whole_edges(plan, experiment))
        if experiment.table is not None and covered:
            found.append(LookUpTrial.of_search(search.trial, table_json(experiment.table), ranking, *names, used))
        trials |= {trial.fingerprint: trial for trial in found}
    return tuple(
        NetworkOrder(trial, sweep.folder.trial(trial).path, sweep.base, search.trial, search.folder)
        for trial in trials.values()
    )


def _names(plan: PlanKind | None) -> tuple[str | None, str | None]:
    return (None, None) if plan is None else (plan.rule, plan.control)


def _is_in_table(space: str, experiment: ExperimentSpec) -> bool:
    """Return whether a table covers a space; the code of plug-ins need not be loaded."""
    plugged = {
        name: name in plugin.whole_edges for plugin in experiment.plugins for name in plugin.names.get("space", ())
    }
    return plugged[space] if space in plugged else in_nasbench201(space)


def _has_whole_edges(plan: PlanKind, experiment: ExperimentSpec) -> bool:
    """Return whether a table has the networks of a plan; the code of plug-ins need not be loaded."""
    plugged = {name: name in plugin.whole_edges for plugin in experiment.plugins for name in _plans_by(plugin)}
    rule = plugged[plan.rule] if plan.rule in plugged else RULES[plan.rule].whole_edges
    if plan.control is None:
        return rule
    return rule and (plugged[plan.control] if plan.control in plugged else CONTROLS[plan.control].whole_edges)


def _plans_by(plugin: PluginFacts) -> tuple[str, ...]:
    """Return the rules and controls that a plug-in adds."""
    return (*plugin.names.get("rule", ()), *plugin.names.get("control", ()))


def _networks(sweep: Sweep, search: SearchTrial) -> Iterator[tuple[str | None, PlanKind | None]]:
    """Yield (ranker, kind of plan) of every network derived from what a search finds."""
    if search.skip == "searched":
        yield None, None
        return
    if sweep.spec.experiment.skip_free:
        yield None, PlanKind(SKIP_FREE)
    for plan in plans_of(sweep):
        for ranking in (None,) if plan.rule == SKIP_FREE else rankings_of(sweep):
            yield ranking, plan


def all_orders(sweep: Sweep) -> list[Order]:
    """Return the orders for every trial of a sweep: all searches, then what is found."""
    searches = search_orders(sweep)
    return [*searches, *(order for search in searches for order in network_orders(sweep, search))]
