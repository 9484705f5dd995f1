"""Costs of a network that can be counted by hand."""

from __future__ import annotations

import pytest
import torch

from aca_ray.nn import Cost, DerivedNetwork, derived_cost, num_parameters
from aca_ray.nn.cost import count_macs
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, Genotype
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.space.published import parse_cell

GENOTYPE = Genotype(parse_cell("sk-0 s3-1"), parse_cell("mp-0 sk-1"))  # one node in each cell
SIZE = {"channels": 2, "num_cells": 3, "num_classes": 3, "in_channels": 1, "height": 8, "width": 8}

STEM = Cost(6 * 9 + 2 * 6, 64 * 6 * 9)  # 1 to 6 channels at 8x8
INPUTS = (
    Cost(2 * (6 * 2 + 2 * 2), 2 * 64 * 6 * 2),  # cell 0: 6 to 2 channels, twice
    Cost((6 * 4 + 8) + (2 * 4 + 8), 64 * 6 * 4 + 64 * 2 * 4),  # cell 1, before its reduction: 6 and 2 to 4 channels
    Cost((2 * 8 + 16) + (4 * 8 + 16), 16 * 2 * 8 + 16 * 4 * 8),  # cell 2: 2 (halved) and 4 to 8 channels, at 4x4
)
SEPARABLE = Cost(2 * (9 * 2 + 2 * 2 + 2 * 2), 64 * 2 * (9 * 2 + 2 * 2))  # 2 channels at 8x8
REDUCTIONS = (Cost(4 * 4 + 8, 16 * 4 * 4), Cost(8 * 8 + 16, 4 * 8 * 8))  # to 4x4 and to 2x2
CLASSIFIER = Cost(8 * 3 + 3, 8 * 3)


def total(*parts: Cost) -> Cost:
    return Cost(sum(part.parameters for part in parts), sum(part.macs for part in parts))


def test_plain_network() -> None:
    expected = total(STEM, *INPUTS, SEPARABLE, *REDUCTIONS, CLASSIFIER)
    assert expected == (409, 11_160)
    assert derived_cost(GENOTYPE, None, **SIZE) == expected


def test_allocated_network() -> None:
    keep, half, none = EdgePlan(1.0, (0, 1)), EdgePlan(0.5, (0, 1)), EdgePlan(0.0, (0, 1))
    plan = ChannelPlan("taylor", "sign", ((keep, half), (half, keep), (keep, keep), (none, keep), (keep, keep)))
    separable = Cost(2 * (9 + 1 + 2), 64 * 2 * (9 + 1))  # on one channel; the other is skipped
    pooled_half = Cost(2 * 2 + 4, 16 * 2 * 2)  # cell 1: two of four channels are reduced instead of pooled
    expected = total(STEM, *INPUTS, separable, *REDUCTIONS, pooled_half, REDUCTIONS[1], CLASSIFIER)
    assert derived_cost(GENOTYPE, plan, **SIZE) == expected


def test_network_in_the_residual_skeleton() -> None:
    genotype = parse_architecture_string("|op~0|+|op~0|op~1|+|op~0|op~1|op~2|".replace("op", "nor_conv_1x1"))
    expected = total(
        Cost(9 * 2 + 4, 64 * 9 * 2),
        Cost(6 * (2 * 2 + 4), 6 * 64 * 2 * 2),  # 2 channels at 8x8
        Cost((9 * 2 * 4 + 8) + (9 * 4 * 4 + 8) + 2 * 4, 16 * (9 * 2 * 4 + 9 * 4 * 4 + 2 * 4)),  # to 4 at 4x4
        Cost((9 * 4 * 8 + 16) + (9 * 8 * 8 + 16) + 4 * 8, 4 * (9 * 4 * 8 + 9 * 8 * 8 + 4 * 8)),  # to 8 at 2x2
        Cost(16, 0),
        CLASSIFIER,
    )
    assert derived_cost(genotype, None, **SIZE) == expected


def test_macs_of_a_published_network() -> None:
    genotype = PUBLISHED["DARTS_V2"]
    cost = derived_cost(genotype, None, channels=36, num_cells=20, num_classes=10, in_channels=3, height=32, width=32)
    assert cost.parameters == 3_349_342
    # Twice the area, twice the work, except for the classifier.
    wide = derived_cost(genotype, None, channels=36, num_cells=20, num_classes=10, in_channels=3, height=32, width=64)
    classifier = 4 * 144 * 10
    assert wide.macs - classifier == 2 * (cost.macs - classifier)
    assert wide.parameters == cost.parameters


def test_counting_leaves_random_state_unchanged() -> None:
    state = torch.get_rng_state()
    derived_cost(GENOTYPE, None, **SIZE)
    assert torch.equal(torch.get_rng_state(), state)


def test_frozen_parameters_do_not_count_and_hooks_are_removed() -> None:
    network = DerivedNetwork(GENOTYPE, None, channels=2, num_cells=3, num_classes=3, in_channels=1).eval()
    images = torch.randn(1, 1, 8, 8)
    assert count_macs(network, lambda: network(images)) == 11_160
    assert not any(module._forward_hooks for module in network.modules())
    with pytest.raises(RuntimeError):
        count_macs(network, lambda: network(images[:, :, :3, :0]))
    assert not any(module._forward_hooks for module in network.modules())
    network.classifier.requires_grad_(False)
    assert num_parameters(network) == 409 - 27
