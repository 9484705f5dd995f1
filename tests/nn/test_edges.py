"""What one edge of the supernet computes from its candidates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aca_ray.nn.edges import EdgeObservation, FullEdge, PartialChannelEdge, partial_channels

NAMES = ("none", "max_pool_3x3", "skip_connect", "dil_conv_3x3")


def one_hot(index: int) -> Tensor:
    return torch.eye(len(NAMES))[index]


@pytest.mark.parametrize("stride", [1, 2])
def test_an_edge_is_the_weighted_sum_of_its_candidates(stride: int) -> None:
    edge = FullEdge(NAMES, 4, stride).eval()
    images, weights = torch.randn(2, 4, 8, 8), torch.tensor([0.4, 0.3, 0.2, 0.1])
    parts = [edge(images, one_hot(index)) for index in range(len(NAMES))]
    assert torch.equal(parts[0], torch.zeros(2, 4, 8 // stride, 8 // stride))
    for index, name in enumerate(NAMES[1:], start=1):
        assert torch.equal(parts[index], edge.candidates.operations[name](images))
        assert parts[index].abs().sum() > 0
    expected = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    assert torch.allclose(edge(images, weights), expected, atol=1e-6)


def test_an_observer_sees_input_outputs_and_sum() -> None:
    edge = FullEdge(NAMES, 4, 1).eval()
    images, weights = torch.randn(2, 4, 8, 8), torch.tensor([0.4, 0.3, 0.2, 0.1])
    seen: list[EdgeObservation] = []
    output = edge(images, weights, seen.append)
    (observation,) = seen
    assert torch.equal(observation.input, images)
    assert set(observation.outputs) == set(NAMES) - {"none"}
    assert torch.equal(observation.outputs["skip_connect"], images)
    assert torch.equal(observation.mixed, output)


def test_a_partial_edge_computes_the_first_channels_and_passes_the_others() -> None:
    edge = partial_channels(4)(("avg_pool_3x3", "skip_connect"), 8, 1)
    channels = torch.arange(8.0).view(1, 8, 1, 1).expand(2, 8, 4, 4)
    # Candidates: twice the identity of channels 0 and 1; the others are unchanged.
    output = edge(channels, torch.tensor([0.0, 2.0]))
    assert output[0, :, 0, 0].tolist() == [0, 2, 2, 3, 4, 5, 6, 7]
    assert output[1, :, 3, 3].tolist() == [0, 2, 2, 3, 4, 5, 6, 7]
    assert edge.groups == 4  # for the shuffle of the node


def test_a_partial_edge_of_stride_2_pools_the_others() -> None:
    edge = partial_channels(2)(("avg_pool_3x3",), 4, 2).eval()
    images = torch.randn(2, 4, 8, 8)
    output = edge(images, torch.tensor([3.0]))
    blocks = images.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))
    assert torch.equal(output[:, 2:], blocks[:, 2:])
    pooled = torch.nn.functional.avg_pool2d(images[:, :2], 3, 2, 1, count_include_pad=False)
    assert torch.allclose(output[:, :2], 3.0 * pooled / (1.0 + 1e-5) ** 0.5, atol=1e-6)


def test_a_partial_edge_needs_divisible_channels() -> None:
    with pytest.raises(ValueError, match=r"^partial channels: .*\b6\b.*\b4\b"):
        PartialChannelEdge(NAMES, 6, 1, 4)
