"""Networks for export, by the name of a trial or a genotype."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from aca_ray.channels import SKIP_FREE
from aca_ray.config import LookUpTrial
from aca_ray.data import ImageFacts
from aca_ray.errors import CheckpointError, ConfigError
from aca_ray.exports import ExportedNetwork
from aca_ray.plugins import KeptPlugins, installed_plugins
from aca_ray.records import NetworkRecord, SearchRecord, StandaloneRecord, TrialFolder, TrialRecord
from aca_ray.retraining import DEFAULT_PROTOCOL, check_fits, find_protocol
from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.storage import StoragePath, read_checkpoint
from aca_ray.sweep.finding import find_trial, trial_title
from aca_ray.sweep.manifest import Sweep, sweep_of
from aca_ray.sweep.orders import protocol_of, rankings_of, rules_of
from aca_ray.sweep.sharing import source_folder
from aca_ray.trials.datasets import DataRef, recorded_facts
from aca_ray.trials.network_files import read_network
from aca_ray.trials.retraining import TABLE_PROTOCOL, found_network
from aca_ray.trials.standalone import named_network, network_title

DEFAULT_DATA = {"name": "cifar10"}


@dataclass(frozen=True)
class NamedNetwork:
    """A network given by name.

    Attributes:
        exported: the network.
        file_name: name of its files, without a suffix.
        sweep: sweep of its trial, or None.
        record: record of its trial, or None.
    """

    exported: ExportedNetwork
    file_name: str
    sweep: Sweep | None = None
    record: TrialRecord | None = None


def read_named(
    name: str,
    storage: StoragePath,
    protocol: str | Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    *,
    with_weights: bool = True,
) -> NamedNetwork:
    """Return the network of a trial, with its weights if it is a retraining, or of a genotype.

    Args:
        name: name of a trial (see `find_trial`) or of a genotype (see `named_network`).
        storage: folder of all sweeps.
        protocol: retraining protocol, by name or value, that sets the network's size. None for the protocol of the
            trial's sweep, or the default without a sweep. Must be None for a retraining, whose weights fix it.
        data: mapping of the data that the network is for; None and retrainings as for `protocol`.
        with_weights: whether the weights of a retraining are read; if not, their file need not exist.

    Raises:
        ConfigError: a name is unknown or ambiguous, a trial is not finished, or protocol or data are given for a
            retraining.
        CheckpointError: the weights of a retraining are damaged.
        DataError: the data have to be read to describe their images, and can't.
        StorageError: a file of the trial is missing or can't be read.
    """
    folder = find_trial(name, storage)
    if folder is None:
        return _of_genotype(name, protocol, data)
    record = TrialRecord.read(folder)
    assert record is not None
    if record.state != "finished":
        raise ConfigError(
            f"{folder}: {trial_title(record)}: must be finished, found epoch {record.epoch} of {record.num_epochs} "
            f"({record.state}); resume the sweep first"
        )
    sweep = sweep_of(folder)
    plugins = KeptPlugins(record.trial.plugins) if sweep is None else sweep.plugins
    plugins.load()
    if isinstance(record, SearchRecord):
        exported = _of_search(folder, record, sweep, protocol, data)
    elif protocol is None and data is None:
        exported = _of_retraining(folder, record, sweep, with_weights=with_weights)
    else:
        raise ConfigError(f"{name}: is a retraining, whose weights fix protocol and data; remove --protocol and --data")
    return NamedNetwork(
        exported,
        f"{'search' if record.kind == 'search' else 'network'}_{record.fingerprint[:SHORT_DIGITS]}",
        sweep,
        record,
    )


def _of_genotype(name: str, protocol: str | Mapping[str, Any] | None, data: Mapping[str, Any] | None) -> NamedNetwork:
    installed_plugins()
    genotype, plan = named_network(name)
    name = network_title(name)
    chosen = find_protocol(protocol or DEFAULT_PROTOCOL)
    images = DataRef(data or DEFAULT_DATA, Path.cwd()).image_facts()
    check_fits(chosen, images)
    exported = ExportedNetwork(
        name=name,
        origin=f"Untrained: the genotype {name}",
        genotype=genotype,
        plan=plan,
        protocol=chosen,
        images=images,
    )
    return NamedNetwork(exported, re.sub(r"\W+", "_", f"{Path(name).stem}_{chosen.name}").strip("_"))


def _of_search(
    folder: StoragePath,
    record: SearchRecord,
    sweep: Sweep | None,
    protocol: str | Mapping[str, Any] | None,
    data: Mapping[str, Any] | None,
) -> ExportedNetwork:
    search = record.trial
    allocation: tuple[str | None, str | None] = (None, None)
    if search.skip == "allocated":
        if sweep is None:
            raise ConfigError(
                f"{folder}: must be in the folder of its sweep, which has the allocation of its channels; move it back"
            )
        ranking, rule = rankings_of(sweep)[0], rules_of(sweep)[0]
        allocation = (None, rule) if rule == SKIP_FREE else (ranking, rule)
        planned = TrialFolder(folder).allocation(search.epochs, ranking).summary
        if rule != SKIP_FREE and not planned.is_file():
            raise ConfigError(f"{folder}: its channels are not allocated yet; resume the sweep")
    chosen = find_protocol(protocol or (DEFAULT_PROTOCOL if sweep is None else protocol_of(sweep.spec.experiment)))
    genotype, plan = found_network(search, folder, *allocation)
    images = DataRef(data, Path.cwd()).image_facts() if data else _images(record)
    check_fits(chosen, images)
    return ExportedNetwork(
        name=_full_name(folder, sweep),
        origin=f"Untrained: found by the {trial_title(record)}",
        genotype=genotype,
        plan=plan,
        protocol=chosen,
        images=images,
        trial=_trial(record),
    )


def _of_retraining(
    folder: StoragePath, record: TrialRecord, sweep: Sweep | None, *, with_weights: bool
) -> ExportedNetwork:
    genotype, plan = read_network(TrialFolder(folder).network)
    assert isinstance(record, NetworkRecord | StandaloneRecord)
    assert record.result is not None  # it has finished
    trial = record.trial
    looked_up = isinstance(trial, LookUpTrial)
    return ExportedNetwork(
        name=_full_name(folder, sweep),
        origin=(
            f"Untrained: its accuracy was looked up in a table, for the {trial_title(record)}"
            if looked_up
            else f"Trained for {record.num_epochs} epochs by the {trial_title(record)}"
        ),
        genotype=genotype,
        plan=plan,
        protocol=find_protocol(TABLE_PROTOCOL if isinstance(trial, LookUpTrial) else trial.protocol),
        images=_images(record),
        weights=_weights(folder, record) if with_weights and not looked_up else None,
        trial=_trial(record),
        test_accuracy=None if looked_up else record.result.test_accuracy,
    )


def _weights(folder: StoragePath, record: TrialRecord) -> dict[str, Tensor]:
    """Return the weights after the last epoch of a retraining, without the auxiliary tower.

    The weights of a shared retraining are in the folder of the trial that was trained.
    """
    source = source_folder(folder, record)
    path = TrialFolder(source).milestone(record.num_epochs)
    if not path.is_file():
        raise CheckpointError(
            f"{path}: the weights of the {trial_title(record)} are gone (`aca-ray gc --weights` deletes them, and "
            "archives lack them without --with-checkpoints); put the file back, delete the folder "
            f"{source} and resume the sweep, which trains it again, or export the search for the untrained network"
        )
    header, state = read_checkpoint(path)
    trained = record.shared_with or record.fingerprint
    if header.get("fingerprint") != trained:
        raise CheckpointError(
            f"{path}: must be a checkpoint of trial {trained}, found trial {header.get('fingerprint')}; move it away"
        )
    network = state["work"]["network"]
    return {name: tensor for name, tensor in network.items() if not name.startswith("auxiliary.")}


def _images(record: TrialRecord) -> ImageFacts:
    assert record.data_info is not None  # it has finished
    return recorded_facts(record.data_info)


def _trial(record: TrialRecord) -> dict[str, Any]:
    return {"fingerprint": record.fingerprint, "kind": record.kind, **record.trial.to_json()}


def _full_name(folder: StoragePath, sweep: Sweep | None) -> str:
    return folder.name if sweep is None else f"{sweep.spec.name}/{folder.name}"
