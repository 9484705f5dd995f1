"""Derived networks laid out for a CPU compute what plain ones do, and stay channels-last."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from drawn_plans import drawn_plan
from torch import Tensor, nn

from aca_ray.nn.blocks import SeparableConv
from aca_ray.nn.derived import DerivedCell, DerivedNetwork
from aca_ray.nn.fused import lay_out
from aca_ray.nn.fused.derived import ChannelsLastEdge, SlicedReduce
from aca_ray.nn.fused.maps import is_channels_last
from aca_ray.space import PUBLISHED
from aca_ray.space.nasbench201 import parse_architecture_string

NASBENCH201 = parse_architecture_string(
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
)
GENOTYPES = {"DARTS_V2": PUBLISHED["DARTS_V2"], "nasbench201": NASBENCH201}


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def results(network: DerivedNetwork, images: Tensor) -> list[Tensor]:
    """Return logits, gradients of everything, running statistics, and the logits in evaluation."""
    images = images.clone().requires_grad_()
    logits, auxiliary_logits = network.train().forward_with_auxiliary(images)
    total = logits.square().sum() + (0.0 if auxiliary_logits is None else auxiliary_logits.square().sum())
    gradients = torch.autograd.grad(total, [images, *network.parameters()], materialize_grads=True)
    with torch.no_grad():
        evaluated = network.eval()(images)
    return [logits, *gradients, *(buffer.double() for buffer in network.buffers()), evaluated]


@pytest.mark.parametrize(("share", "in_channels"), [(0.0, 3), (0.4, 1), (1.0, 3)])
@pytest.mark.parametrize("genotype", GENOTYPES)
def test_outputs_gradients_and_statistics(genotype: str, share: float, in_channels: int, threads: int) -> None:
    torch.manual_seed(0)
    cells = GENOTYPES[genotype]
    plan = None if share == 1.0 else drawn_plan(cells, share)
    plain = DerivedNetwork(
        cells, plan, channels=8, num_cells=3, num_classes=4, in_channels=in_channels, auxiliary=True
    ).double()
    laid_out = lay_out(copy.deepcopy(plain))
    images = torch.randn(2, in_channels, 32, 32, dtype=torch.float64)
    for found, expected in zip(results(laid_out, images), results(plain, images), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    assert list(laid_out.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize(("in_channels", "share"), [(1, 1.0), (3, 1.0), (3, 0.4)])
def test_cells_stay_channels_last(in_channels: int, share: float) -> None:
    cells = PUBLISHED["DARTS_V2"]
    plan = None if share == 1.0 else drawn_plan(cells, share)
    network = lay_out(DerivedNetwork(cells, plan, channels=8, num_cells=5, num_classes=4, in_channels=in_channels))
    checked = []

    def check(module: nn.Module, inputs: object, output: Tensor) -> None:
        checked.append(module)
        assert is_channels_last(output)

    kinds = (
        (DerivedCell, SlicedReduce, SeparableConv) if plan is None else (DerivedCell, ChannelsLastEdge, SeparableConv)
    )
    modules = [module for module in network.modules() if isinstance(module, kinds)]
    for module in modules:
        module.register_forward_hook(check)
    network(torch.randn(4, in_channels, 32, 32))
    assert {type(module) for module in checked} == set(kinds)
    assert len(checked) == len(modules)
