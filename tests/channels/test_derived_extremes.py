"""A plan that keeps everything is the plain network; one that keeps nothing is a network of skip connections."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aca_ray.channels import allocate
from aca_ray.nn import DerivedNetwork, num_parameters
from aca_ray.space import ChannelPlan, EdgePlan, Genotype


def network(genotype: Genotype, plan: ChannelPlan | None, channels: int = 4) -> DerivedNetwork:
    torch.manual_seed(0)
    return DerivedNetwork(genotype, plan, channels=channels, num_cells=6, num_classes=3).double()


def assert_same_function(one: DerivedNetwork, other: DerivedNetwork) -> None:
    assert list(one.state_dict()) == list(other.state_dict())
    assert num_parameters(one) == num_parameters(other)
    other.load_state_dict(one.state_dict())
    images: Tensor = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(one(images), other(images))


def test_keeping_all_is_the_plain_network(search) -> None:
    plan = allocate(search.rank("taylor_identity"), search.genotype, "all", seed=0)
    assert plan.refilled_share == 0.0
    assert_same_function(network(search.genotype, plan), network(search.genotype, None))


def test_keeping_none_is_a_network_of_skips(hand_made, genotype) -> None:
    plan = allocate(hand_made(genotype, lambda cell, edge: (-1.0, -2.0)), genotype, "sign", seed=0)
    assert plan.refilled_share == 1.0
    skips = Genotype(
        *(
            replace(cell, edges=tuple(edge._replace(operation="skip_connect") for edge in cell.edges))
            for cell in (genotype.normal, genotype.reduce)
        )
    )
    assert_same_function(network(genotype, plan), network(skips, None))


@pytest.mark.parametrize("num_kept", range(1, 6))
def test_odd_numbers_of_channels_at_stride_2(genotype, num_kept) -> None:
    edge = EdgePlan(num_kept / 6, (5, 3, 1, 0, 2, 4))
    plan = ChannelPlan("hand_made", "hand_made", ((edge,) * 4,) * 5)
    built = network(genotype, plan, channels=3)
    assert built(torch.randn(2, 3, 8, 8, dtype=torch.float64)).shape == (2, 3)
    assert len(built.cells[2].edges[0].kept) == num_kept
