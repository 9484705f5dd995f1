"""Derived networks for people who want only the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.errors import ConfigError, shortened
from aca_ray.nn import DerivedNetwork
from aca_ray.plugins import installed_plugins
from aca_ray.retraining import find_protocol
from aca_ray.space import ChannelPlan, Genotype
from aca_ray.trials.standalone import named_network


def build_network(
    genotype: Genotype | Path | str,
    num_classes: int,
    protocol: str | Mapping[str, Any],
    plan: ChannelPlan | None,
    in_channels: int,
    auxiliary: bool,
) -> DerivedNetwork:
    """Return the network of a genotype; see `aca_ray.build`."""
    installed_plugins()
    problems = [
        f"{name}: must be an integer of at least 1, found {shortened(value)}"
        for name, value in (("num_classes", num_classes), ("in_channels", in_channels))
        if type(value) is not int or value < 1
    ]
    cells, chosen = None, None
    try:
        chosen = find_protocol(protocol)
    except ConfigError as error:
        problems += error.problems
    try:
        cells, planned = _cells(genotype)
        plan = planned if plan is None else plan
        if plan is not None:
            plan.check_fits(cells)
    except ConfigError as error:
        problems += error.problems
    if problems or cells is None or chosen is None:
        raise ConfigError(problems)
    return DerivedNetwork(
        cells,
        plan,
        channels=chosen.channels,
        num_cells=chosen.num_cells,
        num_classes=num_classes,
        in_channels=in_channels,
        auxiliary=auxiliary,
        scale=chosen.scale,
    )


def _cells(genotype: Genotype | Path | str) -> tuple[Genotype, ChannelPlan | None]:
    if isinstance(genotype, Genotype):
        return genotype, None
    if isinstance(genotype, str | os.PathLike):
        return named_network(os.fspath(genotype))
    raise ConfigError(f"genotype: must be a name, a text, a path or a Genotype, found {shortened(genotype)}")
