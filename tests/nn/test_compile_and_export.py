"""Derived networks are plain modules: torch.compile and torch.export take them as they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aca_ray.nn import DerivedNetwork
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, Genotype
from aca_ray.space.nasbench201 import parse_architecture_string

HALF = ChannelPlan("taylor", "sign", ((EdgePlan(0.5, (1, 0, 3, 2)),) * 8,) * 5)
NETWORKS: dict[str, tuple[Genotype, ChannelPlan | None]] = {
    "darts": (PUBLISHED["DARTS_V2"], None),
    "allocated": (PUBLISHED["DARTS_V2"], HALF),
    "nodes": (PUBLISHED["FAIR_DARTS_A"], None),
    "nasbench201": (
        parse_architecture_string("|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"),
        None,
    ),
}


def network(name: str) -> DerivedNetwork:
    genotype, plan = NETWORKS[name]
    return DerivedNetwork(genotype, plan, channels=4, num_cells=3, num_classes=3)


def gradients(module: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    parameters = list(module.parameters())
    return list(torch.autograd.grad(module(images).square().sum(), parameters, materialize_grads=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_in_one_graph(name: str) -> None:
    plain, images = network(name), torch.randn(4, 3, 16, 16)
    compiled = torch.compile(plain, backend="eager", fullgraph=True)
    for found, expected in zip(gradients(compiled, images), gradients(plain, images), strict=True):
        torch.testing.assert_close(found, expected)
    plain.eval()
    assert torch.equal(compiled(images), plain(images))


@pytest.mark.parametrize("name", NETWORKS)
def test_exported_for_any_batch_size(name: str) -> None:
    plain = network(name).eval()
    program = torch.export.export(
        plain, (torch.randn(2, 3, 16, 16),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
    )
    images = torch.randn(5, 3, 16, 16)
    torch.testing.assert_close(program.module()(images), plain(images))
    assert dict(program.state_dict).keys() >= dict(plain.state_dict()).keys()
