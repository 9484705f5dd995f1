"""Orders for trials: plain values that travel to the process that carries them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from aca_ray.channels import DEFAULT_ALLOCATION, DEFAULT_RANKING
from aca_ray.config import EvaluationTrial, SearchTrial, search_trials
from aca_ray.pipeline.evaluating import found_network, open_evaluation
from aca_ray.pipeline.manifest import Sweep
from aca_ray.pipeline.resumable import ResumableTrial
from aca_ray.pipeline.searching import open_search
from aca_ray.search.together import Together
from aca_ray.storage import StoragePath, storage_path


@dataclass(frozen=True)
class SearchOrder:
    """Search in this folder."""

    trial: SearchTrial
    folder: StoragePath
    base: Path

    def open(self, device: torch.device, together: Together | None = None) -> ResumableTrial:
        """Return the trial where its folder says that it stands, alone or computed together with others."""
        return open_search(self.trial, self.folder, self.base, device, together)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value for `order_from_json`."""
        return {
            "kind": "search",
            "trial": self.trial.to_json(),
            "folder": str(self.folder),
            "base": str(self.base),
        }


@dataclass(frozen=True)
class EvaluationOrder:
    """Retrain, in this folder, what a search found."""

    trial: EvaluationTrial
    folder: StoragePath
    base: Path
    search: SearchTrial
    search_folder: StoragePath

    def open(self, device: torch.device, together: Together | None = None) -> ResumableTrial:
        """Return the trial where its folder says that it stands; a retraining is always alone."""
        genotype, plan = found_network(self.trial, self.search, self.search_folder)
        return open_evaluation(self.trial, genotype, plan, self.folder, self.base, device)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value for `order_from_json`."""
        return {
            "kind": "evaluation",
            "trial": self.trial.to_json(),
            "folder": str(self.folder),
            "base": str(self.base),
            "search": self.search.to_json(),
            "search_folder": str(self.search_folder),
        }


Order = SearchOrder | EvaluationOrder


def order_from_json(value: Mapping[str, Any]) -> Order:
    """Return the order of a JSON value."""
    folder, base = storage_path(value["folder"]), Path(value["base"])
    if value["kind"] == "search":
        return SearchOrder(SearchTrial.from_json(value["trial"]), folder, base)
    return EvaluationOrder(
        EvaluationTrial.from_json(value["trial"]),
        folder,
        base,
        SearchTrial.from_json(value["search"]),
        storage_path(value["search_folder"]),
    )


def ranking_of(sweep: Sweep) -> str:
    """Return the name of the sweep's channel ranker."""
    return sweep.spec.experiment.ranking or DEFAULT_RANKING


def allocation_of(sweep: Sweep) -> str:
    """Return the name of the sweep's main allocation rule."""
    return sweep.spec.experiment.allocation or DEFAULT_ALLOCATION


def rules_of(sweep: Sweep) -> tuple[str, ...]:
    """Return all allocation rules of the sweep, the main one first, then the controls."""
    return (allocation_of(sweep), *sweep.spec.experiment.evaluation.controls)


def search_orders(sweep: Sweep) -> tuple[SearchOrder, ...]:
    """Return an order for every search of a sweep."""
    return tuple(
        SearchOrder(trial, sweep.folder.search(trial), sweep.base) for trial in search_trials(sweep.spec.experiment)
    )


def alike_orders(orders: Sequence[Order]) -> list[list[Order]]:
    """Return orders in groups of searches that differ just in their seed; a retraining is a group of its own."""
    groups: dict[str, list[Order]] = {}
    for order in orders:
        alike = replace(order.trial, seed=0) if isinstance(order, SearchOrder) else order.trial
        groups.setdefault(alike.fingerprint, []).append(order)
    return list(groups.values())


def packed_orders(groups: Sequence[Sequence[Order]], sizes: Sequence[int]) -> list[tuple[Order, ...]]:
    """Return orders in groups that one process carries out: at most so many, by alike group."""
    return [
        tuple(group[start : start + size])
        for group, size in zip(groups, sizes, strict=True)
        for start in range(0, len(group), size)
    ]


def evaluation_orders(sweep: Sweep, search: SearchOrder) -> tuple[EvaluationOrder, ...]:
    """Return an order for every retraining of what a search finds."""
    evaluation = sweep.spec.experiment.evaluation
    table = None if evaluation.table is None else evaluation.table.model_dump()
    pairs: tuple[tuple[str | None, str | None], ...] = (
        ((None, None),)
        if search.trial.skip == "searched"
        else tuple((ranking_of(sweep), rule) for rule in rules_of(sweep))
    )
    trials = (
        EvaluationTrial.of_search(search.trial, evaluation.protocol, retrain_seed, ranking, allocation, table)
        for ranking, allocation in pairs
        for retrain_seed in evaluation.retrain_seeds
    )
    return tuple(
        EvaluationOrder(trial, sweep.folder.evaluation(trial), sweep.base, search.trial, search.folder)
        for trial in trials
    )


def all_orders(sweep: Sweep) -> list[Order]:
    """Return the orders for every trial of a sweep: all searches, then all retrainings."""
    searches = search_orders(sweep)
    return [*searches, *(order for search in searches for order in evaluation_orders(sweep, search))]
