"""Readers of genotypes, channel plans and networks; their errors name the file."""

from __future__ import annotations

from aca_ray.space import ChannelPlan, Genotype, network_from_json, plan_from_json
from aca_ray.storage import StoragePath, read_json
from aca_ray.storage.bounded import naming


def read_network(path: StoragePath) -> tuple[Genotype, ChannelPlan | None]:
    """Return genotype and plan of a network.json or, without a plan, of a genotype.json.

    Raises:
        StorageError: the file can't be read.
        MalformedFileError: it contains no network, or an invalid one.
    """
    with naming(path):
        return network_from_json(read_json(path))


def read_genotype(path: StoragePath) -> Genotype:
    """Return the genotype of a genotype.json; raises the errors of `read_network`."""
    with naming(path):
        return Genotype.from_json(read_json(path))


def read_plan(path: StoragePath, genotype: Genotype) -> ChannelPlan:
    """Return the channel plan of a file, which must fit a genotype; raises the errors of `read_network`."""
    with naming(path):
        return plan_from_json(read_json(path), genotype)
