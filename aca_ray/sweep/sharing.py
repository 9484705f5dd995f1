"""Sharing of retrainings: equal ones are trained once and recorded for every search that found the network."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aca_ray.config import LookUpTrial, RetrainingTrial, fingerprint
from aca_ray.errors import AcaRayError
from aca_ray.records import RetrainingRecord, TrialFolder, TrialRecord
from aca_ray.space import ChannelPlan, network_json
from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.storage import StoragePath, write_json
from aca_ray.sweep.orders import NetworkOrder
from aca_ray.trials.provenance import with_plugins


class SharedTrainings:
    """Trains one of the retrainings that train the same network in the same way, and shares its result with the others.

    If the trained one fails, the next one is trained.

    Args:
        train: called with a retraining to train.
        share: called with a finished retraining's folder for each equal one.
    """

    def __init__(
        self, train: Callable[[NetworkOrder], None], share: Callable[[NetworkOrder, StoragePath], None]
    ) -> None:
        self._train, self._share = train, share
        self._identities: dict[StoragePath, str] = {}
        self._trained: dict[str, StoragePath] = {}  # folder of the finished one, by identity
        self._training: dict[str, StoragePath] = {}
        self._waiting: defaultdict[str, deque[NetworkOrder]] = defaultdict(deque)

    def reserve(self, order: NetworkOrder) -> None:
        """Let equal retrainings wait for one that was begun, and that will be added or fail later."""
        self._training.setdefault(self._identity(order), order.folder)

    def add(self, order: NetworkOrder) -> None:
        """Add an unfinished retraining whose network is known."""
        identity = self._identity(order)
        if identity in self._trained:
            self._share(order, self._trained[identity])
        elif self._training.setdefault(identity, order.folder) == order.folder:
            self._train(order)
        else:
            self._waiting[identity].append(order)

    def finished(self, order: NetworkOrder) -> None:
        """Note that a retraining was trained to its end."""
        identity = self._identity(order)
        self._trained.setdefault(identity, order.folder)
        for waiting in self._waiting.pop(identity, ()):
            self._share(waiting, order.folder)

    def failed(self, order: NetworkOrder) -> None:
        """Note that a retraining failed, or can never start."""
        identity = self._identity(order)
        if self._training.get(identity) == order.folder:
            del self._training[identity]
            if self._waiting[identity]:
                self.add(self._waiting[identity].popleft())

    def _identity(self, order: NetworkOrder) -> str:
        if order.folder not in self._identities:
            self._identities[order.folder] = _identity_if_known(order)
        return self._identities[order.folder]


def _identity_if_known(order: NetworkOrder) -> str:
    """Return the identity of a training; a look-up, and a retraining whose network can't be read, has its own."""
    if isinstance(order.trial, LookUpTrial):
        return order.trial.fingerprint
    try:
        return network_identity(order, order.trial)
    except AcaRayError:  # the retraining itself reports it
        return order.trial.fingerprint


def network_identity(order: NetworkOrder, trial: RetrainingTrial) -> str:
    """Return the identity of a training: network, protocol, data and seed, whichever search found the network."""
    genotype, plan = order.network()
    return fingerprint(
        {
            "kind": "training",
            "genotype": genotype.to_json(),
            "plan": _effect(plan),
            "protocol": trial.protocol if isinstance(trial.protocol, str) else dict(trial.protocol),
            "data": dict(trial.data),
            "retrain_seed": trial.retrain_seed,
        }
    )


def share_result(order: NetworkOrder, source: StoragePath) -> None:
    """Record a retraining as finished, with the results of another one of the same identity.

    Args:
        order: the retraining that is not trained.
        source: folder of the finished one, which has the weights.
    """
    trained = RetrainingRecord.read(source)
    assert trained is not None
    assert isinstance(order.trial, RetrainingTrial)
    assert trained.state == "finished"
    genotype, plan = order.network()
    write_json(TrialFolder(order.folder).network, network_json(genotype, plan))
    copy = replace(
        trained,
        fingerprint=order.trial.fingerprint,
        trial=order.trial,
        milestones=(),
        resumes=0,
        environment=with_plugins(trained.environment or {}, order.trial.plugins),
        shared_with=trained.fingerprint,
    )
    copy.write(order.folder)


def lost_its_source(order: NetworkOrder) -> bool:
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
