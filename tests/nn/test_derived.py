"""The derived network: drop path, channel allocation, the auxiliary tower."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aca_ray.errors import ConfigError
from aca_ray.nn import DerivedNetwork
from aca_ray.nn.blocks import FactorizedReduce
from aca_ray.nn.derived import AllocatedEdge, Dropped, build_edge
from aca_ray.nn.drop_path import DropPath
from aca_ray.nn.image_scale import IMAGENET_SCALE
from aca_ray.nn.operations import build_operation
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, Genotype
from aca_ray.space.published import parse_cell


def test_drop_path_drops_whole_samples_and_keeps_the_mean() -> None:
    drop = DropPath(nn.Identity())
    drop.probability = 0.3
    num_samples = 20_000
    output = drop(torch.ones(num_samples, 2, 1, 2))
    assert torch.equal(output, output[:, :1, :, :1].expand_as(output))
    kept = output[:, 0, 0, 0] != 0
    assert torch.allclose(output[kept], torch.tensor(1 / 0.7))
    deviation = (0.3 / 0.7 / num_samples) ** 0.5
    assert abs(float(output.mean()) - 1.0) < 5 * deviation


def test_drop_path_is_off_in_evaluation_and_at_zero() -> None:
    drop = DropPath(nn.Identity())
    images = torch.randn(64, 1, 2, 2)
    assert torch.equal(drop(images), images)
    drop.probability = 0.9
    assert not torch.equal(drop(images), images)
    assert torch.equal(drop.eval()(images), images)


def test_drop_path_reaches_every_operation_except_identities() -> None:
    genotype = PUBLISHED["DARTS_V1"]
    network = DerivedNetwork(genotype, None, channels=4, num_cells=5, num_classes=3)
    network.set_drop_path(0.25)
    for index, cell in enumerate(network.cells):
        for edge, module in zip(cell.genotype.edges, cell.edges, strict=True):
            strided = index in (1, 3) and edge.source < 2
            if edge.operation == "skip_connect" and not strided:
                assert isinstance(module, nn.Identity)
            else:
                assert isinstance(module, DropPath)
                assert module.probability == 0.25
    # Reductions between cells are not operations.
    assert isinstance(network.cells[2].inputs.before, FactorizedReduce)


@pytest.mark.parametrize(("of", "num_masks"), [("operations", 28), ("nodes", 17)])
def test_fair_darts_drops_the_sums_of_nodes(of: Dropped, num_masks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """FairDARTS_a in 5 cells: every operation except identities has its own mask, or every node with an input does."""
    network = DerivedNetwork(PUBLISHED["FAIR_DARTS_A"], None, channels=4, num_cells=5, num_classes=3)
    network.set_drop_path(0.25, of)
    shapes = []
    draw = torch.Tensor.bernoulli_
    monkeypatch.setattr(torch.Tensor, "bernoulli_", lambda mask, keep: shapes.append(mask.shape) or draw(mask, keep))
    network(torch.randn(2, 3, 8, 8))
    assert shapes == [(2, 1, 1, 1)] * num_masks


def test_a_dropped_node_drops_its_identities_too() -> None:
    cell = parse_cell("sk-0 sk-1")
    network = DerivedNetwork(Genotype(cell, cell), None, channels=2, num_cells=3, num_classes=3)
    network.set_drop_path(1.0 - 1e-9, "nodes")
    before = previous = torch.rand(8, 6, 4, 4)
    assert not network.cells[0](before, previous).any()
    network.set_drop_path(0.5, "nodes")
    plain = sum(network.cells[0].inputs(before, previous))
    dropped = network.cells[0](before, previous)
    for found, expected in zip(dropped, plain, strict=True):  # whole samples, scaled by 1 / (1 - p)
        assert torch.equal(found, torch.zeros_like(found)) or torch.allclose(found, 2 * expected, atol=1e-4)


def test_dropping_almost_everything_leaves_the_skips() -> None:
    edge = AllocatedEdge(DropPath(build_operation("sep_conv_3x3", 3, 1)), (1, 3, 4), 6, 1)
    edge.operation.probability = 1.0 - 1e-9
    images = torch.randn(8, 6, 4, 4)
    output = edge(images)
    assert torch.equal(output[:, [0, 2, 5]], images[:, [0, 2, 5]])
    assert not output[:, [1, 3, 4]].any()


@pytest.mark.parametrize("stride", [1, 2])
def test_an_allocated_edge_puts_channels_back_in_order(stride: int) -> None:
    edge = AllocatedEdge(DropPath(build_operation("max_pool_3x3", 3, stride)), (0, 3, 5), 6, stride).eval()
    images = torch.randn(2, 6, 4, 4)
    output = edge(images)
    pooled = nn.functional.max_pool2d(images, 3, stride, 1)
    assert torch.equal(output[:, [0, 3, 5]], pooled[:, [0, 3, 5]])
    if stride == 1:
        assert torch.equal(output[:, [1, 2, 4]], images[:, [1, 2, 4]])
    else:
        assert torch.equal(output[:, [1, 2, 4]], edge.skip(images[:, [1, 2, 4]]))
        assert isinstance(edge.skip, DropPath)


def test_plans_are_looked_up_by_stage_and_edge() -> None:
    genotype = PUBLISHED["DARTS_V1"]
    num_kept = [[(stage + edge) % 4 for edge in range(8)] for stage in range(5)]
    plan = ChannelPlan(
        "taylor", "sign", tuple(tuple(EdgePlan(n / 4, (2, 0, 3, 1)) for n in stage) for stage in num_kept)
    )
    network = DerivedNetwork(genotype, plan, channels=4, num_cells=8, num_classes=3)
    for index, stage in enumerate([0, 0, 1, 2, 2, 3, 4, 4]):
        width = (4, 8, 16)[(stage + 1) // 2]
        for edge, (n, module) in enumerate(zip(num_kept[stage], network.cells[index].edges, strict=True)):
            if n == 0:
                assert not isinstance(module, AllocatedEdge)
            else:
                top = [c * width // 4 + offset for c in (2, 0, 3, 1)[:n] for offset in range(width // 4)]
                assert module.kept.tolist() == sorted(top), (index, edge)
    # Nothing that the plan determines is in the state dict.
    assert not [name for name in network.state_dict() if name.endswith(("kept", "refilled", "restore_order"))]
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 3)


def test_a_plan_for_another_genotype_is_refused() -> None:
    plan = ChannelPlan("taylor", "sign", ((EdgePlan(1.0, (0,)),) * 7,) * 5)
    with pytest.raises(ConfigError, match=r"^channel plan: .*stage 0\b.*\b7\b.*\b8\b"):
        DerivedNetwork(PUBLISHED["DARTS_V1"], plan, channels=4, num_cells=3, num_classes=3)


def test_an_edge_without_a_plan_is_the_plain_operation() -> None:
    assert isinstance(build_edge("skip_connect", 4, 1, None), nn.Identity)
    reduced = build_edge("max_pool_3x3", 4, 2, EdgePlan(0.1, (0,)))  # 0.4 channels round to none
    assert isinstance(reduced, DropPath)
    assert isinstance(reduced.inner, FactorizedReduce)
    assert isinstance(build_edge("max_pool_3x3", 4, 1, EdgePlan(0.1, (0,))), nn.Identity)


def test_a_node_sums_its_edges() -> None:
    cell = parse_cell("sk-0 sk-1 | sk-2 sk-0")
    network = DerivedNetwork(Genotype(cell, cell), None, channels=2, num_cells=3, num_classes=3).eval()
    first = network.cells[0]
    before, previous = torch.randn(2, 6, 4, 4), torch.randn(2, 6, 4, 4)
    zero, one = first.inputs(before, previous)
    assert torch.allclose(first(before, previous), torch.cat((zero + one, zero + one + zero), dim=1))


def test_the_auxiliary_tower_runs_in_training_only() -> None:
    cell = parse_cell("sk-0 mp-1")
    network = DerivedNetwork(Genotype(cell, cell), None, channels=2, num_cells=3, num_classes=5, auxiliary=True)
    images = torch.randn(2, 3, 32, 32)
    logits, auxiliary = network.forward_with_auxiliary(images)
    assert logits.shape == (2, 5)
    assert auxiliary is not None
    assert auxiliary.shape == (2, 5)
    (gradient,) = torch.autograd.grad(auxiliary.sum(), network.cells[2].inputs.previous[1].weight)
    assert gradient.abs().sum() > 0  # it follows cell 2 of 3
    network.eval()
    assert network.forward_with_auxiliary(images)[1] is None
    plain = DerivedNetwork(Genotype(cell, cell), None, channels=2, num_cells=3, num_classes=5)
    assert plain.forward_with_auxiliary(images)[1] is None


def test_the_stem_for_imagenet_reduces_the_resolution_to_an_eighth() -> None:
    network = DerivedNetwork(
        PUBLISHED["DARTS_V2"],
        None,
        channels=4,
        num_cells=6,
        num_classes=5,
        auxiliary=True,
        scale=IMAGENET_SCALE,
    )
    sizes = []
    for cell in network.cells:
        cell.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[1:])))
    before, previous = network.stem(torch.randn(2, 3, 224, 224))
    assert (before.shape, previous.shape) == ((2, 4, 56, 56), (2, 4, 28, 28))
    assert isinstance(network.cells[0].inputs.before, FactorizedReduce)
    logits, auxiliary = network.forward_with_auxiliary(torch.randn(2, 3, 224, 224))
    assert logits.shape == (2, 5)
    assert auxiliary is not None
    assert auxiliary.shape == (2, 5)
    assert sizes == [(16, 28, 28), (16, 28, 28), (32, 14, 14), (32, 14, 14), (64, 7, 7), (64, 7, 7)]
    # The head averages over 7x7, like a pooling of that size.
    network.eval()
    seen = []
    network.cells[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    logits = network(torch.randn(2, 3, 224, 224))
    pooled = nn.functional.avg_pool2d(seen[0], 7).flatten(1)
    assert torch.allclose(logits, network.classifier(pooled), atol=1e-5)
