"""Networks of one-input cells, against the residual skeleton of NAS-Bench-201 written as plain functions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn import CellMixing, DerivedNetwork, Mixing, Supernet, candidate_mask
from aca_ray.nn.blocks import ResidualBlock
from aca_ray.nn.image_scale import CIFAR_SCALE, IMAGENET_SCALE, scale_of_images
from aca_ray.space import SPACES
from aca_ray.space.nasbench201 import parse_architecture_string

SPACE = SPACES["nasbench201"]
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NUM_CELLS = 5
SIZES = pytest.mark.parametrize("size", [8, 32])


class Reference:
    """The skeleton of a network of five cells, with the network's tensors and mode."""

    def __init__(self, network: nn.Module) -> None:
        self.tensors = network.state_dict(keep_vars=True)
        self.training = network.training

    def norm(self, name: str, x: Tensor) -> Tensor:
        axes = (0, 2, 3)
        mean, variance = self.tensors[f"{name}.running_mean"], self.tensors[f"{name}.running_var"]
        if self.training:
            mean, variance = x.mean(dim=axes), x.var(dim=axes, unbiased=False)
        x = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        if f"{name}.weight" not in self.tensors:
            return x
        return x * self.tensors[f"{name}.weight"][:, None, None] + self.tensors[f"{name}.bias"][:, None, None]

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.tensors[f"{name}.weight"]
        return functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2)

    def operation(self, kind: str, name: str, x: Tensor) -> Tensor:
        if kind == "none":
            return torch.zeros_like(x)
        if kind == "skip_connect":
            return x
        if kind == "plain_avg_pool_3x3":
            # Padding does not count: a sum over the number of pixels inside.
            ones = torch.ones_like(x)
            return functional.avg_pool2d(x, 3, 1, 1) / functional.avg_pool2d(ones, 3, 1, 1)
        return self.norm(f"{name}.2", self.conv(f"{name}.1", x.clamp(min=0)))

    def block(self, name: str, x: Tensor) -> Tensor:
        y = self.norm(f"{name}.convolutions.2", self.conv(f"{name}.convolutions.1", x.clamp(min=0), stride=2))
        y = self.norm(f"{name}.convolutions.5", self.conv(f"{name}.convolutions.4", y.clamp(min=0)))
        return y + self.conv(f"{name}.shortcut.1", functional.avg_pool2d(x, 2))

    def logits(self, images: Tensor, edge: Callable[[str, int, Tensor], Tensor]) -> Tensor:
        x = self.norm("stem.1", self.conv("stem.0", images))
        for cell in range(NUM_CELLS):
            if cell in (1, 3):
                x = self.block(f"cells.{cell}", x)
                continue
            nodes = [x] + [torch.zeros_like(x)] * 3
            for index, (source, target) in enumerate(EDGES):
                nodes[target] = nodes[target] + edge(f"cells.{cell}", index, nodes[source])
            x = nodes[3]
        x = self.norm("head.0", x).clamp(min=0).mean(dim=(2, 3))
        return x @ self.tensors["classifier.weight"].T + self.tensors["classifier.bias"]


def settle(network: nn.Module, run: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """Move statistics and weights of batch norms away from their initial values, and return images."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias, 0.0, 0.3)
    with torch.no_grad():
        for _ in range(3):
            run(torch.randn(8, 3, size, size, dtype=torch.float64))
    return torch.randn(8, 3, size, size, dtype=torch.float64)


@SIZES
@pytest.mark.parametrize("training", [True, False])
def test_supernet_matches_the_reference(size: int, training: bool) -> None:
    network = Supernet(SPACE, channels=4, num_cells=NUM_CELLS, num_classes=3).double()
    weights = torch.rand(6, 5, dtype=torch.float64, requires_grad=True)
    mixing = Mixing(CellMixing(weights), CellMixing(torch.zeros(0, 0)))
    images = settle(network, lambda x: network(x, mixing.detach()), size)
    network.train(training)
    reference = Reference(network)

    def edge(cell: str, index: int, x: Tensor) -> Tensor:
        path = f"{cell}.edges.{index}.candidates.operations"
        terms = zip(SPACE.normal[index], weights[index], strict=True)
        return torch.stack([weight * reference.operation(name, f"{path}.{name}", x) for name, weight in terms]).sum(0)

    expected = reference.logits(images, edge)
    found = network(images, mixing)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    watched = [weights, *network.parameters()]
    direction = torch.randn_like(expected)
    for own, other in zip(
        torch.autograd.grad((found * direction).sum(), watched),
        torch.autograd.grad((expected * direction).sum(), watched),
        strict=True,
    ):
        torch.testing.assert_close(own, other, rtol=1e-6, atol=1e-7)


@SIZES
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "operations",
    [
        "nor_conv_3x3 skip_connect avg_pool_3x3 nor_conv_1x1 none nor_conv_3x3",
        "none none nor_conv_3x3 none nor_conv_1x1 avg_pool_3x3",  # node 1 is zero, and read
        "nor_conv_1x1 nor_conv_1x1 none none none none",  # nothing reaches the output
        "none none none none none none",
    ],
)
def test_derived_network_matches_the_reference(operations: str, size: int, training: bool) -> None:
    a, b, c, d, e, f = operations.split()
    genotype = parse_architecture_string(f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|")
    network = DerivedNetwork(genotype, None, channels=4, num_cells=NUM_CELLS, num_classes=3).double()
    images = settle(network, network, size)
    network.train(training)
    reference = Reference(network)
    kept = {kept.edge: (place, kept.operation) for place, kept in enumerate(genotype.normal.edges)}

    def edge(cell: str, index: int, x: Tensor) -> Tensor:
        place, operation = kept.get(EDGES[index], (-1, "none"))
        return reference.operation(operation, f"{cell}.edges.{place}.inner", x)

    torch.testing.assert_close(network(images), reference.logits(images, edge), rtol=1e-8, atol=1e-8)


def test_the_benchmark_of_five_cells_per_stage_has_17_sites() -> None:
    with torch.device("meta"):
        cells = Supernet(SPACE, channels=2, num_cells=17, num_classes=3).cells
    assert [isinstance(cell, ResidualBlock) for cell in cells] == [*[False] * 5, True] * 2 + [False] * 5
    assert [cell.out_channels for cell in cells] == [2] * 5 + [4] * 6 + [8] * 6


def test_only_batch_norms_of_cells_have_no_weights() -> None:
    network = Supernet(SPACE, channels=2, num_cells=3, num_classes=3)
    norms = {name: module for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert {name for name, module in norms.items() if not module.affine} == {
        f"cells.0.edges.{edge}.candidates.operations.nor_conv_{kernel}.2"
        for edge in range(6)
        for kernel in ("1x1", "3x3")
    }
    assert all(module.track_running_stats for module in norms.values())


def test_observed_edges_are_those_of_normal_cells() -> None:
    network = Supernet(SPACE, channels=2, num_cells=NUM_CELLS, num_classes=3)
    seen = []
    mixing = Mixing(CellMixing(torch.ones(6, 5)), CellMixing(torch.zeros(0, 0)))
    network(torch.randn(2, 3, 8, 8), mixing, lambda cell, edge, observed: seen.append((cell, edge)))
    assert sorted(seen) == [(cell, edge) for cell in (0, 2, 4) for edge in range(6)]


def test_candidate_mask_of_no_edges() -> None:
    mask = candidate_mask(SPACE, "reduce")
    assert (mask.shape, mask.dtype) == ((0, 0), torch.bool)
    assert candidate_mask(SPACE, "normal").tolist() == [[True] * 5] * 6


def test_large_images_are_searched_with_the_stem_of_imagenet() -> None:
    """Three halvings in the stem and two in the cells leave 7x7 positions of 224x224 images."""
    scale = scale_of_images(224, 224)
    assert scale is IMAGENET_SCALE
    assert scale_of_images(32, 32) is CIFAR_SCALE
    space = SPACES["s2"]
    supernet = Supernet(space, channels=4, num_cells=5, num_classes=3, scale=scale)
    mixing = Mixing(*(CellMixing(torch.full((14, 2), 0.5)) for _ in range(2)))
    seen = {}
    logits = supernet(
        torch.randn(2, 3, 224, 224), mixing, lambda cell, edge, what: seen.update({cell: what.mixed.shape})
    )
    assert logits.shape == (2, 3)
    assert [shape[2] for shape in seen.values()] == [28, 14, 14, 7, 7]
