"""Exact parameter and multiply-accumulate counts.

Convention: MACs are those of convolutions and linear layers for one image; batch norms, activations, pooling and sums
count as 0. Published FLOPs follow different conventions and are comparable only within one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from aca_ray.nn.derived import DerivedNetwork
from aca_ray.nn.edges import EdgeBuilder
from aca_ray.nn.image_scale import CIFAR_SCALE, ImageScale, scale_of_images
from aca_ray.nn.mixing import CellMixing, Mixing, candidate_mask
from aca_ray.nn.supernet import HeadBuilder, Supernet
from aca_ray.space.channel_plan import ChannelPlan
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CELL_TYPES


class Cost(NamedTuple):
    """Cost of a network: trainable parameters, and MACs for one image."""

    parameters: int
    macs: int


def num_parameters(module: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_macs(module: nn.Module, forward: Callable[[], Any]) -> int:
    """Return the MACs of one call of `forward`, which runs `module` on a batch of one."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    try:
        with torch.no_grad():
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    return total


def derived_cost(
    genotype: Genotype,
    plan: ChannelPlan | None,
    *,
    channels: int,
    num_cells: int,
    num_classes: int,
    in_channels: int,
    height: int,
    width: int,
    scale: ImageScale = CIFAR_SCALE,
) -> Cost:
    """Return the cost of a derived network without an auxiliary tower; global random states are unchanged."""
    with torch.random.fork_rng(devices=[]):
        network, forward = derived_on_one_image(
            genotype,
            plan,
            channels=channels,
            num_cells=num_cells,
            num_classes=num_classes,
            in_channels=in_channels,
            height=height,
            width=width,
            scale=scale,
        )
        network.eval()
        return Cost(num_parameters(network), count_macs(network, forward))


def derived_on_one_image(
    genotype: Genotype, plan: ChannelPlan | None, *, in_channels: int, height: int, width: int, **settings: Any
) -> tuple[DerivedNetwork, Callable[[], Tensor]]:
    """Return a derived network, and a function that computes its logits for one black image.

    Args:
        genotype: the cells.
        plan: channel allocation, or None for the plain network.
        in_channels: channels of the image.
        height: image height.
        width: image width.
        settings: further arguments of `DerivedNetwork`.
    """
    network = DerivedNetwork(genotype, plan, in_channels=in_channels, **settings)
    images = torch.zeros(1, in_channels, height, width)
    return network, lambda: network(images)


def supernet_cost(
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
) -> Cost:
    """Return the cost of a supernet; global random states are unchanged."""
    with torch.random.fork_rng(devices=[]):
        network, forward = supernet_on_one_image(
            space,
            build_edge,
            build_head,
            channels=channels,
            num_cells=num_cells,
            num_classes=num_classes,
            in_channels=in_channels,
            height=height,
            width=width,
        )
        network.eval()
        return Cost(num_parameters(network), count_macs(network, forward))


def supernet_on_one_image(
    space: Space,
    build_edge: EdgeBuilder,
    build_head: HeadBuilder | None = None,
    /,
    *,
    channels: int,
    num_cells: int,
    num_classes: int,
    in_channels: int,
    height: int,
    width: int,
) -> tuple[Supernet, Callable[[], Tensor]]:
    """Return a supernet, and a function that computes its logits for one black image."""
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
    return network, lambda: network(images, Mixing(normal, reduce))
