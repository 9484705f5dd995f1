"""A retraining, from a genotype and a plan to a test accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aca_ray.channels import SKIP_FREE, PlanKind
from aca_ray.config import EvaluationTrial, RetrainingTrial, SearchTrial, TableSpec
from aca_ray.errors import ConfigError
from aca_ray.evaluation import Protocol, Retraining, find_protocol
from aca_ray.pipeline.costs import retrained_cost
from aca_ray.pipeline.datasets import describe_data, evaluation_data
from aca_ray.pipeline.network_files import read_genotype, read_plan
from aca_ray.pipeline.resumable import ResumableTrial
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.space import ChannelPlan, Genotype, network_json
from aca_ray.storage import StoragePath, write_json
from aca_ray.storage.bounded import naming

TABLE_PROTOCOL = "nasbench201"  # protocol that trained the networks of the benchmark's table


def table_json(table: TableSpec | str) -> dict[str, str]:
    """Return the identity of a benchmark's table, as JSON."""
    return {"name": table} if isinstance(table, str) else table.model_dump()


def found_network(
    trial: EvaluationTrial, search: SearchTrial, search_folder: StoragePath
) -> tuple[Genotype, ChannelPlan | None]:
    """Return the genotype and plan that a finished search gives a retraining, by its allocation rule and control."""
    if trial.allocation is None or trial.allocation == SKIP_FREE:
        record = TrialRecord.read(search_folder)
        if record is None or record.genotype is None:
            raise ConfigError(f"{search_folder}: the search has no genotype yet; resume the sweep")
        with naming(TrialFolder(search_folder).record):
            return Genotype.from_json(record.genotype), None
    folder = TrialFolder(search_folder).allocation(search.epochs, str(trial.ranking))
    genotype = read_genotype(folder.genotype)
    return genotype, read_plan(folder.plan(PlanKind(trial.allocation, trial.control).name), genotype)


def open_evaluation(
    trial: EvaluationTrial | RetrainingTrial,
    genotype: Genotype,
    plan: ChannelPlan | None,
    folder: StoragePath,
    base: Path,
    device: torch.device,
) -> ResumableTrial:
    """Return the retraining of a network, resumed from the newest checkpoint in its folder, if any."""
    data = evaluation_data(trial.data, base)
    assert trial.protocol is not None  # else it is looked up
    protocol: Protocol = find_protocol(trial.protocol)
    work = Retraining(genotype, plan, data, protocol, seed=trial.retrain_seed, device=device)
    write_json(TrialFolder(folder).network, network_json(genotype, plan))
    cost = retrained_cost(genotype, plan, protocol, data.info)

    def result(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
        accuracies = [row["metrics"]["test/accuracy"] for row in rows]
        return {
            "test_accuracy": accuracies[-1],
            "best_test_accuracy": max(accuracies),
            "parameters": cost.parameters,
            "macs": cost.macs,
            "num_skips": genotype.num_skips,
            "num_parametric": genotype.num_parametric,
            "refilled_share": 0.0 if plan is None else plan.refilled_share,
        }

    record = TrialRecord(
        kind="evaluation",
        fingerprint=trial.fingerprint,
        trial=trial.to_json(),
        num_epochs=protocol.epochs,
        genotype=genotype.to_json(),
        data_info=describe_data(data.info, len(data.train)),
    )
    return ResumableTrial(folder, record, work, milestones=(protocol.epochs,), describe=dict, result=result)
