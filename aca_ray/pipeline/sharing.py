"""Sharing of retrainings: equal ones are trained once and recorded for every search that found the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from aca_ray.config import fingerprint
from aca_ray.pipeline.evaluating import found_network
from aca_ray.pipeline.orders import EvaluationOrder
from aca_ray.records import RetrainingRecord, TrialFolder, TrialRecord
from aca_ray.space import ChannelPlan, network_json
from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.storage import StoragePath, write_json


@dataclass
class SharedTraining:
    """Retrainings that train the same network in the same way.

    Attributes:
        orders: unfinished retrainings, the most advanced first.
        source: folder of the trained one, or None if none has finished.
    """

    orders: list[EvaluationOrder]
    source: StoragePath | None = None


def shared_trainings(orders: Iterable[EvaluationOrder]) -> list[SharedTraining]:
    """Return retrainings in groups that take one training each; groups with nothing left to do are left out.

    A look-up is a group of its own, since it needs no training.

    Args:
        orders: orders whose networks are known, including finished ones.
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
    """Return the identity of a training: network, protocol, data and seed, whichever search found the network."""
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
    """Record a retraining as finished, with the results of another one of the same identity.

    Args:
        order: the retraining that is not trained.
        source: folder of the finished one, which has the weights.
    """
    trained = RetrainingRecord.read(source)
    assert trained is not None
    assert trained.state == "finished"
    genotype, plan = found_network(order.trial, order.search, order.search_folder)
    write_json(TrialFolder(order.folder).network, network_json(genotype, plan))
    copy = replace(
        trained,
        fingerprint=order.trial.fingerprint,
        trial=order.trial,
        milestones=(),
        resumes=0,
        shared_with=trained.fingerprint,
    )
    copy.write(order.folder)


def lost_its_source(order: EvaluationOrder) -> bool:
    """Return whether a retraining is recorded as shared with a missing one, so that it has to be trained."""
    record = TrialRecord.read(order.folder)
    if record is None or record.shared_with is None:
        return False
    trained = TrialRecord.read(source_folder(order.folder, record))
    return trained is None or not _is_trained(trained) or trained.fingerprint != record.shared_with


def source_folder(folder: StoragePath, record: TrialRecord) -> StoragePath:
    """Return the folder with the weights of a retraining: its own, or that of the retraining it is shared with.

    Args:
        folder: folder of the retraining, in the folder of its sweep.
        record: record of the retraining.
    """
    return folder if record.shared_with is None else folder.parent / record.shared_with[:SHORT_DIGITS]


def _is_trained(record: TrialRecord) -> bool:
    return record.state == "finished" and record.shared_with is None


def _effect(plan: ChannelPlan | None) -> list[list[Any]] | None:
    """Return the effect of a plan on a network: None if it keeps all channels, else the kept ones by stage and edge.

    The order of the channels counts only on edges whose operation keeps some, but not all of them.
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
