"""Edges whose channels pass by attention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aca_ray.nn.edges import AttentionEdge, EdgeObservation, attended_channels
from aca_ray.nn.edges.attention import ChannelAttention

IDENTITY = torch.tensor([0.0, 3.0])
NAMES = ("none", "skip_connect")


def attention_of(edge: AttentionEdge, images: Tensor) -> Tensor:
    return edge.attention(images).detach()


def brute_force(images: Tensor, attention: Tensor, ranking: Tensor, num_passing: int, factor: float) -> Tensor:
    """Return each channel times its attention, and those of the largest ranking also times a factor."""
    best = sorted(range(images.shape[1]), key=lambda channel: -float(ranking[channel]))[:num_passing]
    output = images.clone()
    for image in range(images.shape[0]):
        for channel in range(images.shape[1]):
            output[image, channel] *= attention[image, channel] * (factor if channel in best else 1.0)
    return output


def test_attention_from_mean_and_maximum() -> None:
    block = ChannelAttention(4)
    images = torch.randn(3, 4, 5, 5)
    first, second = block.network[0].weight, block.network[2].weight
    assert (first.shape, second.shape) == ((2, 4), (4, 2))
    hidden = [(first @ part.T).clamp(min=0) for part in (images.mean(dim=(2, 3)), images.flatten(2).max(dim=2).values)]
    expected = 1 / (1 + (-(second @ (hidden[0] + hidden[1])).T).exp())
    assert torch.allclose(block(images), expected, atol=1e-6)


def test_the_batch_decides_which_channels_pass_and_all_keep_their_positions() -> None:
    edge = AttentionEdge(NAMES, 8, 1, 4)
    choices = set()
    for _ in range(12):
        images = 3 * torch.randn(4, 8, 6, 6)
        attention = attention_of(edge, images)
        seen: list[EdgeObservation] = []
        output = edge(images, IDENTITY, seen.append)
        assert torch.allclose(output, brute_force(images, attention, attention.sum(dim=0), 2, 3.0), atol=1e-5)
        passing = attention.sum(dim=0).topk(2).indices  # the largest first, as in the official code
        choices.add(tuple(passing.tolist()))
        assert torch.allclose(seen[0].input, (images * attention[:, :, None, None])[:, passing], atol=1e-6)
        assert torch.equal(seen[0].outputs["skip_connect"], seen[0].input)
    assert any(first > second for first, second in choices)
    assert any(first < second for first, second in choices)


def test_bypassing_channels_are_pooled_at_stride_2() -> None:
    edge = attended_channels(2)(("avg_pool_3x3",), 4, 2)
    images = torch.randn(2, 4, 8, 8)
    attention = edge.attention(images).detach()
    output = edge(images, torch.tensor([0.0]))
    weighted = images * attention[:, :, None, None]
    blocks = weighted.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))
    best = set(attention.sum(dim=0).topk(2).indices.tolist())
    for channel in range(4):
        expected = torch.zeros(2, 4, 4) if channel in best else blocks[:, channel]
        assert torch.allclose(output[:, channel], expected, atol=1e-6)


def test_in_evaluation_a_running_mean_decides_and_images_do_not_see_one_another() -> None:
    edge = AttentionEdge(NAMES, 8, 1, 4)
    expected = torch.zeros(8)
    for _ in range(3):
        images = 3 * torch.randn(4, 8, 6, 6)
        expected = 0.9 * expected + 0.1 * attention_of(edge, images).mean(dim=0)
        edge(images, IDENTITY)
    assert torch.allclose(edge.demand, expected, atol=1e-6)
    edge.eval()
    before = edge.demand.clone()
    images = 3 * torch.randn(6, 8, 6, 6)
    together = edge(images, IDENTITY)
    assert torch.allclose(together, brute_force(images, attention_of(edge, images), expected, 2, 3.0), atol=1e-5)
    assert torch.allclose(together, torch.cat([edge(image[None], IDENTITY) for image in images]), atol=1e-6)
    assert torch.equal(edge.demand, before)
    assert "demand" in edge.state_dict()


def test_gradients_reach_the_attention_through_every_channel() -> None:
    edge = AttentionEdge(NAMES, 8, 1, 4)
    images = torch.randn(2, 8, 4, 4, requires_grad=True)
    edge(images, IDENTITY).square().sum().backward()
    assert images.grad is not None
    assert bool((images.grad.abs().sum(dim=(0, 2, 3)) > 0).all())
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in edge.attention.parameters())


def test_needs_divisible_channels() -> None:
    with pytest.raises(ValueError, match=r"^partial channels: .*\b6\b.*\b4\b"):
        AttentionEdge(NAMES, 6, 1, 4)
