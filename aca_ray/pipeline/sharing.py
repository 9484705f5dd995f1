"""Retrainings that are one training, whichever searches found their network: done once, recorded in each place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from aca_ray.config import fingerprint
from aca_ray.config.fingerprint import SHORT_DIGITS
from aca_ray.pipeline.evaluating import found_network
from aca_ray.pipeline.orders import EvaluationOrder
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.space import ChannelPlan, network_json
from aca_ray.storage import StoragePath, write_json


@dataclass
class SharedTraining:
    """Retrainings that would all train the same network in the same way.

    Attributes:
        orders: those that are not finished, the one that has come furthest first.
        source: folder of the one that was trained, or None where none has finished yet.
    """

    orders: list[EvaluationOrder]
    source: StoragePath | None = None


def shared_trainings(orders: Iterable[EvaluationOrder]) -> list[SharedTraining]:
    """Return retrainings whose networks are known, finished ones among them, as groups that each take one training.

    A look-up is a group of its own: it costs no training. Groups without anything left to do are left out.
    """
    groups: dict[str, list[tuple[EvaluationOrder, TrialRecord | None]]] = {}
    for order in orders:
        identity = order.trial.fingerprint if order.trial.table is not None else network_identity(order)
        groups.setdefault(identity, []).append((order, TrialRecord.read(order.folder)))
    found = []
    for members in groups.values():
        left = [(order, record) for order, record in members if record is None or record.state != "finished"]
        left.sort(key=lambda member: 0 if member[1] is None else -member[1].epoch)
        trained = (order.folder for order, record in members if record is not None and _is_trained(record))
        if left:
            found.append(SharedTraining([order for order, _ in left], next(trained, None)))
    return found


def network_identity(order: EvaluationOrder) -> str:
    """Return the identity of what a retraining trains: network, protocol, data and seed, whatever found the network."""
    genotype, plan = found_network(order.trial, order.search, order.search_folder)
    trial = order.trial
    return fingerprint(
        {
            "kind": "training",
            "genotype": genotype.to_json(),
            "plan": _effect(plan),
            "protocol": trial.protocol if isinstance(trial.protocol, str | None) else dict(trial.protocol),
            "data": dict(trial.data),
            "retrain_seed": trial.retrain_seed,
        }
    )


def share(order: EvaluationOrder, source: StoragePath) -> None:
    """Record a retraining as finished with the results of another of the same identity.

    Args:
        order: the retraining that need not be done.
        source: folder of the finished one, which keeps the weights.
    """
    trained = TrialRecord.read(source)
    assert trained is not None
    assert trained.state == "finished"
    genotype, plan = found_network(order.trial, order.search, order.search_folder)
    write_json(TrialFolder(order.folder).network, network_json(genotype, plan))
    copy = replace(
        trained,
        fingerprint=order.trial.fingerprint,
        trial=order.trial.to_json(),
        milestones=[],
        resumes=0,
        shared_with=trained.fingerprint,
    )
    copy.write(order.folder)


def lost_its_source(order: EvaluationOrder) -> bool:
    """Return whether a retraining is recorded as shared with one that is not there, so that it has to be done again."""
    record = TrialRecord.read(order.folder)
    if record is None or record.shared_with is None:
        return False
    trained = TrialRecord.read(source_folder(order.folder, record))
    return trained is None or not _is_trained(trained) or trained.fingerprint != record.shared_with


def source_folder(folder: StoragePath, record: TrialRecord) -> StoragePath:
    """Return the folder that holds the weights of a retraining: its own, or that of the one it shares the training of.

    Args:
        folder: of the retraining, in the folder of its sweep.
        record: of the retraining.
    """
    return folder if record.shared_with is None else folder.parent / record.shared_with[:SHORT_DIGITS]


def _is_trained(record: TrialRecord) -> bool:
    return record.state == "finished" and record.shared_with is None


def _effect(plan: ChannelPlan | None) -> list[list[Any]] | None:
    """Return what a plan does to a network: None where all channels are kept, else per stage and edge what is kept.

    Where the operation keeps all channels of an edge or none, their order makes no difference.
    """
    if plan is None or all(edge.kept_fraction == 1.0 for stage in plan.stages for edge in stage):
        return None
    return [
        [
            [edge.kept_fraction, list(edge.order) if 0.0 < edge.kept_fraction < 1.0 else len(edge.order)]
            for edge in stage
        ]
        for stage in plan.stages
    ]
