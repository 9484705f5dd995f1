"""Whether a network can train on a batch of one image. Batch norm fails where its maps have a single pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from aca_ray.nn.cost import derived_on_one_image, supernet_on_one_image
from aca_ray.nn.edges import EdgeBuilder
from aca_ray.nn.supernet import HeadBuilder
from aca_ray.space.channel_plan import ChannelPlan
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space


def supernet_trains_on_one_image(
    space: Space, build_edge: EdgeBuilder, build_head: HeadBuilder | None = None, **sizes: int
) -> bool:
    """Return whether a supernet in training mode can process a batch of one image; global random states are unchanged.

    The arguments are those of `supernet_on_one_image`.
    """
    with torch.random.fork_rng(devices=[]):
        return _trains(*supernet_on_one_image(space, build_edge, build_head, **sizes))


def derived_trains_on_one_image(genotype: Genotype, plan: ChannelPlan | None, **settings: Any) -> bool:
    """Return whether a derived network in training mode, auxiliary tower included, can process a batch of one image.

    The arguments are those of `derived_on_one_image`. Global random states are unchanged.
    """
    with torch.random.fork_rng(devices=[]):
        return _trains(*derived_on_one_image(genotype, plan, **settings))


def _trains(network: nn.Module, forward: Callable[[], Tensor]) -> bool:
    network.train()
    try:
        with torch.no_grad():
            forward()
    except ValueError as error:
        if "more than 1 value per channel" in str(error):  # torch.nn.functional.batch_norm
            return False
        raise
    return True
