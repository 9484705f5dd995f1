"""A retraining, from a genotype and a plan to a test accuracy."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import torch

from aca_ray.channels import PlanKind
from aca_ray.config import SearchTrial, TableSpec
from aca_ray.errors import ConfigError
from aca_ray.records import RetrainingRecord, RetrainingResult, Row, SearchRecord, StandaloneRecord, TrialFolder
from aca_ray.retraining import Protocol, Retraining, find_protocol
from aca_ray.space import ChannelPlan, Genotype, network_json
from aca_ray.storage import StoragePath, write_json
from aca_ray.trials.costs import retrained_cost
from aca_ray.trials.datasets import DataRef, describe_data
from aca_ray.trials.network_files import read_genotype, read_plan
from aca_ray.trials.resumable import ResumableTrial

Retrained = TypeVar("Retrained", RetrainingRecord, StandaloneRecord)
TABLE_PROTOCOL = "nasbench201"  # protocol that trained the networks of the benchmark's table


def table_json(table: TableSpec | str) -> dict[str, str]:
    """Return the identity of a benchmark's table, as JSON."""
    return {"name": table} if isinstance(table, str) else table.model_dump()


def found_network(
    search: SearchTrial, folder: StoragePath, ranking: str | None, rule: str | None, control: str | None = None
) -> tuple[Genotype, ChannelPlan | None]:
    """Return the genotype and channel plan that a finished search found.

    Args:
        search: the search.
        folder: its folder.
        ranking: name of the channel ranker; None without a plan.
        rule: name of the allocation rule; None where skips were searched.
        control: name of the control that changed the rule's plan, or None.
    """
    if ranking is None or rule is None:
        record = SearchRecord.read(folder)
        if record is None or record.genotype is None:
            raise ConfigError(f"{folder}: the search has no genotype yet; resume the sweep")
        return record.genotype, None
    allocation = TrialFolder(folder).allocation(search.epochs, ranking)
    genotype = read_genotype(allocation.genotype)
    return genotype, read_plan(allocation.plan(PlanKind(rule, control).name), genotype)


def open_retraining(
    record: Retrained,
    genotype: Genotype,
    plan: ChannelPlan | None,
    folder: StoragePath,
    data: DataRef,
    device: torch.device,
) -> ResumableTrial[Retrained]:
    """Return the retraining of a network, resumed from the newest checkpoint in its folder, if any.

    Args:
        record: first record of the retraining.
        genotype: genotype of the network.
        plan: its channel plan, or None.
        folder: folder of the trial.
        data: the images to train on and to test with.
        device: device to compute on.
    """
    trial = record.trial
    images = data.for_retraining()
    protocol: Protocol = find_protocol(trial.protocol)
    work = Retraining(genotype, plan, images, protocol, seed=trial.retrain_seed, device=device)
    write_json(TrialFolder(folder).network, network_json(genotype, plan))
    cost = retrained_cost(genotype, plan, protocol, images.info)

    def extend(record: Retrained, row: Row) -> Retrained:
        return replace(record, rows=(*record.rows, row))

    def result(record: Retrained) -> RetrainingResult:
        accuracies = [row.accuracy for row in record.rows if row.accuracy is not None]
        return RetrainingResult(
            test_accuracy=accuracies[-1],
            best_test_accuracy=max(accuracies),
            parameters=cost.parameters,
            macs=cost.macs,
            num_skips=genotype.num_skips,
            num_parametric=genotype.num_parametric,
            refilled_share=0.0 if plan is None else plan.refilled_share,
        )

    record = replace(record, genotype=genotype, data_info=describe_data(images.info, len(images.train)))
    return ResumableTrial(folder, record, work, milestones=(protocol.epochs,), extend=extend, result=result)
