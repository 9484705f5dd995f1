"""Retraining a network that somebody names, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import torch

from aca_ray.config import RetrainingTrial, fingerprint
from aca_ray.data import absolute_locations, check_evaluation_data, validate_data, without_default_switches
from aca_ray.errors import AcaRayError, ConfigError, unknown_name
from aca_ray.evaluation import PROTOCOLS, check_fits
from aca_ray.pipeline.batch_of_one import batch_of_one_problem, failing_retraining
from aca_ray.pipeline.datasets import evaluation_data
from aca_ray.pipeline.evaluating import open_evaluation
from aca_ray.pipeline.network_files import read_network
from aca_ray.space import PUBLISHED, ChannelPlan, Genotype, network_json
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.storage import TrialRecord
from aca_ray.training import select_device


def named_network(network: str) -> tuple[Genotype, ChannelPlan | None]:
    """Return genotype and plan of what somebody names.

    Args:
        network: name of a published genotype, architecture string of NAS-Bench-201, or path of a file.

    Raises:
        ConfigError: it is none of these.
    """
    if network in PUBLISHED:
        return PUBLISHED[network], None
    if network.startswith("|"):
        return parse_architecture_string(network), None
    if not Path(network).is_file():
        raise ConfigError(
            f"{unknown_name('network', 'genotype', network, PUBLISHED)}; "
            "nor is there a file of that name with a network as JSON"
        )
    return read_network(Path(network))


def retrain(
    network: str,
    data: Mapping[str, Any],
    protocol: str,
    seed: int,
    out: Path,
    threads: int,
    gpu: bool,
    stream: TextIO,
) -> TrialRecord:
    """Retrain a published genotype, an architecture string or the network of a file; see `aca_ray.evaluate`.

    Raises:
        ConfigError: a name or file is unknown, the data mapping is wrong, or protocol and data do not go together.
        DataError: the data can't be read, or show nothing.
    """
    data = absolute_locations(data, Path.cwd())
    problems = validate_data(data, "data")
    if protocol not in PROTOCOLS:
        problems.append(unknown_name("protocol", "protocol", protocol, PROTOCOLS))
    genotype, plan = None, None
    try:
        genotype, plan = named_network(network)
    except AcaRayError as error:
        problems.append(str(error))
    if problems or genotype is None:
        raise ConfigError(problems)
    torch.set_num_threads(threads)
    data = without_default_switches(data)
    trial = RetrainingTrial(fingerprint(network_json(genotype, plan)), network, data, protocol, seed)
    existing = TrialRecord.read(out)
    if existing is not None and existing.fingerprint != trial.fingerprint:
        raise ConfigError(f"{out}: holds another retraining ({existing.fingerprint[:12]}); name another folder")
    if existing is not None and existing.state == "finished":
        return existing
    checked = check_evaluation_data(data, evaluation_data(data, Path.cwd()))
    check_fits(PROTOCOLS[protocol], checked.info)
    failing = failing_retraining(genotype, plan, PROTOCOLS[protocol], checked)
    if failing:
        raise ConfigError(f"data: {batch_of_one_problem(failing, checked)}")
    resumable = open_evaluation(trial, genotype, plan, out, Path.cwd(), select_device(gpu))
    while resumable.record.state != "finished":  # all epochs may be done and only the record's last word missing
        report = resumable.advance()
        if report is not None:
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in report.metrics.items() if "/" in name)
            stream.write(f"epoch {report.epoch}/{resumable.record.num_epochs}  {numbers}\n")
            stream.flush()
    return resumable.record
