"""Whether a network can train on a batch of one image: batch norm can't where its maps have a single pixel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from aca_ray.nn.derived import DerivedNetwork
from aca_ray.nn.edges import EdgeBuilder
from aca_ray.nn.image_scale import ImageScale, scale_of_images
from aca_ray.nn.mixing import CellMixing, Mixing, candidate_mask
from aca_ray.nn.supernet import HeadBuilder, Supernet
from aca_ray.space.channel_plan import ChannelPlan
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CELL_TYPES


def supernet_trains_on_one_image(
    space: Space,
    build_edge: EdgeBuilder,
    build_head: HeadBuilder | None = None,
    *,
    channels: int,
    num_cells: int,
    num_classes: int,
    in_channels: int,
    height: int,
    width: int,
) -> bool:
    """Return whether a supernet in training mode computes a batch of one image; global random states are left alone."""
    with torch.random.fork_rng(devices=[]):
        network = Supernet(
            space,
            channels=channels,
            num_cells=num_cells,
            num_classes=num_classes,
            in_channels=in_channels,
            build_edge=build_edge,
            build_head=build_head,
            scale=scale_of_images(height, width),
        )
        normal, reduce = (CellMixing(candidate_mask(space, cell_type).float()) for cell_type in CELL_TYPES)
        images = torch.zeros(1, in_channels, height, width)
        return _trains(network, lambda: network(images, Mixing(normal, reduce)))


def derived_trains_on_one_image(
    genotype: Genotype,
    plan: ChannelPlan | None,
    *,
    channels: int,
    num_cells: int,
    num_classes: int,
    in_channels: int,
    height: int,
    width: int,
    auxiliary: bool,
    scale: ImageScale,
) -> bool:
    """Return whether a derived network in training mode computes a batch of one image, its auxiliary tower included."""
    with torch.random.fork_rng(devices=[]):
        network = DerivedNetwork(
            genotype,
            plan,
            channels=channels,
            num_cells=num_cells,
            num_classes=num_classes,
            in_channels=in_channels,
            auxiliary=auxiliary,
            scale=scale,
        )
        images = torch.zeros(1, in_channels, height, width)
        return _trains(network, lambda: network(images))


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
