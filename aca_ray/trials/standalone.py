"""Retraining of a named network in this process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import torch

from aca_ray.config import StandaloneTrial, fingerprint
from aca_ray.data import absolute_locations, canonical_data, check_retraining_data, validate_data
from aca_ray.errors import AcaRayError, ConfigError, StorageError, unknown_name
from aca_ray.plugins import installed_plugins, used_now
from aca_ray.records import StandaloneRecord
from aca_ray.retraining import check_device, check_fits, find_protocol, read_protocol
from aca_ray.space import PUBLISHED, ChannelPlan, Genotype, network_json
from aca_ray.space.labels import protocol_label
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.space.printed import MAX_CHARACTERS, is_printed, parse_printed, printed_title
from aca_ray.training import select_device
from aca_ray.trials.batch_of_one import batch_of_one_problem, failing_retraining
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.network_files import read_network
from aca_ray.trials.new_record import new_standalone
from aca_ray.trials.retraining import open_retraining


def named_network(network: str) -> tuple[Genotype, ChannelPlan | None]:
    """Return genotype and plan of a named network.

    Args:
        network: name of a published genotype; a genotype as printed by DARTS and its descendants, or an architecture
            string of NAS-Bench-201; or path of a file with one of these two, or with a network as JSON.

    Raises:
        ConfigError: it is none of these.
    """
    if network in PUBLISHED:
        return PUBLISHED[network], None
    if network.startswith("|"):
        return parse_architecture_string(network), None
    if is_printed(network):
        return parse_printed(network), None
    if not os.path.isfile(network):
        raise ConfigError(
            f"{unknown_name('network', 'genotype', network[:200], PUBLISHED)}; no file with a genotype, as JSON or as "
            "printed, has this name either"
        )
    text = _printed_in(Path(network))
    if text is None:
        return read_network(Path(network))
    try:
        return parse_printed(text), None
    except ConfigError as error:
        raise ConfigError(f"{network}: {error}") from error


def _printed_in(path: Path) -> str | None:
    """Return the text of a file, or None if it is JSON or not text."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_CHARACTERS + 1)
        return None if content.lstrip().startswith(b"{") else content.decode()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        return None


def network_title(network: str) -> str:
    """Return a short title of a network given to `named_network`: its name or path, or the printed genotype's name."""
    if network in PUBLISHED or network.startswith("|") or not is_printed(network):
        return network
    return printed_title(network)


def default_folder(network: str, protocol: str | Mapping[str, Any], seed: int) -> Path:
    """Return the default folder of a retraining, which does not depend on the spelling of the protocol."""
    spelling, _ = read_protocol(protocol, "protocol")
    names = (Path(network_title(network)).stem, protocol_label(spelling))
    name, label = (re.sub(r"[^\w.-]+", "_", text).strip("_")[:100] for text in names)
    return Path("results", "networks", f"{name}-{label}-s{seed}")


def retrain(
    network: str,
    data: Mapping[str, Any],
    protocol: str | Mapping[str, Any],
    seed: int,
    out: Path,
    threads: int,
    gpu: bool,
    stream: TextIO,
) -> StandaloneRecord:
    """Retrain a published genotype, an architecture string or the network of a file; see `aca_ray.retrain`.

    Raises:
        ConfigError: a name or file is unknown, the data mapping is wrong, or protocol and data do not fit together.
        DataError: the data can't be read, or the images are (nearly) constant or all equal.
    """
    installed_plugins()
    data = absolute_locations(data, Path.cwd())
    problems = validate_data(data, "data")
    protocol, wrong = read_protocol(protocol, "protocol")
    problems += wrong
    genotype, plan = None, None
    try:
        genotype, plan = named_network(network)
    except AcaRayError as error:
        problems.append(str(error))
    if problems or genotype is None:
        raise ConfigError(problems)
    built = find_protocol(protocol)
    check_device(built, "cuda" if gpu else "cpu")
    torch.set_num_threads(threads)
    data = canonical_data(data)
    trial = StandaloneTrial(
        network=fingerprint(network_json(genotype, plan)),
        name=network_title(network),
        data=data,
        protocol=protocol,
        retrain_seed=seed,
        plugins=used_now(data=data, protocol=protocol),
    )
    existing = StandaloneRecord.read(out)
    if existing is not None and existing.fingerprint != trial.fingerprint:
        raise ConfigError(f"{out}: contains another retraining ({existing.fingerprint[:12]}); give another folder")
    if existing is not None and existing.state == "finished":
        return existing
    source = DataRef(data, Path.cwd())
    checked = check_retraining_data(data, source.for_retraining())
    check_fits(built, checked.info)
    failing = failing_retraining(genotype, plan, built, checked)
    if failing:
        raise ConfigError(f"data: {batch_of_one_problem(failing, checked)}")
    resumable = open_retraining(new_standalone(trial), genotype, plan, out, source, select_device(gpu))
    while resumable.record.state != "finished":  # all epochs may be finished and only the final record missing
        report = resumable.advance()
        if report is not None:
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in report.metrics.items() if "/" in name)
            stream.write(f"epoch {report.epoch}/{resumable.record.num_epochs}  {numbers}\n")
            stream.flush()
    return resumable.record
