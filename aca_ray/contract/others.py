"""The contracts of spaces, retraining protocols and data sets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from aca_ray.contract import small
from aca_ray.contract.check import Check, require
from aca_ray.data import check_data, load_retraining_data, load_search_data
from aca_ray.data.source import Source
from aca_ray.methods import darts
from aca_ray.nn import DerivedNetwork
from aca_ray.retraining import Protocol
from aca_ray.retraining.protocol_values import FIELDS
from aca_ray.space import PUBLISHED, Space, without_skip
from aca_ray.space.deletions import deletion_problems


def space_checks(space: Space) -> Iterator[Check]:
    """Yield the checks: deleted edges; supernet and derived network, with and without skip connections."""
    yield Check("deleted edges leave cells of the space's kind", partial(_is_connected, space))
    for own in dict.fromkeys((space, without_skip(space))):
        yield Check(f"supernet and derived network of {own.name} compute", partial(_computes, own))


def _is_connected(space: Space) -> None:
    problems = [
        one for kind in space.cell_types for one in deletion_problems(space.topology, space.candidates(kind), kind)
    ]
    require(not problems, "; ".join(problems))


def _computes(space: Space) -> None:
    search = small.search(darts.METHOD, space)
    search.step(0, 0)
    network = DerivedNetwork(search.genotype(), None, channels=4, num_cells=3, num_classes=small.NUM_CLASSES)
    require(bool(network(torch.randn(2, 3, 8, 8)).isfinite().all()), "logits of the derived network are not finite")


def protocol_checks(protocol: Protocol) -> Iterator[Check]:
    """Yield the checks: fields, schedule and network."""
    yield Check("every field is within its bounds", partial(_within_bounds, protocol))
    yield Check("the learning rate of every epoch is a number of at least 0", partial(_learning_rates, protocol))
    yield Check("its network can be built", partial(_is_buildable, protocol))


def _within_bounds(protocol: Protocol) -> None:
    for name, field in FIELDS.items():
        value = getattr(protocol, field.attribute)
        if name == "schedule" and callable(value):  # may be one of its own
            continue
        try:
            field.read(field.spell(protocol))
        except ValueError:
            require(False, f"{field.attribute}: must be {field.rule}, found {value!r}")


def _learning_rates(protocol: Protocol) -> None:
    for epoch in sorted({0, protocol.epochs // 2, protocol.epochs - 1}):
        rate = protocol.schedule(protocol.lr, epoch, protocol.epochs)
        require(0 <= rate < float("inf"), f"schedule: must be at least 0 and finite in epoch {epoch}, found {rate!r}")


def _is_buildable(protocol: Protocol) -> None:
    size = protocol.scale.auxiliary_size if protocol.has_tower else 32
    settings = protocol.network_settings(small.data().info)
    with torch.device("meta"):
        network = DerivedNetwork(PUBLISHED["DARTS_V2"], None, auxiliary=protocol.has_tower, **settings)
        network(torch.empty(2, 3, size, size))


def source_checks(source: Source) -> Iterator[Check]:
    """Yield the checks: both splits, with the default of every key."""
    required = [name for name, key in source.keys.items() if key.default is None]
    if required:
        return  # only a spec knows its values: `aca-ray check SPEC` reads the data
    yield Check("both splits load, and agree", partial(_loads, source))


def _loads(source: Source) -> None:
    mapping = {"name": source.name, "max_train_images": 64, "max_test_images": 32}
    search, retraining = load_search_data(mapping), load_retraining_data(mapping)
    require(search.info == retraining.info, "loading the training images again gives other images or facts")
    check_data(mapping, search)
    facts = source.facts
    for name in ("num_classes", "channels", "height", "width"):
        if facts is not None:
            known, found = getattr(facts, name), getattr(search.info, name)
            require(known == found, f"facts.{name} must be that of the images, {found}, found {known}")
